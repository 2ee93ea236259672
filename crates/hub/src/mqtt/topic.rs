//! The topics that a client may publish to.
//!
//! IoT Hub is no general broker: everything else closes the connection ("Communicate with an IoT hub using
//! the MQTT protocol").

use super::bag;
use crate::registry::Identity;

/// Destination of a PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// `devices/{d}[/modules/{m}]/messages/events[/[bag]]`: telemetry, with its properties.
    Telemetry(Vec<(String, Option<String>)>),
    /// `$iothub/twin/GET/?{query}`.
    TwinGet(Query),
    /// `$iothub/twin/PATCH/properties/reported/?{query}`.
    TwinPatch(Query),
    /// `$iothub/methods/res/{status}/?{query}`.
    MethodResponse(i64, Query),
}

impl Topic {
    /// The kind of packet, for people.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Telemetry(_) => "PUBLISH telemetry",
            Self::TwinGet(_) => "PUBLISH twin request",
            Self::TwinPatch(_) => "PUBLISH reported properties",
            Self::MethodResponse(..) => "PUBLISH method answer",
        }
    }
}

/// Part of a topic after `?`.
pub(crate) type Query = Vec<(String, Option<String>)>;

/// Reads the topic of a PUBLISH by `client`; the text says why there is none.
pub(crate) fn parse(topic: &str, client: &Identity) -> Result<Topic, String> {
    if topic.is_empty() {
        return Err("the topic is empty".into());
    }
    if topic.bytes().any(|byte| matches!(byte, b'#' | b'+')) {
        return Err(format!(
            "the topic {topic:?} contains a wildcard; encode it as %23 or %2B"
        ));
    }
    if let Some(rest) = topic.strip_prefix("devices/") {
        return telemetry(topic, rest, client);
    }
    let query =
        |text: &str| bag::parse(text).ok_or_else(|| format!("the query of {topic:?} is malformed"));
    if let Some(rest) = topic.strip_prefix("$iothub/twin/GET/?") {
        return Ok(Topic::TwinGet(query(rest)?));
    }
    if let Some(rest) = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/?") {
        return Ok(Topic::TwinPatch(query(rest)?));
    }
    if let Some((status, rest)) = topic
        .strip_prefix("$iothub/methods/res/")
        .and_then(|rest| rest.split_once("/?"))
    {
        let status = status
            .parse()
            .map_err(|_| format!("the status in {topic:?} is no integer"))?;
        return Ok(Topic::MethodResponse(status, query(rest)?));
    }
    Err(format!("IoT Hub has no topic {topic:?}"))
}

fn telemetry(topic: &str, rest: &str, client: &Identity) -> Result<Topic, String> {
    let unknown = || format!("IoT Hub has no topic {topic:?}");
    let (device, mut rest) = rest.split_once('/').ok_or_else(unknown)?;
    let mut module = None;
    if let Some(modules) = rest.strip_prefix("modules/") {
        let (name, after) = modules.split_once('/').ok_or_else(unknown)?;
        module = Some(name);
        rest = after;
    }
    let after = rest.strip_prefix("messages/events").ok_or_else(unknown)?;
    if device != client.device_id || module != client.module_id.as_deref() {
        return Err(format!("the topic {topic:?} is not this client's own"));
    }
    let properties = match after.strip_prefix('/') {
        Some(properties) => properties.strip_suffix('/').unwrap_or(properties),
        None if after.is_empty() => after,
        None => return Err(unknown()),
    };
    if properties.contains('/') {
        return Err(format!(
            "the properties of {topic:?} contain a slash; encode it as %2F"
        ));
    }
    let properties = properties.strip_prefix('?').unwrap_or(properties);
    bag::parse(properties).map(Topic::Telemetry).ok_or_else(|| {
        format!("the properties of {topic:?} are malformed; percent-encode names and values")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(topic: &str) -> Result<Topic, String> {
        parse(topic, &Identity::device("d"))
    }

    #[test]
    fn telemetry_takes_its_canonical_and_its_sloppy_forms() {
        for topic in [
            "devices/d/messages/events/",
            "devices/d/messages/events",
            "devices/d/messages/events/?",
            "devices/d/messages/events//",
        ] {
            assert_eq!(device(topic), Ok(Topic::Telemetry(Vec::new())), "{topic}");
        }
        let one = vec![("k".to_owned(), Some("v/w".to_owned()))];
        for topic in ["k=v%2fw", "k=v%2Fw/", "?k=v%2fw"] {
            let topic = format!("devices/d/messages/events/{topic}");
            assert_eq!(device(&topic), Ok(Topic::Telemetry(one.clone())), "{topic}");
        }
    }

    #[test]
    fn a_module_publishes_below_its_own_name_only() {
        let module = Identity::module("d", "m");
        assert!(parse("devices/d/modules/m/messages/events/", &module).is_ok());
        assert!(parse("devices/d/messages/events/", &module).is_err());
        assert!(parse("devices/d/modules/n/messages/events/", &module).is_err());
        assert!(device("devices/d/modules/m/messages/events/").is_err());
    }

    #[test]
    fn foreign_and_unknown_topics_are_refused() {
        for topic in [
            "",
            "foo",
            "devices",
            "devices/",
            "devices/d",
            "devices/d/",
            "devices/d/messages",
            "devices/d/messages/eventsx",
            "devices/d/messages/events/k=v/w",
            "devices/d/messages/events/k=%zz",
            "devices/d/messages/devicebound/",
            "devices/e/messages/events/",
            "devices/D/messages/events/",
            "devices//messages/events/",
            "/devices/d/messages/events/",
            "devices/d/messages/events/#",
            "devices/d/messages/events/k=a+b",
            "$iothub/twin/GET",
            "$iothub/twin/GET/foo/?$rid=1",
            "$iothub/twin/PATCH/properties/desired/?$rid=1",
            "$iothub/methods/res/ok/?$rid=1",
            "$iothub/methods/res/200",
            "$dps/registrations/PUT/iotdps-register/?$rid=1",
        ] {
            assert!(device(topic).is_err(), "{topic}");
        }
    }

    #[test]
    fn twin_and_method_topics_are_told_apart() {
        let rid = vec![("$rid".to_owned(), Some("1".to_owned()))];
        assert_eq!(
            device("$iothub/twin/GET/?$rid=1"),
            Ok(Topic::TwinGet(rid.clone()))
        );
        assert_eq!(
            device("$iothub/twin/PATCH/properties/reported/?$rid=1"),
            Ok(Topic::TwinPatch(rid.clone()))
        );
        assert_eq!(
            device("$iothub/methods/res/-1/?$rid=1"),
            Ok(Topic::MethodResponse(-1, rid))
        );
    }
}
