//! The C shim as safe Rust, and Rust's entry points for C. No unsafe code is elsewhere.
//!
//! Each wrapper states why its call is sound. Common to all: the functions are those of
//! `shim/include/azure_shim.h`, linked into the same image; they take pointers that are only used during
//! the call, except where it says otherwise; none of them unwinds.

#![allow(unsafe_code)]

mod credentials;
mod entry;
#[cfg(CONFIG_AZURE_ISM43362)]
pub(crate) mod ism43362;

use core::cell::UnsafeCell;
use core::ffi::CStr;
#[cfg(CONFIG_ARCH_POSIX)]
use core::ffi::c_char;
use core::sync::atomic::{AtomicBool, Ordering};

pub(crate) use self::credentials::{Arena, Kind, Refusal, Stored, add_credential, check_pair};
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) use self::credentials::{check_certificate, check_key};

use crate::credentials::Tags;
use crate::kconfig;
use azure_device::time::{Instant, UnixTime};

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

/// An address to connect to: `struct azure_address`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Address {
    length: u32,
    data: [u32; 7],
}

/// Events in a TLS handshake: `struct azure_handshake`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Handshake {
    pub(crate) started: u32,
    pub(crate) kind: u32,
    pub(crate) code: i32,
    pub(crate) alert: u32,
    pub(crate) flags: u32,
    pub(crate) suite: u32,
    pub(crate) record: u32,
}

/// Heap and stack: `struct azure_memory`, in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) heap_size: u32,
    pub(crate) heap_used: u32,
    pub(crate) heap_peak: u32,
    pub(crate) stack_size: u32,
    pub(crate) stack_unused: u32,
}

/// A sensor's value: `struct azure_reading`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RawReading {
    pub(crate) quantity: u32,
    pub(crate) integer: i32,
    pub(crate) millionths: i32,
}

/// Which LED, by meaning: `enum azure_led`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Led {
    Starting = 0,
    Sending = 1,
    Failed = 2,
}

#[cfg(CONFIG_ARCH_POSIX)]
#[repr(C)]
struct Arguments([*const c_char; 4]);

