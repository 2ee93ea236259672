//! Answers of a server of files: no panic, and never more bytes than the file has.
//!
//! The first byte: size of the pieces. Behind it answers, each of which ends with a zero.

#![no_main]

use azure_device::label::Label;
use azure_device::port::update::{FetchFailure, Job};
use azure_device::time::Instant;
use azure_device::update::{Download, Turn};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

fuzz_target!(|input: &[u8]| {
    let Some((piece, answers)) = input.split_first() else {
        return;
    };
    let job = Job {
        addresses: [Label::cut("http://a/f"), Label::cut("http://b/f")],
        size: 40,
        digest: (piece % 2 == 0).then_some([0; 32]),
        offset: 0,
        rate: None,
        patience: 3,
    };
    let mut download = Download::new(&job, 0, Sha256::new());
    let mut now = Instant::default();
    let mut answers = answers.split(|byte| *byte == 0);
    let mut taken = 0;
    loop {
        match download.next(now) {
            Turn::End(_) => break,
            Turn::Sleep(until) => now = until,
            Turn::Open(_) => {
                let Some(answer) = answers.next() else {
                    break;
                };
                download.request(&mut [0; 512]).expect("room");
                let usable = answer.chunks(usize::from(*piece) + 1).all(|bytes| {
                    let body = download.received(bytes, now).map(<[u8]>::len);
                    taken += body.unwrap_or(0);
                    body.is_some()
                });
                if usable && !download.is_complete() {
                    download.failed(FetchFailure::Broken, now);
                }
            }
        }
    }
    assert!(taken <= 40 && download.taken() as usize == taken);
});
