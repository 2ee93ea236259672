//! Messages to the provisioning service: CONNECT, and the questions.

use core::time::Duration;

use zeroize::Zeroize;

use super::enrollment::Attestation;
use super::registration::{Registration, State};
use super::response::OPERATION_ID_SIZE;
use crate::connection::{CLIENT_TYPE, Connection, Scratch};
use crate::failure::{ClockError, Failure};
use crate::json::Object;
use crate::mqtt;
use crate::sas::{self, REGISTRATION_POLICY};
use crate::text::{Overflow, Text, render};
use crate::time::{Instant, Moment};
use crate::topic::Outbound;

/// Time that one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Life of a token: it serves one registration.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);
/// The part of the scratch buffer, in bytes, that the topic of an update's operation takes.
#[cfg(feature = "update-dps")]
const OPERATION_TOPIC_SIZE: usize = 96;
/// The part of the scratch buffer, in bytes, that a topic takes.
const TOPIC_SIZE: usize = 96 + 3 * OPERATION_ID_SIZE;

impl Registration<'_> {
    /// Queues CONNECT, with a token if the enrolment has a key.
    pub(super) fn queue_connect(
        &self,
        connection: &mut Connection<'_>,
        at: &Moment,
    ) -> Result<(), Failure> {
        let unix = at.sane_unix().ok_or(Failure::Clock(ClockError::NoAnswer))?;
        let mut space = Scratch::new(&mut *connection.scratch);
        let user_name = space.render(
            self.enrollment
                .user_name(self.talk.api_version(), CLIENT_TYPE),
        )?;
        let password = match self.enrollment.attestation() {
            Attestation::SymmetricKey(key) => {
                let resource = self.enrollment.resource();
                let expiry = unix.after(TOKEN_LIFE);
                Some(sas::sign(
                    key,
                    resource,
                    expiry,
                    Some(REGISTRATION_POLICY),
                    space.rest(),
                )?)
            }
            Attestation::X509 => None,
        };
        let connect = mqtt::Connect {
            client_id: self.enrollment.registration_id().as_str(),
            user_name,
            password: password.map(str::as_bytes),
            // The service keeps no session whatever this says.
            clean_session: true,
            will: None,
        };
        let queued = connection.session.connect(at.now, &connect);
        connection.scratch.zeroize();
        Ok(queued?)
    }

    /// Asks for an update, or reports one.
    #[cfg(feature = "update-dps")]
    pub(super) fn ask_for_updates(
        &mut self,
        connection: &mut Connection<'_>,
        now: Instant,
    ) -> Result<(), Failure> {
        let size = OPERATION_TOPIC_SIZE;
        self.publish(connection, size, |own, request_id, topic, payload| {
            let capacity = payload.len();
            let asked = own.talk.ask(payload, now, ANSWER_TIMEOUT);
            let (name, length, until) = asked.map_err(|_| too_small(size + capacity))?;
            let topic = render(topic, Outbound::DpsUpdate { request_id, name })?;
            Ok((topic, payload.get(..length).unwrap_or_default(), until))
        })
    }

    /// Nothing is asked for.
    #[cfg(not(feature = "update-dps"))]
    pub(super) const fn ask_for_updates(
        &self,
        _connection: &Connection<'_>,
        _now: Instant,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// Asks to be registered, or how it is going.
    pub(super) fn ask(
        &mut self,
        connection: &mut Connection<'_>,
        now: Instant,
    ) -> Result<(), Failure> {
        let size = TOPIC_SIZE;
        self.publish(connection, size, |own, request_id, topic, payload| {
            let until = now.after(ANSWER_TIMEOUT);
            if let Some(operation_id) = &own.operation_id {
                let question = Outbound::DpsOperationStatus {
                    request_id,
                    operation_id,
                };
                return Ok((render(topic, question)?, &[], until));
            }
            let capacity = payload.len();
            let mut text = Text::new(payload);
            let mut body = Object::new(&mut text);
            body.string("registrationId", own.enrollment.registration_id().as_str());
            if let Some(custom) = own.payload {
                body.raw("payload", custom);
            }
            body.finish().map_err(|_| too_small(size + capacity))?;
            let length = text.len();
            let topic = render(topic, Outbound::DpsRegister { request_id })?;
            Ok((topic, payload.get(..length).unwrap_or_default(), until))
        })
    }

    /// Publishes a question, and begins to wait for its answer. `write` is given the request id and two parts of the scratch
    /// buffer; it gives the topic, the payload, and the time until which the answer may take.
    fn publish<F>(
        &mut self,
        connection: &mut Connection<'_>,
        topic_size: usize,
        write: F,
    ) -> Result<(), Failure>
    where
        F: for<'s> FnOnce(
            &mut Self,
            u32,
            &'s mut [u8],
            &'s mut [u8],
        ) -> Result<(&'s str, &'s [u8], Instant), Failure>,
    {
        let capacity = connection.scratch.len();
        let (topic, payload) = connection
            .scratch
            .split_at_mut_checked(topic_size)
            .ok_or(too_small(capacity))?;
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        let (topic, payload, until) = write(self, id, topic, payload)?;
        connection.session.publish_now(topic, payload)?;
        self.state = State::Asked { id, until };
        Ok(())
    }
}

/// The failure of a scratch buffer of this size in bytes.
const fn too_small(capacity: usize) -> Failure {
    Failure::Scratch(Overflow { capacity })
}
