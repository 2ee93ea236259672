//! One twin: its sections, their versions, and how they change.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{metadata, rules};
use crate::json;

/// Time of the last update of a twin that nobody changed yet, as Azure tells it.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A twin as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Twin {
    /// Of the device that it belongs to: one that is created again under the same id has a new twin.
    pub(crate) generation_id: String,
    /// The Plug and Play model that the device announced when it connected last.
    pub(crate) model_id: Option<String>,
    /// For operators only.
    pub(crate) tags: Map<String, Value>,
    /// Desired properties, of operators.
    pub(crate) desired: Section,
    /// Reported properties, of the device.
    pub(crate) reported: Section,
    /// Counts every change, whichever section it is of.
    pub(crate) version: u64,
}

/// Desired or reported properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Section {
    /// Without `$version` and `$metadata`.
    pub(crate) properties: Map<String, Value>,
    /// Times at which the properties were changed.
    metadata: Map<String, Value>,
    /// Starts at 1 and counts the accepted updates.
    pub(crate) version: u64,
}

impl Twin {
    /// The twin of a device that has none yet.
    pub(crate) fn new(generation_id: &str) -> Self {
        Self {
            generation_id: generation_id.to_owned(),
            model_id: None,
            tags: Map::new(),
            desired: Section::new(Some(1)),
            reported: Section::new(None),
            version: 1,
        }
    }

    /// Changes with every change of the twin.
    pub(crate) fn etag(&self) -> String {
        STANDARD.encode(self.version.to_be_bytes())
    }

    /// Form that a device reads: no wrapper, no tags, no metadata.
    pub(crate) fn for_device(&self) -> Value {
        json!({ "desired": self.desired.with_version(), "reported": self.reported.with_version() })
    }

    /// A device reports, at `now` (ISO 8601). Gives the new version.
    pub(crate) fn report(&mut self, patch: &[u8], now: &str) -> Result<u64, String> {
        // The patch itself is the section, which does not count.
        if json::depth(patch) > rules::MAX_DEPTH + 1 {
            return Err(rules::too_deep());
        }
        let Value::Object(patch) = json::read(patch, json::READABLE)? else {
            return Err("the patch is not an object".into());
        };
        let stamp = metadata::stamp(now, None);
        self.reported.merge(patch, &stamp)?;
        self.version += 1;
        Ok(self.reported.version)
    }

    /// An operator changes tags and desired properties by a merge patch, or replaces them. Gives the
    /// notification for the device if desired properties were named.
    pub(crate) fn change(
        &mut self,
        change: &Value,
        replace: bool,
        now: &str,
    ) -> Result<Option<Value>, String> {
        if !change.is_object() {
            return Err("the twin is not an object".into());
        }
        let mut next = self.clone();
        match named("tags", change.get("tags"))? {
            None if !replace => {}
            tags => next.change_tags(tags.cloned().unwrap_or_default(), replace)?,
        }
        let properties = named("properties", change.get("properties"))?;
        let desired = properties.and_then(|properties| properties.get("desired"));
        let notification = match named("properties.desired", desired)? {
            None if !replace => None,
            desired => {
                let mut desired = desired.cloned().unwrap_or_default();
                // An operator may send back what was read.
                desired.shift_remove("$metadata");
                desired.shift_remove("$version");
                let stamp = metadata::stamp(now, Some(next.desired.version + 1));
                Some(if replace {
                    next.desired.replace(desired, &stamp)?
                } else {
                    next.desired.merge(desired, &stamp)?
                })
            }
        };
        next.version += 1;
        *self = next;
        Ok(notification)
    }

    fn change_tags(&mut self, tags: Map<String, Value>, replace: bool) -> Result<(), String> {
        rules::check(&tags).map_err(|why| format!("tags: {why}"))?;
        if replace {
            self.tags = Map::new();
        }
        merge(&mut self.tags, tags);
        rules::check_size(&self.tags, rules::MAX_TAGS).map_err(|why| format!("tags: {why}"))
    }
}

/// An object, or nothing: absent and `null` are the same.
fn named<'v>(
    name: &str,
    value: Option<&'v Value>,
) -> Result<Option<&'v Map<String, Value>>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(format!("{name} is not an object")),
    }
}

impl Section {
    fn new(stamped_version: Option<u64>) -> Self {
        Self {
            properties: Map::new(),
            metadata: metadata::stamp(NEVER, stamped_version),
            version: 1,
        }
    }

