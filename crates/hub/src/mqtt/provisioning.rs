//! A connection of a device that wants to be provisioned.
//!
//! DPS is told from the hub by the user name, `{idScope}/registrations/{registrationId}/api-version=…`. Its
//! sessions are never stored; there is no will and no retaining. A wrong token is told only when the device
//! asks to be registered, a certificate for another name already by CONNACK 5, as users report of DPS.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::bag;
use super::codec::{Connect, Packet, Publish, encode};
use super::connection::Connection;
use super::opened::keep_alive_limit;
use super::requests::request_id;
use crate::close::CloseReason;
use crate::core::Core;
use crate::credentials::x509;
use crate::dps::{Answer, Proof, failure, is_registration_id};
use crate::story::{ANSWER, What};
use crate::update::Operation;

/// The filter for answers.
const RESPONSES: &str = "$dps/registrations/res/#";
/// Most bytes of a message: 96 KB.
const MAX_MESSAGE: usize = 96 * 1024;

/// Content of a user name for DPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registration {
    id_scope: String,
    /// As it was written.
    id: String,
    api_version: String,
}

/// Reads a user name for DPS; `None` if it is one for the hub.
pub(crate) fn registration(user_name: &str) -> Option<Registration> {
    let mut segments = user_name.split('/');
    let (id_scope, what, id) = (segments.next()?, segments.next()?, segments.next()?);
    let query = segments.next()?;
    // A device called "registrations" with a module would have a question mark there.
    let is_dps =
        what == "registrations" && query.starts_with("api-version=") && segments.next().is_none();
    is_dps.then(|| Registration {
        id_scope: id_scope.to_owned(),
        id: id.to_owned(),
        api_version: query
            .trim_start_matches("api-version=")
            .split('&')
            .next()
            .unwrap_or_default()
            .to_owned(),
    })
}

/// A connection to DPS.
pub(super) struct ProvisioningSession {
    core: Arc<Core>,
    connection: Connection,
    /// In lower case.
    registration_id: String,
    api_version: String,
    proof: Proof,
    keep_alive: Duration,
    last_packet: Instant,
    /// The QoS that answers are subscribed with.
    granted: Option<u8>,
    last_packet_id: u16,
}

impl ProvisioningSession {
    /// Judges a CONNECT; the text says why it is refused.
    pub(super) fn check(
        core: &Core,
        connect: &Connect,
        registration: &Registration,
        connection: &Connection,
    ) -> Result<Proof, String> {
        let id = registration.id.to_ascii_lowercase();
        if registration.id_scope != core.provisioning.id_scope() {
            return Err(format!("there is no id scope {:?}", registration.id_scope));
        }
        if !connect.client_id.eq_ignore_ascii_case(&id) || !is_registration_id(&id) {
            return Err(
                "the client id is not the registration id of the user name, or is none".into(),
            );
        }
        if connect.will.is_some() {
            return Err("a registration has no will".into());
        }
        let certificates = connection.peer_certificates().to_vec();
        if connect.password.is_empty() {
            let leaf = certificates.first();
            let name = leaf.and_then(|leaf| x509::common_name_of(leaf));
            if name.is_none_or(|name| !name.eq_ignore_ascii_case(&id)) {
                return Err(
                    "there is neither a token nor a certificate whose CN is the registration id"
                        .into(),
                );
            }
        }
        Ok(Proof {
            password: connect.password.clone(),
            certificates,
        })
    }

    /// A session whose CONNECT is accepted.
    pub(super) fn new(
        core: Arc<Core>,
        connection: Connection,
        connect: &Connect,
        proof: Proof,
    ) -> Self {
        let registration = registration(&connect.user_name);
        Self {
            keep_alive: keep_alive_limit(connect.keep_alive, core.limits.keep_alive_cap),
            core,
            connection,
            registration_id: connect.client_id.to_ascii_lowercase(),
            api_version: registration.map(|it| it.api_version).unwrap_or_default(),
            proof,
            last_packet: Instant::now(),
            granted: None,
            last_packet_id: 0,
        }
    }