mod c {
    use super::{Address, Handshake, Memory, RawReading};
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
        pub(super) fn azure_arguments(arguments: *mut super::Arguments);
        #[cfg(CONFIG_AZURE_SHELL)]
        pub(super) fn azure_shell_print(shell: *const super::RawShell, line: *const c_char);
        #[cfg(CONFIG_AZURE_SHELL)]
        pub(super) fn azure_shell_read(
            shell: *const super::RawShell,
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

/// Logs through Zephyr. Levels as in Zephyr: 1 error to 4 debug.
pub(crate) fn log(level: u32, line: &CStr) {
    // SAFETY: `line` ends with a zero; the shim has printed or copied it when it returns.
    unsafe { c::azure_log(level, line.as_ptr()) }
}

/// Time since the start.
pub(crate) fn uptime() -> Instant {
    // SAFETY: takes nothing; Zephyr's uptime can be read in every context.
    Instant::from_millis(unsafe { c::azure_uptime_ms() })
}

/// Sleeps.
pub(crate) fn sleep_ms(milliseconds: u32) {
    // SAFETY: takes a number; called in threads only, never in an interrupt.
    unsafe { c::azure_sleep_ms(milliseconds) }
}

/// The shared clock, once it is set.
pub(crate) fn unix_time() -> Option<UnixTime> {
    // SAFETY: takes nothing; Zephyr locks its clock itself.
    match unsafe { c::azure_unix_ms() } {
        0 => None,
        milliseconds => Some(UnixTime::from_millis(milliseconds)),
    }
}

/// Sets the shared clock.
pub(crate) fn set_unix_time(time: UnixTime) {
    // SAFETY: takes a number; Zephyr locks its clock itself.
    unsafe { c::azure_set_unix_ms(time.as_millis()) }
}

/// Resolves a name to the addresses that fit, and gives their number, at least 1.
pub(crate) fn resolve(
    host: &CStr,
    port: &CStr,
    stream: bool,
    addresses: &mut [Address],
) -> Result<usize, Error> {
    let capacity = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    // SAFETY: both texts end with a zero; at most `capacity` addresses are written, which is the slice's
    // length or less, and every bit pattern is an `Address`.
    value(unsafe {
        c::azure_resolve(
            host.as_ptr(),
            port.as_ptr(),
            stream,
            addresses.as_mut_ptr(),
            capacity,
        )
    })
}

/// An open socket. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Socket(i32);

impl Socket {
    /// Opens a UDP socket that sends to `address`, and gets its datagrams only.
    pub(crate) fn connect_udp(address: &Address) -> Result<Self, Error> {
        // SAFETY: `address` came from `resolve` or is zero, which no socket accepts.
        let socket = unsafe { c::azure_udp_connect(address) };
        if socket < 0 {
            Err(Error::from_code(socket))
        } else {
            Ok(Self(socket))
        }
    }

    /// Takes a datagram as far as it fits, and gives its length. Waits for it; [`Error::Again`] means that none came,
    /// or that it is worth while to wait for the rest of the time.
    pub(crate) fn receive_datagram(
        &mut self,
        buffer: &mut [u8],
        timeout_ms: u32,
    ) -> Result<usize, Error> {
        // SAFETY: at most `buffer.len()` bytes are written to it.
        value(unsafe {
            c::azure_udp_receive(self.0, buffer.as_mut_ptr(), length(buffer), timeout_ms)
        })
    }

    /// Connects and completes the TLS handshake.
    pub(crate) fn connect_tls(
        address: &Address,
        host_name: &CStr,
        tags: &Tags,
        send_timeout_ms: u32,
        handshake: &mut Handshake,
    ) -> Result<Self, Error> {
        let output_length = u32::try_from(tags.output_length()).unwrap_or(0);
        let tags = tags.as_slice();
        let tag_count = u32::try_from(tags.len()).unwrap_or(0);
        // SAFETY: `tags` has `tag_count` elements, `host_name` ends with a zero, and all bit patterns are a
        // `Handshake`. The shim forgets the pointer to it before it returns.
        let socket = unsafe {
            c::azure_tls_connect(
                address,
                host_name.as_ptr(),
                tags.as_ptr(),
                tag_count,
                output_length,
                send_timeout_ms,
                handshake,
            )
        };
        if socket < 0 {
            Err(Error::from_code(socket))
        } else {
            Ok(Self(socket))
        }
    }

    /// Reads what is there; 0 is the end of the stream.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: at most `buffer.len()` bytes are written to it.
        value(unsafe { c::azure_receive(self.0, buffer.as_mut_ptr(), length(buffer)) })
    }

    /// True if [`Socket::receive`] has data, or the end of the stream, to give.
    pub(crate) fn readable(&self) -> Result<bool, Error> {
        // SAFETY: takes a number; nothing is written.
        value(unsafe { c::azure_readable(self.0) }).map(|readable| readable != 0)
    }

    /// Gives why TLS could not go on reading, once; the kind is 0 if it could.
    pub(crate) fn broken(&mut self) -> Handshake {
        let mut reason = Handshake::default();
        // SAFETY: it is written to only, and all bit patterns are a `Handshake`.
        unsafe { c::azure_tls_broken(&raw mut reason) };
        reason
    }

    /// Sends some of `data`, at least a byte. Blocks for the time given to `connect_tls` at most.
    pub(crate) fn send(&mut self, data: &[u8]) -> Result<usize, Error> {
        // SAFETY: at most `data.len()` bytes are read.
        value(unsafe { c::azure_send(self.0, data.as_ptr(), length(data)) })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the socket is open and owned by this value alone.
        unsafe { c::azure_close(self.0) }
    }
}

/// Reason why [`wait`] came back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Woken {
    pub(crate) readable: bool,
    pub(crate) asked: bool,
}

/// Prepares [`wait`] and [`wake`].
pub(crate) fn wait_init() -> Result<(), Error> {
    // SAFETY: takes nothing; called once, before any other thread calls `wake`, which tolerates the lack.
    value(unsafe { c::azure_wait_init() }).map(|_| ())
}

/// Sleeps until the socket is readable, [`wake`] is called or the time has passed.
pub(crate) fn wait(socket: Option<&Socket>, timeout_ms: u32) -> Result<Woken, Error> {
    let socket = socket.map_or(-1, |socket| socket.0);
    // SAFETY: takes numbers; the socket is open, since it is borrowed.
    let bits = value(unsafe { c::azure_wait(socket, timeout_ms) })?;
    Ok(Woken {
        readable: bits & 1 != 0,
        asked: bits & 2 != 0,
    })
}

