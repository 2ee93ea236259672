use azure_device::properties::{Bag, BagWriter, SystemProperty};
use azure_device::text::Text;
use proptest::prelude::*;
use proptest::sample::select;

use crate::arbitrary;

fn application_key() -> impl Strategy<Value = String> {
    arbitrary::text().prop_filter("reserved", |key| !key.is_empty() && !key.starts_with("$."))
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        system in proptest::collection::vec((select(&SystemProperty::ALL[..]), any::<String>()), 0..4),
        application in proptest::collection::vec(
            (application_key(), proptest::option::of(any::<String>())),
            0..6,
        ),
    ) {
        let mut buffer = vec![0; 65_535];
        let mut topic = Text::new(&mut buffer);
        let mut writer = BagWriter::new(&mut topic);
        for (property, value) in &system {
            writer.system(*property, value).unwrap();
        }
        for (key, value) in &application {
            writer.application(key, value.as_deref()).unwrap();
        }
        let text = topic.as_str();
        prop_assert!(!text.contains(['/', '#', '+', '$', ' ', '\0']), "{}", text);

        let bag = Bag::new(text);
        let mut properties = bag.properties();
        for (property, value) in &system {
            let read = properties.next().unwrap().unwrap();
            prop_assert_eq!(read.system(), Some(*property));
            prop_assert!(read.value.unwrap().is(value));
        }
        for (key, value) in &application {
            let read = properties.next().unwrap().unwrap();
            prop_assert_eq!(read.system(), None);
            prop_assert_eq!(&read.key.to_string(), key);
            prop_assert_eq!(&read.value.map(|value| value.to_string()), value);
        }
        prop_assert_eq!(properties.next(), None);
        prop_assert_eq!(bag.check(), Ok(system.len() + application.len()));
    }

    #[test]
    fn a_bag_in_a_small_buffer_is_whole_properties_or_nothing(
        size in 0..64_usize,
        application in proptest::collection::vec((application_key(), any::<String>()), 1..6),
    ) {
        let mut buffer = vec![0; size];
        let mut topic = Text::new(&mut buffer);
        let mut writer = BagWriter::new(&mut topic);
        let written = application
            .iter()
            .filter(|(key, value)| writer.application(key, Some(value)).is_ok())
            .count();
        prop_assert_eq!(Bag::new(topic.as_str()).check(), Ok(written));
    }

    #[test]
    fn no_text_makes_the_parser_of_bags_panic(
        text in prop_oneof![
            arbitrary::text(),
            arbitrary::shuffled(&["%24.ct", "$.mid", "=", "&", "%2F", "a"]),
        ]
    ) {
        let bag = Bag::new(&text);
        let pieces = if text.is_empty() { 0 } else { text.split('&').count() };
        prop_assert_eq!(bag.properties().count(), pieces);
        for property in bag.properties().flatten() {
            let _ = (property.system(), property.key.to_cow(), property.value);
            prop_assert_eq!(bag.get(&property.key.to_cow()).map(|first| first.key.to_cow()), Some(property.key.to_cow()));
        }
        let _ = (bag.check(), bag.system(SystemProperty::ContentType));
    }
}
