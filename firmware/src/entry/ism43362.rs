//! The ISM43362's sockets, as Zephyr's sockets call them.

#![allow(unsafe_code)]

use core::ffi::{CStr, c_char};
use core::slice;

use ism43362::{Address, Error, Kind, Received};

use crate::ffi;
use crate::ffi::ism43362::c;
use crate::ism43362 as station;

include!(concat!(env!("OUT_DIR"), "/azure_ism43362_exports.rs"));

/// The result by which C learns of an error.
fn code(error: Error) -> i32 {
    let error = match error {
        Error::Refused => ffi::Error::Refused,
        Error::Silent => ffi::Error::TimedOut,
        Error::NoNetwork => ffi::Error::Unreachable,
        Error::NoSocket => ffi::Error::NoMemory,
        Error::Argument => ffi::Error::Invalid,
        Error::Ended | Error::Garbled => ffi::Error::Closed,
        _ => ffi::Error::Other,
    };
    ffi::result(error)
}

fn result<T: TryInto<i32>>(result: Result<T, Error>) -> i32 {
    match result {
        Ok(value) => value.try_into().unwrap_or(i32::MAX),
        Err(error) => code(error),
    }
}

// SAFETY: the name is declared in azure_ism43362.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_ism43362_poll() -> u32 {
    station::poll()
}

// SAFETY: the name is declared in azure_ism43362.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_ism43362_start() {
    station::start();
}

/// # Safety
/// `address` points to room for an address.
// SAFETY: the name is declared in azure_ism43362.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_ism43362_address(address: *mut Address) -> bool {
    let known = station::address();
    // SAFETY: the caller gives room for an address.
    unsafe { address.write(known.unwrap_or_default()) };
    known.is_some()
}

/// # Safety
/// `host` points to a zero-terminated text, and `address` to room for an address.
// SAFETY: the name is declared in azure_ism43362.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_ism43362_resolve(
    host: *const c_char,
    address: *mut Address,
) -> i32 {
    // SAFETY: the caller gives a zero-terminated text, which stays as it is during the call.
    let host = unsafe { CStr::from_ptr(host) };
    let found = host.to_str().map_err(|_| Error::Argument);
    match found.and_then(station::resolve) {
        Ok(Some(found)) => {
            // SAFETY: the caller gives room for an address.
            unsafe { address.write(found) };
            0
        }
        Ok(None) => ffi::result(ffi::Error::NotFound),
        Err(error) => code(error),
    }
}

// SAFETY: the name is declared in azure_ism43362.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_ism43362_socket(stream: bool) -> i32 {
    let kind = if stream { Kind::Tcp } else { Kind::Udp };
    result(station::online(|station, _| station.socket(kind)))
}

/// # Safety
/// `address` points to an address.
// SAFETY: the name is declared in azure_ism43362.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_ism43362_connect(
    socket: u32,
    address: *const Address,
    port: u32,
) -> i32 {
    // SAFETY: the caller gives an address, which stays as it is during the call.
    let address = unsafe { *address };
    let Ok(port) = u16::try_from(port) else {
        return code(Error::Argument);
    };
    result(station::online(|station, now| {
        station
            .connect(socket as usize, address, port, now)
            .map(|()| 0)
    }))
}

/// # Safety
/// `data` points to `length` bytes.
// SAFETY: the name is declared in azure_ism43362.h, and nothing else has it.
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
// SAFETY: the name is declared in azure_ism43362.h, and nothing else has it.
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
        Ok(Received::Nothing) => ffi::result(ffi::Error::Again),
        Ok(Received::Data(length)) => result(Ok(length)),
        Err(error) => code(error),
    }
}

// SAFETY: the name is declared in azure_ism43362.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_ism43362_readable(socket: u32) -> bool {
    station::is_readable(socket as usize)
}

// SAFETY: the name is declared in azure_ism43362.h, and nothing else has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn azure_rust_ism43362_close(socket: u32) {
    station::close(socket as usize);
}
