//! Answers: CR LF, data, CR LF `OK` CR LF `> `; or a text and the prompt `> ` for a refusal.

use core::ops::Range;

/// The end of an answer to a command that was carried out.
const END: &[u8] = b"\r\nOK\r\n> ";

/// The prompt alone, after a reset and after a refusal.
const PROMPT: &[u8] = b"> ";

/// Fills an answer up to whole words of 16 bits on SPI.
const PADDING: u8 = 0x15;

/// The longest answer, in bytes: a full read with what is around it, and padding on both sides.
pub(crate) const LONGEST: usize = crate::PAYLOAD + 2 + END.len() + 4;

/// An answer, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The command was carried out; the place of its data.
    Data(Range<usize>),
    /// The command was refused.
    Refused,
    /// The prompt of a module that has just started.
    Prompt,
    /// Anything else: cut, damaged, or not an answer.
    Garbage,
}

/// Takes an answer apart.
pub(crate) fn parse(bytes: &[u8]) -> Answer {
    // Answers begin with CR and end with a blank, so data is never taken for padding.
    let padding = bytes.iter().take_while(|&&byte| byte == PADDING).count();
    let start = padding + unasked(bytes.get(padding..).unwrap_or(&[]));
    let padding = bytes.iter().rev().take_while(|&&byte| byte == PADDING);
    let end = bytes.len() - padding.count();
    let bytes = bytes.get(start..end).unwrap_or(&[]);
    if let Some(rest) = bytes.strip_suffix(END) {
        let end = start + rest.len();
        return match rest {
            [b'\r', b'\n', ..] => Answer::Data(start + 2..end),
            [] => Answer::Data(end..end),
            _ => Answer::Garbage,
        };
    }
    match bytes.strip_suffix(PROMPT) {
        Some(rest) if contains(rest, b"ERROR") || contains(rest, b"Usage") => Answer::Refused,
        Some(rest) if rest.iter().all(u8::is_ascii_whitespace) => Answer::Prompt,
        _ => Answer::Garbage,
    }
}

/// The length of a message that nobody asked for, before the answer: `[SOMA]`, a text, `[EOMA]`.
fn unasked(bytes: &[u8]) -> usize {
    const START: &[u8] = b"\r\n[SOMA]";
    const END: &[u8] = b"[EOMA]";
    if !bytes.starts_with(START) {
        return 0;
    }
    let end = bytes.windows(END.len()).position(|window| window == END);
    // Only an answer of its own follows it: an answer that is such a message has its end instead.
    match end.map(|end| end + END.len()) {
        Some(end)
            if bytes
                .get(end..)
                .is_some_and(|rest| rest.len() > self::END.len()) =>
        {
            end
        }
        _ => 0,
    }
}

/// True if `text` is somewhere in `bytes`.
pub(crate) fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// The lines of a text answer.
pub(crate) fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// A whole number in decimal, with blanks around it; `None` if it is none, or does not fit.
pub(crate) fn number(data: &[u8]) -> Option<i32> {
    core::str::from_utf8(data).ok()?.trim().parse().ok()
}

/// An IPv4 address in dotted decimal, with blanks around it.
pub(crate) fn address(data: &[u8]) -> Option<crate::Address> {
    let text = core::str::from_utf8(data).ok()?.trim();
    let address: core::net::Ipv4Addr = text.parse().ok()?;
    Some(address.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of an answer.
    fn data(bytes: &[u8]) -> Option<&[u8]> {
        match parse(bytes) {
            Answer::Data(range) => bytes.get(range),
            _ => None,
        }
    }

    #[test]
    fn an_answer_is_taken_apart() {
        assert_eq!(data(b"\r\n\r\nOK\r\n> "), Some(&b""[..]));
        assert_eq!(data(b"\r\nOK\r\n> "), Some(&b""[..]));
        assert_eq!(data(b"\r\n-52\r\nOK\r\n> "), Some(&b"-52"[..]));
        assert_eq!(
            parse(b"\r\nERROR: join\r\nUsage: C0\r\n> "),
            Answer::Refused
        );
        assert_eq!(parse(b"\r\n> "), Answer::Prompt);
        assert_eq!(parse(b"\x15\x15\r\n> \x15"), Answer::Prompt);
        assert_eq!(parse(b"\x15\x15"), Answer::Garbage);
        assert_eq!(parse(b""), Answer::Garbage);
    }

    #[test]
    fn padding_is_no_data_and_data_no_padding() {
        assert_eq!(
            data(b"\x15\r\n\x15abc\x15\r\nOK\r\n> \x15"),
            Some(&b"\x15abc\x15"[..])
        );
    }

    #[test]
    fn a_message_that_nobody_asked_for_is_passed_over() {
        assert_eq!(
            data(b"\r\n[SOMA][WIFI] hello\r\n[EOMA]\r\n17\r\nOK\r\n> "),
            Some(&b"17"[..])
        );
        assert_eq!(
            data(b"\r\n[SOMA][EOMA]\r\nOK\r\n> "),
            Some(&b"[SOMA][EOMA]"[..])
        );
    }

    #[test]
    fn data_may_hold_what_ends_an_answer() {
        assert_eq!(
            data(b"\r\nabc\r\nOK\r\n> def\r\nOK\r\n> "),
            Some(&b"abc\r\nOK\r\n> def"[..])
        );
    }

    #[test]
    fn a_cut_answer_is_garbage() {
        let whole = b"\r\n192.168.1.7\r\nOK\r\n> ";
        for length in 1..whole.len() {
            let part = parse(&whole[..length]);
            assert!(
                matches!(part, Answer::Garbage | Answer::Prompt),
                "{length}: {part:?}"
            );
        }
    }

    #[test]
    fn numbers_and_addresses_are_read_strictly() {
        assert_eq!(number(b" -52 "), Some(-52));
        assert_eq!(number(b"12x"), None);
        assert_eq!(number(b"99999999999"), None);
        assert_eq!(address(b"10.0.0.1"), Some([10, 0, 0, 1]));
        assert_eq!(address(b"10.0.0.256"), None);
    }
}