    /// The properties with `$version`.
    pub(crate) fn with_version(&self) -> Value {
        let mut properties = self.properties.clone();
        properties.insert("$version".into(), self.version.into());
        Value::Object(properties)
    }

    /// Form that an operator reads: `$metadata` too.
    pub(crate) fn with_metadata(&self) -> Value {
        let mut properties = self.properties.clone();
        properties.insert("$metadata".into(), Value::Object(self.metadata.clone()));
        properties.insert("$version".into(), self.version.into());
        Value::Object(properties)
    }

    /// Applies a merge patch, all or nothing. Gives it back with the new version, as a notification.
    fn merge(
        &mut self,
        patch: Map<String, Value>,
        stamp: &Map<String, Value>,
    ) -> Result<Value, String> {
        let (properties, metadata) = (self.properties.clone(), self.metadata.clone());
        self.accept(properties, metadata, patch, stamp)
    }

    /// Puts `properties` in place of what was there. Gives the merge patch that leads from the one to the other,
    /// with the new version: what is gone is `null`.
    fn replace(
        &mut self,
        properties: Map<String, Value>,
        stamp: &Map<String, Value>,
    ) -> Result<Value, String> {
        let before = self.properties.clone();
        self.accept(Map::new(), Map::new(), properties, stamp)?;
        let mut patch = self.properties.clone();
        null_what_is_gone(&before, &mut patch);
        patch.insert("$version".into(), self.version.into());
        Ok(Value::Object(patch))
    }

    /// Merges `patch` into `properties` and takes the result.
    fn accept(
        &mut self,
        mut properties: Map<String, Value>,
        mut metadata: Map<String, Value>,
        mut patch: Map<String, Value>,
        stamp: &Map<String, Value>,
    ) -> Result<Value, String> {
        rules::check(&patch)?;
        merge(&mut properties, patch.clone());
        rules::check_size(&properties, rules::MAX_PROPERTIES)?;
        metadata::merge(&mut metadata, &patch, stamp);
        self.properties = properties;
        self.metadata = metadata;
        self.version += 1;
        patch.insert("$version".into(), self.version.into());
        Ok(Value::Object(patch))
    }
}

/// RFC 7396: objects merge, `null` deletes, everything else replaces.
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.shift_remove(&key);
            }
            Value::Object(patch) => {
                let inner = target
                    .entry(key)
                    .or_insert_with(|| Value::Object(Map::new()));
                if !inner.is_object() {
                    *inner = Value::Object(Map::new());
                }
                if let Value::Object(inner) = inner {
                    merge(inner, patch);
                }
            }
            other => {
                target.insert(key, other);
            }
        }
    }
}

