//! A connection at work: the session's events, and the deadlines that keep it alive.

use super::large::Large;
use super::link::{Link, Next, Phase, State};
use super::scratch::Scratch;
use super::subscription::Subscription;
use super::{BLINK_HALF, Device};
use crate::application::{Application, CloudMessage};
use crate::failure::Failure;
use crate::logging::{info, warn};
use crate::mqtt::{self, Event, Granted, Message, PacketId, QoS};
use crate::port::Sensor;
use crate::report::Status;
use crate::time::{Instant, UnixTime};
use crate::topic::Inbound;

impl<A: Application> Device<'_, A> {
    /// Bytes to send now; empty if there are none.
    pub fn transmit(&mut self) -> &[u8] {
        self.session.transmit()
    }

    /// That many of [`Device::transmit`]'s bytes were sent.
    pub fn transmitted(&mut self, count: usize, now: Instant) {
        self.session.transmitted(count, now);
    }

    /// Room for received bytes.
    pub fn receive_buffer(&mut self) -> &mut [u8] {
        self.session.receive_buffer()
    }

    /// That many bytes were put into [`Device::receive_buffer`].
    pub fn received(&mut self, count: usize, now: Instant) {
        self.session.received(count, now);
    }

    /// Handles what came in and what fell due. On an error the connection is of no more use: drop it and
    /// report to [`Device::lost`].
    pub fn serve(
        &mut self,
        now: Instant,
        unix: Option<UnixTime>,
        sensor: &mut dyn Sensor,
        random: u64,
    ) -> Result<(), Failure> {
        while let Some(event) = self
            .session
            .poll(now)
            .map_err(|error| self.session_failure(error))?
        {
            self.handle(event, now)?;
        }
        self.serve_methods(now);
        // By the interval that was in force when it fell due.
        if self.telemetry_is_due(now) {
            self.send_telemetry(now, unix, sensor, random);
        }
        self.obey(now);
        self.serve_twin(now);
        if let State::Online(link) = self.state {
            self.advance(link, now);
        }
        self.observe_session();
        Ok(())
    }

    fn handle(&mut self, event: Event, now: Instant) -> Result<(), Failure> {
        match event {
            Event::Connected { session_present } => self.accepted(session_present, now)?,
            Event::Subscribed { packet_id, granted } => self.subscribed(packet_id, granted, now),
            Event::Message(message) => self.take(&message, now),
            Event::Published(_) => {
                self.made_progress();
                self.report.telemetry_acknowledged =
                    self.report.telemetry_acknowledged.saturating_add(1);
                self.observe_session();
                if self.session.is_drained() && self.status == Status::Sending {
                    self.set_status(Status::Connected);
                }
            }
            Event::LargeMessage { message, size } => self.large_begins(&message, size, now),
            Event::Piece => self.large_goes_on(now),
            Event::LargeMessageEnd { ack } => self.large_ends(ack, now),
            Event::MessageTooLarge { size } => {
                self.report.messages_ignored = self.report.messages_ignored.saturating_add(1);
                warn!(
                    "passed over a message of {size} bytes: its topic does not fit the receive buffer"
                );
            }
            _ => {}
        }
        Ok(())
    }

    fn session_failure(&self, error: mqtt::Error) -> Failure {
        match error {
            mqtt::Error::Refused(code) => Failure::Refused(code, self.credential_kind()),
            other => Failure::Session(other),
        }
    }

    fn accepted(&mut self, session_present: bool, now: Instant) -> Result<(), Failure> {
        let subscribing = self.subscribe()?;
        self.twin.connected();
        self.calls.connected();
        self.large = Large::default();
        self.report.joined = true;
        self.report.connections = self.report.connections.saturating_add(1);
        info!(
            "joined {} as {} ({} session)",
            self.identity.host_name(),
            self.identity.client_id(),
            if session_present { "stored" } else { "new" }
        );
        self.session.set_hold(false);
        self.patience.accepted();
        self.set_status(Status::Connected);
        if let State::Online(link) = &mut self.state {
            link.accepted = Some(now);
            match (link.phase, subscribing) {
                (Phase::Connecting, Some(packet_id)) => link.phase = Phase::Subscribing(packet_id),
                (Phase::Connecting, None) => self.set_up(now),
                _ => {}
            }
        }
        Ok(())
    }

    /// Queues SUBSCRIBE for everything that this device, or this module, can be sent. `None` if that is nothing.
    fn subscribe(&mut self) -> Result<Option<PacketId>, Failure> {
        let wanted = Subscription::wanted(self.identity, self.config.twin);
        let mut space = Scratch::new(&mut *self.scratch);
        let mut filters = [("", QoS::AtMostOnce); Subscription::ALL.len()];
        let mut count = 0;
        for (filter, subscription) in filters.iter_mut().zip(wanted) {
            *filter = subscription.filter(self.identity, &mut space)?;
            count += 1;
        }
        match filters.get(..count) {
            None | Some([]) => Ok(None),
            Some(filters) => Ok(Some(self.session.subscribe(filters)?)),
        }
    }

    /// A subscription that is refused costs what it is for, not the connection: telemetry needs none.
    fn subscribed(&mut self, packet_id: PacketId, granted: Granted, now: Instant) {
        let State::Online(link) = &mut self.state else {
            return;
        };
        if link.phase != Phase::Subscribing(packet_id) {
            return;
        }
        let wanted = Subscription::wanted(self.identity, self.config.twin);
        for (subscription, granted) in wanted.zip(granted.as_slice()) {
            if granted.is_none() {
                warn!(
                    "SUBACK: the hub refused the subscription to {subscription}; going on without"
                );
                link.without_twin |= subscription == Subscription::TwinResponses;
            }
        }
        self.set_up(now);
    }

    /// Nothing is awaited any more before the connection can be used.
    fn set_up(&mut self, now: Instant) {
        if let State::Online(link) = &mut self.state {
            link.phase = Phase::Running;
        }
        if self.telemetry_interval.is_some() {
            self.next_telemetry.get_or_insert(now);
        }
    }

    fn take(&mut self, message: &Message, now: Instant) {
        match Inbound::parse(message.topic(), self.identity) {
            Inbound::CloudToDevice { bag } => {
                self.application.cloud_message(&CloudMessage {
                    body: message.payload(),
                    properties: bag,
                    redelivered: message.dup(),
                });
                self.report.messages_taken = self.report.messages_taken.saturating_add(1);
                self.made_progress();
            }
            Inbound::TwinResponse {
                status,
                request_id,
                version,
            } => {
                if let Some(request) = self.twin_answered(now, status, request_id, version) {
                    self.twin_piece(now, message.payload());
                    self.twin_ended(now, request);
                }
            }
            Inbound::DesiredUpdate { version } => {
                self.made_progress();
                self.desired_begins();
                self.twin_piece(now, message.payload());
                self.desired_ended(version);
            }
            Inbound::MethodRequest { name, request_id } => {
                self.made_progress();
                self.called(now, name, request_id, message.payload());
            }
            _ => self.ignore("a message on an unknown topic"),
        }
        if let Some(token) = message.ack() {
            self.session.acknowledge(token);
        }
    }

    /// Counts a message that made no sense.
    pub(super) fn ignore(&mut self, what: &str) {
        self.report.messages_ignored = self.report.messages_ignored.saturating_add(1);
        warn!("passed over {what}");
    }

    /// Changes of the device by properties and methods.
    fn obey(&mut self, now: Instant) {
        let interval = self.control.telemetry_interval();
        if interval != self.telemetry_interval {
            self.telemetry_interval = interval;
            self.next_telemetry = interval.map(|interval| now.after(interval));
        }
        if core::mem::take(&mut self.control.send_now) {
            self.send_now(now);
        }
        if self.control.blink_until.is_some_and(|end| end <= now) {
            self.control.blink_until = None;
        }
    }

    /// Changes the state that the indicator and the report show.
    pub(super) fn set_status(&mut self, status: Status) {
        self.status = status;
        self.report.status = status;
    }

    /// Takes the session's figures into the report.
    pub(super) fn observe_session(&mut self) {
        self.report.queued = u32::try_from(self.session.outbox_count()).unwrap_or(u32::MAX);
        self.report.mqtt = *self.session.statistics();
        self.report.indicator_is_dark = self.control.dark;
    }

    /// Planned changes of an open connection.
    fn advance(&mut self, mut link: Link, now: Instant) {
        match link.phase {
            Phase::Running if link.renew_at.is_some_and(|at| now >= at) => {
                info!("SAS token: renewing it by a new connection");
                self.drain(now, link);
            }
            Phase::Running if self.control.restart => {
                info!("restarting, as asked");
                self.stop(now);
            }
            Phase::Running => self.settle(now),
            Phase::Draining { until, then } if self.is_drained(then) || now >= until => {
                self.session.disconnect();
                link.phase = Phase::Closing(then);
                self.state = State::Online(link);
            }
            _ => {}
        }
    }

    /// True if nothing is left of what is awaited before a planned goodbye.
    fn is_drained(&self, then: Next) -> bool {
        match then {
            Next::Reconnect => self.session.in_flight() == 0,
            Next::Stop => self.session.outbox_count() == 0,
        }
    }

    /// When [`Device::serve`] has something to do although nothing came in.
    pub(super) fn exchange_deadline(&self, link: &Link, now: Instant) -> Instant {
        let phase = match link.phase {
            Phase::Running => {
                let twin = self.config.twin && !link.without_twin;
                let twin = self.twin.deadline().filter(|_| twin);
                let toggle = Instant::from_millis((now.as_millis() / BLINK_HALF + 1) * BLINK_HALF);
                let blink = self.control.blink_until.map(|end| end.min(toggle));
                let planned = [
                    link.renew_at,
                    self.attempts.clock_due(),
                    twin,
                    self.calls.deadline(),
                    blink,
                    self.episode_end(),
                ];
                planned.into_iter().flatten().min()
            }
            Phase::Draining { then, .. } if self.is_drained(then) => Some(now),
            Phase::Draining { until, .. } => Some(until),
            _ => None,
        };
        let session = self.session.deadline();
        let end = Instant::from_millis(u64::MAX);
        self.earliest(phase.into_iter().chain(session).min().unwrap_or(end))
    }

    /// `until`, or earlier if telemetry is due.
    pub(super) fn earliest(&self, until: Instant) -> Instant {
        self.sampling_deadline()
            .map_or(until, |telemetry| until.min(telemetry))
    }
}
