//! The twin's value of `deviceUpdate*service`, in pieces: no panic, the same whatever the pieces, and never more texts
//! than the limit. The first byte: size of the pieces. The second one: the limit.

#![no_main]

use azure_device::json::Reader;
use azure_device::update::Service;
use libfuzzer_sys::fuzz_target;

fn read(text: &[u8], piece: usize, limit: usize) -> Option<String> {
    let mut service = Service::new(limit);
    let mut reader = Reader::new();
    for bytes in text.chunks(piece) {
        reader.feed(bytes, &mut service).ok()?;
    }
    reader.finish(&mut service).ok()?;
    let addresses: Vec<&str> = service.addresses("f1").collect();
    let addresses = format!("{addresses:?} {}", service.package());
    Some(format!(
        "{} {} {:?} {:?} {addresses}",
        service.is_complete(),
        service.is_too_long(),
        service.action(),
        service.workflow(),
    ))
}

fuzz_target!(|input: &[u8]| {
    let [piece, limit, text @ ..] = input else {
        return;
    };
    let limit = 16 * usize::from(*limit);
    let whole = read(text, text.len().max(1), limit);
    assert_eq!(whole, read(text, usize::from(*piece) % 40 + 1, limit));
});
