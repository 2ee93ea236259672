//! Property bags: no panic, and what was read and is written again is read as the same.

#![no_main]

use azure_device::properties::{Bag, BagWriter};
use azure_device::text::Text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let bag = Bag::new(text);
    // Encoding makes a text at most three times as long.
    let mut buffer = vec![0; 3 * text.len()];
    let mut again = Text::new(&mut buffer);
    let mut writer = BagWriter::new(&mut again);
    let mut written = Vec::new();
    for property in bag.properties().flatten() {
        let (key, value) = (
            property.key.to_cow(),
            property.value.map(|value| value.to_cow()),
        );
        match property.system().zip(value.as_deref()) {
            Some((system, value)) if writer.system(system, value).is_ok() => written.push(property),
            _ if writer.application(&key, value.as_deref()).is_ok() => written.push(property),
            _ => {}
        }
    }
    let again = Bag::new(again.as_str());
    assert_eq!(again.check(), Ok(written.len()));
    for (old, new) in written.iter().zip(again.properties().flatten()) {
        assert_eq!(old.key.to_cow(), new.key.to_cow());
        assert_eq!(
            old.value.map(|value| value.to_cow()),
            new.value.map(|value| value.to_cow())
        );
    }
});
