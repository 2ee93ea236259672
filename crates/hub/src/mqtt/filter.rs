//! The filters that a client may subscribe to, and the topics that each of them matches (MQTT 3.1.1,
//! section 4.7).
//!
//! IoT Hub is no general broker: it has the filters of "Communicate with an IoT hub using the MQTT protocol",
//! and the wider ones that Microsoft's own code sends: azure-sdk-for-c and azure-iot-middleware-freertos
//! subscribe to `devices/+/messages/devicebound/#`, azure-iot-sdk-c subscribes a module to
//! `devices/{d}/modules/{m}/#`, azure-iot-sdk to `$iothub/credentials/res/#`, and widely used clients to
//! `$iothub/methods/#` and `$iothub/twin/res/200/#`. What follows `$iothub/methods/POST/` and
//! `$iothub/twin/PATCH/properties/desired/` is free, as in Microsoft's IoT Edge hub.
//!
//! A filter never widens what a client gets: the hub publishes to each client under that client's own topics
//! only, and a filter selects among them.

use crate::registry::Identity;

/// A level that a pattern below leaves open.
#[derive(Clone, Copy)]
enum Level<'l> {
    /// This word.
    Word(&'l str),
    /// This id of the client's own, or `+`.
    Own(&'l str),
    /// Any word, or `+`.
    Any,
    /// Any number of levels.
    Rest,
}

use Level::{Any, Own, Rest, Word};

/// Checks that IoT Hub has this filter for `client`; the text says why not.
pub(crate) fn check(filter: &str, client: &Identity) -> Result<(), String> {
    check_form(filter)?;
    let known = filter
        .strip_suffix("/#")
        .is_some_and(|levels| is_known(levels, client));
    if known {
        Ok(())
    } else {
        Err(format!(
            "IoT Hub has no filter {filter:?} for {:?}",
            client.to_string()
        ))
    }
}

/// Refuses what is no filter in MQTT (section 4.7.1): this no server grants.
pub(crate) fn check_form(filter: &str) -> Result<(), String> {
    if filter.is_empty() {
        return Err("IoT Hub has no filter \"\", nor has MQTT".into());
    }
    let last = filter.split('/').count() - 1;
    let misplaced = filter.split('/').enumerate().any(|(position, level)| {
        (level.contains('#') && (level != "#" || position != last))
            || (level.contains('+') && level != "+")
    });
    if misplaced {
        return Err(format!(
            "{filter:?} is no filter: + and # stand for whole levels, # for the last one"
        ));
    }
    Ok(())
}

/// Filters that may stand before the `/#` at the end.
fn is_known(levels: &str, client: &Identity) -> bool {
    let fits = |pattern: &[Level<'_>]| fits(levels, pattern);
    let of_twin = [Word("$iothub"), Word("twin")];
    let for_all = fits(&[Word("$iothub"), Word("methods")])
        || fits(&[Word("$iothub"), Word("methods"), Word("POST"), Rest])
        || fits(&[of_twin[0], of_twin[1], Word("res")])
        || fits(&[of_twin[0], of_twin[1], Word("res"), Any])
        || fits(&[
            of_twin[0],
            of_twin[1],
            Word("PATCH"),
            Word("properties"),
            Word("desired"),
            Rest,
        ])
        || fits(&[Word("$iothub"), Word("credentials"), Word("res")]);
    let device = [Word("devices"), Own(&client.device_id)];
    let bound = [Word("messages"), Word("devicebound")];
    for_all
        || match &client.module_id {
            None => fits(&[device[0], device[1], bound[0], bound[1]]),
            Some(module) => {
                let module = [device[0], device[1], Word("modules"), Own(module)];
                fits(&module)
                    || fits(&[&module[..], &[Word("inputs")]].concat())
                    || fits(&[&module[..], &bound].concat())
            }
        }
}

fn fits(levels: &str, pattern: &[Level<'_>]) -> bool {
    let mut levels = levels.split('/');
    for level in pattern {
        let fits = match (level, levels.next()) {
            (Rest, _) => return true,
            (_, None) => false,
            (Word(word), Some(level)) => level == *word,
            (Own(id), Some(level)) => level == *id || level == "+",
            (Any, Some(level)) => !level.is_empty(),
        };
        if !fits {
            return false;
        }
    }
    levels.next().is_none()
}

/// True if `filter` matches the topic name `topic` (section 4.7). A wildcard in the first level matches no
/// topic that begins with `$` (section 4.7.2): a client that subscribed to `#` gets messages, and no more.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(filter: &str) -> bool {
        check(filter, &Identity::device("d")).is_ok()
    }

    fn module(filter: &str) -> bool {
        check(filter, &Identity::module("d", "m")).is_ok()
    }

    #[test]
    fn filters_that_microsofts_code_sends_are_known() {
        for filter in [
            "$iothub/methods/POST/#",
            "$iothub/methods/#",
            "$iothub/methods/POST/reboot/#",
            "$iothub/twin/res/#",
            "$iothub/twin/res/200/#",
            "$iothub/twin/res/+/#",
            "$iothub/twin/PATCH/properties/desired/#",
            "$iothub/credentials/res/#",
        ] {
            assert!(device(filter) && module(filter), "{filter}");
        }
        for filter in [
            "devices/d/messages/devicebound/#",
            "devices/+/messages/devicebound/#",
        ] {
            assert!(device(filter) && !module(filter), "{filter}");
        }
        for filter in [
            "devices/d/modules/m/messages/devicebound/#",
            "devices/d/modules/m/inputs/#",
            "devices/d/modules/m/#",
            "devices/+/modules/+/messages/devicebound/#",
        ] {
            assert!(module(filter) && !device(filter), "{filter}");
        }
    }

    #[test]
    fn only_the_services_own_filters_are_known() {
        for filter in [
            "#",
            "+/#",
            "",
            "/",
            "$iothub/#",
            "$iothub/twin/#",
            "$iothub/twin/GET/#",
            "$iothub/twin/res//#",
            "$iothub/twin/res/200/x/#",
            "$iothub/methods/res/#",
            "$iothub/methods/POST",
            "$iothub/+/#",
            "+/methods/POST/#",
            "devices/#",
            "devices/+/#",
            "devices/e/messages/devicebound/#",
            "devices/D/messages/devicebound/#",
            "devices/d/messages/devicebound/+",
            "devices/d/messages/devicebound",
            "devices/d/messages/#",
            "devices/d/messages/events/#",
            "devices/e/modules/m/#",
            "devices/d/modules/n/inputs/#",
            "devices/d/modules/m/outputs/#",
            "$dps/registrations/res/#",
        ] {
            assert!(!device(filter) && !module(filter), "{filter}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_a_whole_level_and_the_last_one() {
        for filter in ["a#", "#/a", "a/#/b", "a+", "a/b+/c", "##", "a/##", ""] {
            assert!(check_form(filter).is_err(), "{filter}");
        }
        for filter in ["#", "+", "a", "/", "a//b", "+/+/#", "a/+/b"] {
            assert!(check_form(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn filters_match_as_mqtt_says() {
        let topic = "$iothub/twin/res/204/?$rid=1&$version=2";
        for filter in [
            "$iothub/twin/res/#",
            "$iothub/twin/res/204/#",
            "$iothub/twin/res/+/#",
            "$iothub/twin/#",
            "$iothub/+/+/+/+",
        ] {
            assert!(matches(filter, topic), "{filter}");
        }
        for filter in [
            "#",
            "+/twin/#",
            "$iothub/twin/res/200/#",
            "$iothub/twin/res/+",
        ] {
            assert!(!matches(filter, topic), "{filter}");
        }
        let topic = "devices/d/messages/devicebound/a=b";
        for filter in [
            "#",
            "+/+/#",
            "devices/+/messages/devicebound/#",
            "devices/d/#",
            "devices/d/messages/devicebound/a=b",
            "devices/d/messages/devicebound/a=b/#",
        ] {
            assert!(matches(filter, topic), "{filter}");
        }
        for filter in [
            "devices/d",
            "devices/e/#",
            "+",
            "devices/d/messages/devicebound",
        ] {
            assert!(!matches(filter, topic), "{filter}");
        }
        assert!(matches("a/+", "a/"));
        assert!(!matches("a/+", "a"));
    }
}
