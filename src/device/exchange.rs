//! A device on its hub: the session's events, and what falls due meanwhile.

use super::large::Large;
use super::subscription::Subscription;
use super::{BLINK_HALF, Device};
use crate::application::{Application, CloudMessage};
use crate::connection::{Connection, Scratch, Work};
use crate::failure::Failure;
use crate::identity::Credential;
use crate::logging::{info, warn};
use crate::mqtt::{Event, Granted, Message, PacketId, QoS};
use crate::port::{Readings, Requests};
use crate::report::Status;
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
        self.queue_connect(connection, at)
    }

    fn handle(
        &mut self,
        connection: &mut Connection<'_>,
        event: Event,
        now: Instant,
    ) -> Result<(), Failure> {
        match event {
            Event::Connected { session_present } => {
                self.handle_connack(connection, session_present, now)?;
            }
            Event::Subscribed { packet_id, granted } => {
                self.handle_suback(connection, packet_id, granted, now);
            }
            Event::Message(message) => self.handle_message(connection, &message, now),
            Event::Published(_) => {
                connection.made_progress();
                let acknowledged = &mut connection.report.telemetry_acknowledged;
                *acknowledged = acknowledged.saturating_add(1);
                self.observe_session(connection);
                if connection.session.is_drained() && connection.report.status == Status::Sending {
                    connection.report.status = Status::Connected;
                }
            }
            Event::LargeMessage { message, size } => {
                self.begin_large_message(connection, &message, size, now);
            }
            Event::Piece => self.feed_large_message(connection, now),
            Event::LargeMessageEnd { ack } => self.end_large_message(connection, ack, now),
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
        self.poll_methods(connection, at.now);
        self.apply_control(connection, at.now);
        self.poll_twin(connection, at.now);
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
        ];
        planned.into_iter().flatten().min()
    }

    fn is_done(&self) -> bool {
        self.control.restart
    }

    fn failed(&mut self, connection: &mut Connection<'_>, now: Instant, failure: &Failure) -> bool {
        connection.report.status = Status::Failed;
        self.patience.failed(now, failure);
        let limits = self.options.gives_up.as_ref();
        self.has_given_up = limits.is_some_and(|limits| self.patience.is_exhausted(now, limits));
        self.has_given_up
    }

    /// Says how many messages it leaves.
    fn ended(&mut self, connection: &mut Connection<'_>) {
        self.end_episode();
        self.observe_session(connection);
        match connection.report.queued {
            0 => {}
            queued => warn!("stopped: {queued} messages stay behind in the queue"),
        }
    }

    fn requested(&mut self, connection: &mut Connection<'_>, now: Instant, requests: Requests) {
        if requests.send_now {
            self.send_now(connection, now);
        }
        if requests.reconnect {
            connection.reconnect(now);
        }
    }

    fn measurement_due(&self) -> Option<Instant> {
        self.next_telemetry
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
            _ => connection.report.status,
        }
    }
}

impl<A: Application> Device<'_, A> {
    fn handle_connack(
        &mut self,
        connection: &mut Connection<'_>,
        session_present: bool,
        now: Instant,
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
        connection.joined(now);
        connection.report.status = Status::Connected;
        self.patience.accepted();
        if connection.accepted(subscribing) {
            self.set_up(now);
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
        now: Instant,
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
        self.set_up(now);
    }

    /// The connection can be used.
    fn set_up(&mut self, now: Instant) {
        if self.telemetry_interval.is_some() {
            self.next_telemetry.get_or_insert(now);
        }
    }

    fn handle_message(&mut self, connection: &mut Connection<'_>, message: &Message, now: Instant) {
        match Inbound::parse(message.topic(), self.identity) {
            Inbound::CloudToDevice { bag } => {
                self.application.cloud_message(&CloudMessage {
                    body: message.payload(),
                    properties: bag,
                    redelivered: message.dup(),
                });
                let taken = &mut connection.report.messages_taken;
                *taken = taken.saturating_add(1);
                connection.made_progress();
            }
            Inbound::TwinResponse {
                status,
                request_id,
                version,
            } => {
                if let Some(request) =
                    self.handle_twin_response(connection, now, (status, request_id, version))
                {
                    self.twin.feed(now, message.payload());
                    self.handle_whole_twin(connection, now, request);
                }
            }
            Inbound::DesiredUpdate { version } => {
                connection.made_progress();
                self.twin.begin_desired();
                self.twin.feed(now, message.payload());
                self.handle_desired(connection, version);
            }
            Inbound::MethodRequest { name, request_id } => {
                connection.made_progress();
                self.handle_call(connection, now, name, request_id, message.payload());
            }
            _ => ignore(connection, "a message on an unknown topic"),
        }
        if let Some(token) = message.ack() {
            connection.session.acknowledge(token);
        }
    }

    /// Applies what properties and methods changed.
    fn apply_control(&mut self, connection: &mut Connection<'_>, now: Instant) {
        let interval = self.control.telemetry_interval();
        // What has fallen due is measured by the interval that was in force then.
        let is_due = self.next_telemetry.is_some_and(|due| now >= due);
        if interval != self.telemetry_interval && (!is_due || connection.is_stopping()) {
            self.telemetry_interval = interval;
            self.next_telemetry = interval.map(|interval| now.after(interval));
        }
        if core::mem::take(&mut self.control.send_now) {
            self.send_now(connection, now);
        }
        if self.control.blink_until.is_some_and(|end| end <= now) {
            self.control.blink_until = None;
        }
        if self.control.restart && connection.is_running() {
            info!("restarting, as asked");
        }
    }

    /// Takes the session's figures into the report.
    pub(super) fn observe_session(&self, connection: &mut Connection<'_>) {
        let Connection {
            session, report, ..
        } = connection;
        report.queued = u32::try_from(session.outbox_count()).unwrap_or(u32::MAX);
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
