//! The topics that IoT Hub and its Device Provisioning Service (DPS) speak on.
//!
//! Neither is a general broker: a device publishes to the topics of [`Outbound`], subscribes to those of
//! [`Filter`], and receives what [`Inbound::parse`] tells apart; publishing to any other topic makes the
//! hub close the connection. Ids stand in topics as they are, unencoded. What comes after `?` is a list of
//! `name=value`, read by name, in any order.
//!
//! Builders display a topic, to be written into a caller's buffer with
//! [`render`](crate::text::render) or [`Text::append`](crate::text::Text::append). The parser borrows from
//! the topic that it is given.
//!
//! Source: Azure IoT Hub, "Use MQTT to establish communication"; Azure IoT Hub DPS, "Communicate with DPS
//! using the MQTT protocol".

use core::fmt;
use core::time::Duration;

use crate::identity::Identity;
use crate::percent::{Encoded, Escaped};
use crate::properties::Bag;
use crate::text::find;

/// The end of the fixed part of a telemetry topic. No id has a slash, so that it stands there first.
pub(crate) const TELEMETRY: &str = "/messages/events/";
const METHOD_REQUEST: &str = "$iothub/methods/POST/";
const TWIN_RESPONSE: &str = "$iothub/twin/res/";
const DESIRED_UPDATE: &str = "$iothub/twin/PATCH/properties/desired/";
const DPS_RESPONSE: &str = "$dps/registrations/res/";

/// Displays the start of a device's or a module's own topics: `devices/{device}[/modules/{module}]`.
struct Own<'a>(&'a Identity);

impl fmt::Display for Own<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "devices/{}", self.0.device_id())?;
        match self.0.module_id() {
            Some(module_id) => write!(f, "/modules/{module_id}"),
            None => Ok(()),
        }
    }
}

/// Displays a topic filter to subscribe to. Any other makes the hub close the connection.
#[derive(Clone, Copy, Debug)]
pub enum Filter<'a> {
    /// Cloud-to-device messages. Modules get none.
    CloudToDevice(&'a Identity),
    /// Requests of direct methods.
    Methods,
    /// Responses to twin requests.
    TwinResponses,
    /// Changes of the twin's desired properties.
    DesiredUpdates,
    /// Responses of DPS.
    DpsResponses,
}

impl fmt::Display for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloudToDevice(identity) => {
                write!(f, "devices/{}/messages/devicebound/#", identity.device_id())
            }
            Self::Methods => write!(f, "{METHOD_REQUEST}#"),
            Self::TwinResponses => write!(f, "{TWIN_RESPONSE}#"),
            Self::DesiredUpdates => write!(f, "{DESIRED_UPDATE}#"),
            Self::DpsResponses => write!(f, "{DPS_RESPONSE}#"),
        }
    }
}

/// Displays a topic to publish to.
#[derive(Clone, Copy, Debug)]
pub enum Outbound<'a> {
    /// Telemetry, and the will. Append the properties with a
    /// [`BagWriter`](crate::properties::BagWriter).
    Telemetry(&'a Identity),
    /// The response to a direct method.
    MethodResponse {
        /// The method's result, such as 200.
        status: i32,
        /// The request's id, as [`Inbound::MethodRequest`] gave it.
        request_id: &'a str,
    },
    /// A request for the whole twin.
    TwinGet {
        /// An id for the response to repeat.
        request_id: u32,
    },
    /// A merge patch of the twin's reported properties.
    ReportedPatch {
        /// An id for the response to repeat.
        request_id: u32,
    },
    /// A registration with DPS.
    DpsRegister {
        /// An id for the response to repeat.
        request_id: u32,
    },
    /// An operation of updates on a session with DPS (preview).
    #[cfg(feature = "update-dps")]
    DpsUpdate {
        /// An id for the response to repeat.
        request_id: u32,
        /// Its name, such as `iotdps-get-deviceupdate`.
        name: &'a str,
    },
    /// A question to DPS how a registration is going.
    DpsOperationStatus {
        /// An id for the response to repeat.
        request_id: u32,
        /// The operation's id, as the body of the last response gave it.
        operation_id: &'a str,
    },
}

impl fmt::Display for Outbound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Telemetry(identity) => write!(f, "{}{TELEMETRY}", Own(identity)),
            Self::MethodResponse { status, request_id } => {
                write!(f, "$iothub/methods/res/{status}/?$rid={request_id}")
            }
            Self::TwinGet { request_id } => write!(f, "$iothub/twin/GET/?$rid={request_id}"),
            Self::ReportedPatch { request_id } => {
                write!(
                    f,
                    "$iothub/twin/PATCH/properties/reported/?$rid={request_id}"
                )
            }
            Self::DpsRegister { request_id } => {
                write!(
                    f,
                    "$dps/registrations/PUT/iotdps-register/?$rid={request_id}"
                )
            }
            #[cfg(feature = "update-dps")]
            Self::DpsUpdate { request_id, name } => {
                write!(f, "$dps/registrations/POST/{name}/?$rid={request_id}")
            }
            Self::DpsOperationStatus {
                request_id,
                operation_id,
            } => write!(
                f,
                "$dps/registrations/GET/iotdps-get-operationstatus/?$rid={request_id}&operationId={}",
                Encoded(operation_id)
            ),
        }
    }
}