    /// Follows the session to its end; gives the connection back to be closed.
    pub(super) async fn run(
        mut self,
        mut stop: watch::Receiver<bool>,
    ) -> (Connection, CloseReason) {
        let reason = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => CloseReason::ShuttingDown,
            result = self.drive() => match result {
                Ok(never) => match never {},
                Err(reason) => reason,
            },
        };
        (self.connection, reason)
    }

    async fn drive(&mut self) -> Result<std::convert::Infallible, CloseReason> {
        loop {
            while let Some(packet) = self.connection.packet()? {
                self.last_packet = Instant::now();
                let result = self.handle(packet);
                // What was rightly answered before a violation still goes out.
                self.connection.flush().await?;
                result?;
            }
            self.connection.flush().await?;
            tokio::select! {
                result = self.connection.read() => result?,
                () = sleep_until(self.last_packet + self.keep_alive) => {
                    return Err(CloseReason::KeepAlive(self.keep_alive));
                }
            }
        }
    }

    fn handle(&mut self, packet: Packet) -> Result<(), CloseReason> {
        match packet {
            Packet::Connect(_) => Err(CloseReason::Violation("a second CONNECT".into())),
            Packet::Disconnect => Err(CloseReason::Disconnected),
            Packet::Pingreq => self.connection.queue(encode::pingresp()),
            Packet::Puback(_) => Ok(()),
            Packet::Publish(publish) => self.publish(&publish),
            Packet::Subscribe(packet_id, filters) => {
                let mut granted = Vec::new();
                for (filter, qos) in filters {
                    if filter != RESPONSES {
                        return Err(CloseReason::Violation(format!(
                            "DPS has no filter {filter:?}"
                        )));
                    }
                    granted.push(qos.min(1));
                }
                self.granted = granted.last().copied().or(self.granted);
                self.connection.queue(encode::suback(packet_id, &granted))
            }
            Packet::Unsubscribe(packet_id, filters) => {
                if filters.iter().any(|filter| filter == RESPONSES) {
                    self.granted = None;
                }
                self.connection.queue(encode::unsuback(packet_id))
            }
        }
    }

    fn publish(&mut self, publish: &Publish) -> Result<(), CloseReason> {
        let unknown = || CloseReason::Violation(format!("DPS has no topic {:?}", publish.topic));
        if publish.payload.len() > MAX_MESSAGE {
            let size = publish.payload.len();
            let what = format!("a message of {size} bytes; {MAX_MESSAGE} are allowed");
            return Err(CloseReason::Violation(what));
        }
        let request = publish
            .topic
            .strip_prefix("$dps/registrations/")
            .ok_or_else(unknown)?;
        let (request, query) = request.split_once("/?").ok_or_else(unknown)?;
        let pairs = bag::parse(query).ok_or_else(unknown)?;
        let value = |name: &str| {
            let pair = pairs.iter().find(|(key, _)| key == name)?;
            pair.1.as_deref()
        };
        let answer = match request {
            "PUT/iotdps-register" => {
                self.core
                    .register(&self.registration_id, &self.proof, &publish.payload)
            }
            "GET/iotdps-get-operationstatus" => match value("operationId") {
                Some(operation) => self.core.operation_status(&self.registration_id, operation),
                None => failure(
                    400_004,
                    "There is no operationId",
                    self.core.clock.unix_millis(),
                ),
            },
            _ => {
                let operation = request.strip_prefix("POST/").and_then(Operation::named);
                let who = (self.registration_id.as_str(), &self.proof);
                let operation = operation.ok_or_else(unknown)?;
                self.core
                    .update_operation(operation, who, &self.api_version, &publish.payload)
            }
        };
        if let Some(packet_id) = publish.packet_id {
            self.connection.queue(encode::puback(packet_id))?;
        }
        self.core.registration_stories.tell(
            &self.registration_id,
            &self.core.clock,
            What::Sent,
            ANSWER,
            || format!("{} to {request}: {}", answer.status, answer.body),
        );
        log::debug!(
            "registration {:?} is answered {} to {request}",
            self.registration_id,
            answer.status
        );
        match request_id(&publish.topic) {
            Some(request_id) => self.answer(request_id, &answer),
            None => Ok(()),
        }
    }

    fn answer(&mut self, request_id: &str, answer: &Answer) -> Result<(), CloseReason> {
        let Some(qos) = self.granted else {
            return Ok(());
        };
        let mut topic = format!(
            "$dps/registrations/res/{}/?$rid={request_id}",
            answer.status
        );
        if let Some(seconds) = answer.retry_after {
            topic.push_str(&format!("&retry-after={seconds}"));
        }
        let packet_id = (qos > 0).then(|| {
            self.last_packet_id = self.last_packet_id.wrapping_add(1).max(1);
            self.last_packet_id
        });
        let body = answer.body.to_string();
        self.connection
            .queue(encode::publish(&topic, body.as_bytes(), packet_id, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_for_dps_is_told_from_one_for_the_hub() {
        let found = registration(
            "0ne00ABCDEF/registrations/dev-01/api-version=2019-03-31&ClientVersion=a%2F1",
        );
        let expected = Registration {
            id_scope: "0ne00ABCDEF".into(),
            id: "dev-01".into(),
            api_version: "2019-03-31".into(),
        };
        assert_eq!(found, Some(expected));
        for hub in [
            "host/dev-01/?api-version=2021-04-12",
            "host/registrations/m/?api-version=2021-04-12",
            "host/registrations/?api-version=2021-04-12",
            "",
        ] {
            assert_eq!(registration(hub), None, "{hub}");
        }
    }
}
