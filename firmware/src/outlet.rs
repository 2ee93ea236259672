//! Messages of other threads and of interrupts, on their way to the device's thread.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};

use azure_device::device::TELEMETRY_TOPIC_SIZE;
use azure_device::outlet::{self, Delivery, Ring, SendError, Submission, Ticket};

use crate::ffi::{self, InterruptMutex};
use crate::kconfig;

const SIZE: usize = kconfig::CONFIG_AZURE_OUTLET_SIZE.unsigned_abs();
/// Messages whose outcome may be awaited at a time.
pub(crate) const MOST_AWAITED: usize = kconfig::CONFIG_AZURE_OUTLET_AWAITED.unsigned_abs();
/// The longest message with its properties, in bytes: the device has it in its scratch buffer.
const LONGEST: usize = kconfig::CONFIG_AZURE_SCRATCH_SIZE.unsigned_abs() - TELEMETRY_TOPIC_SIZE;

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
        let ticket = queue(message)?;
        wake();
        Ok(ticket)
    }
}

/// Queues a message, without waking the device's thread: for what must happen under a lock with it.
pub(crate) fn queue(message: &Submission<'_>) -> Result<Option<Ticket>, SendError> {
    let now = ffi::uptime();
    RING.with_locked(|ring| ring.push(message, now))
}

/// Tells the device's thread that there are messages.
pub(crate) fn wake() {
    SUBMITTED.store(true, Ordering::Release);
    ffi::wake();
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

/// A message has its outcome: its ticket can be given again, and C's callback is called.
#[cfg_attr(
    not(CONFIG_AZURE_IOT_DEVICE_C_API),
    expect(unused_variables, reason = "C alone looks at them")
)]
pub(crate) fn settle(ticket: Ticket, delivery: Delivery) {
    RING.with_locked(Ring::settle);
    #[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
    crate::c_api::settle(ticket, delivery);
}
