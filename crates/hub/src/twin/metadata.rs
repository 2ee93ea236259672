//! Times at which the properties were last changed: the `$metadata` that operators read beside the values.

use serde_json::{Map, Value};

/// Metadata beside a changed property: `$lastUpdated`, and for desired properties
/// `$lastUpdatedVersion`.
pub(super) fn stamp(now: &str, version: Option<u64>) -> Map<String, Value> {
    let mut stamp = Map::new();
    stamp.insert("$lastUpdated".into(), now.into());
    if let Some(version) = version {
        stamp.insert("$lastUpdatedVersion".into(), version.into());
    }
    stamp
}

/// Stamps everything that a merge patch touches, and drops what it deletes.
pub(super) fn merge(
    metadata: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    stamp: &Map<String, Value>,
) {
    for (key, value) in stamp {
        metadata.insert(key.clone(), value.clone());
    }
    for (key, value) in patch {
        match value {
            Value::Null => {
                metadata.shift_remove(key);
            }
            Value::Object(patch) => {
                let inner = metadata
                    .entry(key.as_str())
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(inner) = inner {
                    merge(inner, patch, stamp);
                }
            }
            _ => {
                metadata.insert(key.clone(), Value::Object(stamp.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn only_what_a_patch_touches_is_stamped_anew() {
        let mut metadata = Map::new();
        let first = stamp("t1", Some(2));
        merge(
            &mut metadata,
            &object(json!({"a": 1, "b": {"c": 1, "d": 1}})),
            &first,
        );
        let second = stamp("t2", Some(3));
        merge(
            &mut metadata,
            &object(json!({"a": null, "b": {"c": 2}})),
            &second,
        );
        let t1 = Value::Object(first);
        let expected = json!({
            "$lastUpdated": "t2",
            "$lastUpdatedVersion": 3,
            "b": {
                "$lastUpdated": "t2",
                "$lastUpdatedVersion": 3,
                "c": {"$lastUpdated": "t2", "$lastUpdatedVersion": 3},
                "d": t1,
            },
        });
        assert_eq!(Value::Object(metadata), expected);
    }

    #[test]
    fn a_value_in_place_of_an_object_drops_what_was_below() {
        let mut metadata = Map::new();
        merge(
            &mut metadata,
            &object(json!({"a": {"b": 1}})),
            &stamp("t1", None),
        );
        merge(&mut metadata, &object(json!({"a": 5})), &stamp("t2", None));
        assert_eq!(metadata["a"], json!({"$lastUpdated": "t2"}));
    }
}
