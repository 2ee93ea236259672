//! The C shim as safe Rust. Unsafe code is here and in [`crate::entry`], which C calls, and nowhere else.
//!
//! Each wrapper states why its call is sound. Common to all: the functions are those of
//! `shim/include/azure_shim.h`, linked into the same image; they take pointers that are only used during
//! the call, except where it says otherwise; none of them unwinds.

#![allow(unsafe_code)]

mod board;
mod credentials;
#[cfg(CONFIG_AZURE_ISM43362)]
pub(crate) mod ism43362;
#[cfg(CONFIG_AZURE_SETTINGS)]
pub(crate) mod settings;
#[cfg(CONFIG_AZURE_SHELL)]
mod shell;
mod socket;

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) use self::board::Memory;
#[cfg(CONFIG_AZURE_DPS)]
pub(crate) use self::board::hardware_id;
pub(crate) use self::board::{
    Led, RawReading, application_version, arguments, feed_watchdog, init_board, last_fault, log,
    memory, random, read_sensors, reset_cause, restart, set_led, set_unix_time, sleep_ms,
    start_watchdog, unix_time, uptime, zephyr_version,
};
pub(crate) use self::credentials::{Arena, Kind, Refusal, Stored, add_credential, check_pair};
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) use self::credentials::{check_certificate, check_key};
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) use self::shell::{RawShell, Shell};
#[cfg(CONFIG_WIFI)]
pub(crate) use self::socket::join_wifi;
pub(crate) use self::socket::{
    Address, Handshake, Socket, network_address, resolve, start_network, wait, wait_init, wake,
};

use crate::kconfig;

/// The shim's `enum azure_error`: what errno meant in C, where its values are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    Again,
    Refused,
    TimedOut,
    Unreachable,
    NoMemory,
    Invalid,
    NotFound,
    Closed,
    Other,
}

impl Error {
    fn from_code(code: i32) -> Self {
        match code {
            -1 => Self::Again,
            -2 => Self::Refused,
            -3 => Self::TimedOut,
            -4 => Self::Unreachable,
            -5 => Self::NoMemory,
            -6 => Self::Invalid,
            -7 => Self::NotFound,
            -8 => Self::Closed,
            _ => Self::Other,
        }
    }
}

/// A shim's result: a value of 0 or more, or `-(enum azure_error)`.
fn value(result: i32) -> Result<usize, Error> {
    usize::try_from(result).map_err(|_| Error::from_code(result))
}

/// The length of a slice as C takes it. No buffer of this firmware comes near the limit.
fn length(slice: &[u8]) -> u32 {
    u32::try_from(slice.len()).unwrap_or(u32::MAX)
}

mod c {
    use super::board::{Memory, RawReading};
    use super::socket::{Address, Handshake};
    use core::ffi::c_char;

