//! The ISM43362's bus for [`crate::ism43362`], and what Zephyr's sockets call of it.

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char};
use core::slice;
use core::sync::atomic::{AtomicBool, Ordering};

use ism43362::{Address, Bus, BusError, Error, Kind, Received};

use super::Place;
use crate::ism43362 as station;
use crate::kconfig;

mod c {
    unsafe extern "C" {
        pub(super) fn azure_ism43362_init() -> i32;
        pub(super) fn azure_ism43362_reset();
        pub(super) fn azure_ism43362_exchange(
            command: *const u8,
            command_length: u32,
            payload: *const u8,
            payload_length: u32,
            answer: *mut u8,
            capacity: u32,
            timeout_ms: u32,
        ) -> i32;
        pub(super) fn azure_ism43362_start();
        pub(super) fn azure_ism43362_wake();
    }
}

/// The bus that the devicetree names. There is one module, and one of these.
pub(crate) struct ModuleBus(());

impl ModuleBus {
    /// Prepares bus and pins; `None` if Zephyr has not brought them up. Called once.
    pub(crate) fn init() -> Option<Self> {
        // SAFETY: takes nothing; no other function of the bus is called before.
        let result = unsafe { c::azure_ism43362_init() };
        (result == 0).then_some(Self(()))
    }
}

impl Bus for ModuleBus {
    fn reset(&mut self) {
        // SAFETY: takes nothing; `self` is borrowed alone, so nothing else is on the bus.
        unsafe { c::azure_ism43362_reset() }
    }

    fn exchange(
        &mut self,
        command: &[u8],
        payload: &[u8],
        answer: &mut [u8],
        timeout_ms: u32,
    ) -> Result<usize, BusError> {
        // SAFETY: each pointer goes with its length, and is used during the call only; at most `answer.len()` bytes are
        // written. `self` is borrowed alone, so nothing else is on the bus.
        let result = unsafe {
            c::azure_ism43362_exchange(
                command.as_ptr(),
                super::length(command),
                payload.as_ptr(),
                super::length(payload),
                answer.as_mut_ptr(),
                super::length(answer),
                timeout_ms,
            )
        };
        super::value(result).map_err(|error| match error {
            super::Error::TimedOut => BusError::Silent,
            _ => BusError::Failed,
        })
    }
}

/// The memory of the station.
pub(crate) type Buffers = ism43362::Buffers<{ kconfig::CONFIG_AZURE_ISM43362_SOCKETS as usize }>;

// SAFETY: what lies in this section is written as a whole before it is read, in `take_buffers`.
#[cfg_attr(CONFIG_AZURE_BUFFERS_REGION, unsafe(link_section = ".azure_buffers"))]
static BUFFERS: Place<Buffers> = Place(UnsafeCell::new(Buffers::new()));
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The station's memory, once.
pub(crate) fn take_buffers() -> Option<&'static mut Buffers> {
    if TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    // SAFETY: the swap gives the one reference to one caller. Zeros are a value of `Buffers`, which has arrays of bytes
    // only; a memory region of the board's does not start with them.
    Some(unsafe {
        BUFFERS.0.get().write_bytes(0, 1);
        &mut *BUFFERS.0.get()
    })
}

/// Starts the driver's thread.
pub(crate) fn start() {
    // SAFETY: takes nothing; called once, after the station is there.
    unsafe { c::azure_ism43362_start() }
}

/// Ends the sleep of the driver's thread.
pub(crate) fn wake() {
    // SAFETY: takes nothing; a semaphore can be given from every thread.
    unsafe { c::azure_ism43362_wake() }
}

/// The shim's `-(enum azure_error)`.
fn code(error: Error) -> i32 {
    match error {
        Error::Refused => -2,
        Error::Silent => -3,
        Error::NoNetwork => -4,
        Error::NoSocket => -5,
        Error::Argument => -6,
        Error::Ended | Error::Garbled => -8,
        _ => -9,
    }
}

fn result<T: TryInto<i32>>(result: Result<T, Error>) -> i32 {
    match result {
        Ok(value) => value.try_into().unwrap_or(i32::MAX),
        Err(error) => code(error),
    }
}

// SAFETY: the name is declared in azure_ism43362.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn azure_rust_ism43362_poll() -> u32 {
    station::poll()
}

// SAFETY: the name is declared in azure_ism43362.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn azure_rust_ism43362_start() {
    station::start();
}

// SAFETY: the name is declared in azure_ism43362.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn azure_rust_ism43362_address(address: &mut Address) -> bool {
    let known = station::address();
    *address = known.unwrap_or_default();
    known.is_some()
}

/// # Safety
/// `host` points to a zero-terminated text.
// SAFETY: the name is declared in azure_ism43362.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_ism43362_resolve(
    host: *const c_char,
    address: &mut Address,
) -> i32 {
    // SAFETY: the caller gives a zero-terminated text, which stays as it is during the call.
    let host = unsafe { CStr::from_ptr(host) };
    let found = host.to_str().map_err(|_| Error::Argument);
    match found.and_then(station::resolve) {
        Ok(Some(found)) => {
            *address = found;
            0
        }
        Ok(None) => -7,
        Err(error) => code(error),
    }
}

// SAFETY: the name is declared in azure_ism43362.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn azure_rust_ism43362_socket(stream: bool) -> i32 {
    let kind = if stream { Kind::Tcp } else { Kind::Udp };
    result(station::online(|station, _| station.socket(kind)))
}

// SAFETY: the name is declared in azure_ism43362.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn azure_rust_ism43362_connect(socket: u32, address: &Address, port: u32) -> i32 {
    let Ok(port) = u16::try_from(port) else {
        return code(Error::Argument);
    };
    result(station::online(|station, now| {
        station
            .connect(socket as usize, *address, port, now)
            .map(|()| 0)
    }))
}

/// # Safety
/// `data` points to `length` bytes.
// SAFETY: the name is declared in azure_ism43362.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_ism43362_send(socket: u32, data: *const u8, length: u32) -> i32 {
    if data.is_null() || length == 0 {
        return 0;
    }
    // SAFETY: the caller gives this many bytes, which stay as they are during the call.
    let data = unsafe { slice::from_raw_parts(data, length as usize) };
    result(station::online(|station, now| {
        station.send(socket as usize, data, now)
    }))
}

/// # Safety
/// `buffer` has room for `length` bytes.
// SAFETY: the name is declared in azure_ism43362.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_ism43362_receive(
    socket: u32,
    buffer: *mut u8,
    length: u32,
    peek: bool,
) -> i32 {
    if buffer.is_null() || length == 0 {
        return 0;
    }
    // SAFETY: the caller gives room for this many bytes, which nothing else uses during the call.
    let buffer = unsafe { slice::from_raw_parts_mut(buffer, length as usize) };
    match station::online(|station, _| station.receive(socket as usize, buffer, peek)) {
        Ok(Received::Nothing) => -1,
        Ok(Received::Data(length)) => result(Ok(length)),
        Err(error) => code(error),
    }
}

// SAFETY: the name is declared in azure_ism43362.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn azure_rust_ism43362_readable(socket: u32) -> bool {
    station::is_readable(socket as usize)
}

// SAFETY: the name is declared in azure_ism43362.h with this signature, and nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn azure_rust_ism43362_close(socket: u32) {
    station::close(socket as usize);
}
