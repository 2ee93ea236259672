//! The slot of a new image, MCUboot's state, the download's thread, and RSA.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

pub(crate) use super::c::azure_image_version as ImageVersion;
pub(crate) use super::c::azure_slot as Slot;
use super::{Error, StaticCell, c, length, size, value};
use crate::kconfig;

/// Opens the slot.
pub(crate) fn open() -> Result<Slot, Error> {
    let mut slot = Slot::default();
    // SAFETY: `slot` is written during the call only.
    value(unsafe { c::azure_slot_open(&raw mut slot) })?;
    Ok(slot)
}

/// Start and length of the page at an offset of the slot, which is open.
pub(crate) fn page(offset: u32) -> Result<(u32, u32), Error> {
    let (mut start, mut length) = (0, 0);
    // SAFETY: both numbers are written during the call only.
    value(unsafe { c::azure_slot_page(offset, &raw mut start, &raw mut length) })?;
    Ok((start, length))
}

/// Reads from the slot, which is open.
pub(crate) fn read(offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
    // SAFETY: at most `bytes.len()` bytes are written.
    value(unsafe { c::azure_slot_read(offset, bytes.as_mut_ptr(), length(bytes)) }).map(|_| ())
}

/// Writes whole words to the slot, which is open.
pub(crate) fn write(offset: u32, bytes: &[u8]) -> Result<(), Error> {
    // SAFETY: `bytes` is read during the call only.
    value(unsafe { c::azure_slot_write(offset, bytes.as_ptr(), length(bytes)) }).map(|_| ())
}

/// Erases a page of the slot, which is open.
pub(crate) fn erase(start: u32, bytes: u32) -> Result<(), Error> {
    // SAFETY: takes numbers; the driver refuses what lies outside of the partition.
    value(unsafe { c::azure_slot_erase(start, bytes) }).map(|_| ())
}

/// Has MCUboot start the image in the slot at the next restart, on trial.
pub(crate) fn request_trial() -> Result<(), Error> {
    // SAFETY: takes nothing, and writes to MCUboot's place in the slot.
    value(unsafe { c::azure_update_request_trial() }).map(|_| ())
}

/// True if MCUboot goes back to the image before at the next restart.
pub(crate) fn is_on_trial() -> bool {
    // SAFETY: takes nothing, and reads flash.
    unsafe { c::azure_update_on_trial() }
}

/// Keeps the image that runs.
pub(crate) fn confirm() -> Result<(), Error> {
    // SAFETY: takes nothing, and writes to MCUboot's place in the slot that runs.
    value(unsafe { c::azure_update_confirm() }).map(|_| ())
}

/// Version of the image that runs, or of that in the slot; `None` if there is no image.
pub(crate) fn version(running: bool) -> Option<ImageVersion> {
    let mut version = ImageVersion::default();
    // SAFETY: `version` is written during the call only.
    value(unsafe { c::azure_update_version(running, &raw mut version) }).ok()?;
    Some(version)
}

/// Has the download's thread look for a job.
pub(crate) fn start() {
    // SAFETY: takes nothing.
    unsafe { c::azure_update_start() }
}

/// Sleeps in the download's thread, until [`wake`] at most.
pub(crate) fn sleep(milliseconds: u32) {
    // SAFETY: takes a number; called in the download's thread only.
    unsafe { c::azure_update_sleep(milliseconds) }
}

/// Ends [`sleep`].
pub(crate) fn wake() {
    // SAFETY: takes nothing.
    unsafe { c::azure_update_wake() }
}

/// Size of the thread's stack, and how much of it was used; `None` if unknown.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn stack() -> Option<(u32, u32)> {
    let (mut size, mut unused) = (0, 0);
    // SAFETY: both numbers are written during the call only.
    unsafe { c::azure_update_stack(&raw mut size, &raw mut unused) };
    (size > 0).then(|| (size, size.saturating_sub(unused)))
}

/// Verifies RSASSA-PKCS1-v1_5 with SHA-256, under a key in DER (SubjectPublicKeyInfo).
pub(crate) fn verify(key: &[u8], hash: &[u8; 32], signature: &[u8]) -> bool {
    // SAFETY: the key and the signature have the lengths that are given, and the hash has 32 bytes. They are read only.
    let result = unsafe {
        c::azure_rsa_verify(
            key.as_ptr(),
            length(key),
            hash.as_ptr(),
            signature.as_ptr(),
            length(signature),
        )
    };
    result == 0
}

/// The buffer of a download.
type Buffer = [u8; size(kconfig::CONFIG_AZURE_UPDATE_BUFFER_SIZE)];

static BUFFER: StaticCell<Buffer> = StaticCell(UnsafeCell::new(
    [0; size(kconfig::CONFIG_AZURE_UPDATE_BUFFER_SIZE)],
));
static BUFFER_IN_USE: AtomicBool = AtomicBool::new(false);

/// Works with the buffer of a download; `None` if another one uses it.
pub(crate) fn with_buffer<R>(work: impl FnOnce(&mut Buffer) -> R) -> Option<R> {
    if BUFFER_IN_USE.swap(true, Ordering::AcqRel) {
        return None;
    }
    // SAFETY: the swap lets one caller get here at a time, until the store below, and the reference ends before that.
    let result = work(unsafe { &mut *BUFFER.0.get() });
    BUFFER_IN_USE.store(false, Ordering::Release);
    Some(result)
}
