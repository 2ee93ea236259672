//! An authenticated connection: what IoT Hub does with each packet, and what ends it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::codec::{Packet, Publish, encode};
use super::connection::{Connection, OUTPUT_LIMIT};
use super::opened::Opened;
use super::topic::{self, Topic};
use super::{filter, requests};
use crate::c2d;
use crate::close::CloseReason;
use crate::faults::Puback;
use crate::sessions::Push;
use crate::story::Detail;
use crate::story::What::{Received, Sent};
use crate::throttle::Operation;

/// Filters that one connection may subscribe to ("Communicate with an IoT hub using the MQTT protocol").
const MAX_SUBSCRIPTIONS: usize = 5;

/// Time in which a goodbye is looked for that came before the client's next connection. It has come already.
const GOODBYE: Duration = Duration::from_millis(10);

/// An authenticated connection.
pub(crate) struct Session {
    opened: Opened,
    connection: Connection,
    last_packet: Instant,
    /// PUBACKs that a fault holds back, in the order of their PUBLISHes.
    late_pubacks: VecDeque<(Instant, u16)>,
    /// The QoS that is granted to messages from the cloud, if any, once it was looked up for these subscriptions.
    granted: Option<Option<u8>>,
}

/// Waits until the clock is moved.
async fn next_shift(mut shifts: watch::Receiver<()>) -> watch::Receiver<()> {
    // An error says that the clock is gone, and this connection with it.
    if shifts.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    shifts
}

impl Session {
    /// Joins a session with its connection.
    pub(crate) fn new(opened: Opened, connection: Connection) -> Self {
        Self {
            opened,
            connection,
            last_packet: Instant::now(),
            late_pubacks: VecDeque::new(),
            granted: None,
        }
    }

    /// Follows the session to its end; gives the connection back to be closed.
    pub(crate) async fn run(mut self) -> (Connection, CloseReason) {
        let link = Arc::clone(&self.opened.link);
        let reason = tokio::select! {
            biased;
            reason = link.cut_off() => reason,
            result = self.drive() => match result {
                Ok(never) => match never {},
                Err(reason) => reason,
            },
        };
        let reason = match reason {
            CloseReason::TakenOver if self.said_goodbye().await => CloseReason::Disconnected,
            reason => reason,
        };
        self.opened.end(&reason);
        (self.connection, reason)
    }

    /// True if the client said goodbye before it connected anew, and its new connection was served first: its DISCONNECT lies
    /// behind what was not read yet. What lies before that is as good as not received, and the will is discarded (section
    /// 3.14.4).
    async fn said_goodbye(&mut self) -> bool {
        if self.opened.link.is_frozen() {
            return false;
        }
        let look = async {
            loop {
                while let Some(packet) = self.connection.packet()? {
                    if matches!(packet, Packet::Disconnect) {
                        return Ok::<_, CloseReason>(());
                    }
                }
                self.connection.read().await?;
            }
        };
        matches!(Box::pin(timeout(GOODBYE, look)).await, Ok(Ok(())))
    }

