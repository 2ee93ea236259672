//! A device on its hub: the session's events, and what falls due meanwhile.

use super::durable::has_expired;
use super::envelope::date;
use super::large::Large;
use super::subscription::Subscription;
use super::twin::WRITABLE;
use super::{BLINK_HALF, Device};
use crate::application::{self, Application, CloudMessage, Context, MAX_KEPT_LEN, Receipt};
use crate::connection::{Connection, Scratch, Work};
use crate::failure::Failure;
use crate::identity::Credential;
use crate::logging::{info, warn};
use crate::mqtt::{Event, Granted, Label, Message, PacketId, QoS};
use crate::outlet::{Delivery, Ticket};
#[cfg(any(test, feature = "queue"))]
use crate::port::Queue;
use crate::port::{Readings, Requests};
use crate::report::{Cause, Status};
use crate::time::{Instant, Moment, UnixTime};
use crate::topic::Inbound;

impl<A: Application> Work for Device<'_, A> {
    /// No handshake for a token that the hub is bound to refuse.
    fn check(&self, unix: Option<UnixTime>) -> Result<(), Failure> {
        match (self.identity.credential(), unix) {
            (Credential::SasToken(token), Some(unix)) if token.check_expiry(unix).is_err() => {
                Err(Failure::TokenExpired)
            }
            _ => Ok(()),
        }
    }

    fn connect(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
    ) -> Result<Option<Instant>, Failure> {
        self.date_messages(connection, at);
        self.queue_connect(connection, at)
    }

    fn handle(
        &mut self,
        connection: &mut Connection<'_>,
        event: Event,
        at: &Moment,
    ) -> Result<(), Failure> {
        match event {
            Event::Connected { session_present } => {
                self.handle_connack(connection, session_present, at)?;
            }
            Event::Subscribed { packet_id, granted } => {
                self.handle_suback(connection, packet_id, granted, at);
            }
            Event::Message(message) => self.handle_message(connection, &message, at),
            Event::Published(id) => {
                connection.made_progress();
                self.acknowledged(connection, at, id);
                if connection.session.is_drained() && connection.report.status == Status::Sending {
                    connection.report.status = Status::Connected;
                }
            }
            Event::LargeMessage { message, size } => {
                self.begin_large_message(connection, &message, size, at);
            }
            Event::Piece => self.feed_large_message(connection, at.now),
            Event::LargeMessageEnd { ack } => self.end_large_message(connection, ack, at),
            Event::MessageTooLarge { size } => {
                count_ignored(connection);
                warn!(
                    "passed over a message of {size} bytes: its topic does not fit the receive buffer"
                );
            }
            _ => {}
        }
        Ok(())
    }

    fn poll(&mut self, connection: &mut Connection<'_>, at: &Moment) -> Result<(), Failure> {
        self.poll_methods(connection, at);
        self.apply_control(connection, at.now);
        self.poll_twin(connection, at);
        if connection.is_running() {
            self.poll_episode(connection, at.now);
        }
        self.observe_session(connection);
        Ok(())
    }

    fn deadline(&self, connection: &Connection<'_>, now: Instant) -> Option<Instant> {
        let toggle = Instant::from_millis((now.as_millis() / BLINK_HALF + 1) * BLINK_HALF);
        let blink = self.control.blink_until.map(|end| end.min(toggle));
        let planned = [
            self.twin.deadline(),
            self.calls.deadline(),
            blink,
            self.episode_end(connection),
            self.durable.due(),
        ];
        planned.into_iter().flatten().min()
    }

    fn is_done(&self) -> bool {
        self.control.restart || self.updating.wants_session()
    }

    fn clock_set(&mut self, connection: &mut Connection<'_>, at: &Moment) {
        self.date_messages(connection, at);
        if let Some(unix) = at.unix {
            self.tell(connection, at, application::Event::TimeSet(unix));
        }
    }

    fn failed(&mut self, connection: &mut Connection<'_>, at: &Moment, failure: &Failure) -> bool {
        connection.report.status = Status::Failed;
        self.durable.set_online(false, at.now);
        self.updating.failed(failure);
        self.patience.failed(at.now, failure);
        let limits = self.options.gives_up.as_ref();
        self.has_given_up = limits.is_some_and(|limits| self.patience.is_exhausted(at.now, limits));
        let event = match core::mem::take(&mut self.joined) {
            true => application::Event::Disconnected(Some(failure)),
            false => application::Event::NotConnected(failure),
        };
        self.tell(connection, at, event);
        self.has_given_up
    }

    fn closed(&mut self, connection: &mut Connection<'_>, at: &Moment) {
        self.durable.set_online(false, at.now);
        if core::mem::take(&mut self.joined) {
            self.tell(connection, at, application::Event::Disconnected(None));
        }
    }

    fn stopping(&mut self, connection: &mut Connection<'_>, at: &Moment) {
        self.tell(connection, at, application::Event::Stopping);
    }

    /// Says how many messages it leaves.
    fn ended(&mut self, connection: &mut Connection<'_>) {
        self.end_episode();
        self.observe_session(connection);
        // With a queue in flash it is written after this.
        match connection.report.queued - connection.report.queued_in_flash {
            0 => {}
            _ if self.durable.makes_room() => {}
            queued => warn!("stopped: {queued} messages stay behind in the queue"),
        }
    }

    fn requested(&mut self, connection: &mut Connection<'_>, at: &Moment, requests: Requests) {
        if requests.send_now {
            self.control.send(0, at.now);
        }
        if requests.clear_queue {
            self.durable.clear();
        }
        if requests.cancel_update {
            self.updating.cancel();
        }
        #[cfg(feature = "update")]
        if requests.roll_back {
            self.control.roll_back();
        }
        if requests.reconnect {
            connection.reconnect(at.now);
        }
        if requests.woken {
            self.tell(connection, at, application::Event::Woken);
        }
    }

    /// Not while it would be refused: its sender keeps it until there is room.
    fn wants_submission(&self, connection: &Connection<'_>) -> bool {
        if connection.is_tight() && self.durable.makes_room() {
            return false;
        }
        connection.session.drops_oldest()
            || connection.session.outbox_free() >= connection.scratch.len()
            || connection.session.outbox_count() == 0
    }

    fn submitted(&mut self, connection: &mut Connection<'_>, at: &Moment, length: usize) {
        self.queue_submission(connection, at, length);
    }

    fn take_outcome(&mut self) -> Option<(Ticket, Delivery)> {
        self.awaited.take()
    }

    fn take_kept(&mut self, connection: &mut Connection<'_>) -> Option<(&'static str, usize)> {
        let space = connection.scratch.len().min(MAX_KEPT_LEN);
        let space = connection.scratch.get_mut(..space)?;
        loop {
            let index = self.control.kept.checked_ilog2()?;
            self.control.kept &= !(1 << index);
            let kept = A::KEPT.get(index as usize)?;
            if let Some(length) = kept.save(&self.application, space) {
                return Some((kept.name()?, length));
            }
        }
    }

    #[cfg(any(test, feature = "queue"))]
    fn use_queue(&mut self, connection: &mut Connection<'_>, at: &Moment, queue: &mut dyn Queue) {
        Self::use_queue(self, connection, at, queue);
    }

    fn timer_due(&self) -> Option<Instant> {
        let durable = self.durable.due_offline();
        [self.control.timer, durable, self.updating.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn timer(&mut self, connection: &mut Connection<'_>, at: &Moment) {
        // It may be the queue or an update that is due: these are looked at in each turn.
        if self.control.timer.take_if(|due| at.now >= *due).is_some() {
            self.tell(connection, at, application::Event::Timer);
        }
    }

    #[cfg(feature = "update")]
    fn poll_updates(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        updater: &mut dyn crate::port::update::Updater,
    ) {
        self.handle_updates(connection, (at.now, at.unix), updater);
    }

    fn measurement_due(&self) -> Option<Instant> {
        self.telemetry_due()
    }

    fn measured(&mut self, connection: &mut Connection<'_>, at: &Moment, readings: &Readings) {
        self.send_telemetry(connection, at, readings);
    }

    fn status(&self, connection: &Connection<'_>, now: Instant) -> Status {
        match self.control.blink_until {
            Some(end) if now < end && (now.as_millis() / BLINK_HALF).is_multiple_of(2) => {
                Status::Sending
            }
            Some(end) if now < end => Status::Off,
            _ if self.control.dark => Status::Off,
            _ => self
                .updating
                .shown(connection.report.status, &connection.report),
        }
    }
}

impl<A: Application> Device<'_, A> {
    fn handle_connack(
        &mut self,
        connection: &mut Connection<'_>,
        session_present: bool,
        at: &Moment,
    ) -> Result<(), Failure> {
        let subscribing = self.subscribe(connection)?;
        self.twin.connected(self.options.twin);
        self.calls.connected();
        self.large = Large::default();
        info!(
            "joined {} as {} ({} session)",
            self.identity.host_name(),
            self.identity.client_id(),
            if session_present { "stored" } else { "new" }
        );
        connection.joined(at.now);
        self.joined = true;
        self.durable.set_online(true, at.now);
        if self.durable.holds() {
            connection.session.set_hold(true);
        }
        connection.report.status = Status::Connected;
        self.patience.accepted();
        if connection.accepted(subscribing) {
            self.set_up(connection, at);
        }
        Ok(())
    }

    /// Queues SUBSCRIBE for everything that this device, or this module, can be sent. `None` if that is nothing.
    fn subscribe(&self, connection: &mut Connection<'_>) -> Result<Option<PacketId>, Failure> {
        let wanted = Subscription::wanted(self.identity, self.options.twin);
        let mut space = Scratch::new(&mut *connection.scratch);
        let mut filters = [("", QoS::AtMostOnce); Subscription::ALL.len()];
        let mut count = 0;
        for (filter, subscription) in filters.iter_mut().zip(wanted) {
            *filter = subscription.filter(self.identity, &mut space)?;
            count += 1;
        }
        match filters.get(..count) {
            None | Some([]) => Ok(None),
            Some(filters) => Ok(Some(connection.session.subscribe(filters)?)),
        }
    }

    /// A subscription that is refused costs what it is for, not the connection: telemetry needs none.
    fn handle_suback(
        &mut self,
        connection: &mut Connection<'_>,
        packet_id: PacketId,
        granted: Granted,
        at: &Moment,
    ) {
        if !connection.subscribed(packet_id) {
            return;
        }
        let wanted = Subscription::wanted(self.identity, self.options.twin);
        for (subscription, granted) in wanted.zip(granted.as_slice()) {
            if granted.is_none() {
                warn!(
                    "SUBACK: the hub refused the subscription to {subscription}; going on without"
                );
                if subscription == Subscription::TwinResponses {
                    self.twin.not_served();
                }
            }
        }
        self.set_up(connection, at);
    }

    /// The connection can be used.
    fn set_up(&mut self, connection: &mut Connection<'_>, at: &Moment) {
        for schedule in &mut self.control.schedules {
            schedule.start(at.now);
        }
        self.tell(connection, at, application::Event::Connected);
    }

    /// Tells the application what happened.
    pub(super) fn tell(
        &mut self,
        connection: &Connection<'_>,
        at: &Moment,
        event: application::Event<'_>,
    ) {
        let mut context = Context::new(&mut self.control, &connection.report, at.now, at.unix);
        self.application.handle(event, &mut context);
    }

    /// Has the application take a cloud-to-device message. True if it is done with it.
    fn handle_cloud_message(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        message: &CloudMessage<'_>,
    ) -> bool {
        connection.made_progress();
        let mut context = Context::new(&mut self.control, &connection.report, at.now, at.unix);
        match self.application.receive(message, &mut context) {
            Receipt::Accepted => {
                let taken = &mut connection.report.messages_taken;
                *taken = taken.saturating_add(1);
            }
            Receipt::Rejected(reason) => {
                let rejected = &mut connection.report.messages_rejected;
                *rejected = rejected.saturating_add(1);
                warn!(
                    "a cloud-to-device message of {} bytes was refused: {reason}",
                    message.body.len()
                );
            }
            Receipt::Later => return false,
        }
        true
    }

    fn handle_message(&mut self, connection: &mut Connection<'_>, message: &Message, at: &Moment) {
        match Inbound::parse(message.topic(), self.identity) {
            Inbound::CloudToDevice { bag } => {
                let message = CloudMessage {
                    body: message.payload(),
                    properties: bag,
                    redelivered: message.dup(),
                    token: message.ack(),
                };
                if !self.handle_cloud_message(connection, at, &message) {
                    return;
                }
            }
            Inbound::TwinResponse {
                status,
                request_id,
                version,
            } => {
                if let Some(request) =
                    self.handle_twin_response(connection, at.now, (status, request_id, version))
                {
                    self.twin
                        .feed(at.now, message.payload(), self.updating.tap());
                    self.handle_whole_twin(connection, at, request);
                }
            }
            Inbound::DesiredUpdate { version } => {
                connection.made_progress();
                self.begin_desired();
                self.twin
                    .feed(at.now, message.payload(), self.updating.tap());
                self.handle_desired(connection, at, version);
            }
            Inbound::MethodRequest { name, request_id } => {
                connection.made_progress();
                self.handle_call(connection, at, name, request_id, message.payload());
            }
            _ => ignore(connection, "a message on an unknown topic"),
        }
        if let Some(token) = message.ack() {
            connection.session.acknowledge(token);
        }
    }

    /// Applies what properties and methods changed.
    fn apply_control(&mut self, connection: &mut Connection<'_>, now: Instant) {
        for schedule in &mut self.control.schedules {
            schedule.apply(now, connection.is_stopping());
        }
        for place in &mut self.control.acknowledged {
            if let Some(token) = place.take() {
                let stale = connection.session.statistics().stale_acknowledgements;
                connection.session.acknowledge(token);
                // One of an earlier connection comes again.
                if connection.session.statistics().stale_acknowledgements == stale {
                    let taken = &mut connection.report.messages_taken;
                    *taken = taken.saturating_add(1);
                }
            }
        }
        if core::mem::take(&mut self.control.clear_queue) {
            self.durable.clear();
        }
        if core::mem::take(&mut self.control.settings_changed) {
            self.twin.changed(WRITABLE);
        }
        self.twin
            .changed(core::mem::take(&mut self.control.changed));
        if self.control.blink_until.is_some_and(|end| end <= now) {
            self.control.blink_until = None;
        }
        if self.control.restart && connection.is_running() {
            info!("restarting, as asked");
        }
    }

    /// Writes the time of creation into messages that were made before the clock was set, and drops those that have
    /// outlived their use.
    fn date_messages(&mut self, connection: &mut Connection<'_>, at: &Moment) {
        let (Some(unix), Some(start)) = (at.sane_unix(), self.durable.boot_time(at)) else {
            return;
        };
        connection.session.amend(&mut |label, topic| {
            let created = UnixTime::from_millis(start.as_millis().saturating_add(label.created));
            if !label.dated && date(topic, created) {
                label.dated = true;
                label.created = created.as_millis();
            }
        });
        let is_expired = |label: &Label| {
            let created = UnixTime::from_millis(label.created);
            label.dated && has_expired(created, label.time_to_live, unix)
        };
        loop {
            let mut queued = connection.session.queued();
            let expired = queued.find(|message| !message.offered && is_expired(&message.label));
            let Some(id) = expired.map(|message| message.id) else {
                return;
            };
            drop(queued);
            connection.session.withdraw(id);
            // One that is in the queue in flash too is counted when it is read from there.
            if self.durable.forget_lost_copies(&connection.session) == 0 {
                self.dropped(connection, at.now, Cause::Expired, 1);
            }
            self.settle_dropped(connection, at, Cause::Expired);
        }
    }

    /// Takes the session's figures into the report.
    pub(super) fn observe_session(&self, connection: &mut Connection<'_>) {
        let Connection {
            session, report, ..
        } = connection;
        report.queued = self.durable.queued(session.outbox_count());
        report.queued_in_flash = self.durable.stored();
        report.oldest_queued = self.durable.oldest();
        report.mqtt = *session.statistics();
        report.indicator_is_dark = self.control.dark;
    }
}

fn count_ignored(connection: &mut Connection<'_>) {
    let ignored = &mut connection.report.messages_ignored;
    *ignored = ignored.saturating_add(1);
}

/// Counts a message that made no sense.
pub(super) fn ignore(connection: &mut Connection<'_>, what: &str) {
    count_ignored(connection);
    warn!("passed over {what}");
}
