//! Direct methods: find the handler, answer with a status, and let slow ones take their time.
//!
//! IoT Hub never queues a call and drops late answers silently (Microsoft, "Understand and invoke direct
//! methods"), so nothing here outlives a connection.

use core::fmt::Display;

use super::Device;
use crate::application::{Application, Call, Context, Outcome};
use crate::connection::Connection;
use crate::json::{Object, TooLong, Value, write_value};
use crate::logging::{info, warn};
use crate::text::{Text, Visible, render};
use crate::time::{Instant, Moment};
use crate::topic::Outbound;

/// Slow calls under way at a time. One more is answered with 429.
const SLOW_CALLS: usize = 2;
/// The longest request id that a slow call can have, in bytes. IoT Hub's are a few digits; one that is
/// longer is answered with 431 if its method is slow.
const REQUEST_ID_SIZE: usize = 48;
/// The part of the scratch buffer, in bytes, that a response's topic takes.
const TOPIC_SIZE: usize = 128;

/// Calls whose method answered [`Outcome::Later`].
#[derive(Clone, Debug, Default)]
pub(super) struct Calls([Option<SlowCall>; SLOW_CALLS]);

#[derive(Clone, Copy, Debug)]
struct SlowCall {
    method: usize,
    due: Instant,
    request_id: [u8; REQUEST_ID_SIZE],
    length: usize,
}

impl SlowCall {
    fn request_id(&self) -> &str {
        let bytes = self.request_id.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Calls {
    /// A new connection: the calls of the last one are not answered any more.
    pub(super) fn connected(&mut self) {
        *self = Self::default();
    }

    /// Keeps a call that takes longer; else, the status and the reason to answer with.
    fn keep(
        &mut self,
        method: usize,
        due: Instant,
        request_id: &str,
    ) -> Result<(), (i32, &'static str)> {
        let mut bytes = [0; REQUEST_ID_SIZE];
        let space = bytes
            .get_mut(..request_id.len())
            .ok_or((431, "the request id is too long for a slow method"))?;
        space.copy_from_slice(request_id.as_bytes());
        let slot = self.0.iter_mut().find(|slot| slot.is_none());
        let slot = slot.ok_or((429, "too many slow methods are running"))?;
        *slot = Some(SlowCall {
            method,
            due,
            request_id: bytes,
            length: request_id.len(),
        });
        Ok(())
    }

    /// Earliest time at which a slow call is to be asked again; `None` without slow calls.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().flatten().map(|call| call.due).min()
    }
}

impl<A: Application> Device<'_, A> {
    /// An operator calls a method.
    pub(super) fn handle_call(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        name: &str,
        request_id: &str,
        payload: &[u8],
    ) {
        let Some(method) = A::METHODS.iter().position(|method| method.name.is(name)) else {
            warn!("method \"{}\": unknown", Visible(name));
            return respond(connection, request_id, 404, &"unknown method");
        };
        let payload = match payload {
            [] => Ok(None),
            bytes => Value::parse(bytes).map(|value| Some(value).filter(|value| !value.is_null())),
        };
        match payload {
            Ok(payload) => self.run(connection, method, payload, false, at, request_id),
            Err(error) => {
                warn!("method \"{}\": bad payload: {error}", Visible(name));
                respond(connection, request_id, 400, &error);
            }
        }
    }

    /// An operator calls a method with a payload that does not fit the receive buffer: a packet of `size` bytes.
    pub(super) fn refuse_large_call(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
        name: &str,
        request_id: &str,
        size: usize,
    ) {
        if !A::METHODS.iter().any(|method| method.name.is(name)) {
            // It is unknown with any payload.
            return self.handle_call(connection, at, name, request_id, b"");
        }
        warn!(
            "method \"{}\": its call of {size} bytes does not fit the receive buffer (CONFIG_AZURE_RX_BUFFER_SIZE)",
            Visible(name)
        );
        let limit = connection.session.receive_buffer_size();
        let reason = format_args!(
            "the call has {size} bytes with its topic, and the device takes {limit} at most"
        );
        respond(connection, request_id, 413, &reason);
    }

    /// Asks slow calls that are due.
    pub(super) fn poll_methods(&mut self, connection: &mut Connection<'_>, at: &Moment) {
        for index in 0..SLOW_CALLS {
            let slot = self.calls.0.get_mut(index);
            if let Some(call) = slot.and_then(|slot| slot.take_if(|call| call.due <= at.now)) {
                self.run(connection, call.method, None, true, at, call.request_id());
            }
        }
    }

    fn run(
        &mut self,
        connection: &mut Connection<'_>,
        method: usize,
        passed: Option<Value<'_>>,
        again: bool,
        at: &Moment,
        request_id: &str,
    ) {
        self.observe_session(connection);
        let Some((entry, (topic, payload))) = A::METHODS
            .get(method)
            .zip(connection.scratch.split_at_mut_checked(TOPIC_SIZE))
        else {
            return warn!("method: the scratch buffer is too small for an answer");
        };
        let mut payload = Text::new(payload);
        let call = Call {
            payload: passed,
            again,
        };
        let mut context = Context::new(&mut self.control, &connection.report, at.now, at.unix);
        let mut outcome = Outcome::Done(500);
        let written = write_value(&mut payload, |result| {
            outcome = entry.call(&mut self.application, call, &mut context, result);
        });
        match (outcome, written) {
            (Outcome::Later(due), _) => match self.calls.keep(method, due, request_id) {
                Ok(()) => {}
                Err((status, reason)) => respond(connection, request_id, status, &reason),
            },
            (Outcome::Refused(status, reason), _) => {
                respond(connection, request_id, status, &reason)
            }
            (Outcome::Done(_), Err(TooLong)) => respond(connection, request_id, 500, &TooLong),
            (Outcome::Done(status), Ok(())) => {
                let name = entry.name().unwrap_or_default();
                info!("method \"{name}\": answered with status {status}");
                let topic = render(topic, Outbound::MethodResponse { status, request_id });
                let sent = topic.map(|topic| {
                    connection
                        .session
                        .publish_now(topic, payload.as_str().as_bytes())
                });
                if !matches!(sent, Ok(Ok(()))) {
                    warn!("method \"{name}\": the answer could not be sent");
                }
            }
        }
    }
}

/// Answers with a status and a reason.
fn respond(connection: &mut Connection<'_>, request_id: &str, status: i32, reason: &dyn Display) {
    let Some((topic, payload)) = connection.scratch.split_at_mut_checked(TOPIC_SIZE) else {
        return warn!("method: the scratch buffer is too small for an answer");
    };
    let mut payload = Text::new(payload);
    let mut result = Object::new(&mut payload);
    result.string("error", reason);
    let written = result.finish().is_ok();
    let topic = render(topic, Outbound::MethodResponse { status, request_id });
    let sent = topic.map(|topic| {
        connection
            .session
            .publish_now(topic, payload.as_str().as_bytes())
    });
    if !written || !matches!(sent, Ok(Ok(()))) {
        warn!("method: the answer, status {status}, could not be sent");
    }
}
