//! State that outlives a device when another one starts in the same memory: after it was provisioned again, or
//! configured differently.
//!
//! The queued messages are the device's, not the hub's. For the same device of the same hub they go on as they were.
//! For another hub they count as never sent, and for another id their topics are rewritten.

use alloc::boxed::Box;

use super::{Awaited, Config, Device, Durable, Episode, MessageIds};
use crate::application::{Application, Schedule};
use crate::connection::{Buffers, Connection, Machine};
use crate::identity::{DeviceId, HostName, Identity, ModuleId};
use crate::logging::{info, warn};
use crate::mqtt::{self, RequestError};
use crate::outlet::{Delivery, Ticket};
use crate::report::{Cause, Report, Status};
use crate::text::render;
use crate::time::Instant;
use crate::topic::{Outbound, TELEMETRY};

/// See the module. Its default is for the first device.
#[derive(Clone, Debug, Default)]
pub struct Carryover {
    pub(super) report: Report,
    backlog: mqtt::Backlog,
    origin: Option<Origin>,
    message_ids: MessageIds,
    awaited: Awaited,
    durable: Box<Durable>,
    /// Times of the next messages.
    schedules: Box<[Schedule]>,
    /// Time at which a message was asked for while there was no device.
    wanted: Option<Instant>,
    episode: Episode,
    /// An update that a session offered.
    #[cfg(feature = "update-dps")]
    offer: Option<crate::update::Service>,
}

/// Device that the messages were of, and the hub that they were for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    host_name: HostName,
    device_id: DeviceId,
    module_id: Option<ModuleId>,
}

impl Origin {
    fn of(identity: &Identity) -> Self {
        Self {
            host_name: identity.host_name().clone(),
            device_id: identity.device_id().clone(),
            module_id: identity.module_id().cloned(),
        }
    }
}

impl Carryover {
    /// Counters of the devices so far.
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Takes what happened meanwhile without a device, such as while it was provisioned.
    pub(crate) const fn set_report(&mut self, report: Report) {
        self.report = report;
    }

    /// Gives the queue up: no device follows in this memory. Its messages count as left behind; gives how many.
    pub fn leave_behind(&mut self) -> u32 {
        // What is in the queue in flash is sent after the next start.
        let queued = core::mem::take(&mut self.report.queued);
        let left = queued.saturating_sub(self.report.queued_in_flash);
        self.report.dropped.add(Cause::LeftBehind, left);
        self.backlog = mqtt::Backlog::default();
        while self.awaited.next_left(Cause::LeftBehind).is_some() {}
        left
    }

    /// True if this start has a number.
    pub(crate) const fn has_start(&self) -> bool {
        self.durable.boot() != 0
    }

    /// Numbers this start, for messages in the queue in flash.
    pub(crate) const fn set_start(&mut self, number: u32) {
        self.durable.set_boot(number);
    }

    /// Takes an outcome that the sender of a message wants to know, after [`Carryover::leave_behind`].
    pub fn take_outcome(&mut self) -> Option<(Ticket, Delivery)> {
        self.awaited.take()
    }

    /// An update is offered to the next device.
    #[cfg(feature = "update-dps")]
    pub(crate) fn set_offer(&mut self, offer: crate::update::Service) {
        self.offer = Some(offer);
    }

    /// A message is wanted, and there is no device: the next one measures it when it starts.
    pub(crate) fn send_now(&mut self, now: Instant) {
        self.wanted = Some(now);
    }

    /// Counts messages that an earlier start left behind.
    pub fn left_earlier(&mut self, messages: u32) {
        let due = self.report.telemetry_due.saturating_add(messages.into());
        self.report.telemetry_due = due;
        self.report.dropped.add(Cause::LeftBehind, messages);
    }
}

