//! Messages of C from any thread and from interrupts, and the callbacks that wait for their outcomes.

use azure_device::outlet::{Delivery, SendError, Submission, Ticket};
use core::ffi::c_int;

use crate::ffi::c_api::{Done, errno_of};
use crate::ffi::{self, InterruptMutex};
use crate::outlet::{self, MOST_AWAITED};

/// The most callbacks that wait: as many as there can be tickets.
type Waiting = [Option<(Ticket, Done)>; MOST_AWAITED];

static WAITING: InterruptMutex<Waiting> = InterruptMutex::new([None; MOST_AWAITED]);

/// Queues a message. `done` is called with its outcome.
///
/// # Errors
///
/// See [`SendError`]. `done` is not called then.
pub(crate) fn send(message: &Submission<'_>, done: Option<Done>) -> Result<(), SendError> {
    match done {
        None => outlet::queue(message).map(drop)?,
        // Under one lock: the outcome cannot come before its callback is in the table.
        Some(done) => WAITING.with_locked(|waiting| {
            let place = waiting.iter_mut().find(|place| place.is_none());
            let place = place.ok_or(SendError::TooManyTickets)?;
            *place = outlet::queue(&message.confirmed())?.map(|ticket| (ticket, done));
            Ok(())
        })?,
    }
    outlet::wake();
    Ok(())
}

/// Calls what waits for this outcome.
pub(crate) fn settle(ticket: Ticket, delivery: Delivery) {
    let done = WAITING.with_locked(|waiting| {
        let is_its = |place: &&mut Option<(Ticket, Done)>| {
            place
                .as_ref()
                .is_some_and(|(waiting, _)| *waiting == ticket)
        };
        waiting.iter_mut().find(is_its)?.take()
    });
    if let Some((_, done)) = done {
        done.call(match delivery {
            Delivery::Delivered => 0,
            Delivery::Dropped(_) => canceled(),
        });
    }
}

fn canceled() -> c_int {
    -errno_of(ffi::c::AZURE_ERRNO_CANCELED)
}
