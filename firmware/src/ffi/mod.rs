//! The C shim as safe Rust. Unsafe code is here and in [`crate::entry`], which C calls, and nowhere else.
//!
//! Each wrapper states why its call is sound. Common to all: the functions are those of
//! `shim/include/azure_shim.h`, linked into the same image; they take pointers that are only used during
//! the call, except where it says otherwise; none of them unwinds.

#![allow(unsafe_code)]

mod board;
#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
pub(crate) mod c_api;
mod credentials;
#[cfg(CONFIG_AZURE_ISM43362)]
pub(crate) mod ism43362;
#[cfg(CONFIG_AZURE_QUEUE)]
pub(crate) mod queue;
#[cfg(CONFIG_AZURE_SETTINGS)]
pub(crate) mod settings;
#[cfg(CONFIG_AZURE_SHELL)]
mod shell;
mod socket;
#[cfg(CONFIG_AZURE_UPDATE)]
pub(crate) mod update;

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) use self::board::Memory;
#[cfg(CONFIG_AZURE_DPS)]
pub(crate) use self::board::hardware_id;
pub(crate) use self::board::{
    Led, Level, application_version, arguments, feed_watchdog, init_board, last_fault, log,
    measure, memory, random, reading_scale, readings_count, reset_cause, restart, set_led,
    set_unix_time, sleep_ms, start_watchdog, unix_time, uptime, zephyr_version,
};
pub(crate) use self::credentials::{Arena, Kind, Refusal, Stored, add_credential, check_pair};
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) use self::credentials::{check_certificate, check_key};
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) use self::shell::{RawShell, Shell};
#[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
pub(crate) use self::socket::Turn;
#[cfg(CONFIG_WIFI)]
pub(crate) use self::socket::join_wifi;
#[cfg(CONFIG_NET_L2_PPP)]
pub(crate) use self::socket::renew_network;
pub(crate) use self::socket::{
    Address, Handshake, Socket, network_address, resolve, start_network, wait, wait_init, wake,
};

use crate::kconfig;

/// The shim's `enum azure_error`.
pub(crate) use azure_device::failure::PlatformError as Error;

/// The error of a shim's result below 0.
fn error(result: i32) -> Error {
    match result.unsigned_abs() {
        c::AZURE_AGAIN => Error::Again,
        c::AZURE_REFUSED => Error::Refused,
        c::AZURE_TIMED_OUT => Error::TimedOut,
        c::AZURE_UNREACHABLE => Error::Unreachable,
        c::AZURE_NO_MEMORY => Error::NoMemory,
        c::AZURE_INVALID => Error::Invalid,
        c::AZURE_NOT_FOUND => Error::NotFound,
        c::AZURE_CLOSED => Error::Closed,
        _ => Error::Other,
    }
}

/// The result by which C learns of an error.
#[cfg(CONFIG_AZURE_ISM43362)]
pub(crate) fn result(error: Error) -> i32 {
    let code = match error {
        Error::Again => c::AZURE_AGAIN,
        Error::Refused => c::AZURE_REFUSED,
        Error::TimedOut => c::AZURE_TIMED_OUT,
        Error::Unreachable => c::AZURE_UNREACHABLE,
        Error::NoMemory => c::AZURE_NO_MEMORY,
        Error::Invalid => c::AZURE_INVALID,
        Error::NotFound => c::AZURE_NOT_FOUND,
        Error::Closed => c::AZURE_CLOSED,
        Error::Other => c::AZURE_OTHER,
    };
    -code.cast_signed()
}

/// A shim's result: a value of 0 or more, or `-(enum azure_error)`.
fn value(result: i32) -> Result<usize, Error> {
    usize::try_from(result).map_err(|_| error(result))
}

/// The length of a slice as C takes it. No buffer of this firmware comes near the limit.
fn length(slice: &[u8]) -> u32 {
    u32::try_from(slice.len()).unwrap_or(u32::MAX)
}

/// The declarations and constants of `azure_shim.h`, by firmware/build.rs.
#[allow(dead_code, non_camel_case_types, unreachable_pub)] // Generated.
pub(crate) mod c {
    include!(concat!(env!("OUT_DIR"), "/azure_shim.rs"));
}

