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
        let too_small = Failure::Scratch(Overflow {
            capacity: connection.scratch.len(),
        });
        let (topic, payload) = connection
            .scratch
            .split_at_mut_checked(OPERATION_TOPIC_SIZE)
            .ok_or(too_small)?;
        self.last_id = self.last_id.wrapping_add(1);
        let request_id = self.last_id;
        let asked = self.talk.ask(payload, now, ANSWER_TIMEOUT);
        let (name, length, until) = asked.map_err(|_| too_small)?;
        let topic = render(topic, Outbound::DpsUpdate { request_id, name })?;
        let payload = payload.get(..length).unwrap_or_default();
        connection.session.publish_now(topic, payload)?;
        self.state = State::Asked {
            id: request_id,
            until,
        };
        Ok(())
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
        let too_small = Failure::Scratch(Overflow {
            capacity: connection.scratch.len(),
        });
        let (topic, payload) = connection
            .scratch
            .split_at_mut_checked(TOPIC_SIZE)
            .ok_or(too_small)?;
        self.last_id = self.last_id.wrapping_add(1);
        let request_id = self.last_id;
        let mut payload = Text::new(payload);
        let topic = match &self.operation_id {
            Some(operation_id) => render(
                topic,
                Outbound::DpsOperationStatus {
                    request_id,
                    operation_id,
                },
            )?,
            None => {
                let mut body = Object::new(&mut payload);
                body.string("registrationId", self.enrollment.registration_id().as_str());
                if let Some(custom) = self.payload {
                    body.raw("payload", custom);
                }
                body.finish().map_err(|_| too_small)?;
                render(topic, Outbound::DpsRegister { request_id })?
            }
        };
        connection
            .session
            .publish_now(topic, payload.as_str().as_bytes())?;
        self.state = State::Asked {
            id: request_id,
            until: now.after(ANSWER_TIMEOUT),
        };
        Ok(())
    }
}
