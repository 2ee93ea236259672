//! Credentials as Zephyr's TLS takes them, and the memory of those that were provisioned.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

#[cfg(CONFIG_AZURE_SHELL)]
use super::size;
use super::{StaticCell, c, length};
#[cfg(CONFIG_AZURE_SHELL)]
use crate::kconfig;

/// Kind of a credential: `enum azure_credential`.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Kind {
    Root = c::AZURE_CREDENTIAL_ROOT,
    Certificate = c::AZURE_CREDENTIAL_CERTIFICATE,
    Key = c::AZURE_CREDENTIAL_KEY,
}

/// Reason why a credential is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// mbedTLS cannot parse it, or has no memory to; its error.
    Unusable(i32),
    /// Zephyr's table of credentials is full.
    TableFull,
    /// It was not there to be read, or has no room in the arena.
    NotRead,
}

/// The shim's word for a full table.
const NO_ROOM: i32 = c::AZURE_CREDENTIAL_NO_ROOM.cast_signed();

/// Registers a credential that is part of the image.
pub(crate) fn add_credential(tag: i32, kind: Kind, der: &'static [u8]) -> Result<(), Refusal> {
    // SAFETY: `der` lives for ever and is never written to.
    unsafe { register(tag, kind, der.as_ptr(), length(der)) }
}

/// Registers a credential of `length` bytes.
///
/// # Safety
/// The bytes must be readable and stay as they are until the credentials of the tag are removed: Zephyr keeps the
/// pointer.
unsafe fn register(tag: i32, kind: Kind, der: *const u8, length: u32) -> Result<(), Refusal> {
    // SAFETY: by this function's own condition.
    match unsafe { c::azure_credential_add(tag, kind as u32, der, length) } {
        0 => Ok(()),
        NO_ROOM => Err(Refusal::TableFull),
        code => Err(Refusal::Unusable(code)),
    }
}

/// Forgets the credentials of a tag.
fn remove_credentials(tag: i32) {
    // SAFETY: takes a number; it is no error if there is none.
    unsafe { c::azure_credential_remove(tag) }
}

/// Memory that provisioned credentials lie in while Zephyr's TLS uses them.
///
/// Zephyr keeps pointers into it, so its content changes only in places that no registered tag points to:
/// [`Arena::add`] writes behind everything that is registered, [`Arena::clear`] first forgets all tags.
/// TLS connections hold no pointer once their handshake is over (shim/diagnosis.c), and handshakes run in
/// the thread that owns the arena. Rust sees the content through borrows of the arena only, which end before
/// either can be called.
pub(crate) struct Arena {
    /// Bytes at the start that are registered.
    used: usize,
    tags: core::ops::Range<i32>,
}

/// Position of a credential in the [`Arena`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    start: usize,
    end: usize,
}

impl Stored {
    /// The length in bytes.
    pub(crate) const fn len(self) -> usize {
        self.end - self.start
    }
}

// SAFETY: what lies in this section is written as a whole before it is read, in `Arena::take`.
#[cfg_attr(CONFIG_AZURE_BUFFERS_REGION, unsafe(link_section = ".azure_buffers"))]
static ARENA: StaticCell<[u8; ARENA_SIZE]> = StaticCell(UnsafeCell::new([0; ARENA_SIZE]));
#[cfg(CONFIG_AZURE_SHELL)]
const ARENA_SIZE: usize = size(kconfig::CONFIG_AZURE_CREDENTIALS_SIZE);
#[cfg(not(CONFIG_AZURE_SHELL))]
const ARENA_SIZE: usize = 0;
static ARENA_TAKEN: AtomicBool = AtomicBool::new(false);

impl Arena {
    /// The arena, to the first who asks. It registers under tags of `tags` only.
    pub(crate) fn take(tags: core::ops::Range<i32>) -> Option<Self> {
        if ARENA_TAKEN.swap(true, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: the swap lets exactly one caller get here, before there is any reference. A memory region of the
        // board's does not start with zeros.
        unsafe { ARENA.0.get().write_bytes(0, 1) };
        Some(Self { used: 0, tags })
    }

    /// The first byte. Everything that points into the arena, Zephyr's pointers too, comes from this one.
    fn base() -> *mut u8 {
        ARENA.0.get().cast()
    }

    /// Registers a credential that `fill` writes. `fill` gives the number of bytes, or `None`.
    pub(crate) fn add(
        &mut self,
        tag: i32,
        kind: Kind,
        fill: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Result<Stored, Refusal> {
        if !self.tags.contains(&tag) {
            return Err(Refusal::TableFull);
        }
        let start = self.used;
        // SAFETY: `used` is at most the arena's size. `take` gives one arena, which is borrowed mutably here,
        // and nothing that is registered lies behind `used`: this is the only way to these bytes.
        let free =
            unsafe { core::slice::from_raw_parts_mut(Self::base().add(start), ARENA_SIZE - start) };
        let count = fill(free).filter(|count| *count <= free.len());
        let stored = Stored {
            start,
            end: start + count.ok_or(Refusal::NotRead)?,
        };
        self.used = stored.end;
        // SAFETY: Zephyr keeps the pointer to the `len` bytes. They are not written to any more until `clear`
        // has forgotten this tag.
        unsafe { register(tag, kind, Self::base().add(start), length(self.get(stored))) }?;
        Ok(stored)
    }

    /// The bytes of a credential. Empty if the arena was cleared since.
    pub(crate) fn get(&self, stored: Stored) -> &[u8] {
        // SAFETY: `used` is at most the arena's size, and the bytes before it are written by `clear` only, which
        // cannot be called during this borrow.
        let used = unsafe { core::slice::from_raw_parts(Self::base(), self.used) };
        used.get(stored.start..stored.end).unwrap_or_default()
    }

    /// Forgets and wipes all credentials.
    pub(crate) fn clear(&mut self) {
        for tag in self.tags.clone() {
            remove_credentials(tag);
        }
        self.used = 0;
        // SAFETY: no tag points into the arena any more, and nothing borrows from it, since this borrow of the
        // only arena is mutable.
        let all = unsafe { core::slice::from_raw_parts_mut(Self::base(), ARENA_SIZE) };
        zeroize::Zeroize::zeroize(all);
    }
}

/// Checks that mbedTLS can parse a certificate; gives its error otherwise.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn check_certificate(der: &[u8]) -> Result<(), i32> {
    // SAFETY: `der` is read during the call only; the parsed form, which points into it, is freed in it.
    match unsafe { c::azure_check_certificate(der.as_ptr(), length(der)) } {
        0 => Ok(()),
        code => Err(code),
    }
}

/// Checks that mbedTLS can parse a private key; gives its error otherwise.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn check_key(der: &[u8]) -> Result<(), i32> {
    // SAFETY: as for `check_certificate`.
    match unsafe { c::azure_check_key(der.as_ptr(), length(der)) } {
        0 => Ok(()),
        code => Err(code),
    }
}

/// Checks that a key belongs to a certificate; gives mbedTLS's error otherwise.
pub(crate) fn check_pair(certificate: &[u8], key: &[u8]) -> Result<(), i32> {
    // SAFETY: as for `check_certificate`.
    let result = unsafe {
        c::azure_check_pair(
            certificate.as_ptr(),
            length(certificate),
            key.as_ptr(),
            length(key),
        )
    };
    match result {
        0 => Ok(()),
        code => Err(code),
    }
}
