//! A connection between device and hub, over which bytes go at once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::vec::Vec;

use super::hub::Hub;
use crate::port::Stream;

/// One connection, from the hub's side.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) to_device: VecDeque<u8>,
    /// PUBACKs that are due at these times.
    pub(super) pubacks: VecDeque<(u64, [u8; 4])>,
    /// The time, for who has no clock.
    pub(super) now: u64,
    pub(super) from_device: Vec<u8>,
    pub(super) ended: bool,
    pub(super) cut_at: Option<u64>,
    pub(super) said_goodbye: bool,
    /// The device dropped its end.
    pub(super) closed: bool,
}

/// The device's end of it.
pub(crate) struct Pipe {
    pub(super) link: Rc<RefCell<Link>>,
    pub(super) hub: Rc<RefCell<Hub>>,
}

impl embedded_io::ErrorType for Pipe {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let mut link = self.link.borrow_mut();
        let count = buffer.len().min(link.to_device.len());
        let count = count.min(self.hub.borrow().piece);
        for (to, from) in buffer.iter_mut().zip(link.to_device.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

impl embedded_io::ReadReady for Pipe {
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        let link = self.link.borrow();
        Ok(link.ended || !link.to_device.is_empty())
    }
}

impl embedded_io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        let mut link = self.link.borrow_mut();
        if link.ended {
            return Err(embedded_io::ErrorKind::BrokenPipe);
        }
        link.from_device.extend_from_slice(bytes);
        let mut hub = self.hub.borrow_mut();
        while let Some(packet) = take_packet(&mut link.from_device) {
            hub.handle(&mut link, &packet);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl Stream for Pipe {}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.link.borrow_mut().closed = true;
        if !self.link.borrow().said_goodbye {
            self.hub.borrow_mut().log.broken += 1;
        }
    }
}

/// A whole packet from the front of `bytes` (MQTT 3.1.1, section 2.2): type and flags, then its body.
fn take_packet(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let (mut length, mut header) = (0_usize, 1);
    loop {
        let byte = *bytes.get(header)?;
        length |= usize::from(byte & 0x7f) << (7 * (header - 1));
        header += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if bytes.len() < header + length {
        return None;
    }
    let packet: Vec<u8> = bytes.drain(..header + length).collect();
    Some([&packet[..1], &packet[header..]].concat())
}
