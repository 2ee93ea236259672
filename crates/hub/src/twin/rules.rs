//! Rules for the content of a twin (Microsoft, "Understand and use device twins in IoT Hub": format, size).
//!
//! Depth is counted below the section: the documentation shows ten objects, one in the other, under `tags` and
//! calls them valid. An array is a level as an object is: so Microsoft's IoT Edge hub came to count, "as
//! discussed with the hub folks" (Azure/iotedge, pull request 4896).

use serde_json::{Map, Number, Value};

/// Most bytes of the desired, and of the reported properties.
pub(crate) const MAX_PROPERTIES: usize = 32 * 1024;
/// Most bytes of the tags.
pub(crate) const MAX_TAGS: usize = 8 * 1024;
/// Most objects and arrays that are nested in each other below a section.
pub(crate) const MAX_DEPTH: usize = 10;
/// Most bytes of a key.
const MAX_KEY: usize = 1024;
/// Most bytes of a string.
const MAX_STRING: usize = 4096;
/// The range of integers.
const INTEGERS: std::ops::RangeInclusive<i64> = -4_503_599_627_370_496..=4_503_599_627_370_495;

/// Checks what a client sent as a merge patch or as a replacement: keys, depth, strings, numbers.
pub(crate) fn check(patch: &Map<String, Value>) -> Result<(), String> {
    check_object(patch, 0)
}

/// Checks the depth of JSON that is kept beside twins: what it is in, if it is an object or an array, counts
/// like a section.
pub(crate) fn check_depth(value: &Value) -> Result<(), String> {
    match value {
        Value::Object(object) => object.values().try_for_each(|v| check_levels(v, 0)),
        Value::Array(values) => values.iter().try_for_each(|v| check_levels(v, 0)),
        _ => Ok(()),
    }
}

/// Recurses [`MAX_DEPTH`] times at most.
fn check_levels(value: &Value, depth: usize) -> Result<(), String> {
    match value {
        Value::Object(object) => {
            let depth = deeper(depth)?;
            object.values().try_for_each(|v| check_levels(v, depth))
        }
        Value::Array(values) => {
            let depth = deeper(depth)?;
            values.iter().try_for_each(|v| check_levels(v, depth))
        }
        _ => Ok(()),
    }
}

/// The depth of what is in an object or array at `depth`.
fn deeper(depth: usize) -> Result<usize, String> {
    if depth >= MAX_DEPTH {
        return Err(too_deep());
    }
    Ok(depth + 1)
}

/// The refusal of what nests too deep.
pub(crate) fn too_deep() -> String {
    format!("objects and arrays are nested more than {MAX_DEPTH} levels deep")
}

/// Checks the size of a section after a change.
pub(crate) fn check_size(section: &Map<String, Value>, limit: usize) -> Result<(), String> {
    let size = object_size(section);
    if size > limit {
        return Err(format!(
            "the section would have {size} bytes; {limit} are allowed"
        ));
    }
    Ok(())
}

fn check_object(object: &Map<String, Value>, depth: usize) -> Result<(), String> {
    for (key, value) in object {
        check_key(key)?;
        check_value(value, depth).map_err(|why| format!("{key}: {why}"))?;
    }
    Ok(())
}

fn check_value(value: &Value, depth: usize) -> Result<(), String> {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => check_number(number),
        Value::String(string) if string.len() > MAX_STRING => Err(format!(
            "a string of {} bytes; {MAX_STRING} are allowed",
            string.len()
        )),
        Value::String(_) => Ok(()),
        Value::Object(object) => check_object(object, deeper(depth)?),
        Value::Array(values) => {
            let depth = deeper(depth)?;
            values.iter().try_for_each(|value| match value {
                Value::Null => Err("an array with a null in it".to_owned()),
                value => check_value(value, depth),
            })
        }
    }
}

fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("a key without characters".into());
    }
    if key.len() > MAX_KEY {
        return Err(format!(
            "a key of {} bytes; {MAX_KEY} are allowed",
            key.len()
        ));
    }
    let forbidden =
        |character: char| character.is_control() || matches!(character, '.' | '$' | ' ' | '#');
    match key.chars().find(|character| forbidden(*character)) {
        Some(character) => Err(format!("the key {key:?} contains {character:?}")),
        None => Ok(()),
    }
}

