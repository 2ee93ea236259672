//! Property bags: `k=v&k=v`, each percent-encoded, in topics and in the user name.

use crate::credentials::percent;

/// The pairs of a bag, decoded, in order; the value is `None` for a key without `=`.
///
/// `+` stands for itself. `None` if an escape is broken or a key is empty.
pub(crate) fn parse(bag: &str) -> Option<Vec<(String, Option<String>)>> {
    if bag.is_empty() {
        return Some(Vec::new());
    }
    bag.split('&').map(pair).collect()
}

fn pair(text: &str) -> Option<(String, Option<String>)> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(percent::decode(value)?)),
        None => (text, None),
    };
    let key = percent::decode(key)?;
    (!key.is_empty()).then_some((key, value))
}

/// Writes pairs as a bag.
pub(crate) fn build<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let pairs: Vec<_> = pairs
        .into_iter()
        .map(|(key, value)| format!("{}={}", percent::encode(key), percent::encode(value)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(bag: &str) -> Vec<(String, Option<String>)> {
        parse(bag).unwrap_or_else(|| panic!("{bag} is well-formed"))
    }

    #[test]
    fn keys_and_values_are_decoded_and_plus_stays() {
        let parsed = pairs("%24.ct=application%2Fjson&$.ce=utf-8&a%20b=c+d");
        let expected = [
            ("$.ct", "application/json"),
            ("$.ce", "utf-8"),
            ("a b", "c+d"),
        ];
        assert_eq!(
            parsed,
            expected.map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
        );
    }

    #[test]
    fn a_key_alone_is_null_and_a_key_with_equals_is_empty() {
        assert_eq!(
            pairs("k&l="),
            [("k".into(), None), ("l".into(), Some(String::new()))]
        );
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn a_value_may_contain_equals() {
        assert_eq!(pairs("k=a=b"), [("k".into(), Some("a=b".into()))]);
    }

    #[test]
    fn broken_escapes_and_empty_keys_are_refused() {
        for bag in ["k=%", "%zz=1", "=1", "&", "a=1&", "a=1&&b=2"] {
            assert_eq!(parse(bag), None, "{bag}");
        }
    }

    #[test]
    fn what_is_built_is_parsed_back() {
        let bag = build([("$.mid", "m1"), ("k", "a+b &=/é")]);
        assert_eq!(bag, "%24.mid=m1&k=a%2Bb%20%26%3D%2F%C3%A9");
        assert_eq!(pairs(&bag)[1], ("k".into(), Some("a+b &=/é".into())));
    }
}
