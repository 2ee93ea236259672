//! Names, sockets, TLS and the network under them.

#![allow(unsafe_code)]

use core::ffi::CStr;

pub(crate) use super::c::azure_address as Address;
pub(crate) use super::c::azure_handshake as Handshake;
use super::{Error, c, error, length, value};
use crate::credentials::Tags;

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
            Err(error(socket))
        } else {
            Ok(Self(socket))
        }
    }

    /// Connects without TLS.
    #[cfg(CONFIG_AZURE_UPDATE)]
    pub(crate) fn connect_tcp(address: &Address, send_timeout_ms: u32) -> Result<Self, Error> {
        // SAFETY: `address` came from `resolve`.
        let socket = unsafe { c::azure_tcp_connect(address, send_timeout_ms) };
        if socket < 0 {
            Err(error(socket))
        } else {
            Ok(Self(socket))
        }
    }

    /// Takes what is there, or a datagram as far as it fits, and gives its length. Waits for it; [`Error::Again`] means
    /// that nothing came, or that it is worth while to wait for the rest of the time.
    pub(crate) fn receive_within(
        &mut self,
        buffer: &mut [u8],
        timeout_ms: u32,
    ) -> Result<usize, Error> {
        // SAFETY: at most `buffer.len()` bytes are written to it.
        value(unsafe {
            c::azure_receive_within(self.0, buffer.as_mut_ptr(), length(buffer), timeout_ms)
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
            Err(error(socket))
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

/// A thread's turn at handshakes, and at the credentials that they look at. Dropping it ends it, in the thread that has it.
#[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
pub(crate) struct Turn(core::marker::PhantomData<*const ()>);

#[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
impl Turn {
    /// `None` if another thread had it for all that time.
    pub(crate) fn take(timeout_ms: u32) -> Option<Self> {
        // SAFETY: takes a number. The pointer in the type keeps it in this thread, which the mutex under it belongs to.
        let taken = unsafe { c::azure_handshake_begin(timeout_ms) };
        taken.then_some(Self(core::marker::PhantomData))
    }
}

#[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
impl Drop for Turn {
    fn drop(&mut self) {
        // SAFETY: this thread has the turn, by `take`.
        unsafe { c::azure_handshake_end() }
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
    let socket = socket.map_or(c::AZURE_NO_SOCKET, |socket| socket.0);
    // SAFETY: takes numbers; the socket is open, since it is borrowed.
    let bits = value(unsafe { c::azure_wait(socket, timeout_ms) })? as u32;
    Ok(Woken {
        readable: bits & c::AZURE_WAIT_READABLE != 0,
        asked: bits & c::AZURE_WAIT_WOKEN != 0,
    })
}

/// Ends [`wait`] in the device's thread, from another thread or from an interrupt.
pub(crate) fn wake() {
    // SAFETY: takes nothing; it knows an interrupt from a thread.
    unsafe { c::azure_wake() }
}

/// Starts what brings the network up.
pub(crate) fn start_network() {
    // SAFETY: takes nothing; called once. Its callback is `azure_rust_network_changed`.
    unsafe { c::azure_network_start() }
}

/// Writes the device's address into `text`, if it has one.
pub(crate) fn network_address(text: &mut [u8; 64]) -> Option<&str> {
    // SAFETY: at most `text.len()` bytes are written, a terminating zero included.
    if !unsafe { c::azure_network_address(text.as_mut_ptr().cast(), length(text)) } {
        return None;
    }
    CStr::from_bytes_until_nul(text).ok()?.to_str().ok()
}

/// Takes a PPP link down and up again.
#[cfg(CONFIG_NET_L2_PPP)]
pub(crate) fn renew_network() {
    // SAFETY: takes nothing. The link comes up by work that is defined once.
    unsafe { c::azure_network_renew() }
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
