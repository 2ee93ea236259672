//! Order of versions of images.

use super::number::small;

/// Numbers of a version: MCUboot's have four (`1.2.3+4`), others of Device Update up to four with dots.
const NUMBERS: usize = 4;

/// True if `new` is a later version than `old`. Versions are numbers with dots or a plus between them, the first one
/// counts most, and missing ones are 0. `None` if one of the two is something else: their order is not known.
pub(super) fn is_newer(new: &str, old: &str) -> Option<bool> {
    Some(numbers(new)? > numbers(old)?)
}

fn numbers(version: &str) -> Option<[u32; NUMBERS]> {
    let mut numbers = [0; NUMBERS];
    let mut places = numbers.iter_mut();
    let mut rest = version;
    loop {
        let end = rest.bytes().position(|byte| matches!(byte, b'.' | b'+'));
        *places.next()? = small(rest.get(..end.unwrap_or(rest.len()))?)?;
        match end {
            Some(end) => rest = rest.get(end + 1..)?,
            None => return Some(numbers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers_and_others_have_no_order() {
        for (new, old) in [
            ("1.0.1", "1.0.0"),
            ("1.10.0", "1.9.9"),
            ("2.0", "1.255.65535+4294967295"),
            ("1.2.3+4", "1.2.3"),
            ("1.2.3.4", "1.2.3+3"),
        ] {
            assert_eq!(is_newer(new, old), Some(true), "{new} {old}");
            assert_eq!(is_newer(old, new), Some(false), "{old} {new}");
        }
        assert_eq!(is_newer("1.0.0", "1.0"), Some(false));
        for strange in [
            "",
            "1.x",
            "v1.0.0",
            "1..0",
            "1.0.0.0.0",
            "1.0.0-rc1",
            "4294967296",
        ] {
            assert_eq!(is_newer(strange, "1.0.0"), None, "{strange}");
        }
    }
}
