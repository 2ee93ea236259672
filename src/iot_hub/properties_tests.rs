//! Bags as the hub and the SDKs write them, and damaged ones.

use super::*;
use crate::percent::Encoded;
use std::string::ToString;
use std::vec::Vec;

fn pairs(bag: Bag<'_>) -> Vec<(std::string::String, Option<std::string::String>)> {
    bag.properties()
        .map(|property| {
            let property = property.unwrap();
            (
                property.key.to_string(),
                property.value.map(|value| value.to_string()),
            )
        })
        .collect()
}

#[test]
fn a_bag_as_the_hub_sends_it_is_read_property_by_property() {
    let bag = Bag::new(
        "%24.to=%2Fdevices%2Fd%2Fmessages%2FdeviceBound&%24.ct=text%2Fplain%3B%20charset%3DUTF-8&%24.ce=utf-8&bbb=bbbb",
    );
    assert_eq!(bag.check(), Ok(4));
    let of = |property| bag.system(property).map(|value| value.to_string());
    assert_eq!(
        of(SystemProperty::To).as_deref(),
        Some("/devices/d/messages/deviceBound")
    );
    assert_eq!(
        of(SystemProperty::ContentType).as_deref(),
        Some("text/plain; charset=UTF-8")
    );
    assert_eq!(of(SystemProperty::MessageId), None);
    let application: Vec<_> = bag
        .properties()
        .flatten()
        .filter(|property| property.system().is_none())
        .collect();
    assert_eq!(application.len(), 1);
    assert!(application.iter().all(|property| property.key.is("bbb")));
}

#[test]
fn system_properties_are_known_with_and_without_their_dollar_encoded() {
    for property in SystemProperty::ALL {
        let name = property.wire_name();
        for key in [
            name.to_string(),
            Encoded(name).to_string(),
            name.replace('$', "%24"),
        ] {
            let text = std::format!("a=1&{key}=v");
            let bag = Bag::new(&text);
            assert!(bag.system(property).unwrap().is("v"));
            assert_eq!(
                bag.get(name).and_then(|found| found.system()),
                Some(property)
            );
        }
    }
    let mut names: Vec<_> = SystemProperty::ALL.map(SystemProperty::wire_name).into();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 16);
    assert_eq!(Bag::new("$.CT=a").system(SystemProperty::ContentType), None);
    let unknown = Bag::new("$.new=a").get("$.new").unwrap();
    assert_eq!(unknown.system(), None);
}

#[test]
fn no_value_an_empty_value_and_a_value_with_equals_are_told_apart() {
    let bag = Bag::new("a&b=&c=d=e&f=+%2B&%61=again");
    let text = |text: &str| text.to_string();
    assert_eq!(
        pairs(bag),
        [
            (text("a"), None),
            (text("b"), Some(text(""))),
            (text("c"), Some(text("d=e"))),
            (text("f"), Some(text("++"))),
            (text("a"), Some(text("again"))),
        ]
    );
    assert_eq!(bag.get("a").unwrap().value, None);
    assert_eq!(bag.get("z"), None);
}

#[test]
fn an_empty_bag_has_no_properties() {
    assert!(Bag::new("").is_empty());
    assert_eq!(Bag::default().check(), Ok(0));
    assert_eq!(Bag::new("").properties().count(), 0);
}

#[test]
fn damage_is_told_with_its_place_and_the_rest_is_read_nevertheless() {
    let bag = Bag::new("ok=1&=x&&k%=1&v=%zz&last=%C3");
    let outcome: Vec<_> = bag
        .properties()
        .map(|property| property.map(|found| found.key.raw()))
        .collect();
    let escape = |at, reason| Err(BagError::BadEscape { at, reason });
    assert_eq!(
        outcome,
        [
            Ok("ok"),
            Err(BagError::EmptyKey { at: 5 }),
            Err(BagError::EmptyKey { at: 8 }),
            escape(9, DecodeError::Truncated { at: 1 }),
            escape(16, DecodeError::NotHexadecimal { at: 0 }),
            escape(25, DecodeError::NotUtf8 { at: 0 }),
        ]
    );
    assert_eq!(bag.check(), Err(BagError::EmptyKey { at: 5 }));
    assert!(bag.get("ok").unwrap().value.unwrap().is("1"));
    assert_eq!(bag.get("v"), None);
    for (error, reason) in [
        (
            BagError::EmptyKey { at: 5 },
            "the property at byte 5 of the bag has no key: a right one looks like key=value",
        ),
        (
            BagError::BadEscape {
                at: 16,
                reason: DecodeError::NotHexadecimal { at: 0 },
            },
            "in the property text at byte 16 of the bag, the % at byte 0",
        ),
    ] {
        assert!(error.to_string().starts_with(reason), "{error}");
    }
    for damaged in ["&", "a=1&", "&a=1", "="] {
        assert!(Bag::new(damaged).check().is_err(), "{damaged}");
    }
}

#[test]
fn a_bag_is_appended_to_its_topic_with_system_properties_first() {
    let mut buffer = [0; 128];
    let mut topic = Text::new(&mut buffer);
    topic.append("devices/MyDevice01/messages/events/").unwrap();
    BagWriter::new(&mut topic)
        .system(SystemProperty::ContentType, "application/json")
        .unwrap()
        .system(SystemProperty::ContentEncoding, "utf-8")
        .unwrap()
        .application("alert", Some("a b"))
        .unwrap()
        .application("flag", None)
        .unwrap()
        .application("empty", Some(""))
        .unwrap();
    assert_eq!(
        topic.as_str(),
        "devices/MyDevice01/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8&alert=a%20b&flag&empty="
    );
}

#[test]
fn a_property_that_is_refused_leaves_the_topic_as_it_was() {
    let mut buffer = [0; 12];
    let mut topic = Text::new(&mut buffer);
    topic.append("t/").unwrap();
    let mut bag = BagWriter::new(&mut topic);
    let too_long = bag.application("a", Some("123456789")).unwrap_err();
    assert_eq!(too_long, WriteError::Overflow(Overflow { capacity: 12 }));
    bag.application("a", Some("1")).unwrap();
    assert!(bag.application("bc", Some("%%")).is_err());
    assert_eq!(bag.application("", None).unwrap_err(), WriteError::EmptyKey);
    for reserved in ["$.ct", "$.new", "$."] {
        let refusal = bag.application(reserved, Some("x")).unwrap_err();
        assert_eq!(refusal, WriteError::ReservedKey);
    }
    let late = WriteError::SystemAfterApplication(SystemProperty::MessageId);
    assert_eq!(
        bag.system(SystemProperty::MessageId, "1").unwrap_err(),
        late
    );
    bag.application("$", Some("c")).unwrap();
    assert_eq!(topic.as_str(), "t/a=1&%24=c");
    for (error, reason) in [
        (too_long, "buffer of 12 bytes"),
        (WriteError::EmptyKey, "give it a name"),
        (WriteError::ReservedKey, "name it otherwise"),
        (late, "$.mid comes after one of the application"),
    ] {
        assert!(error.to_string().contains(reason), "{error}");
    }
}