fn check_number(number: &Number) -> Result<(), String> {
    let in_range = match (number.as_i64(), number.as_u64()) {
        (Some(integer), _) => INTEGERS.contains(&integer),
        (None, Some(_)) => false,
        (None, None) => true,
    };
    if in_range {
        Ok(())
    } else {
        Err(format!(
            "the integer {number} is not between {} and {}",
            INTEGERS.start(),
            INTEGERS.end()
        ))
    }
}

/// The size that the service counts: the bytes of all keys and values; 8 for a number, 4 for a boolean.
fn object_size(object: &Map<String, Value>) -> usize {
    object
        .iter()
        .map(|(key, value)| key.len() + value_size(value))
        .sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(string) => string.len(),
        Value::Array(values) => values.iter().map(value_size).sum(),
        Value::Object(object) => object_size(object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(value: Value) -> Result<(), String> {
        check(value.as_object().expect("an object"))
    }

    #[test]
    fn integers_beyond_52_bits_are_refused() {
        for good in [
            json!(4_503_599_627_370_495_i64),
            json!(-4_503_599_627_370_496_i64),
            json!(1.5e300),
        ] {
            assert_eq!(checked(json!({ "n": good })), Ok(()));
        }
        for bad in [
            json!(4_503_599_627_370_496_i64),
            json!(-4_503_599_627_370_497_i64),
            json!(u64::MAX),
        ] {
            assert!(checked(json!({ "n": bad })).is_err());
        }
    }

    #[test]
    fn ten_levels_are_allowed_and_eleven_are_not() {
        type Wrap = fn(Value) -> Value;
        let object: Wrap = |inner| json!({ "a": inner });
        let array: Wrap = |inner| json!([inner]);
        let nested = |levels: usize, wraps: [Wrap; 2]| {
            let wraps = wraps.into_iter().cycle().take(levels);
            json!({ "a": wraps.fold(json!(1), |inner, wrap| wrap(inner)) })
        };
        for wraps in [
            [object, object],
            [array, array],
            [object, array],
            [array, object],
        ] {
            assert_eq!(checked(nested(10, wraps)), Ok(()));
            assert_eq!(check_depth(&nested(10, wraps)), Ok(()));
            for levels in [11, 12, 50, 120] {
                let told = checked(nested(levels, wraps)).expect_err("too deep");
                assert!(told.contains("more than 10 levels deep"), "{told}");
                assert!(check_depth(&nested(levels, wraps)).is_err());
            }
        }
        for shallow in [
            json!(1),
            json!(null),
            json!("[[[[[[[[[[[["),
            json!([]),
            json!({}),
        ] {
            assert_eq!(check_depth(&shallow), Ok(()));
        }
    }

    #[test]
    fn the_deepest_example_of_the_documentation_is_valid() {
        let names = [
            "ten", "nine", "eight", "seven", "six", "five", "four", "three", "two", "one",
        ];
        let tags = names.into_iter().fold(
            json!({"property": "value"}),
            |inner, name| json!({ name: inner }),
        );
        assert_eq!(checked(tags), Ok(()));
    }

    #[test]
    fn keys_strings_and_arrays_have_their_limits() {
        for good in [
            json!({"a-b_c": "x".repeat(4096)}),
            json!({"k".repeat(1024): []}),
            json!({"a": [1, "b", {"c": null}]}),
        ] {
            assert_eq!(checked(good), Ok(()));
        }
        for bad in [
            json!({"a.b": 1}),
            json!({"$a": 1}),
            json!({"a b": 1}),
            json!({"a\u{1}": 1}),
            json!({"": 1}),
            json!({"k".repeat(1025): 1}),
            json!({"a": "x".repeat(4097)}),
            json!({"a": [null]}),
            json!({"a": {"b": {"c.d": 1}}}),
        ] {
            assert!(checked(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_count_keys_and_values_as_the_service_does() {
        let section = json!({"ab": 1, "c": true, "d": "efg", "h": [1, 2], "i": {"j": null}});
        assert_eq!(
            object_size(section.as_object().expect("an object")),
            10 + 5 + 4 + 17 + 2
        );
    }
}
