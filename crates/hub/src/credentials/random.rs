//! Unpredictable keys and identifiers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};

/// `N` random bytes. Aborts where the operating system has none: nothing could be secure there.
fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "getrandom cannot fail on a running system"
    )]
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes
}

/// A symmetric key of 32 bytes in base64, as Azure generates them.
pub(crate) fn symmetric_key() -> String {
    STANDARD.encode(bytes::<32>())
}

/// A random identifier in the form of a UUID, version 4.
pub(crate) fn uuid() -> String {
    let mut bytes = bytes::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// A random number.
pub(crate) fn number() -> u64 {
    u64::from_le_bytes(bytes::<8>())
}

/// A generation id: digits, as Azure's are.
pub(crate) fn generation_id() -> String {
    (number() % 1_000_000_000_000_000_000).to_string()
}

/// A random suffix for names.
pub(crate) fn etag() -> String {
    STANDARD.encode(bytes::<6>())
}
