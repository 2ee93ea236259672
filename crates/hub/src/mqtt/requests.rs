//! Requests of a client beside telemetry: to its twin, and answers to direct methods.
//!
//! A request to the twin is answered with QoS 0 and only if the client subscribed to the answer before, by
//! `$iothub/twin/res/#` or a filter for this status; it is served in either case ("Communicate with an IoT hub
//! using the MQTT protocol").

use serde_json::json;

use super::codec::Publish;
use super::topic::{Query, Topic};
use crate::clock::iso_8601;
use crate::close::CloseReason;
use crate::core::Core;
use crate::credentials::{percent, random};
use crate::error::Error;
use crate::methods;
use crate::registry::Device;
use crate::sessions::{Link, Push};
use crate::throttle::Operation;

/// Serves a PUBLISH that is not telemetry; gives the answer, if there is one to be sent.
pub(super) fn serve(
    core: &Core,
    device: &Device,
    link: &Link,
    topic: &Topic,
    publish: Publish,
) -> Result<Option<Push>, CloseReason> {
    let request_id = request_id(&publish.topic);
    let answer = match topic {
        Topic::Telemetry(_) => None,
        Topic::TwinGet(_) => {
            let request_id = request_id.ok_or_else(|| {
                CloseReason::Violation(format!("a twin GET without $rid: {:?}", publish.topic))
            })?;
            Some(match get(core, device, link, &publish.payload) {
                Ok(payload) => answer(200, request_id, "", payload),
                Err(error) => failure(core, request_id, &error),
            })
        }
        Topic::TwinPatch(_) => {
            let result = patch(core, device, link, &publish.payload);
            request_id.map(|request_id| match result {
                Ok(version) => answer(204, request_id, &format!("&$version={version}"), Vec::new()),
                Err(error) => failure(core, request_id, &error),
            })
        }
        Topic::MethodResponse(status, query) => {
            method_response(core, link, *status, query, publish.payload)?;
            None
        }
    };
    Ok(answer.filter(|answer| link.granted(&answer.topic).is_some()))
}

/// The `$rid` of a request as it was written: it goes back byte for byte.
pub(super) fn request_id(topic: &str) -> Option<&str> {
    let (_, query) = topic.split_once("/?")?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, value)| !value.is_empty() && percent::decode(key).as_deref() == Some("$rid"))
        .map(|(_, value)| value)
}

/// Reason why a request to the twin fails.
struct Failure {
    /// Azure's error code; its first three digits are the status.
    code: u32,
    why: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            code: error.code(),
            why: error.to_string(),
        }
    }
}

/// Reason why no request to the twin is served at present: the failure that an operator asked for, or a user name
/// without api-version.
fn unserved(core: &Core, link: &Link) -> Option<Failure> {
    if !link.versioned {
        let why = "the user name of CONNECT has no api-version; end it in /?api-version=2021-04-12";
        return Some(Error::ArgumentInvalid(why.into()).into());
    }
    let status = core.faults.twin(&link.client_id)?;
    Some(Failure {
        code: u32::from(status) * 1000 + 1,
        why: "an operator asked for this failure".into(),
    })
}

/// Reads the twin, in JSON.
fn get(core: &Core, device: &Device, link: &Link, payload: &[u8]) -> Result<Vec<u8>, Failure> {
    let read = || {
        if !matches!(payload, b"" | b" ") {
            let why = format!(
                "a twin GET has an empty body; this one has {} bytes",
                payload.len()
            );
            return Err(Error::ArgumentInvalid(why).into());
        }
        core.meter(Operation::TwinRead)?;
        let twin = core.twins.get(device).for_device().to_string();
        core.quota.spend(twin.len())?;
        Ok(twin.into_bytes())
    };
    let result = unserved(core, link).map_or_else(read, Err);
    match &result {
        Ok(twin) => log::debug!("{:?} read its twin: {} bytes", link.client_id, twin.len()),
        Err(error) => log::warn!(
            "{:?} asked for its twin, which is refused: {}",
            link.client_id,
            error.why
        ),
    }
    result
}

/// Applies a patch of the reported properties; gives their new version.
fn patch(core: &Core, device: &Device, link: &Link, patch: &[u8]) -> Result<u64, Failure> {
    let result = match unserved(core, link) {
        Some(fault) => Err(fault),
        None => core
            .meter(Operation::TwinUpdate)
            .and_then(|()| core.quota.spend(patch.len()))
            .and_then(|()| core.twins.report(device, patch))
            .map_err(Failure::from),
    };
    match &result {
        Ok(version) => log::debug!(
            "{:?} reported {} bytes: version {version}",
            link.client_id,
            patch.len()
        ),
        Err(error) => log::warn!(
            "{:?} sent a patch that is refused: {}",
            link.client_id,
            error.why
        ),
    }
    result
}

fn answer(status: u32, request_id: &str, more: &str, payload: Vec<u8>) -> Push {
    Push {
        topic: format!("$iothub/twin/res/{status}/?$rid={request_id}{more}"),
        payload,
    }
}

fn failure(core: &Core, request_id: &str, failure: &Failure) -> Push {
    let body = json!({
        "errorCode": failure.code,
        "trackingId": random::uuid(),
        "message": failure.why,
        "timestampUtc": iso_8601(core.clock.unix_millis()),
    });
    let status = failure.code / 1000;
    answer(status, request_id, "", body.to_string().into_bytes())
}

fn method_response(
    core: &Core,
    link: &Link,
    status: i64,
    query: &Query,
    payload: Vec<u8>,
) -> Result<(), CloseReason> {
    let client_id = &link.client_id;
    if payload.len() > methods::MAX_PAYLOAD {
        return Err(CloseReason::Violation(format!(
            "an answer of {} bytes to a method; {} are allowed",
            payload.len(),
            methods::MAX_PAYLOAD
        )));
    }
    let request_id = query
        .iter()
        .find_map(|(key, value)| value.as_ref().filter(|_| key == "$rid"));
    let size = payload.len();
    match request_id {
        None => log::warn!("{client_id:?} answered a method without $rid; dropped"),
        Some(request_id) if core.methods.answer(client_id, request_id, status, payload) => {
            log::debug!(
                "{client_id:?} answered method call {request_id:?} with {status} and {size} bytes"
            );
        }
        Some(request_id) => log::warn!(
            "{client_id:?} answered method call {request_id:?}, for which nobody waits any more; dropped"
        ),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_id_is_taken_as_it_was_written() {
        for (topic, expected) in [
            ("$iothub/twin/GET/?$rid=1", Some("1")),
            ("$iothub/twin/GET/?a=b&$rid=%2fX%2F=", Some("%2fX%2F=")),
            ("$iothub/twin/GET/?%24rid=g-1", Some("g-1")),
            ("$iothub/twin/GET/?$rid=", None),
            ("$iothub/twin/GET/?$rid", None),
            ("$iothub/twin/GET/?", None),
            ("$iothub/twin/GET/?rid=1", None),
        ] {
            assert_eq!(request_id(topic), expected, "{topic}");
        }
    }
}
