//! The topic under which a device gets a message: its properties are in it.

use super::message::{Ack, Message};
use crate::clock;
use crate::mqtt::bag;
use crate::registry::Identity;

/// `devices/{d}[/modules/{m}]/messages/devicebound/`: what the topics of all messages of a client begin with.
pub(crate) fn topic_prefix(client: &Identity) -> String {
    format!("{}/messages/devicebound/", path(client))
}

fn path(client: &Identity) -> String {
    let device = format!("devices/{}", client.device_id);
    match &client.module_id {
        Some(module) => format!("{device}/modules/{module}"),
        None => device,
    }
}

/// `devices/{d}[/modules/{m}]/messages/devicebound/{bag}`: system properties first, `$` encoded as `%24`, no `?`.
pub(crate) fn topic(client: &Identity, message: &Message) -> String {
    // The spelling of the address that Microsoft's service SDKs send to.
    let to = format!("/{}/messages/deviceBound", path(client));
    let expiry = message.expiry.map(clock::iso_8601);
    let system = [
        ("$.mid", message.message_id.as_deref()),
        ("$.to", Some(to.as_str())),
        ("$.exp", expiry.as_deref()),
        ("$.cid", message.correlation_id.as_deref()),
        ("$.uid", message.user_id.as_deref()),
        ("$.ct", message.content_type.as_deref()),
        ("$.ce", message.content_encoding.as_deref()),
        ("iothub-ack", message.ack.map(ack_name)),
    ];
    let system = system
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    let application = message
        .properties
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    format!(
        "{}{}",
        topic_prefix(client),
        bag::build(system.chain(application))
    )
}

/// Spelling of `iothub-ack`.
pub(crate) const fn ack_name(ack: Ack) -> &'static str {
    match ack {
        Ack::None => "none",
        Ack::Positive => "positive",
        Ack::Negative => "negative",
        Ack::Full => "full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_is_the_one_that_devices_of_azure_see() {
        let message = Message {
            message_id: Some("m1".into()),
            properties: vec![("k".into(), "a+b".into())],
            ..Message::new("hi")
        };
        assert_eq!(
            topic(&Identity::device("MyDevice01"), &message),
            "devices/MyDevice01/messages/devicebound/%24.mid=m1&%24.to=%2Fdevices%2FMyDevice01%2Fmessages%2FdeviceBound&k=a%2Bb"
        );
    }

    #[test]
    fn every_system_property_has_its_place_before_the_others() {
        let message = Message {
            message_id: Some("m".into()),
            correlation_id: Some("c".into()),
            user_id: Some("u".into()),
            content_type: Some("application/json".into()),
            content_encoding: Some("utf-8".into()),
            expiry: Some(1_767_225_600_000),
            ack: Some(Ack::Full),
            properties: vec![("z".into(), "1".into()), ("a".into(), "2".into())],
            body: Vec::new(),
        };
        assert_eq!(
            topic(&Identity::device("d"), &message),
            "devices/d/messages/devicebound/%24.mid=m&%24.to=%2Fdevices%2Fd%2Fmessages%2FdeviceBound\
             &%24.exp=2026-01-01T00%3A00%3A00Z&%24.cid=c&%24.uid=u&%24.ct=application%2Fjson&%24.ce=utf-8\
             &iothub-ack=full&z=1&a=2"
        );
    }

    #[test]
    fn a_module_has_a_topic_of_its_own() {
        assert_eq!(
            topic(&Identity::module("d", "m"), &Message::new("hi")),
            "devices/d/modules/m/messages/devicebound/\
             %24.to=%2Fdevices%2Fd%2Fmodules%2Fm%2Fmessages%2FdeviceBound"
        );
    }
}
