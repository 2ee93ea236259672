//! One twin: its sections, their versions, and how they change.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::rules;

/// A twin as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Twin {
    pub(crate) tags: Map<String, Value>,
    pub(crate) desired: Section,
    pub(crate) reported: Section,
    /// Counts every change, whichever section it is of.
    pub(crate) version: u64,
}

/// Desired or reported properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) properties: Map<String, Value>,
    /// Starts at 1 and counts the accepted updates.
    pub(crate) version: u64,
    /// ISO 8601.
    pub(crate) updated: String,
}

impl Twin {
    /// The twin of a new device.
    pub(crate) fn new(now: &str) -> Self {
        let section = Section { properties: Map::new(), version: 1, updated: now.to_owned() };
        Self { tags: Map::new(), desired: section.clone(), reported: section, version: 1 }
    }

    /// What a device reads: no wrapper, no tags, no metadata.
    pub(crate) fn for_device(&self) -> Value {
        json!({ "desired": self.desired.with_version(), "reported": self.reported.with_version() })
    }

    /// A device reports. Gives the new version.
    pub(crate) fn report(&mut self, patch: &[u8], now: &str) -> Result<u64, String> {
        let patch: Value = serde_json::from_slice(patch).map_err(|error| format!("not JSON: {error}"))?;
        let Value::Object(patch) = patch else {
            return Err("the patch is not an object".into());
        };
        self.reported.merge(patch, now)?;
        self.version += 1;
        Ok(self.reported.version)
    }

    /// An operator changes tags and desired properties by a merge patch, or replaces them. Gives the
    /// notification for the device if desired properties were named.
    pub(crate) fn change(&mut self, change: &Value, replace: bool, now: &str) -> Result<Option<Value>, String> {
        let mut next = self.clone();
        match change.get("tags") {
            None | Some(Value::Null) if !replace => {}
            None | Some(Value::Null) => next.tags = Map::new(),
            Some(Value::Object(tags)) => {
                rules::check(tags)?;
                if replace {
                    next.tags = Map::new();
                }
                merge(&mut next.tags, tags.clone());
                rules::check_size(&next.tags, rules::MAX_TAGS).map_err(|why| format!("tags: {why}"))?;
            }
            Some(_) => return Err("tags is not an object".into()),
        }
        let desired = change.get("properties").and_then(|properties| properties.get("desired"));
        let notification = match desired {
            None | Some(Value::Null) if !replace => None,
            None | Some(Value::Null) => Some(next.desired.replace(Map::new(), now)?),
            Some(Value::Object(desired)) => {
                let mut desired = desired.clone();
                // An operator may send back what was read.
                desired.remove("$metadata");
                desired.remove("$version");
                Some(if replace { next.desired.replace(desired, now)? } else { next.desired.merge(desired, now)? })
            }
            Some(_) => return Err("properties.desired is not an object".into()),
        };
        next.version += 1;
        *self = next;
        Ok(notification)
    }
}

impl Section {
    /// The properties with `$version`.
    pub(crate) fn with_version(&self) -> Value {
        let mut properties = self.properties.clone();
        properties.insert("$version".into(), self.version.into());
        Value::Object(properties)
    }

    /// What an operator reads: `$metadata` too.
    pub(crate) fn with_metadata(&self) -> Value {
        let mut properties = self.properties.clone();
        properties.insert("$metadata".into(), json!({ "$lastUpdated": self.updated }));
        properties.insert("$version".into(), self.version.into());
        Value::Object(properties)
    }

    /// Applies a merge patch, all or nothing. Gives it back with the new version, as a notification.
    fn merge(&mut self, patch: Map<String, Value>, now: &str) -> Result<Value, String> {
        rules::check(&patch)?;
        let mut properties = self.properties.clone();
        merge(&mut properties, patch.clone());
        self.accept(properties, patch, now)
    }

    /// Puts `properties` in place of what was there.
    fn replace(&mut self, properties: Map<String, Value>, now: &str) -> Result<Value, String> {
        rules::check(&properties)?;
        let mut clean = Map::new();
        merge(&mut clean, properties.clone());
        self.accept(clean, properties, now)
    }

    fn accept(&mut self, properties: Map<String, Value>, mut told: Map<String, Value>, now: &str) -> Result<Value, String> {
        rules::check_size(&properties, rules::MAX_PROPERTIES)?;
        self.properties = properties;
        self.version += 1;
        self.updated = now.to_owned();
        told.insert("$version".into(), self.version.into());
        Ok(Value::Object(told))
    }
}

/// RFC 7396: objects merge, `null` deletes, everything else replaces.
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(&key);
            }
            Value::Object(patch) => {
                let inner = target.entry(key).or_insert_with(|| Value::Object(Map::new()));
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn a_new_twin_is_empty_at_version_one() {
        let text = Twin::new(NOW).for_device().to_string();
        assert_eq!(text, r#"{"desired":{"$version":1},"reported":{"$version":1}}"#);
    }

    #[test]
    fn reported_patches_merge_and_count() {
        let mut twin = Twin::new(NOW);
        assert_eq!(twin.report(br#"{"a":{"b":1,"c":2},"d":[1]}"#, NOW), Ok(2));
        assert_eq!(twin.report(br#"{"a":{"b":null,"e":3},"d":[2,3],"absent":null}"#, NOW), Ok(3));
        assert_eq!(Value::Object(twin.reported.properties.clone()), json!({"a": {"c": 2, "e": 3}, "d": [2, 3]}));
        assert_eq!(twin.report(br#"{"a":5}"#, NOW), Ok(4));
        assert_eq!(twin.report(br#"{"a":{"b":1}}"#, NOW), Ok(5));
        assert_eq!(Value::Object(twin.reported.properties), json!({"a": {"b": 1}, "d": [2, 3]}));
    }

    #[test]
    fn a_bad_patch_changes_nothing() {
        let mut twin = Twin::new(NOW);
        for bad in [&b"{"[..], b"[1]", b"1", br#"{"$version":1}"#, br#"{"a b":1}"#, br#"{"a":[null]}"#] {
            assert!(twin.report(bad, NOW).is_err());
        }
        let large: String = (0..9).map(|n| format!("\"k{n}\":\"{}\",", "x".repeat(4000))).collect();
        assert!(twin.report(format!("{{{}}}", large.trim_end_matches(',')).as_bytes(), NOW).is_err());
        assert_eq!(twin, Twin::new(NOW));
    }

    #[test]
    fn desired_changes_are_told_in_merge_form_and_replacements_in_full() {
        let mut twin = Twin::new(NOW);
        let change = json!({"tags": {"site": "a"}, "properties": {"desired": {"x": 1, "y": {"z": 2}}}});
        assert_eq!(twin.change(&change, false, NOW), Ok(Some(json!({"x": 1, "y": {"z": 2}, "$version": 2}))));
        let change = json!({"properties": {"desired": {"y": null}}});
        assert_eq!(twin.change(&change, false, NOW), Ok(Some(json!({"y": null, "$version": 3}))));
        assert_eq!(Value::Object(twin.desired.properties.clone()), json!({"x": 1}));
        assert_eq!(twin.change(&json!({"tags": {"site": null}}), false, NOW), Ok(None));
        assert!(twin.tags.is_empty());
        let change = json!({"properties": {"desired": {"w": 9, "$version": 3, "$metadata": {}}}});
        assert_eq!(twin.change(&change, true, NOW), Ok(Some(json!({"w": 9, "$version": 4}))));
        assert_eq!(twin.version, 5);
    }
}
