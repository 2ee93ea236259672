//! Writing objects member by member, without an allocator.
//!
//! An object that does not fit is an error at its end, never a truncated text.

use core::fmt::{self, Display, Write};

use crate::text::Text;

/// The object does not fit into its buffer, or a value could not be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the JSON object does not fit its buffer")
    }
}

impl core::error::Error for TooLong {}

/// An object being written. The first error sticks and comes out of [`Object::finish`].
#[derive(Debug)]
pub struct Object<'t, 'b> {
    out: &'t mut Text<'b>,
    members: usize,
    failed: bool,
}

impl<'t, 'b> Object<'t, 'b> {
    /// Opens an object at the end of `out`.
    pub fn new(out: &'t mut Text<'b>) -> Self {
        let failed = out.write_char('{').is_err();
        Self {
            out,
            members: 0,
            failed,
        }
    }

    /// A member whose value is `true` or `false`.
    pub fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        self.member(name, |out| write!(out, "{value}"))
    }

    /// A member whose value is an integer.
    pub fn integer(&mut self, name: &str, value: i64) -> &mut Self {
        self.member(name, |out| write!(out, "{value}"))
    }

    /// A member whose value is a decimal number, given in thousandths: 21,500 is written as `21.5`.
    pub fn thousandths(&mut self, name: &str, value: i64) -> &mut Self {
        self.member(name, |out| write!(out, "{}", Thousandths(value)))
    }

    /// A member that says that there is none: in a merge patch, it is deleted (RFC 7396).
    pub fn null(&mut self, name: &str) -> &mut Self {
        self.member(name, |out| out.write_str("null"))
    }

    /// A member whose value is a string, escaped as RFC 8259, section 7 wants it.
    pub fn string(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.member(name, |out| {
            out.write_char('"')?;
            write!(Escape(out), "{value}")?;
            out.write_char('"')
        })
    }

    /// A member whose value is an object that `fill` writes.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_, 'b>)) -> &mut Self {
        self.member(name, |out| {
            let mut inner = Object::new(out);
            fill(&mut inner);
            inner.finish().map_err(|TooLong| fmt::Error)
        })
    }

    /// A member whose value is the object of a component in a device twin, marked as such (IoT Plug and Play
    /// conventions, "Component").
    pub fn component(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_, 'b>)) -> &mut Self {
        self.object(name, |component| {
            component.string("__t", "c");
            fill(component);
        })
    }

    /// A member whose value is JSON already.
    pub fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.member(name, |out| out.write_str(json))
    }

    /// True if no member was written.
    pub fn is_empty(&self) -> bool {
        self.members == 0
    }

    /// Closes the object.
    pub fn finish(self) -> Result<(), TooLong> {
        if self.failed || self.out.write_char('}').is_err() {
            return Err(TooLong);
        }
        Ok(())
    }

    fn member(
        &mut self,
        name: &str,
        value: impl FnOnce(&mut Text<'b>) -> fmt::Result,
    ) -> &mut Self {
        if !self.failed {
            self.failed = self.begin(name).and_then(|()| value(self.out)).is_err();
        }
        self
    }

    /// Writes the member's name and what is before it.
    fn begin(&mut self, name: &str) -> fmt::Result {
        self.out
            .write_str(if self.members == 0 { "\"" } else { ",\"" })?;
        Escape(self.out).write_str(name)?;
        self.members += 1;
        self.out.write_str("\":")
    }
}

/// A number in thousandths, printed with no more decimals than it has.
struct Thousandths(i64);

impl Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        if self.0 < 0 {
            f.write_char('-')?;
        }
        match (part, part % 10, part % 100) {
            (0, ..) => write!(f, "{whole}"),
            (_, _, 0) => write!(f, "{whole}.{}", part / 100),
            (_, 0, _) => write!(f, "{whole}.{:02}", part / 10),
            _ => write!(f, "{whole}.{part:03}"),
        }
    }
}

/// Escapes what passes through it for the inside of a JSON string.
struct Escape<'t, 'b>(&'t mut Text<'b>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '"' => self.0.write_str("\\\"")?,
                '\\' => self.0.write_str("\\\\")?,
                '\n' => self.0.write_str("\\n")?,
                control if u32::from(control) < 0x20 => {
                    write!(self.0, "\\u{:04x}", u32::from(control))?
                }
                other => self.0.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fill: impl FnOnce(&mut Object<'_, '_>)) -> std::string::String {
        let mut buffer = [0; 256];
        let mut text = Text::new(&mut buffer);
        let mut object = Object::new(&mut text);
        fill(&mut object);
        object.finish().expect("it fits");
        text.as_str().into()
    }

    #[test]
    fn members_are_separated_and_escaped() {
        let json = written(|o| {
            o.integer("n", -7)
                .boolean("ok", true)
                .string("text", "a\"b\\c\n\u{1}é");
        });
        assert_eq!(
            json,
            "{\"n\":-7,\"ok\":true,\"text\":\"a\\\"b\\\\c\\n\\u0001é\"}"
        );
    }

    #[test]
    fn objects_nest_and_may_be_empty() {
        assert_eq!(written(|_| ()), "{}");
        let json = written(|o| {
            o.object("a", |a| {
                a.integer("b", 1);
            });
        });
        assert_eq!(json, "{\"a\":{\"b\":1}}");
    }

    #[test]
    fn thousandths_have_no_needless_decimals() {
        for (value, text) in [
            (21_500, "21.5"),
            (-500, "-0.5"),
            (1_013_250, "1013.25"),
            (7, "0.007"),
            (40_000, "40"),
            (1_010, "1.01"),
            (i64::MIN, "-9223372036854775.808"),
        ] {
            assert_eq!(std::format!("{}", Thousandths(value)), text);
        }
    }

    #[test]
    fn an_object_that_does_not_fit_is_an_error_at_every_size() {
        for size in 0..19 {
            let mut buffer = std::vec![0; size];
            let mut text = Text::new(&mut buffer);
            let mut object = Object::new(&mut text);
            object.integer("n", 1).string("text", "a\"");
            assert_eq!(object.finish(), Err(TooLong), "{size} bytes");
        }
    }
}
