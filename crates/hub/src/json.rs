//! Depth of JSON: measured on the text, before anything is built from it.
//!
//! Arrays and objects nest. The reader of this hub, serde_json, takes [`READABLE`] levels of them. Whatever the
//! hub puts around a text, in its state or in an answer, adds levels: so each text that is kept or passed on
//! has a limit of its own that leaves room.

use serde_json::Value;

/// Most levels that serde_json reads: its recursion limit is 128, and the last level is refused.
pub(crate) const READABLE: usize = 127;
/// Most levels of JSON that is passed on, not kept: of an event's payload and of a method's answer. Both get
/// two levels around them.
pub(crate) const PASSED_ON: usize = 120;

/// Levels of arrays and objects in `text`: 0 for a number, 1 for `{}` and for `[1]`.
///
/// Of a text that is not JSON, the result is never less than what a reader meets before it gives up.
pub(crate) fn depth(text: &[u8]) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' if !in_string => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Reads a text of at most `levels` levels. The error says that it is deeper, or that it is not JSON.
pub(crate) fn read(text: &[u8], levels: usize) -> Result<Value, String> {
    let found = depth(text);
    if found > levels {
        return Err(format!(
            "objects and arrays are nested {found} levels deep; {levels} are allowed"
        ));
    }
    serde_json::from_slice(text).map_err(|error| format!("not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn nested(levels: usize) -> String {
        format!("{}1{}", r#"{"a":["#.repeat(levels), "]}".repeat(levels))
    }

    #[test]
    fn arrays_and_objects_count_and_brackets_in_strings_do_not() {
        for (text, levels) in [
            ("1", 0),
            ("{}", 1),
            ("[1]", 1),
            (r#"{"a":[],"b":{"c":[1]}}"#, 3),
            (r#"{"[[[":"{{{\"[[[\\"}"#, 1),
            ("[[[", 3),
            ("]]][", 1),
        ] {
            assert_eq!(depth(text.as_bytes()), levels, "{text}");
        }
        assert_eq!(depth(nested(50).as_bytes()), 100);
    }

    #[test]
    fn the_reader_takes_as_many_levels_as_it_is_said_to_take() {
        let levels = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(serde_json::from_str::<Value>(&levels(READABLE)).is_ok());
        assert!(serde_json::from_str::<Value>(&levels(READABLE + 1)).is_err());
        read(levels(READABLE).as_bytes(), READABLE).unwrap();
        let error = read(levels(READABLE + 1).as_bytes(), READABLE).unwrap_err();
        assert!(
            error.contains("128 levels deep; 127 are allowed"),
            "{error}"
        );
    }

    #[test]
    fn what_is_not_json_is_told_as_that_and_not_as_too_deep() {
        let error = read(b"{\"a\":", READABLE).unwrap_err();
        assert!(error.starts_with("not JSON: "), "{error}");
    }
}