/// Ends [`wait`] in the device's thread. Not for interrupts.
pub(crate) fn wake() {
    // SAFETY: takes nothing; an event file descriptor can be written from every thread.
    unsafe { c::azure_wake() }
}

/// Static memory that is handed out once.
struct Place<T>(UnsafeCell<T>);

// SAFETY: the content is only reached through the functions of this file, which give one reference at a
// time to it and say how; and it holds plain bytes, which any thread may own.
unsafe impl<T: Send> Sync for Place<T> {}

/// Starts what brings the network up.
pub(crate) fn start_network() {
    // SAFETY: takes nothing; called once. Its callback is `azure_rust_network_changed`.
    unsafe { c::azure_network_start() }
}

/// Writes the device's address into `text`, if it has one.
pub(crate) fn network_address(text: &mut [u8; 48]) -> Option<&str> {
    // SAFETY: at most 48 bytes are written, a terminating zero included.
    if !unsafe { c::azure_network_address(text.as_mut_ptr().cast(), 48) } {
        return None;
    }
    CStr::from_bytes_until_nul(text).ok()?.to_str().ok()
}

/// Joins a Wi-Fi network.
#[cfg(CONFIG_WIFI)]
pub(crate) fn join_wifi(ssid: &[u8], password: &[u8]) -> Result<(), Error> {
    // SAFETY: both are copied during the call, after their lengths are checked.
    let result = unsafe {
        c::azure_wifi_join(
            ssid.as_ptr(),
            length(ssid),
            password.as_ptr(),
            length(password),
        )
    };
    value(result).map(|_| ())
}

/// Zephyr's settings.
#[cfg(CONFIG_AZURE_SETTINGS)]
pub(crate) mod settings {
    use super::{Error, c, length, value};
    use core::ffi::CStr;

    /// Mounts the store.
    pub(crate) fn init() -> Result<(), Error> {
        // SAFETY: takes nothing; a second call does nothing.
        value(unsafe { c::azure_settings_init() }).map(|_| ())
    }

    /// Reads a value as far as it fits, and gives the number of bytes read.
    pub(crate) fn load(key: &CStr, buffer: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: at most `buffer.len()` bytes are written; `key` ends with a zero.
        value(unsafe { c::azure_settings_load(key.as_ptr(), buffer.as_mut_ptr(), length(buffer)) })
    }

    /// The length of a value; 0 if there is none.
    pub(crate) fn value_length(key: &CStr) -> Result<usize, Error> {
        // SAFETY: `key` ends with a zero.
        value(unsafe { c::azure_settings_length(key.as_ptr()) })
    }

    /// Writes a value.
    pub(crate) fn save(key: &CStr, data: &[u8]) -> Result<(), Error> {
        // SAFETY: `data` is read during the call only; `key` ends with a zero.
        value(unsafe { c::azure_settings_save(key.as_ptr(), data.as_ptr(), length(data)) })
            .map(|_| ())
    }

    /// Erases a value.
    pub(crate) fn delete(key: &CStr) -> Result<(), Error> {
        // SAFETY: `key` ends with a zero.
        value(unsafe { c::azure_settings_delete(key.as_ptr()) }).map(|_| ())
    }
}

/// Random bytes from Zephyr's cryptographic generator.
pub(crate) fn random(buffer: &mut [u8]) -> Result<(), Error> {
    // SAFETY: exactly `buffer.len()` bytes are written.
    value(unsafe { c::azure_random(buffer.as_mut_ptr(), length(buffer)) }).map(|_| ())
}

/// Switches an LED, if the board has it.
pub(crate) fn set_led(led: Led, on: bool) {
    // SAFETY: takes numbers; the shim checks the first.
    unsafe { c::azure_led_set(led as u32, on) }
}

/// Configures LEDs and button. For the device's thread, whose stack [`memory`] tells of.
pub(crate) fn init_board() {
    // SAFETY: takes nothing; called once.
    unsafe { c::azure_board_init() }
}

/// Starts the watchdog; from now on it has to be fed.
pub(crate) fn start_watchdog() {
    // SAFETY: takes nothing; called once.
    unsafe { c::azure_watchdog_start() }
}

/// Tells the watchdog that the device makes progress.
pub(crate) fn feed_watchdog() {
    // SAFETY: takes nothing.
    unsafe { c::azure_watchdog_feed() }
}

/// Reason why the processor started, in words.
pub(crate) fn reset_cause() -> &'static str {
    // SAFETY: the shim gives a zero-terminated text that it does not change any more.
    unsafe { CStr::from_ptr(c::azure_reset_cause()) }
        .to_str()
        .unwrap_or("unknown")
}

