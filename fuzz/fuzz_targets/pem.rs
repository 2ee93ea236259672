//! PEM: no panic, no block longer than its buffer, and a buffer that is wiped when a block is refused.
//!
//! The first byte says which kind of block is wanted, and the size of the buffer.

#![no_main]

use azure_device::pem::{Decoder, Label};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((size, text)) = input.split_first() else {
        return;
    };
    let wanted = match size % 2 {
        0 => Label::Certificate,
        _ => Label::PrivateKey,
    };
    let mut out = vec![0; 16 * usize::from(size / 2)];
    let mut decoder = Decoder::new(wanted);
    // The last line may lack its end.
    for byte in text.iter().copied().chain([b'\n']) {
        match decoder.push(byte, &mut out) {
            Ok(Some(block)) => {
                assert!(!decoder.is_inside());
                // The tag of an ASN.1 SEQUENCE.
                assert!(block.label != wanted || out[..block.length][0] == 0x30);
            }
            Ok(None) => {}
            Err(error) => {
                assert!(!error.to_string().is_empty() && !decoder.is_inside());
                assert!(out.iter().all(|byte| *byte == 0));
            }
        }
    }
});
