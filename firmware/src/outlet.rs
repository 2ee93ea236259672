//! Messages of other threads and of interrupts, on their way to the device's thread.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};

use azure_device::outlet::{self, Delivery, Ring, SendError, Submission, Ticket};

use crate::ffi::{self, InterruptMutex};
use crate::kconfig;

const SIZE: usize = kconfig::CONFIG_AZURE_OUTLET_SIZE.unsigned_abs();
/// Messages whose outcome may be awaited at a time.
pub(crate) const MOST_AWAITED: usize = kconfig::CONFIG_AZURE_OUTLET_AWAITED.unsigned_abs();
/// The part of the scratch buffer, in bytes, that the device writes a message's topic to.
const TOPIC_SIZE: usize = 448;
/// The longest message with its properties, in bytes: the device has it in its scratch buffer.
const LONGEST: usize = kconfig::CONFIG_AZURE_SCRATCH_SIZE.unsigned_abs() - TOPIC_SIZE;

static RING: InterruptMutex<Ring<[u8; SIZE]>> =
    InterruptMutex::new(Ring::new([0; SIZE], LONGEST, MOST_AWAITED));

static SUBMITTED: AtomicBool = AtomicBool::new(false);

/// Takes messages from any thread, and from interrupts, without waiting.
///
/// Interrupts are off while a message is copied: some microseconds for each 100 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outlet;

impl outlet::Outlet for Outlet {
    fn send(&self, message: &Submission<'_>) -> Result<Option<Ticket>, SendError> {
        let now = ffi::uptime();
        let ticket = RING.with_locked(|ring| ring.push(message, now))?;
        SUBMITTED.store(true, Ordering::Release);
        ffi::wake();
        Ok(ticket)
    }
}

/// Takes the notice that there are messages.
pub(crate) fn take_notice() {
    SUBMITTED.store(false, Ordering::Release);
}

/// True if there are messages that the device's thread was not told of.
pub(crate) fn is_noticed() -> bool {
    SUBMITTED.load(Ordering::Acquire)
}

/// Moves the oldest message into `space`.
pub(crate) fn take(space: &mut [u8]) -> Option<usize> {
    RING.with_locked(|ring| ring.pop(space))
}

/// A message has its outcome: its ticket can be given again.
pub(crate) fn settle(_ticket: Ticket, _delivery: Delivery) {
    RING.with_locked(Ring::settle);
}
