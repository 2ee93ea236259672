//! The two buffers of a connection: control packets on their way out, and bytes that came in.

use zeroize::Zeroize;

use super::error::{Buffer, RequestError};

/// Encoded packets that wait for the transport. Bytes are wiped once sent, since CONNECT carries the password.
pub(super) struct TransmitBuffer<'b> {
    bytes: &'b mut [u8],
    start: usize,
    end: usize,
}

impl<'b> TransmitBuffer<'b> {
    pub(super) const fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            bytes,
            start: 0,
            end: 0,
        }
    }

    pub(super) const fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes that wait.
    pub(super) fn pending(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Checks that `needed` bytes could be pushed.
    pub(super) const fn room(&self, needed: usize) -> Result<(), RequestError> {
        let size = self.bytes.len();
        let free = size - (self.end - self.start);
        if needed > size {
            Err(RequestError::TooLarge {
                buffer: Buffer::Transmit,
                needed,
                size,
            })
        } else if needed > free {
            Err(RequestError::TransmitBufferFull { needed, free })
        } else {
            Ok(())
        }
    }

    /// Appends a whole packet, or nothing.
    pub(super) fn push(&mut self, packet: &[u8]) -> Result<(), RequestError> {
        self.room(packet.len())?;
        if packet.len() > self.bytes.len() - self.end {
            self.bytes.copy_within(self.start..self.end, 0);
            let vacated = self.end - self.start..self.end;
            self.wipe(vacated);
            self.end -= self.start;
            self.start = 0;
        }
        if let Some(space) = self.bytes.get_mut(self.end..self.end + packet.len()) {
            space.copy_from_slice(packet);
            self.end += packet.len();
        }
        Ok(())
    }

    /// The transport took `n` bytes.
    pub(super) fn take(&mut self, n: usize) {
        let taken = self.start..self.start.saturating_add(n).min(self.end);
        self.start = taken.end;
        self.wipe(taken);
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Forgets and wipes everything.
    pub(super) fn clear(&mut self) {
        self.take(usize::MAX);
    }

    fn wipe(&mut self, range: core::ops::Range<usize>) {
        if let Some(bytes) = self.bytes.get_mut(range) {
            bytes.zeroize();
        }
    }
}

impl Drop for TransmitBuffer<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Bytes from the transport that were not consumed yet.
pub(super) struct ReceiveBuffer<'b> {
    bytes: &'b mut [u8],
    start: usize,
    end: usize,
}

impl<'b> ReceiveBuffer<'b> {
    pub(super) const fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            bytes,
            start: 0,
            end: 0,
        }
    }

    pub(super) const fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn pending(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Room for more; empty if there is none.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// `n` bytes were written to the start of [`Self::space`].
    pub(super) fn fill(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.bytes.len());
    }

    /// Removes the first `n` pending bytes.
    pub(super) fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
    }

    pub(super) fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }
}

#[cfg(test)]
impl TransmitBuffer<'_> {
    /// All of the memory.
    pub(super) fn everything(&self) -> &[u8] {
        self.bytes
    }
}