    unsafe extern "C" {
        pub(super) fn azure_errno() -> i32;
        pub(super) fn azure_log(level: u32, line: *const c_char);
        pub(super) fn azure_uptime_ms() -> u64;
        pub(super) fn azure_sleep_ms(milliseconds: u32);
        pub(super) fn azure_unix_ms() -> u64;
        pub(super) fn azure_set_unix_ms(unix_ms: u64);
        pub(super) fn azure_resolve(
            host: *const c_char,
            port: *const c_char,
            stream: bool,
            addresses: *mut Address,
            capacity: u32,
        ) -> i32;
        pub(super) fn azure_udp_connect(address: *const Address) -> i32;
        pub(super) fn azure_udp_receive(
            socket: i32,
            buffer: *mut u8,
            length: u32,
            timeout_ms: u32,
        ) -> i32;
        pub(super) fn azure_tls_connect(
            address: *const Address,
            host_name: *const c_char,
            tags: *const i32,
            tag_count: u32,
            output_length: u32,
            send_timeout_ms: u32,
            handshake: *mut Handshake,
        ) -> i32;
        pub(super) fn azure_receive(socket: i32, buffer: *mut u8, length: u32) -> i32;
        pub(super) fn azure_readable(socket: i32) -> i32;
        pub(super) fn azure_send(socket: i32, data: *const u8, length: u32) -> i32;
        pub(super) fn azure_tls_broken(reason: *mut Handshake);
        pub(super) fn azure_close(socket: i32);
        pub(super) fn azure_wait_init() -> i32;
        pub(super) fn azure_wait(socket: i32, timeout_ms: u32) -> i32;
        pub(super) fn azure_wake();
        pub(super) fn azure_credential_add(tag: i32, kind: u32, der: *const u8, length: u32)
        -> i32;
        pub(super) fn azure_credential_remove(tag: i32);
        #[cfg(CONFIG_AZURE_SHELL)]
        pub(super) fn azure_check_certificate(der: *const u8, length: u32) -> i32;
        #[cfg(CONFIG_AZURE_SHELL)]
        pub(super) fn azure_check_key(der: *const u8, length: u32) -> i32;
        pub(super) fn azure_check_pair(
            certificate: *const u8,
            certificate_length: u32,
            key: *const u8,
            key_length: u32,
        ) -> i32;
        pub(super) fn azure_network_start();
        pub(super) fn azure_network_address(text: *mut c_char, length: u32) -> bool;
        #[cfg(CONFIG_WIFI)]
        pub(super) fn azure_wifi_join(
            ssid: *const u8,
            ssid_length: u32,
            password: *const u8,
            password_length: u32,
        ) -> i32;
        #[cfg(CONFIG_AZURE_SETTINGS)]
        pub(super) fn azure_settings_init() -> i32;
        #[cfg(CONFIG_AZURE_SETTINGS)]
        pub(super) fn azure_settings_load(key: *const c_char, buffer: *mut u8, length: u32) -> i32;
        #[cfg(CONFIG_AZURE_SETTINGS)]
        pub(super) fn azure_settings_length(key: *const c_char) -> i32;
        #[cfg(CONFIG_AZURE_SETTINGS)]
        pub(super) fn azure_settings_save(key: *const c_char, value: *const u8, length: u32)
        -> i32;
        #[cfg(CONFIG_AZURE_SETTINGS)]
        pub(super) fn azure_settings_delete(key: *const c_char) -> i32;
        pub(super) fn azure_random(buffer: *mut u8, length: u32) -> i32;
        pub(super) fn azure_led_set(led: u32, on: bool);
        pub(super) fn azure_board_init();
        pub(super) fn azure_watchdog_start();
        pub(super) fn azure_watchdog_feed();
        pub(super) fn azure_reset_cause() -> *const c_char;
        pub(super) fn azure_last_fault() -> *const c_char;
        pub(super) fn azure_restart();
        #[cfg(CONFIG_AZURE_DPS)]
        pub(super) fn azure_hardware_id(id: *mut u8, length: u32) -> i32;
        pub(super) fn azure_zephyr_version() -> *const c_char;
        pub(super) fn azure_application_version() -> *const c_char;
        pub(super) fn azure_memory(memory: *mut Memory);
        pub(super) fn azure_sensors_read(readings: *mut RawReading, capacity: u32) -> i32;
        #[cfg(CONFIG_ARCH_POSIX)]
        pub(super) fn azure_arguments(arguments: *mut super::board::Arguments);
        #[cfg(CONFIG_AZURE_SHELL)]
        pub(super) fn azure_shell_print(shell: *const super::shell::RawShell, line: *const c_char);
        #[cfg(CONFIG_AZURE_SHELL)]
        pub(super) fn azure_shell_read(
            shell: *const super::shell::RawShell,
            buffer: *mut u8,
            length: u32,
            timeout_ms: u32,
        ) -> u32;
    }
}

/// errno of this thread's last call, for a log line.
pub(crate) fn errno() -> i32 {
    // SAFETY: takes nothing, and reads a value of this thread.
    unsafe { c::azure_errno() }
}

/// Static memory that is handed out once.
struct Place<T>(UnsafeCell<T>);

// SAFETY: the content is only reached through the functions of this file, which give one reference at a
// time to it and say how; and it holds plain bytes, which any thread may own.
unsafe impl<T: Send> Sync for Place<T> {}

/// A size from Kconfig.
const fn size(configured: isize) -> usize {
    configured.unsigned_abs()
}

#[cfg(CONFIG_AZURE_TWIN)]
const TWIN_SIZE: usize = size(kconfig::CONFIG_AZURE_TWIN_SIZE);
#[cfg(not(CONFIG_AZURE_TWIN))]
const TWIN_SIZE: usize = 0;

/// The device's buffers, sized by Kconfig.
pub(crate) struct Buffers {
    pub(crate) receive: [u8; size(kconfig::CONFIG_AZURE_RX_BUFFER_SIZE)],
    pub(crate) transmit: [u8; size(kconfig::CONFIG_AZURE_TX_BUFFER_SIZE)],
    pub(crate) outbox: [u8; size(kconfig::CONFIG_AZURE_OUTBOX_SIZE)],
    pub(crate) scratch: [u8; size(kconfig::CONFIG_AZURE_SCRATCH_SIZE)],
    pub(crate) twin: [u8; TWIN_SIZE],
}

// SAFETY: what lies in this section is written as a whole before it is read, in `take_buffers`.
#[cfg_attr(CONFIG_AZURE_BUFFERS_REGION, unsafe(link_section = ".azure_buffers"))]
static BUFFERS: Place<Buffers> = Place(UnsafeCell::new(Buffers {
    receive: [0; size(kconfig::CONFIG_AZURE_RX_BUFFER_SIZE)],
    transmit: [0; size(kconfig::CONFIG_AZURE_TX_BUFFER_SIZE)],
    outbox: [0; size(kconfig::CONFIG_AZURE_OUTBOX_SIZE)],
    scratch: [0; size(kconfig::CONFIG_AZURE_SCRATCH_SIZE)],
    twin: [0; TWIN_SIZE],
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
