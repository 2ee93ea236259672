//! SUBSCRIBE and UNSUBSCRIBE, and the answers that they wait for.

use mqttbytes_nostd::{QoS as WireQoS, v4};

use super::error::RequestError;
use super::types::{Event, Granted, MAX_FILTERS, PacketId, QoS};
use super::violation::{PacketType, Violation};
use super::{Session, codec, field};
use crate::time::{Instant, earliest};

/// Requests that may wait for an answer at a time.
const CAPACITY: usize = 4;

/// The unanswered requests of a connection.
pub(super) struct Requests {
    waiting: [Option<Request>; CAPACITY],
}

#[derive(Clone, Copy)]
struct Request {
    packet_id: PacketId,
    kind: Kind,
    /// Time of the first call that knew the time and saw this request; `None` before it.
    since: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With what was asked for, in the form of an answer.
    Subscribe(Granted),
    Unsubscribe,
}

impl Requests {
    pub(super) const fn new() -> Self {
        Self {
            waiting: [None; CAPACITY],
        }
    }

    pub(super) fn count(&self) -> usize {
        self.waiting.iter().flatten().count()
    }

    pub(super) fn contains(&self, packet_id: PacketId) -> bool {
        self.waiting
            .iter()
            .flatten()
            .any(|request| request.packet_id == packet_id)
    }

    /// Starts the clock of requests that are new, or of all.
    pub(super) fn stamp(&mut self, now: Instant, all: bool) {
        for request in self.waiting.iter_mut().flatten() {
            if all || request.since.is_none() {
                request.since = Some(now);
            }
        }
    }

    /// Time since which the oldest request has waited; `None` if none waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting
            .iter()
            .flatten()
            .fold(None, |oldest, request| earliest(oldest, request.since))
    }

    fn slot(&mut self) -> Result<&mut Option<Request>, RequestError> {
        self.waiting
            .iter_mut()
            .find(|slot| slot.is_none())
            .ok_or(RequestError::TooManyRequests)
    }

    /// Removes and gives the request of this identifier, if `wanted` says that it is of the right kind.
    fn take(&mut self, packet_id: u16, wanted: impl Fn(Kind) -> bool) -> Option<Request> {
        let right =
            |request: &Request| request.packet_id.get() == packet_id && wanted(request.kind);
        self.waiting
            .iter_mut()
            .find(|slot| slot.as_ref().is_some_and(right))?
            .take()
    }
}

impl Session<'_> {
    /// Queues one SUBSCRIBE for all of `filters`, each with the quality of service that is wanted.
    /// [`Event::Subscribed`] with the identifier brings the answer.
    ///
    /// # Errors
    /// [`RequestError::NotConnected`], [`RequestError::FilterCount`], [`RequestError::Field`],
    /// [`RequestError::TooManyRequests`], [`RequestError::TooLarge`], [`RequestError::TransmitBufferFull`]
    /// and [`RequestError::NoPacketId`].
    pub fn subscribe(&mut self, filters: &[(&str, QoS)]) -> Result<PacketId, RequestError> {
        self.check_filters(filters.iter().map(|(filter, _)| *filter))?;
        let mut asked = Granted::NONE;
        if !filters.iter().all(|(_, qos)| asked.push(Some(*qos))) {
            return Err(RequestError::FilterCount(filters.len()));
        }
        self.transmit_buffer.room(codec::subscribe_size(filters))?;
        let packet_id = self.free_packet_id()?;
        let packet = codec::subscribe(packet_id, filters)?;
        self.request(packet_id, Kind::Subscribe(asked), &packet)
    }

    /// Queues one UNSUBSCRIBE for all of `filters`. [`Event::Unsubscribed`] brings the answer.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Result<PacketId, RequestError> {
        self.check_filters(filters.iter().copied())?;
        self.transmit_buffer
            .room(codec::unsubscribe_size(filters))?;
        let packet_id = self.free_packet_id()?;
        let packet = codec::unsubscribe(packet_id, filters)?;
        self.request(packet_id, Kind::Unsubscribe, &packet)
    }

    fn check_filters<'f>(
        &self,
        filters: impl ExactSizeIterator<Item = &'f str>,
    ) -> Result<(), RequestError> {
        self.require_connected()?;
        let count = filters.len();
        if count == 0 || count > MAX_FILTERS {
            return Err(RequestError::FilterCount(count));
        }
        for filter in filters {
            field::topic_filter(filter)?;
        }
        Ok(())
    }

    fn request(
        &mut self,
        packet_id: PacketId,
        kind: Kind,
        packet: &[u8],
    ) -> Result<PacketId, RequestError> {
        let slot = self.connection.requests.slot()?;
        self.transmit_buffer.push(packet)?;
        *slot = Some(Request {
            packet_id,
            kind,
            since: None,
        });
        self.next_packet_id = packet_id.next();
        Ok(packet_id)
    }

    pub(super) fn on_suback(&mut self, suback: &v4::SubAck) -> Result<Event, Violation> {
        let request = self
            .connection
            .requests
            .take(suback.pkid, |kind| kind != Kind::Unsubscribe);
        let Some(Request {
            packet_id,
            kind: Kind::Subscribe(asked),
            ..
        }) = request
        else {
            return Err(Violation::Unasked(PacketType::Suback, suback.pkid));
        };
        let (expected, found) = (asked.as_slice().len(), suback.return_codes.len());
        if expected != found {
            return Err(Violation::SubackCount { expected, found });
        }
        let mut granted = Granted::NONE;
        for (code, asked) in suback.return_codes.iter().zip(asked.as_slice()) {
            let code = match code {
                v4::SubscribeReasonCode::Failure => None,
                v4::SubscribeReasonCode::Success(WireQoS::AtMostOnce) => Some(QoS::AtMostOnce),
                v4::SubscribeReasonCode::Success(WireQoS::AtLeastOnce)
                    if *asked == Some(QoS::AtLeastOnce) =>
                {
                    Some(QoS::AtLeastOnce)
                }
                v4::SubscribeReasonCode::Success(qos) => {
                    return Err(Violation::SubackCode(*qos as u8));
                }
            };
            granted.push(code);
        }
        Ok(Event::Subscribed { packet_id, granted })
    }

    pub(super) fn on_unsuback(&mut self, unsuback: &v4::UnsubAck) -> Result<Event, Violation> {
        let request = self
            .connection
            .requests
            .take(unsuback.pkid, |kind| kind == Kind::Unsubscribe);
        match request {
            Some(Request { packet_id, .. }) => Ok(Event::Unsubscribed { packet_id }),
            None => Err(Violation::Unasked(PacketType::Unsuback, unsuback.pkid)),
        }
    }
}
