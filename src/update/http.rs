//! HTTP/1.1 (RFC 9112) as far as the download of a file needs it: the request for a range, and the head of its response.

use core::fmt::{self, Write as _};

use super::address::Address;
use super::number::{number, small};
use crate::label::Label;
use crate::port::update::MAX_ADDRESS;
use crate::text::Text;

/// The longest line of a response's head that is read, in bytes. What is behind it is passed over.
const MAX_LINE: usize = MAX_ADDRESS + 16;
/// The most bytes of a response's head.
const MAX_HEAD: usize = 8192;

/// Writes the request for a file from this byte on.
///
/// # Errors
///
/// It does not fit.
#[inline(never)]
pub(super) fn request<'s>(
    address: &Address<'_>,
    from: u32,
    space: &'s mut [u8],
) -> Result<&'s [u8], fmt::Error> {
    let mut text = Text::new(space);
    let server = &address.server;
    write!(text, "GET {} HTTP/1.1\r\nHost: ", address.path)?;
    match server.host.contains(':') {
        true => write!(text, "[{}]", server.host)?,
        false => text.write_str(server.host)?,
    }
    if server.port != if server.tls { 443 } else { 80 } {
        write!(text, ":{}", server.port)?;
    }
    write!(
        text,
        "\r\nRange: bytes={from}-\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )?;
    Ok(text.into_str().as_bytes())
}

/// The head of a response.
#[derive(Clone, Debug)]
pub(super) struct Head {
    line: [u8; MAX_LINE],
    length: usize,
    is_cut: bool,
    /// Bytes of the head so far.
    total: usize,
    pub(super) fields: Fields,
}

/// Fields of a head that a download looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// 0 until the status line was read.
    pub(super) status: u16,
    /// Length of the body.
    pub(super) content_length: Option<u64>,
    /// Byte offset at which the range begins, and the length of the whole file, if it is told.
    pub(super) range: Option<(u64, Option<u64>)>,
    /// Address that a redirect leads to; empty without one.
    pub(super) location: Label<MAX_ADDRESS>,
    /// Seconds that the server asks to wait.
    pub(super) retry_after: Option<u32>,
    /// The body is in another form than its bytes.
    pub(super) is_encoded: bool,
}

/// A response is not HTTP/1.1, or has a head that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Head {
    pub(super) const fn new() -> Self {
        Self {
            line: [0; MAX_LINE],
            length: 0,
            is_cut: false,
            total: 0,
            fields: Fields {
                status: 0,
                content_length: None,
                range: None,
                location: Label::EMPTY,
                retry_after: None,
                is_encoded: false,
            },
        }
    }

    /// Begins anew, for another response.
    pub(super) fn clear(&mut self) {
        (self.length, self.is_cut, self.total) = (0, false, 0);
        let fields = &mut self.fields;
        (fields.status, fields.is_encoded) = (0, false);
        (fields.content_length, fields.range, fields.retry_after) = (None, None, None);
        fields.location.clear();
    }

    /// Takes bytes. Gives those behind the head once it is complete; `None` if it is not.
    #[inline(never)]
    pub(super) fn take<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<&'b [u8]>, Malformed> {
        for (at, byte) in bytes.iter().enumerate() {
            self.total += 1;
            if self.total > MAX_HEAD {
                return Err(Malformed);
            }
            match (*byte, self.line.get_mut(self.length)) {
                (b'\n', _) => {
                    if self.end_line()? {
                        return Ok(bytes.get(at + 1..));
                    }
                }
                (byte, Some(place)) => {
                    *place = byte;
                    self.length += 1;
                }
                (_, None) => self.is_cut = true,
            }
        }
        Ok(None)
    }

    /// True at the end of the head. Heads of status 100 to 199 come before the response's own.
    fn end_line(&mut self) -> Result<bool, Malformed> {
        let length = core::mem::take(&mut self.length);
        let line = self.line.get(..length).unwrap_or_default();
        let line = core::str::from_utf8(line).unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let is_cut = core::mem::take(&mut self.is_cut);
        let fields = &mut self.fields;
        if fields.status == 0 {
            let rest = line.strip_prefix("HTTP/1.").ok_or(Malformed)?;
            let status = rest.get(2..5).and_then(small);
            fields.status = status
                .filter(|status| (100..600).contains(status))
                .ok_or(Malformed)?;
            return Ok(false);
        }
        if line.is_empty() && !is_cut {
            if fields.status < 200 {
                fields.status = 0;
                return Ok(false);
            }
            return Ok(true);
        }
        if let Some((name, value)) = line.split_once(':').filter(|_| !is_cut) {
            fields.take(name, value.trim_ascii())?;
        }
        Ok(false)
    }
}