/// Subject of a message from the hub or from DPS, by its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inbound<'t> {
    /// A cloud-to-device message.
    CloudToDevice {
        /// The message's properties. They may be malformed: see [`Bag::properties`].
        bag: Bag<'t>,
    },
    /// A request to run a direct method.
    MethodRequest {
        /// The method's name. A method of a component is `component*method` (IoT Plug and Play).
        name: &'t str,
        /// To be repeated in the response byte for byte.
        request_id: &'t str,
    },
    /// The response to a twin request.
    TwinResponse {
        /// 200 to 299 is success, 429 and 500 upwards are worth another attempt.
        status: u16,
        /// The request's id as it was sent.
        request_id: &'t str,
        /// The version of the reported properties after a patch.
        version: Option<u64>,
    },
    /// Desired properties have changed.
    DesiredUpdate {
        /// Their new version, which the body repeats.
        version: Option<u64>,
    },
    /// The response to a request to DPS.
    DpsResponse {
        /// 200 is a result, 202 asks to wait, 429 and 500 upwards are worth another attempt.
        status: u16,
        /// The request's id as it was sent.
        request_id: &'t str,
        /// Wait before the next request. The service's word, without a limit.
        retry_after: Option<Duration>,
    },
    /// A topic that is none of these, is another device's, or has a number that is none.
    Unknown,
}

impl<'t> Inbound<'t> {
    /// Finds what a message on `topic` is for the device `identity`.
    pub fn parse(topic: &'t str, identity: &Identity) -> Self {
        cloud_to_device(topic, identity)
            .or_else(|| service(topic))
            .unwrap_or(Self::Unknown)
    }

    /// Finds what a message on `topic` is for a device that registers with DPS.
    pub fn parse_dps(topic: &'t str) -> Self {
        service(topic)
            .filter(|inbound| matches!(inbound, Self::DpsResponse { .. }))
            .unwrap_or(Self::Unknown)
    }
}

fn cloud_to_device<'t>(topic: &'t str, identity: &Identity) -> Option<Inbound<'t>> {
    let rest = topic
        .strip_prefix("devices/")?
        .strip_prefix(identity.device_id().as_str())?
        .strip_prefix("/messages/devicebound")?;
    let bag = match rest {
        "" => "",
        _ => rest.strip_prefix('/')?,
    };
    Some(Inbound::CloudToDevice { bag: Bag::new(bag) })
}

fn service(topic: &str) -> Option<Inbound<'_>> {
    if let Some(rest) = topic.strip_prefix(METHOD_REQUEST) {
        let (name, query) = split(rest)?;
        Some(Inbound::MethodRequest {
            name,
            request_id: query.request_id()?,
        })
    } else if let Some(rest) = topic.strip_prefix(TWIN_RESPONSE) {
        let (status, query) = split(rest)?;
        Some(Inbound::TwinResponse {
            status: number(status)?,
            request_id: query.request_id()?,
            version: query.number("$version")?,
        })
    } else if let Some(rest) = topic.strip_prefix(DESIRED_UPDATE) {
        let query = match rest {
            "" => Query(""),
            _ => Query(rest.strip_prefix('?')?),
        };
        Some(Inbound::DesiredUpdate {
            version: query.number("$version")?,
        })
    } else if let Some(rest) = topic.strip_prefix(DPS_RESPONSE) {
        let (status, query) = split(rest)?;
        Some(Inbound::DpsResponse {
            status: number(status)?,
            request_id: query.request_id()?,
            retry_after: query.number("retry-after")?.map(Duration::from_secs),
        })
    } else {
        None
    }
}

/// Splits `{level}/?{query}`. The level is not empty and the last one before the query.
fn split(rest: &str) -> Option<(&str, Query<'_>)> {
    let at = find(rest, "/?")?;
    let (level, query) = (rest.get(..at)?, rest.get(at + 2..)?);
    (!level.is_empty() && !level.as_bytes().contains(&b'/')).then_some((level, Query(query)))
}

/// A number written in digits only: no sign, no space.
fn number<T: core::str::FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// Part of a topic after `?`.
#[derive(Clone, Copy)]
struct Query<'t>(&'t str);

impl<'t> Query<'t> {
    /// The value of the first `name=value`, as it stands.
    fn value(self, name: &str) -> Option<&'t str> {
        self.0.split('&').find_map(|piece| {
            let (key, value) = piece.split_once('=')?;
            let key = Escaped::parse(key).ok()?;
            key.is(name).then_some(value)
        })
    }

    /// The value of `$rid`, without which nothing can be answered; and a wildcard could not be repeated in
    /// the topic of a response (MQTT 3.1.1, section 3.3.2.1).
    fn request_id(self) -> Option<&'t str> {
        self.value("$rid").filter(|value| {
            !value.is_empty() && !value.bytes().any(|byte| matches!(byte, b'+' | b'#'))
        })
    }

    /// The number called `name`, if there is one; `None` if there is something else by that name.
    fn number<T: core::str::FromStr>(self, name: &str) -> Option<Option<T>> {
        match self.value(name) {
            None => Some(None),
            Some(value) => number(value).map(Some),
        }
    }
}

#[cfg(test)]
#[path = "topic_tests.rs"]
mod tests;
