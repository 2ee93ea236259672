//! The signature of a manifest, its signing key and its root key: no panic, whatever the numbers of the keys verify.
//!
//! The first byte: which of the signatures count as good. Behind it the manifest, a zero, and the signature.

#![no_main]

use azure_device::port::update::RsaKey;
use azure_device::update::{RootKey, Rotation, Trust, TrustError, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((good, texts)) = input.split_first() else {
        return;
    };
    let at = texts.iter().position(|byte| *byte == 0).unwrap_or(0);
    let (manifest, signature) = texts.split_at(at);
    let mut signature = signature.strip_prefix(&[0]).unwrap_or(signature).to_vec();
    let roots = [RootKey {
        id: "ADU.260101.R.T",
        key: RsaKey {
            modulus: &[0xff; 256],
            exponent: 65537,
        },
    }];
    let trust = Trust {
        roots: &roots,
        rotation: Some(&Rotation::default()),
    };
    let mut space = vec![0; signature.len()];
    let verifier = match good % 3 {
        0 => |_: RsaKey<'_>, _: &[u8], _: &[u8]| true,
        1 => |key: RsaKey<'_>, _: &[u8], _: &[u8]| key.modulus.len() == 256,
        _ => |_: RsaKey<'_>, _: &[u8], _: &[u8]| false,
    };
    match verify(manifest, &mut signature, &mut space, &trust, verifier) {
        Ok(()) => assert_ne!(good % 3, 2),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(
                good % 3 != 0
                    || !matches!(
                        error,
                        TrustError::Signature | TrustError::SigningKeySignature
                    )
            );
        }
    }
});
