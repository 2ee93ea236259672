//! An enrolment of the service API, as far as it is about an assignment: the first twin, what another registration does, and
//! which hub it may be ("IoT Hub Device reprovisioning concepts", "How to use allocation policies").
//!
//! There is one hub. So a policy that chooses among several chooses this one, one that names another is refused, and so is
//! what would need another service.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::twin::Twin;

/// Effect of a registration of which there is one already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reprovision {
    /// The device keeps its twin: "Re-provision and migrate data", the default.
    Migrate,
    /// The device gets a new twin with what the enrolment says: "Re-provision and reset to initial config".
    Reset,
    /// Nothing: "Never re-provision".
    Never,
}

/// The part of an enrolment that is about the assignment.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) reprovision: Reprovision,
    /// In the shape of a change of a twin.
    pub(super) initial_twin: Option<Value>,
}

impl Policy {
    /// Reads members that were checked.
    pub(super) fn of(members: &Map<String, Value>) -> Self {
        let flag = |name: &str| {
            let policy = members.get("reprovisionPolicy");
            policy
                .and_then(|policy| policy[name].as_bool())
                .unwrap_or(true)
        };
        Self {
            reprovision: match (flag("updateHubAssignment"), flag("migrateDeviceData")) {
                (false, _) => Reprovision::Never,
                (true, true) => Reprovision::Migrate,
                (true, false) => Reprovision::Reset,
            },
            initial_twin: members
                .get("initialTwin")
                .filter(|twin| !twin.is_null())
                .cloned(),
        }
    }
}

/// Refuses what this service cannot do, with the name of the member.
pub(crate) fn check(members: &Map<String, Value>, hub: &str) -> Result<(), Error> {
    let member = |name: &str| members.get(name).filter(|value| !value.is_null());
    let refused = |why: String| Err(Error::ArgumentInvalid(why));
    match member("allocationPolicy").map(|policy| policy.as_str().unwrap_or_default()) {
        None | Some("hashed" | "geoLatency" | "static") => {}
        Some("custom") => {
            return refused(
                "allocationPolicy custom calls an Azure Function, which is not served; use hashed, geoLatency or static. \
                 What such a function gives a device, or its failure, is set by `dps enroll --payload` and `--fail`"
                    .into(),
            );
        }
        Some(_) => {
            return refused("allocationPolicy is hashed, geoLatency, static or custom".into());
        }
    }
    if let Some(policy) = member("reprovisionPolicy") {
        for name in ["updateHubAssignment", "migrateDeviceData"] {
            if !(policy[name].is_boolean() || policy[name].is_null()) {
                return refused(format!("reprovisionPolicy.{name} is true or false"));
            }
        }
    }
    let named = member("iotHubHostName").into_iter();
    let listed = member("iotHubs")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for name in named.chain(listed) {
        if !name
            .as_str()
            .is_some_and(|name| name.eq_ignore_ascii_case(hub))
        {
            return refused(format!(
                "iotHubs or iotHubHostName names a hub that is not linked; the one that is: {hub}"
            ));
        }
    }
    if member("capabilities").is_some_and(|capabilities| capabilities["iotEdge"] == true) {
        return refused(
            "capabilities.iotEdge: there is no IoT Edge here; leave it out, or set it to false"
                .into(),
        );
    }
    for name in [
        "credentialPolicyName",
        "credentialPolicy",
        "clientCertificateIssuancePolicy",
    ] {
        if member(name).is_some() {
            return refused(format!(
                "{name}: certificates by request are not served; leave it out"
            ));
        }
    }
    if member("customAllocationDefinition").is_some() {
        return refused(
            "customAllocationDefinition goes with allocationPolicy custom, which is not served"
                .into(),
        );
    }
    if let Some(twin) = member("initialTwin") {
        let known = |object: &Value, names: &[&str]| {
            object
                .as_object()
                .is_some_and(|object| object.keys().all(|key| names.contains(&key.as_str())))
        };
        let properties = &twin["properties"];
        if !known(twin, &["tags", "properties"])
            || !(properties.is_null() || known(properties, &["desired"]))
        {
            return refused("initialTwin has tags and properties.desired, and nothing else".into());
        }
        Twin::new("")
            .change(twin, true, "")
            .map_err(|why| Error::ArgumentInvalid(format!("initialTwin: {why}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(members: Value) -> Result<(), String> {
        let Value::Object(members) = members else {
            return Err("no object".into());
        };
        check(&members, "localhost").map_err(|error| error.to_string())
    }

    #[test]
    fn what_one_hub_can_do_is_accepted() {
        for members in [
            json!({}),
            json!({ "allocationPolicy": "hashed", "iotHubs": ["LocalHost"], "iotHubHostName": "localhost" }),
            json!({ "allocationPolicy": "static", "iotHubs": [], "capabilities": { "iotEdge": false } }),
            json!({ "allocationPolicy": "geoLatency", "initialTwin": null }),
            json!({ "initialTwin": { "tags": { "a": 1 }, "properties": { "desired": { "b": { "c": 2 } } } } }),
            json!({ "reprovisionPolicy": { "updateHubAssignment": false, "migrateDeviceData": false } }),
        ] {
            assert_eq!(told(members.clone()), Ok(()), "{members}");
        }
    }

    #[test]
    fn what_it_cannot_do_is_refused_by_its_name() {
        let long = "x".repeat(5000);
        for (members, name) in [
            (json!({ "allocationPolicy": "custom" }), "allocationPolicy"),
            (json!({ "allocationPolicy": 1 }), "allocationPolicy"),
            (json!({ "iotHubs": ["localhost", "other"] }), "iotHubs"),
            (json!({ "iotHubHostName": "other" }), "iotHubHostName"),
            (json!({ "capabilities": { "iotEdge": true } }), "iotEdge"),
            (
                json!({ "credentialPolicyName": "p" }),
                "credentialPolicyName",
            ),
            (
                json!({ "customAllocationDefinition": {} }),
                "customAllocationDefinition",
            ),
            (
                json!({ "reprovisionPolicy": { "migrateDeviceData": "yes" } }),
                "migrateDeviceData",
            ),
            (json!({ "initialTwin": 1 }), "initialTwin"),
            (
                json!({ "initialTwin": { "properties": { "reported": {} } } }),
                "initialTwin",
            ),
            (
                json!({ "initialTwin": { "tags": { "a": long } } }),
                "initialTwin",
            ),
            (json!({ "initialTwin": { "tags": 1 } }), "initialTwin"),
        ] {
            let refused = told(members.clone()).err().unwrap_or_default();
            assert!(refused.contains(name), "{members}: {refused}");
        }
    }

    #[test]
    fn a_policy_that_says_nothing_is_azures_default() {
        let of =
            |members: Value| Policy::of(members.as_object().unwrap_or(&Map::new())).reprovision;
        assert_eq!(of(json!({})), Reprovision::Migrate);
        let policy = |update: bool, migrate: bool| {
            of(
                json!({ "reprovisionPolicy": { "updateHubAssignment": update, "migrateDeviceData": migrate } }),
            )
        };
        assert_eq!(policy(true, true), Reprovision::Migrate);
        assert_eq!(policy(true, false), Reprovision::Reset);
        assert_eq!(policy(false, false), Reprovision::Never);
    }
}
