//! The device's interface over HTTPS: telemetry, and messages to the device under locks ("Device – Send Device
//! Event", "Device – Receive Device Bound Notification").
//!
//! System properties are headers such as `iothub-messageid`, application properties have the prefix `iothub-app-`.
//! HTTP does not tell the case of a header's name, so that names of properties arrive in lower case; in a batch
//! they keep their case.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::device_caller::DeviceCaller;
use super::extract::{Path, Query, collect, parse};
use super::route::{Operations, Routes};
use crate::c2d::{Entry, Outcome, ack_name};
use crate::clock::iso_8601;
use crate::core::Core;
use crate::error::Error;
use crate::events::{self, Flags};
use crate::throttle::Operation;

/// Content type of several messages in one request.
const BATCH: &str = "application/vnd.microsoft.iothub.json";
/// Prefix of the names of application properties.
const APPLICATION: &str = "iothub-app-";
/// Most bytes of a message, or of a batch of them in JSON.
const MAX_TELEMETRY: usize = 262_144;
/// Headers of system properties, and their names in a property bag.
const SYSTEM: [(&str, &str); 8] = [
    ("iothub-messageid", "$.mid"),
    ("iothub-correlationid", "$.cid"),
    ("iothub-userid", "$.uid"),
    ("iothub-contenttype", "$.ct"),
    ("iothub-contentencoding", "$.ce"),
    ("iothub-to", "$.to"),
    ("iothub-expiry", "$.exp"),
    ("iothub-creation-time-utc", "iothub-creation-time-utc"),
];

pub(super) fn routes() -> Routes {
    Routes::new()
        .of_identity("/devices", "/messages/events", Operations::new().post(send))
        // Microsoft's clients write it in both ways.
        .of_locks(
            [
                "/devices/{id}/messages/devicebound",
                "/devices/{id}/messages/deviceBound",
            ],
            &Operations::new().get(receive),
            &Operations::new().delete(complete),
            &Operations::new().post(abandon),
        )
}

/// Names and values of properties.
type Bag = Vec<(String, Option<String>)>;

/// A message, or a batch of them, with the properties of each.
struct Telemetry(Vec<(Bag, Vec<u8>)>);

/// One message of a batch.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfBatch {
    body: String,
    #[serde(default = "base64_by_default")]
    base64_encoded: bool,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

const fn base64_by_default() -> bool {
    true
}

impl FromRequest<Arc<Core>> for Telemetry {
    type Rejection = Error;

    async fn from_request(request: Request, core: &Arc<Core>) -> Result<Self, Error> {
        let (head, body) = request.into_parts();
        let kind = head.headers.get(CONTENT_TYPE);
        let is_batch = kind.is_some_and(|kind| kind.as_bytes().starts_with(BATCH.as_bytes()));
        let body = collect(body, core, MAX_TELEMETRY).await?;
        if !is_batch {
            let headers = head.headers.iter().map(|(name, value)| {
                let value = value.to_str().map_err(|_| {
                    Error::ArgumentInvalid(format!("header {name} has other bytes than ASCII"))
                })?;
                Ok::<_, Error>((name.as_str(), value))
            });
            let headers = headers.collect::<Result<Vec<_>, _>>()?;
            return Ok(Self(vec![(bag(headers, false)?, body.to_vec())]));
        }
        let batch: Vec<OfBatch> = parse(&body)?;
        let messages = batch.into_iter().map(|message| {
            let named = message.properties.iter();
            let bag = bag(
                named.map(|(name, value)| (name.as_str(), value.as_str())),
                true,
            )?;
            let body = match message.base64_encoded {
                true => STANDARD.decode(&message.body).map_err(|_| {
                    Error::ArgumentInvalid(
                        "the body of a message in the batch is not base64".into(),
                    )
                })?,
                false => message.body.into_bytes(),
            };
            Ok((bag, body))
        });
        messages.collect::<Result<_, _>>().map(Self)
    }
}

/// The property bag of a message. In a batch, each name that has no meaning is one of the application.
fn bag<'h>(named: impl IntoIterator<Item = (&'h str, &'h str)>, batch: bool) -> Result<Bag, Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let mut bag = Vec::new();
    for (name, value) in named {
        let lower = name.to_ascii_lowercase();
        if let Some((_, key)) = SYSTEM.iter().find(|(header, _)| lower == *header) {
            bag.push(((*key).to_owned(), Some(value.to_owned())));
            continue;
        }
        let application = match lower.strip_prefix(APPLICATION) {
            Some(_) => name.get(APPLICATION.len()..).unwrap_or_default(),
            None if batch => name,
            None => continue,
        };
        if application.is_empty() || !application.chars().chain(value.chars()).all(allowed) {
            return Err(Error::ArgumentInvalid(format!(
                "property {application:?} has a name or value with characters other than ASCII letters, digits \
                 and !#$%&'*+-.^_`|~; send it over MQTT"
            )));
        }
        bag.push((application.to_owned(), Some(value.to_owned())));
    }
    Ok(bag)
}

