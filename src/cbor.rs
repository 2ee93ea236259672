//! CBOR (RFC 8949) into a bounded buffer, behind the feature `cbor`.
//!
//! The codec is the crate `minicbor`, which is passed on as [`minicbor`]: its encoder checks nothing, so that a caller
//! gives each map and array its right length, or an end. [`encode`] binds it to memory that the caller owns. A body
//! that does not fit is an error with the buffer's size, never a part of a body.

use core::fmt;

pub use minicbor;
use minicbor::encode::{self, Encoder};

use crate::text::Overflow;

/// Reason why a body could not be encoded: [`EncodeError::into_write`](encode::Error::into_write) is the buffer's.
pub type EncodeError = encode::Error<Overflow>;

/// Writes bytes to the start of a borrowed buffer.
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    /// Nothing yet, with room for `buffer.len()` bytes.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    /// Bytes that were written.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// Bytes that were written, for as long as the buffer lives.
    pub fn into_bytes(self) -> &'a [u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

/// A body may be a secret: only its size is printed.
impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of {}", self.length, self.buffer.len())
    }
}

impl encode::Write for Writer<'_> {
    type Error = Overflow;

    /// Appends all of the bytes, or none.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Overflow> {
        let capacity = self.buffer.len();
        let overflow = Overflow { capacity };
        let end = self.length.checked_add(bytes.len()).ok_or(overflow)?;
        let room = self.buffer.get_mut(self.length..end).ok_or(overflow)?;
        room.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }
}

/// Encodes a body to the start of `buffer`. Returns its bytes.
///
/// ```
/// use azure_device::cbor;
///
/// let mut buffer = [0; 64];
/// let body = cbor::encode(&mut buffer, |body| {
///     body.map(2)?.str("temperature")?.i32(215)?.str("open")?.bool(true)?;
///     Ok(())
/// });
/// assert_eq!(body.map(<[u8]>::len).ok(), Some(21));
/// ```
///
/// # Errors
///
/// The body does not fit the buffer, or `fill` gave an error.
pub fn encode<'a>(
    buffer: &'a mut [u8],
    fill: impl FnOnce(&mut Encoder<Writer<'a>>) -> Result<(), EncodeError>,
) -> Result<&'a [u8], EncodeError> {
    let mut encoder = Encoder::new(Writer::new(buffer));
    fill(&mut encoder)?;
    Ok(encoder.into_writer().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use minicbor::Decoder;
    use minicbor::encode::Write as _;
    use std::format;
    use std::vec;
    use std::vec::Vec;

    fn message(body: &mut Encoder<Writer<'_>>) -> Result<(), EncodeError> {
        body.map(3)?.str("t")?.i64(-500)?.str("on")?.bool(true)?;
        body.str("list")?.begin_array()?.u8(1)?.str("é")?.end()?;
        Ok(())
    }

    /// {"t": -500, "on": true, "list": [_ 1, "é"]}, put together by hand from RFC 8949, section 3.
    const MESSAGE: &[u8] = &[
        0xa3, 0x61, b't', 0x39, 0x01, 0xf3, 0x62, b'o', b'n', 0xf5, 0x64, b'l', b'i', b's', b't',
        0x9f, 0x01, 0x62, 0xc3, 0xa9, 0xff,
    ];

    #[test]
    fn a_cbor_body_has_the_bytes_of_its_specification() {
        let mut buffer = [0xee; 64];
        assert_eq!(encode(&mut buffer, message).unwrap(), MESSAGE);
        assert!(buffer.iter().skip(MESSAGE.len()).all(|byte| *byte == 0xee));
    }

    #[test]
    fn a_cbor_body_that_does_not_fit_is_an_error_at_every_size() {
        for size in 0..MESSAGE.len() {
            let mut buffer = vec![0; size];
            let error = encode(&mut buffer, message).unwrap_err();
            assert_eq!(error.into_write(), Some(Overflow { capacity: size }));
        }
        let mut exact = vec![0; MESSAGE.len()];
        assert_eq!(encode(&mut exact, message).unwrap(), MESSAGE);
    }

    #[test]
    fn an_error_of_the_application_is_no_body() {
        let mut buffer = [0; 64];
        let refused = encode(&mut buffer, |body| {
            body.null()?;
            Err(EncodeError::message("no sample"))
        });
        let error = refused.unwrap_err();
        assert!(error.is_message());
        assert!(format!("{error}").contains("no sample"), "{error}");
    }

    #[test]
    fn bytes_that_do_not_fit_leave_no_part_behind_and_are_not_shown() {
        let mut buffer = [0; 4];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(writer.write_all(b"abc"), Ok(()));
        assert_eq!(writer.write_all(b"de"), Err(Overflow { capacity: 4 }));
        assert_eq!(writer.bytes(), b"abc");
        assert_eq!(format!("{writer:?}"), "3 bytes of 4");
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_decoded(values: Vec<i64>, room in 0_usize..600) {
            let mut buffer = vec![0; room];
            let length = u64::try_from(values.len()).unwrap();
            let body = encode(&mut buffer, |body| {
                body.array(length)?;
                values.iter().try_for_each(|value| body.i64(*value).map(|_| ()))
            });
            if let Ok(body) = body {
                let mut decoder = Decoder::new(body);
                let read: Result<Vec<i64>, _> = decoder.array_iter().unwrap().collect();
                proptest::prop_assert_eq!(read.unwrap(), values);
                proptest::prop_assert_eq!(decoder.position(), body.len());
            } else {
                // The longest integer has nine bytes, and so has the array's head.
                proptest::prop_assert!(room < 9 * (values.len() + 1));
            }
        }
    }
}
