//! TLS connections by Zephyr's secure sockets.

#![forbid(unsafe_code)]

use crate::kconfig;
use azure_device::failure::{Code, ConnectError, TcpFailure, TlsFailure};
use azure_device::logging::{debug, error};
use azure_device::port::{Endpoint, Stream};
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write};

use crate::credentials::Credentials;
use crate::ffi::{self, Address, Error, Handshake, Socket};
use crate::logger::Line;
use crate::requests;
use crate::status;
use crate::tls_failure::{broken, connect_error};

/// Number of addresses of a hub that are tried. Azure publishes one or two.
pub(crate) const ADDRESSES: usize = 4;

/// The longest that a write may block.
pub(crate) const SEND_TIMEOUT_MS: u32 =
    kconfig::CONFIG_AZURE_SEND_TIMEOUT_S.unsigned_abs() as u32 * 1000;

/// Resolves the endpoint and tries its addresses in turn, with the credentials that are due.
pub(crate) fn connect(
    endpoint: Endpoint<'_>,
    credentials: &mut Credentials,
) -> Result<TlsStream, ConnectError> {
    let tags = credentials.prepare().map_err(|problem| {
        error!("{problem}");
        ConnectError::Tls(TlsFailure::ClientCredential, Code(0))
    })?;
    let name = Line::<256>::of(format_args!("{}", endpoint.host_name));
    let address = Line::<256>::of(format_args!("{}", endpoint.address));
    let port = Line::<8>::of(format_args!("{}", endpoint.port));
    let mut addresses = [Address::default(); ADDRESSES];
    let count = ffi::resolve(address.as_c_str(), port.as_c_str(), true, &mut addresses)
        .map_err(|error| error.resolving(Code(ffi::errno())))?;
    let mut last = ConnectError::Tcp(TcpFailure::Other, Code(0));
    for address in addresses.iter().take(count) {
        if requests::wants_stop() {
            return Err(ConnectError::Cancelled);
        }
        #[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
        let _turn = crate::credentials::turn();
        ffi::feed_watchdog();
        let mut handshake = Handshake::default();
        match Socket::connect_tls(
            address,
            name.as_c_str(),
            tags,
            SEND_TIMEOUT_MS,
            &mut handshake,
        ) {
            Ok(socket) => {
                status::secured(handshake.suite);
                return Ok(TlsStream { socket });
            }
            Err(error) => last = connect_error(error, ffi::errno(), &handshake),
        }
        debug!("connection: address failed: {last:?}");
        // Another address of the same hub shows the same certificate.
        if matches!(last, ConnectError::Tls(..)) {
            break;
        }
    }
    Err(last)
}

/// An open TLS connection.
#[derive(Debug)]
pub(crate) struct TlsStream {
    socket: Socket,
}

impl TlsStream {
    /// The socket to wait for.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Stream for TlsStream {
    fn tls_failure(&mut self) -> Option<(TlsFailure, Code)> {
        broken(&self.socket.broken())
    }
}

impl ErrorType for TlsStream {
    type Error = ErrorKind;
}

fn kind(error: Error) -> ErrorKind {
    debug!("connection: {error:?} ({})", ffi::errno());
    error.kind()
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.socket.receive(buffer).map_err(kind)
    }
}

impl ReadReady for TlsStream {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        self.socket.readable().map_err(kind)
    }
}

impl Write for TlsStream {
    fn write(&mut self, data: &[u8]) -> Result<usize, ErrorKind> {
        self.socket.send(data).map_err(kind)
    }

    /// Nothing is kept back: each write becomes a record at once.
    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
