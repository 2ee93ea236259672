//! Manifests: no panic, and one that is taken has a file with a length, and names that are not empty.

#![no_main]

use azure_device::update::{Compatibility, Manifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let device = Compatibility {
        manufacturer: "Contoso",
        model: "Toaster",
    };
    match Manifest::read(text, &device) {
        Ok(manifest) => {
            assert!(manifest.file.size > 0);
            let id = manifest.id;
            assert!(
                ![id.provider, id.name, id.version, manifest.criterion]
                    .iter()
                    .any(|name| name.is_empty())
            );
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
