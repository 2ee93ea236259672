//! Root key packages: no panic, and a package that is refused changes nothing.
//!
//! The first byte: which signatures count as good.

#![no_main]

use azure_device::port::update::RsaKey;
use azure_device::update::{RootKey, Rotation, take_package};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((good, package)) = input.split_first() else {
        return;
    };
    let roots = [RootKey {
        id: "a.T",
        key: RsaKey {
            modulus: &[1, 2, 3],
            exponent: 65537,
        },
    }];
    let mut rotation = Rotation::default();
    let roots = if good % 4 < 2 { &roots[..] } else { &[] };
    let verifier = match good % 2 {
        0 => |_: RsaKey<'_>, _: &[u8], _: &[u8]| true,
        _ => |_: RsaKey<'_>, _: &[u8], _: &[u8]| false,
    };
    let before = format!("{rotation:?}");
    if take_package(package, roots, &mut rotation, verifier).is_err() {
        assert_eq!(format!("{rotation:?}"), before);
    } else {
        assert!(roots.is_empty() || good % 2 == 0);
    }
});