    async fn drive(&mut self) -> Result<std::convert::Infallible, CloseReason> {
        let link = Arc::clone(&self.opened.link);
        // These wait on from one packet to the next: to begin to wait takes a lock.
        let mut woken = std::pin::pin!(link.wake.notified());
        let mut shifted = std::pin::pin!(next_shift(self.opened.core.clock.shifts()));
        // Armed for the first deadline, and anew when it rings: most deadlines move on with every packet.
        let mut alarm = std::pin::pin!(sleep_until(self.last_packet + self.opened.keep_alive));
        loop {
            if self.opened.link.is_frozen() {
                // Until the connection is cut.
                return std::future::pending().await;
            }
            while let Some(packet) = self.connection.packet()? {
                self.last_packet = Instant::now();
                if matches!(&packet, Packet::Publish(publish) if publish.topic.starts_with("devices/"))
                {
                    self.wait_for_turn().await?;
                }
                let result = self.handle(packet);
                if result.is_err() || self.connection.queued() > OUTPUT_LIMIT {
                    // What was rightly answered before a violation still goes out.
                    self.connection.flush().await?;
                }
                result?;
            }
            let late_puback = self.send_late_pubacks()?;
            self.connection.flush().await?;
            self.deliver().await?;
            let silent = self.last_packet + self.opened.keep_alive;
            let expiry = self.token_deadline()?;
            let first = silent.min(expiry).min(late_puback.unwrap_or(silent));
            if first < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(first);
            }
            tokio::select! {
                biased;
                result = self.connection.read() => result?,
                () = woken.as_mut() => woken.set(link.wake.notified()),
                () = alarm.as_mut() => {
                    if silent <= Instant::now() {
                        return Err(CloseReason::KeepAlive(self.opened.keep_alive));
                    }
                }
                shifts = shifted.as_mut() => shifted.set(next_shift(shifts)),
            }
        }
    }

    /// Meters telemetry: what exceeds the tier's rate is taken later, and closes the connection if that
    /// would be much later.
    async fn wait_for_turn(&mut self) -> Result<(), CloseReason> {
        let turn = self.opened.core.throttle.take(Operation::Telemetry);
        if turn == Some(Duration::ZERO) {
            return Ok(());
        }
        // What was rightly answered before goes out.
        self.connection.flush().await?;
        tokio::time::sleep(turn.ok_or(CloseReason::Throttled("messages"))?).await;
        Ok(())
    }

    /// Time to look at the token again; an error once its `se` and the skew passed.
    fn token_deadline(&self) -> Result<Instant, CloseReason> {
        let core = &self.opened.core;
        let far = Duration::from_secs(3600);
        let Some(expiry) = self.opened.who.expiry else {
            return Ok(Instant::now() + far);
        };
        let skew = u64::try_from(core.limits.sas_skew.as_millis()).unwrap_or(u64::MAX);
        let end = expiry.saturating_mul(1000).saturating_add(skew);
        let left = end
            .checked_sub(core.clock.unix_millis())
            .ok_or(CloseReason::TokenExpired)?;
        // One more millisecond: the token counts until the end of its last one.
        Ok(Instant::now() + Duration::from_millis(left.saturating_add(1)).min(far))
    }

    fn handle(&mut self, packet: Packet) -> Result<(), CloseReason> {
        if matches!(packet, Packet::Publish(_) | Packet::Puback(_)) {
            let now = self.opened.core.clock.unix_millis();
            self.opened.link.touch(now);
        }
        match packet {
            Packet::Connect(_) => Err(CloseReason::Violation("a second CONNECT".into())),
            Packet::Disconnect => Err(CloseReason::Disconnected),
            Packet::Pingreq => {
                self.opened.tell(Received, "PINGREQ", String::new);
                self.opened.tell(Sent, "PINGRESP", String::new);
                self.connection.queue(encode::pingresp())
            }
            Packet::Publish(publish) => self.publish(publish),
            Packet::Puback(packet_id) => self.puback(packet_id),
            Packet::Subscribe(packet_id, filters) => self.subscribe(packet_id, filters),
            Packet::Unsubscribe(packet_id, filters) => self.unsubscribe(packet_id, &filters),
        }
    }

    fn publish(&mut self, publish: Publish) -> Result<(), CloseReason> {
        let packet_id = publish.packet_id;
        let Opened {
            core, who, link, ..
        } = &self.opened;
        let topic =
            topic::parse(&publish.topic, &who.sender.identity).map_err(CloseReason::Violation)?;
        self.opened
            .tell(Received, topic.label(), || Detail::Publish(publish.facts()));
        let answer = match topic {
            Topic::Telemetry(bag) => {
                self.opened.store(bag, publish, false)?;
                None
            }
            request => requests::serve(core, &who.device, link, &request, publish)?,
        };
        if let Some(packet_id) = packet_id {
            self.acknowledge(packet_id)?;
        }
        match answer {
            Some(answer) => self.push(&answer),
            None => Ok(()),
        }
    }

    fn acknowledge(&mut self, packet_id: u16) -> Result<(), CloseReason> {
        let core = &self.opened.core;
        let due = match core.faults.puback(&self.opened.link.client_id) {
            Puback::Never => {
                let detail = || format!("packet {packet_id}, not sent: a fault wants it so");
                self.opened.tell(Sent, "no PUBACK", detail);
                return Ok(());
            }
            Puback::AtOnce if self.late_pubacks.is_empty() => {
                return self.send_puback(packet_id);
            }
            Puback::AtOnce => Instant::now(),
            Puback::Late(late) => Instant::now() + late,
        };
        // PUBACKs keep the order of their PUBLISHes (section 4.6).
        let due = self
            .late_pubacks
            .back()
            .map_or(due, |(last, _)| due.max(*last));
        self.late_pubacks.push_back((due, packet_id));
        Ok(())
    }

    /// Sends the PUBACKs that are due by now; gives the time of the next one.
    fn send_late_pubacks(&mut self) -> Result<Option<Instant>, CloseReason> {
        if self.late_pubacks.is_empty() {
            return Ok(None);
        }
        let now = Instant::now();
        while let Some((due, packet_id)) = self.late_pubacks.front().copied() {
            if due > now {
                return Ok(Some(due));
            }
            self.late_pubacks.pop_front();
            self.send_puback(packet_id)?;
        }
        Ok(None)
    }

    fn send_puback(&mut self, packet_id: u16) -> Result<(), CloseReason> {
        self.opened
            .tell(Sent, "PUBACK", || Detail::Packet(packet_id));
        self.connection.queue(encode::puback(packet_id))
    }

    fn push(&mut self, push: &Push) -> Result<(), CloseReason> {
        let detail = || format!("{}, {} bytes", push.topic, push.payload.len());
        self.opened.tell(Sent, push.label(), detail);
        self.connection
            .queue(encode::publish(&push.topic, &push.payload, None, false))
    }

    fn puback(&mut self, packet_id: u16) -> Result<(), CloseReason> {
        self.opened
            .tell(Received, "PUBACK", || Detail::Packet(packet_id));
        let Opened {
            core, who, link, ..
        } = &self.opened;
        match core.c2d.acknowledge(&who.device, link.id, packet_id)? {
            Ok(()) => log::debug!("{:?} acknowledged message {packet_id}", link.client_id),
            Err(Some(head)) => log::warn!(
                "{:?} acknowledged message {packet_id} before {head}; ignored, since PUBACKs must be sent in \
                 the order of receipt",
                link.client_id
            ),
            Err(None) => {
                log::warn!(
                    "{:?} acknowledged message {packet_id}, which it does not have",
                    link.client_id
                );
            }
        }
        Ok(())
    }

    fn subscribe(&mut self, packet_id: u16, filters: Vec<(String, u8)>) -> Result<(), CloseReason> {
        let Opened {
            core, who, link, ..
        } = &self.opened;
        let mut subscriptions = link.subscriptions();
        let mut granted = Vec::new();
        self.opened.tell(Received, "SUBSCRIBE", || {
            let shown = filters
                .iter()
                .map(|(filter, qos)| format!("{filter} with QoS {qos}"));
            shown.collect::<Vec<_>>().join(", ")
        });
        for (filter, requested) in filters {
            if core.lenient_subscriptions {
                filter::check_form(&filter)
            } else {
                filter::check(&filter, &who.sender.identity)
            }
            .map_err(CloseReason::Violation)?;
            let qos = requested.min(1);
            log::debug!(
                "{:?} subscribed to {filter:?} with QoS {qos}",
                link.client_id
            );
            granted.push(qos);
            subscriptions.insert(filter, qos);
        }
        if subscriptions.len() > MAX_SUBSCRIPTIONS {
            return Err(CloseReason::Violation(format!(
                "{} subscriptions; {MAX_SUBSCRIPTIONS} are allowed",
                subscriptions.len()
            )));
        }
        self.opened.change(subscriptions)?;
        self.granted = None;
        self.connection.queue(encode::suback(packet_id, &granted))
    }

    fn unsubscribe(&mut self, packet_id: u16, filters: &[String]) -> Result<(), CloseReason> {
        let mut subscriptions = self.opened.link.subscriptions();
        subscriptions.retain(|filter, _| !filters.contains(filter));
        let detail = || filters.join(", ");
        self.opened.tell(Received, "UNSUBSCRIBE", detail);
        let client_id = &self.opened.link.client_id;
        for filter in filters {
            log::debug!("{client_id:?} unsubscribed from {filter:?}");
        }
        self.opened.change(subscriptions)?;
        self.granted = None;
        self.connection.queue(encode::unsuback(packet_id))
    }

    /// Sends what waits: pushes first.
    async fn deliver(&mut self) -> Result<(), CloseReason> {
        for push in self.opened.link.take_pushes() {
            self.push(&push)?;
            if self.connection.queued() > OUTPUT_LIMIT {
                self.connection.flush().await?;
            }
        }
        self.connection.flush().await?;
        self.deliver_c2d().await
    }

    /// Sends the cloud-to-device messages that wait, if the client subscribed to them.
    async fn deliver_c2d(&mut self) -> Result<(), CloseReason> {
        let Opened {
            core, who, link, ..
        } = &self.opened;
        let identity = &who.sender.identity;
        let granted = self
            .granted
            .get_or_insert_with(|| link.granted(&c2d::topic_prefix(identity)));
        let Some(qos) = *granted else {
            return Ok(());
        };
        while let Some(delivery) = core.c2d.deliver(&link.client_id, link.id)? {
            log::debug!(
                "{:?} is sent message {} of {} bytes with QoS {qos}{}",
                link.client_id,
                delivery.packet_id,
                delivery.message.body.len(),
                if delivery.again { ", again" } else { "" }
            );
            let topic = c2d::topic(identity, &delivery.message);
            self.opened.tell(Sent, "PUBLISH message", || {
                let (id, size) = (delivery.packet_id, delivery.message.body.len());
                let again = if delivery.again { ", again" } else { "" };
                format!("{size} bytes, QoS {qos}, packet {id}{again}")
            });
            let body = &delivery.message.body;
            let twice = core.faults.duplicate(&link.client_id);
            if qos == 0 {
                if twice {
                    self.connection
                        .queue(encode::publish(&topic, body, None, false))?;
                }
                self.connection
                    .queue(encode::publish(&topic, body, None, false))?;
                self.connection.flush().await?;
                core.c2d
                    .complete_unacknowledged(&who.device, delivery.sequence)?;
            } else {
                let packet_id = Some(delivery.packet_id);
                self.connection
                    .queue(encode::publish(&topic, body, packet_id, delivery.again))?;
                if twice {
                    self.connection
                        .queue(encode::publish(&topic, body, packet_id, true))?;
                }
                if self.connection.queued() > OUTPUT_LIMIT {
                    self.connection.flush().await?;
                }
            }
        }
        self.connection.flush().await
    }
}