impl Fields {
    fn take(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match () {
            () if is("content-length") => {
                self.content_length = Some(number(value).ok_or(Malformed)?);
            }
            () if is("content-range") => {
                self.range = Some(content_range(value).ok_or(Malformed)?);
            }
            () if is("location") => self.location = Label::new(value).unwrap_or_default(),
            () if is("retry-after") => self.retry_after = small(value),
            () if is("transfer-encoding") || is("content-encoding") => {
                self.is_encoded |= !value.eq_ignore_ascii_case("identity");
            }
            () => {}
        }
        Ok(())
    }
}

/// Reads `bytes 5-9/10`, or `bytes */10`.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value
        .strip_prefix("bytes ")?
        .trim_ascii_start()
        .split_once('/')?;
    let total = match total {
        "*" => None,
        total => Some(number(total)?),
    };
    match range.split_once('-') {
        Some((from, _)) => Some((number(from)?, total)),
        None => Some((0, total)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, piece: usize) -> Result<Head, Malformed> {
        let mut head = Head::new();
        let mut rest = 0;
        for bytes in text.as_bytes().chunks(piece) {
            if let Some(behind) = head.take(bytes)? {
                rest = behind.len();
                break;
            }
        }
        assert!(rest <= piece);
        Ok(head)
    }

    #[test]
    fn a_request_names_the_host_and_the_range() {
        let address = Address::parse("http://[::1]:8080/a?b").unwrap();
        let mut space = [0; 256];
        let text = request(&address, 4096, &mut space).unwrap();
        let text = core::str::from_utf8(text).unwrap();
        assert_eq!(
            text,
            "GET /a?b HTTP/1.1\r\nHost: [::1]:8080\r\nRange: bytes=4096-\r\nAccept-Encoding: identity\r\n\
             Connection: close\r\n\r\n"
        );
        assert!(request(&address, 4096, &mut [0; 64]).is_err());
    }

    #[test]
    fn a_head_is_read_in_pieces_of_any_size() {
        let long = "x".repeat(2000);
        let text = std::format!(
            "HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 206 Partial\r\nSet-Cookie: {long}\r\nCONTENT-length: 90\r\n\
             content-range: bytes 10-99/100\r\nLocation:  /b \r\nRetry-After: 7\r\n\r\nbody"
        );
        for piece in 1..40 {
            let head = read(&text, piece).unwrap();
            assert_eq!(head.fields.status, 206);
            assert_eq!(head.fields.content_length, Some(90));
            assert_eq!(head.fields.range, Some((10, Some(100))));
            assert_eq!(head.fields.location.as_str(), "/b");
            assert_eq!(head.fields.retry_after, Some(7));
            assert!(!head.fields.is_encoded);
        }
        let text = "HTTP/1.0 200 \n\n";
        assert_eq!(read(text, 3).unwrap().fields.status, 200);
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(read(text, 3).unwrap().fields.is_encoded);
    }

    #[test]
    fn what_is_no_head_is_malformed() {
        let endless = std::format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(2000));
        for text in [
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 999 x\r\n",
            "HTTP/1.1 abc\r\n",
            "HTTP/2 200\r\n",
            "\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n",
            "HTTP/1.1 206 x\r\nContent-Range: 1-2/3\r\n",
            &endless,
        ] {
            assert!(read(text, 16).is_err(), "{text:.30}");
        }
    }
}