/// Adds a `null` to `after` for each property of `before` that it lacks, at every depth.
fn null_what_is_gone(before: &Map<String, Value>, after: &mut Map<String, Value>) {
    for (key, old) in before {
        match (old, after.get_mut(key)) {
            (_, None) => {
                after.insert(key.clone(), Value::Null);
            }
            (Value::Object(old), Some(Value::Object(new))) => null_what_is_gone(old, new),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn new_twin() -> Twin {
        Twin::new("1")
    }

    #[test]
    fn a_new_twin_is_empty_at_version_one() {
        let text = new_twin().for_device().to_string();
        assert_eq!(
            text,
            r#"{"desired":{"$version":1},"reported":{"$version":1}}"#
        );
    }

    #[test]
    fn reported_patches_merge_and_count() {
        let mut twin = new_twin();
        assert_eq!(twin.report(br#"{"a":{"b":1,"c":2},"d":[1]}"#, NOW), Ok(2));
        assert_eq!(
            twin.report(br#"{"a":{"b":null,"e":3},"d":[2,3],"absent":null}"#, NOW),
            Ok(3)
        );
        assert_eq!(
            Value::Object(twin.reported.properties.clone()),
            json!({"a": {"c": 2, "e": 3}, "d": [2, 3]})
        );
        assert_eq!(twin.report(br#"{"a":5}"#, NOW), Ok(4));
        assert_eq!(twin.report(br#"{"a":{"b":1}}"#, NOW), Ok(5));
        assert_eq!(
            Value::Object(twin.reported.properties),
            json!({"a": {"b": 1}, "d": [2, 3]})
        );
    }

    #[test]
    fn a_bad_patch_changes_nothing() {
        let mut twin = new_twin();
        for bad in [
            &b"{"[..],
            b"[1]",
            b"1",
            br#"{"$version":1}"#,
            br#"{"a b":1}"#,
            br#"{"a":[null]}"#,
        ] {
            assert!(twin.report(bad, NOW).is_err());
        }
        let large: String = (0..9)
            .map(|n| format!("\"k{n}\":\"{}\",", "x".repeat(4000)))
            .collect();
        assert!(
            twin.report(
                format!("{{{}}}", large.trim_end_matches(',')).as_bytes(),
                NOW
            )
            .is_err()
        );
        assert_eq!(twin, new_twin());
    }

    #[test]
    fn desired_changes_are_told_in_merge_form_and_replacements_with_nulls_for_what_is_gone() {
        let mut twin = new_twin();
        let change =
            json!({"tags": {"site": "a"}, "properties": {"desired": {"x": 1, "y": {"z": 2}}}});
        assert_eq!(
            twin.change(&change, false, NOW),
            Ok(Some(json!({"x": 1, "y": {"z": 2}, "$version": 2})))
        );
        let change = json!({"properties": {"desired": {"y": null}}});
        assert_eq!(
            twin.change(&change, false, NOW),
            Ok(Some(json!({"y": null, "$version": 3})))
        );
        assert_eq!(
            Value::Object(twin.desired.properties.clone()),
            json!({"x": 1})
        );
        assert_eq!(
            twin.change(&json!({"tags": {"site": null}}), false, NOW),
            Ok(None)
        );
        assert!(twin.tags.is_empty());
        let change = json!({"properties": {"desired": {"w": 9, "$version": 3, "$metadata": {}}}});
        assert_eq!(
            twin.change(&change, true, NOW),
            Ok(Some(json!({"w": 9, "x": null, "$version": 4})))
        );
        assert_eq!(twin.version, 5);
    }

    #[test]
    fn whoever_merges_the_notification_of_a_replacement_has_the_new_properties() {
        let sections = [
            json!({}),
            json!({"a": 1, "b": {"c": {"d": 1, "e": 2}, "f": [1]}, "g": {"h": 1}}),
            json!({"a": {"x": 1}, "b": {"c": {"e": 2}}, "g": 5}),
            json!({"b": {"c": {}, "f": [2]}, "g": {}, "i": null}),
        ];
        for before in &sections {
            for after in &sections {
                let mut twin = new_twin();
                for section in [before, after] {
                    let change = json!({"properties": {"desired": section}});
                    let old = twin.desired.properties.clone();
                    let told = twin.change(&change, true, NOW);
                    let Ok(Some(Value::Object(mut told))) = told else {
                        panic!("{told:?}");
                    };
                    told.shift_remove("$version");
                    let mut merged = old;
                    merge(&mut merged, told);
                    assert_eq!(merged, twin.desired.properties, "{before} to {after}");
                }
            }
        }
    }

    #[test]
    fn the_etag_is_the_version_and_a_new_twin_was_never_updated() {
        let mut twin = new_twin();
        assert_eq!(twin.etag(), "AAAAAAAAAAE=");
        assert_eq!(
            twin.desired.with_metadata(),
            json!({"$metadata": {"$lastUpdated": NEVER, "$lastUpdatedVersion": 1}, "$version": 1})
        );
        assert_eq!(twin.report(br#"{"a":1}"#, NOW), Ok(2));
        assert_eq!(twin.etag(), "AAAAAAAAAAI=");
        assert_eq!(
            twin.reported.with_metadata(),
            json!({
                "a": 1,
                "$metadata": {"$lastUpdated": NOW, "a": {"$lastUpdated": NOW}},
                "$version": 2,
            })
        );
    }

    #[test]
    fn a_change_of_the_wrong_shape_changes_nothing() {
        let mut twin = new_twin();
        for bad in [
            json!([]),
            json!({"tags": 1}),
            json!({"properties": []}),
            json!({"properties": {"desired": "x"}}),
            json!({"tags": {"a": 1}, "properties": {"desired": {"a b": 1}}}),
            json!({"tags": {"a": "x".repeat(4096), "b": "x".repeat(4096)}}),
        ] {
            assert!(twin.change(&bad, false, NOW).is_err(), "{bad}");
        }
        assert_eq!(twin, new_twin());
    }
}