/// errno of this thread's last call, for a log line.
pub(crate) fn errno() -> i32 {
    // SAFETY: takes nothing, and reads a value of this thread.
    unsafe { c::azure_errno() }
}

/// Static memory that is handed out once.
struct StaticCell<T>(UnsafeCell<T>);

// SAFETY: the content is only reached through the functions of this file, which give one reference at a
// time to it and say how; and it holds plain bytes, which any thread may own.
unsafe impl<T: Send> Sync for StaticCell<T> {}

/// A value that threads and interrupts share. One core: with interrupts off, nothing else runs.
#[cfg(CONFIG_AZURE_OUTLET)]
pub(crate) struct InterruptMutex<T>(UnsafeCell<T>);

// SAFETY: the content is only reached in `with_locked`, by one at a time.
#[cfg(CONFIG_AZURE_OUTLET)]
unsafe impl<T: Send> Sync for InterruptMutex<T> {}

#[cfg(CONFIG_AZURE_OUTLET)]
impl<T> InterruptMutex<T> {
    /// A value to share.
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Works with the value while nothing else runs. `work` must be short, and must not come here again.
    pub(crate) fn with_locked<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: takes nothing; its key goes to azure_unlock below.
        let key = unsafe { c::azure_lock() };
        // SAFETY: until azure_unlock nothing else runs, and `work` does not come here again: this is the only reference.
        let result = work(unsafe { &mut *self.0.get() });
        // SAFETY: the key is that of the azure_lock above.
        unsafe { c::azure_unlock(key) };
        result
    }
}

/// A size from Kconfig.
const fn size(configured: isize) -> usize {
    configured.unsigned_abs()
}

#[cfg(CONFIG_AZURE_TWIN)]
const TWIN_SIZE: usize = size(kconfig::CONFIG_AZURE_TWIN_SIZE);
#[cfg(not(CONFIG_AZURE_TWIN))]
const TWIN_SIZE: usize = 0;

#[cfg(CONFIG_AZURE_QUEUE)]
const RECORD_SIZE: usize = size(kconfig::CONFIG_AZURE_QUEUE_RECORD_SIZE);
#[cfg(not(CONFIG_AZURE_QUEUE))]
const RECORD_SIZE: usize = 0;

/// The device's buffers, sized by Kconfig.
pub(crate) struct Buffers {
    pub(crate) receive: [u8; size(kconfig::CONFIG_AZURE_RX_BUFFER_SIZE)],
    pub(crate) transmit: [u8; size(kconfig::CONFIG_AZURE_TX_BUFFER_SIZE)],
    pub(crate) outbox: [u8; size(kconfig::CONFIG_AZURE_OUTBOX_SIZE)],
    pub(crate) scratch: [u8; size(kconfig::CONFIG_AZURE_SCRATCH_SIZE)],
    pub(crate) twin: [u8; TWIN_SIZE],
    #[cfg_attr(not(CONFIG_AZURE_QUEUE), allow(dead_code))]
    pub(crate) record: [u8; RECORD_SIZE],
}

// SAFETY: what lies in this section is written as a whole before it is read, in `take_buffers`.
#[cfg_attr(CONFIG_AZURE_BUFFERS_REGION, unsafe(link_section = ".azure_buffers"))]
static BUFFERS: StaticCell<Buffers> = StaticCell(UnsafeCell::new(Buffers {
    receive: [0; size(kconfig::CONFIG_AZURE_RX_BUFFER_SIZE)],
    transmit: [0; size(kconfig::CONFIG_AZURE_TX_BUFFER_SIZE)],
    outbox: [0; size(kconfig::CONFIG_AZURE_OUTBOX_SIZE)],
    scratch: [0; size(kconfig::CONFIG_AZURE_SCRATCH_SIZE)],
    twin: [0; TWIN_SIZE],
    record: [0; RECORD_SIZE],
}));

static BUFFERS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The device's buffers, to the first who asks.
pub(crate) fn take_buffers() -> Option<&'static mut Buffers> {
    if BUFFERS_TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    // SAFETY: the swap lets exactly one caller get here, so this is the only reference there ever is. Zeros are a value
    // of `Buffers`; a memory region of the board's does not start with them.
    Some(unsafe {
        BUFFERS.0.get().write_bytes(0, 1);
        &mut *BUFFERS.0.get()
    })
}
