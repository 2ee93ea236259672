//! SAS tokens made elsewhere: no panic, and what is accepted is kept as it was and over at its
//! expiry.

#![no_main]

use azure_device::sas::{Resource, SasToken};
use azure_device::time::UnixTime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(token) = SasToken::parse(text) {
        assert_eq!(token.expose(), text);
        assert!(token.check_expiry(token.expiry()).is_err());
        let _ = token.check_expiry(UnixTime::from_secs(0));
        let _ = token.check_scope(Resource::device("h", "d", Some("m")));
    }
});