impl<'b, A: Application> Device<'b, A> {
    /// A device that has not started, with what an earlier one in this memory left: its queue, its counters.
    ///
    /// # Errors
    ///
    /// As [`Device::new`]; `carryover` is as it was then.
    // Not inlined: the caller has one device on the stack, without the parts that it was made of.
    #[inline(never)]
    pub fn resume(
        identity: &'b Identity,
        config: &Config<'b>,
        buffers: Buffers<'b>,
        application: A,
        carryover: &mut Carryover,
    ) -> Result<Machine<'b, Self>, RequestError> {
        let (session, lost) =
            mqtt::Session::resume(config.mqtt.clone(), buffers.mqtt, &carryover.backlog)?;
        let Carryover {
            mut report,
            origin,
            message_ids,
            awaited,
            durable,
            schedules,
            wanted,
            episode,
            #[cfg(feature = "update-dps")]
            offer,
            ..
        } = core::mem::take(carryover);
        (report.joined, report.status) = (false, Status::Starting);
        report.dropped.add(Cause::Reprovisioned, lost);
        let spaces = (buffers.scratch, buffers.twin);
        // Field by field: a device that is made of another one is on the stack twice.
        let mut machine = Self::with_session(identity, config, session, spaces, application);
        let Machine {
            connection,
            work: device,
        } = &mut machine;
        device.message_ids = message_ids;
        device.awaited = awaited.resume(config.most_awaited);
        device.durable = durable;
        device
            .durable
            .resume(config.queue, config.mqtt.max_in_flight);
        for (schedule, earlier) in device.control.schedules.iter_mut().zip(schedules) {
            schedule.next = earlier
                .next
                .filter(|_| schedule.own.is_some() || earlier.asked);
            schedule.asked = earlier.asked;
        }
        if let Some(wanted) = wanted {
            device.control.send(0, wanted);
        }
        device.episode = episode;
        #[cfg(feature = "update-dps")]
        if let Some(offer) = offer {
            device.updating.take_offer(offer);
        }
        connection.report = report;
        if origin.is_some_and(|origin| origin != Origin::of(identity)) {
            move_queue(connection, &mut device.durable, identity);
            while device
                .awaited
                .next_dropped(&connection.session, Cause::Reprovisioned)
                .is_some()
            {}
        }
        device.observe_session(connection);
        Ok(machine)
    }
}

impl<A: Application> Machine<'_, Device<'_, A>> {
    /// Ends the device for another one to follow.
    pub fn into_parts(mut self) -> (A, Carryover) {
        self.work.observe_session(&mut self.connection);
        let device = self.work;
        let carryover = Carryover {
            report: self.connection.report,
            origin: Some(Origin::of(device.identity)),
            message_ids: device.message_ids,
            awaited: device.awaited,
            durable: device.durable,
            schedules: device.control.schedules,
            wanted: None,
            episode: device.episode,
            #[cfg(feature = "update-dps")]
            offer: None,
            backlog: self.connection.session.into_backlog(),
        };
        (device.application, carryover)
    }
}

/// The queue goes to another hub, or under another id.
fn move_queue(connection: &mut Connection<'_>, durable: &mut Durable, identity: &Identity) {
    let queued = connection.session.outbox_count();
    if queued == 0 {
        return;
    }
    // CONNECT would not fit either, if this does not.
    let Ok(start) = render(&mut *connection.scratch, Outbound::Telemetry(identity)) else {
        return warn!("telemetry: the scratch buffer is too small for a topic; raise its size");
    };
    let dropped = connection.session.move_outbox(TELEMETRY, start);
    // What is in the queue in flash too is not lost.
    let kept = durable.forget_lost_copies(&connection.session);
    let dropped = dropped.saturating_sub(kept);
    connection.report.dropped.add(Cause::Reprovisioned, dropped);
    info!(
        "telemetry: {} queued messages go to {} as {}",
        connection.session.outbox_count(),
        identity.host_name(),
        identity.client_id()
    );
    if dropped > 0 {
        warn!("telemetry: {dropped} queued messages had no room with the new device id");
    }
}