async fn send(caller: DeviceCaller, Telemetry(messages): Telemetry) -> Result<StatusCode, Error> {
    let core = &caller.core;
    for (bag, body) in messages {
        let turn = core.throttle.take(Operation::Telemetry).ok_or_else(|| {
            Error::Throttled("too many messages for the hub's tier; try again later".into())
        })?;
        tokio::time::sleep(turn).await;
        let (now, sender) = (core.clock.unix_millis(), &caller.who.sender);
        let (event, size) =
            events::event_from(sender, bag, body, Flags::default(), now).map_err(|size| {
                Error::MessageTooLarge(format!(
                    "the message has {size} bytes; body and properties may have {MAX_TELEMETRY}"
                ))
            })?;
        core.quota.spend(size)?;
        core.events
            .append(event)
            .map_err(|error| Error::Server(format!("the hub cannot store telemetry: {error}")))?;
        log::debug!(
            "{:?} sent telemetry over HTTPS",
            sender.identity.to_string()
        );
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn receive(caller: DeviceCaller) -> Result<Response, Error> {
    match caller.core.c2d.receive(&caller.who.device)? {
        None => Ok(StatusCode::NO_CONTENT.into_response()),
        Some((entry, lock)) => {
            let id = &caller.who.device.identity.device_id;
            let headers = headers(&entry, id, lock);
            Ok((headers, Bytes::from(entry.message.body)).into_response())
        }
    }
}

/// Headers of a message; its lock token is the etag.
fn headers(entry: &Entry, device_id: &str, lock: u64) -> HeaderMap {
    let message = &entry.message;
    let to = format!("/devices/{device_id}/messages/deviceBound");
    let mut named = vec![
        (ETAG.to_string(), Some(format!("\"{lock:016x}\""))),
        ("iothub-messageid".into(), message.message_id.clone()),
        (
            "iothub-sequencenumber".into(),
            Some(entry.sequence.to_string()),
        ),
        ("iothub-enqueuedtime".into(), Some(iso_8601(entry.enqueued))),
        (
            "iothub-deliverycount".into(),
            Some(entry.deliveries.to_string()),
        ),
        ("iothub-to".into(), Some(to)),
        ("iothub-expiry".into(), message.expiry.map(iso_8601)),
        (
            "iothub-correlationid".into(),
            message.correlation_id.clone(),
        ),
        ("iothub-userid".into(), message.user_id.clone()),
        ("iothub-contenttype".into(), message.content_type.clone()),
        (
            "iothub-contentencoding".into(),
            message.content_encoding.clone(),
        ),
        (
            "iothub-ack".into(),
            message.ack.map(|ack| ack_name(ack).to_owned()),
        ),
    ];
    let properties = message.properties.iter();
    named.extend(
        properties.map(|(name, value)| (format!("{APPLICATION}{name}"), Some(value.clone()))),
    );
    let mut headers = HeaderMap::new();
    for (name, value) in named {
        // An operator's message may have text in it that no header can carry; the rest is delivered.
        if let (Ok(name), Some(Ok(value))) =
            (HeaderName::try_from(name), value.map(HeaderValue::try_from))
        {
            headers.append(name, value);
        }
    }
    headers
}

/// The path of a lock.
#[derive(Deserialize)]
struct LockInPath {
    token: String,
}

impl LockInPath {
    fn number(&self) -> Result<u64, Error> {
        let token = self.token.trim_matches('"');
        u64::from_str_radix(token, 16)
            .map_err(|_| Error::MessageLockLost("the lock token is none that this hub gave".into()))
    }
}

async fn complete(
    caller: DeviceCaller,
    Path(lock): Path<LockInPath>,
    Query(wanted): Query<BTreeMap<String, String>>,
) -> Result<StatusCode, Error> {
    let outcome = match wanted.get("reject") {
        Some(flag) if flag != "false" => Outcome::Rejected,
        _ => Outcome::Success,
    };
    let lock = lock.number()?;
    caller
        .core
        .c2d
        .unlock(&caller.who.device, lock, Some(outcome))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn abandon(caller: DeviceCaller, Path(lock): Path<LockInPath>) -> Result<StatusCode, Error> {
    let (core, device) = (&caller.core, &caller.who.device);
    core.c2d.unlock(device, lock.number()?, None)?;
    // It may be connected over MQTT as well.
    if let Some(link) = core.sessions.get(&device.identity.to_string()) {
        link.wake.notify_one();
    }
    Ok(StatusCode::NO_CONTENT)
}
