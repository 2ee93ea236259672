//! Direct methods: an operator's request to a connected device, and its answer ("Understand and invoke
//! direct methods from IoT Hub").
//!
//! # Theory of operation
//! A call is a PUBLISH to the device under a fresh request id; whoever called waits until the device
//! publishes an answer with the same id, or until the time is over. Nothing is queued or stored: a device
//! that is not connected, or has not subscribed, fails the call at once, unless the caller gives it time to
//! come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::clock::Clock;
use crate::core::Core;
use crate::error::Error;
use crate::json;
use crate::registry::Identity;
use crate::sessions::{Link, Push};
use crate::throttle::Operation;

/// Most bytes of a payload, either way: 128 KB.
pub(crate) const MAX_PAYLOAD: usize = 128 * 1024;
/// Most bytes of a method's name.
const MAX_NAME: usize = 100;

/// A request to a device.
#[derive(Clone, Debug)]
pub(crate) struct MethodCall {
    /// The method's name; of a component `component*command`.
    pub(crate) name: String,
    /// The argument; without one the device gets an empty body.
    pub(crate) payload: Option<Value>,
    /// Time that the device may take to answer.
    pub(crate) response_timeout: Duration,
    /// Wait for the device to connect and to subscribe.
    pub(crate) connect_timeout: Duration,
}

/// Answer of a device to a direct method.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MethodResponse {
    /// The device's own status; 200 by convention if it worked.
    pub status: i64,
    /// The result; `Null` if the answer was empty.
    pub payload: Value,
}

/// Status and payload of an answer, as they came.
type Answer = (i64, Vec<u8>);

#[derive(Debug)]
struct Waiting {
    client_id: String,
    answer: oneshot::Sender<Answer>,
}

/// The calls that wait for an answer, by request id.
#[derive(Debug)]
pub(crate) struct Methods {
    waiting: Mutex<HashMap<String, Waiting>>,
    next: AtomicU64,
}

impl Default for Methods {
    /// Nobody waits. Request ids count up from the time in seconds since 1970, so that a device which answers
    /// what the hub asked before its restart answers no other call.
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            next: AtomicU64::new(Clock::new(0).unix_secs()),
        }
    }
}

/// A call that waits; forgotten when it is dropped.
struct Pending<'m> {
    methods: &'m Methods,
    request_id: String,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.methods.lock().remove(&self.request_id);
    }
}

impl Methods {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, client_id: &str) -> (Pending<'_>, oneshot::Receiver<Answer>) {
        // A hexadecimal counter, as users of Azure show it; Microsoft's newest SDK takes 31 characters at most.
        let request_id = format!("{:x}", self.next.fetch_add(1, Ordering::Relaxed));
        let (answer, receiver) = oneshot::channel();
        let client_id = client_id.to_owned();
        self.lock()
            .insert(request_id.clone(), Waiting { client_id, answer });
        let methods = self;
        (
            Pending {
                methods,
                request_id,
            },
            receiver,
        )
    }

    /// A client answered. False if nobody waits for this answer of this client.
    pub(crate) fn answer(
        &self,
        client_id: &str,
        request_id: &str,
        status: i64,
        payload: Vec<u8>,
    ) -> bool {
        let mut waiting = self.lock();
        if waiting
            .get(request_id)
            .is_none_or(|waiting| waiting.client_id != client_id)
        {
            return false;
        }
        let Some(waiting) = waiting.remove(request_id) else {
            return false;
        };
        waiting.answer.send((status, payload)).is_ok()
    }
}

impl Core {
    /// Calls a method of a device or module, and waits for the answer.
    pub(crate) async fn invoke_method(
        &self,
        identity: &Identity,
        call: MethodCall,
    ) -> Result<MethodResponse, Error> {
        self.registry.get(identity)?;
        check_name(&call.name)?;
        let payload = call.payload.as_ref().map(Value::to_string);
        let payload = payload.unwrap_or_default().into_bytes();
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::MessageTooLarge(format!(
                "the payload has {} bytes; a method takes {MAX_PAYLOAD}",
                payload.len()
            )));
        }
        self.meter(Operation::Method(payload.len()))?;
        self.quota.spend(payload.len())?;
        let client_id = identity.to_string();
        let (pending, answer) = self.methods.expect(&client_id);
        let topic = format!(
            "$iothub/methods/POST/{}/?$rid={}",
            call.name, pending.request_id
        );
        let link = self
            .reachable(&client_id, &topic, call.connect_timeout)
            .await?;
        log::debug!(
            "{client_id:?} is called by method {:?} with {} bytes, request id {}",
            call.name,
            payload.len(),
            pending.request_id
        );
        link.push(Push { topic, payload });
        match timeout(call.response_timeout, answer).await {
            Ok(Ok((status, payload))) => {
                // The device did what it was asked for: its answer is told even if the quota ends with it.
                let _ = self.quota.spend(payload.len());
                response(&call.name, status, &payload)
            }
            Ok(Err(_)) | Err(_) => Err(Error::GatewayTimeout(format!(
                "device {client_id:?} did not answer method {:?} within {} s",
                call.name,
                call.response_timeout.as_secs_f32()
            ))),
        }
    }

    /// The connection of a client that takes a direct method under this topic.
    async fn reachable(
        &self,
        client_id: &str,
        topic: &str,
        patience: Duration,
    ) -> Result<std::sync::Arc<Link>, Error> {
        let deadline = Instant::now() + patience;
        let mut changes = self.sessions.changes();
        loop {
            let link = self.sessions.get(client_id);
            if let Some(link) = link.filter(|link| link.takes_methods(topic)) {
                return Ok(link);
            }
            match timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(Error::DeviceNotOnline(client_id.to_owned())),
            }
        }
    }
}

/// The name is one level of a topic.
fn check_name(name: &str) -> Result<(), Error> {
    let bad = |c: char| c.is_control() || matches!(c, '/' | '#' | '+' | '?');
    if name.is_empty() || name.len() > MAX_NAME || name.contains(bad) {
        return Err(Error::ArgumentInvalid(format!(
            "methodName has 1 to {MAX_NAME} bytes, without control characters and / # + ?, such as reboot"
        )));
    }
    Ok(())
}

fn response(name: &str, status: i64, payload: &[u8]) -> Result<MethodResponse, Error> {
    if payload.is_empty() {
        return Ok(MethodResponse {
            status,
            payload: Value::Null,
        });
    }
    match json::read(payload, json::PASSED_ON) {
        Ok(payload) => Ok(MethodResponse { status, payload }),
        Err(error) => Err(Error::Deserialization(format!(
            "the device answered method {name:?} with status {status} and {} bytes that cannot be passed on: {error}",
            payload.len()
        ))),
    }
}