/// The fault that ended the last run: what it was, where, and from where; empty if none did.
pub(crate) fn last_fault() -> &'static str {
    // SAFETY: the shim gives a zero-terminated text that it does not change any more.
    unsafe { CStr::from_ptr(c::azure_last_fault()) }
        .to_str()
        .unwrap_or_default()
}

/// The id that the processor's maker gave it, as far as it fits; `None` if it has none.
#[cfg(CONFIG_AZURE_DPS)]
pub(crate) fn hardware_id(id: &mut [u8; 16]) -> Option<&[u8]> {
    // SAFETY: at most `id.len()` bytes are written.
    let count =
        value(unsafe { c::azure_hardware_id(id.as_mut_ptr(), length(id.as_slice())) }).ok()?;
    id.get(..count).filter(|id| !id.is_empty())
}

/// Restarts the processor, after the log is out.
pub(crate) fn restart() {
    // SAFETY: takes nothing, and does not come back.
    unsafe { c::azure_restart() }
}

/// Zephyr's version.
pub(crate) fn zephyr_version() -> &'static str {
    // SAFETY: the shim gives a string constant.
    unsafe { CStr::from_ptr(c::azure_zephyr_version()) }
        .to_str()
        .unwrap_or("unknown")
}

/// This application's version.
pub(crate) fn application_version() -> &'static str {
    // SAFETY: the shim gives a string constant.
    unsafe { CStr::from_ptr(c::azure_application_version()) }
        .to_str()
        .unwrap_or("unknown")
}

/// Heap of the image, stack of the device's thread.
pub(crate) fn memory() -> Memory {
    let mut memory = Memory::default();
    // SAFETY: `memory` is writable, and every bit pattern is a `Memory`.
    unsafe { c::azure_memory(&raw mut memory) };
    memory
}

/// Reads the board's sensors; gives how many readings were written, or errno.
pub(crate) fn read_sensors(readings: &mut [RawReading; 3]) -> Result<usize, i32> {
    // SAFETY: at most three readings are written, and every bit pattern is a `RawReading`.
    let result = unsafe { c::azure_sensors_read(readings.as_mut_ptr(), 3) };
    usize::try_from(result).map_err(|_| -result)
}

/// Options of the simulator's command line: connection string, address, port, time servers.
pub(crate) fn arguments() -> [Option<&'static str>; 4] {
    #[cfg(CONFIG_ARCH_POSIX)]
    {
        let mut arguments = Arguments([core::ptr::null(); 4]);
        // SAFETY: four pointers are written, each null or to a zero-terminated text of the process's
        // command line, which lives as long as the process and is not changed.
        unsafe { c::azure_arguments(&raw mut arguments) };
        arguments.0.map(|text| {
            // SAFETY: see above; null was excluded.
            (!text.is_null())
                .then(|| unsafe { CStr::from_ptr(text) }.to_str().ok())
                .flatten()
        })
    }
    #[cfg(not(CONFIG_ARCH_POSIX))]
    [None; 4]
}

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

/// `struct shell`, which only C looks into.
#[cfg(CONFIG_AZURE_SHELL)]
#[repr(C)]
pub(crate) struct RawShell {
    _opaque: [u8; 0],
}

/// The shell that a command came from. Valid during the command.
#[cfg(CONFIG_AZURE_SHELL)]
#[derive(Clone, Copy)]
pub(crate) struct Shell<'a>(&'a RawShell);

#[cfg(CONFIG_AZURE_SHELL)]
impl Shell<'_> {
    /// Prints a line.
    pub(crate) fn print(&self, line: &CStr) {
        // SAFETY: the shell is valid, `line` ends with a zero; called in the shell's own thread.
        unsafe { c::azure_shell_print(self.0, line.as_ptr()) }
    }

    /// Takes what was typed, without echo; waits for it if there is nothing. Gives the number of bytes.
    pub(crate) fn read(&self, buffer: &mut [u8], timeout_ms: u32) -> usize {
        // SAFETY: the shell is valid, and at most `buffer.len()` bytes are written to it; called in the shell's
        // own thread, which reads nothing else meanwhile.
        let count =
            unsafe { c::azure_shell_read(self.0, buffer.as_mut_ptr(), length(buffer), timeout_ms) };
        (count as usize).min(buffer.len())
    }
}
