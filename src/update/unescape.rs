//! The characters of a JSON string that comes byte by byte.

/// A string that is being read: the bytes between its quotes, and the quotes themselves, were checked by a reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unescape {
    state: State,
    /// The number of the escape that is being read.
    unit: u16,
    /// The first half of a surrogate pair, whose second half is due; 0 if there is none.
    high: u16,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Before,
    Inside,
    Escape,
    Hex(u8),
    Behind,
}

impl Unescape {
    /// A string that has not begun.
    pub(super) const NEW: Self = Self {
        state: State::Before,
        unit: 0,
        high: 0,
    };

    /// Takes a byte, and gives those that it decodes to, to `push`.
    pub(super) fn take(&mut self, byte: u8, push: &mut dyn FnMut(&[u8])) {
        match self.state {
            State::Before => self.state = State::Inside,
            State::Behind => {}
            State::Inside => match byte {
                b'\\' => self.state = State::Escape,
                b'"' => {
                    self.end_pair(push);
                    self.state = State::Behind;
                }
                _ => {
                    self.end_pair(push);
                    push(&[byte]);
                }
            },
            State::Escape if byte == b'u' => self.state = State::Hex(4),
            State::Escape => {
                self.state = State::Inside;
                self.end_pair(push);
                push(&[match byte {
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    same => same,
                }]);
            }
            State::Hex(left) => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                self.unit = self.unit << 4 | (digit & 0xf) as u16;
                self.state = State::Hex(left - 1);
                if left == 1 {
                    self.state = State::Inside;
                    self.end_unit(push);
                }
            }
        }
    }

    fn end_unit(&mut self, push: &mut dyn FnMut(&[u8])) {
        let unit = core::mem::take(&mut self.unit);
        if self.high != 0 && (0xdc00..0xe000).contains(&unit) {
            let high = u32::from(core::mem::take(&mut self.high)) - 0xd800;
            return code(0x1_0000 + (high << 10) + (u32::from(unit) - 0xdc00), push);
        }
        self.end_pair(push);
        match unit {
            0xd800..0xdc00 => self.high = unit,
            _ => code(unit.into(), push),
        }
    }

    /// No second half of a surrogate pair follows: U+FFFD stands for the first.
    fn end_pair(&mut self, push: &mut dyn FnMut(&[u8])) {
        if core::mem::take(&mut self.high) != 0 {
            code(0xfffd, push);
        }
    }
}

fn code(code: u32, push: &mut dyn FnMut(&[u8])) {
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    push(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Value;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn a_string_that_comes_byte_by_byte_is_what_a_reader_of_the_whole_makes_of_it() {
        for text in [
            r#""""#,
            r#""plain é 😀""#,
            r#""{\"a\":\"b\\\\\/\",\n\r\t\b\f}""#,
            r#""\u0041\u00e9\ud83d\ude00""#,
            r#""\ud83d""#,
            r#""\ud83dx\ud83d\n\ud83d\ud83d\ude00\ude00""#,
        ] {
            let mut unescape = Unescape::NEW;
            let mut bytes = Vec::new();
            for byte in text.bytes() {
                unescape.take(byte, &mut |piece| bytes.extend_from_slice(piece));
            }
            let whole = Value::parse(text.as_bytes())
                .unwrap()
                .as_text()
                .unwrap()
                .to_string();
            assert_eq!(bytes, whole.as_bytes(), "{text}");
        }
    }
}
