//! The local IoT Hub: behaves towards a device as Azure IoT Hub does, on this machine, without an account.
//!
//! [`Hub::start`] gives a running hub to blocking code, such as tests; the `local-hub` program ([`cli`]) is
//! the same for people. What Azure refuses, this hub refuses in the same way; unlike Azure, it says why, in
//! its log and by [`Hub::closes`].
//!
//! ```no_run
//! use std::time::Duration;
//! use local_hub::{Config, Hub, Message};
//!
//! let hub = Hub::start(Config::temporary())?;
//! let connection_string = hub.create_sas_device("MyDevice01")?;
//! println!("connect to {} with {connection_string} and trust {}", hub.endpoint(), hub.ca_pem());
//!
//! hub.send_c2d("MyDevice01", Message::new("hello"))?;
//! let (arrived, events) = hub.wait_for_events(Duration::from_secs(10), |events| events.len() >= 5);
//! assert!(arrived, "only {} events", events.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layers
//! From the outside in:
//! - [`cli`]: the program. `hub`, [`Config`]: the library's handle. `start`: from a configuration to sockets.
//! - `rest`: the operator's HTTPS interface. `page`: the page for a browser. `mqtt`: the devices' interface. `sntp`: time for devices.
//! - `core`: what an operator can do, over the parts: `registry` (identities), `sessions` (connections, stored
//!   subscriptions), `c2d` (messages to devices), `events` (messages from them), `twin`, `methods`, `dps`
//!   (provisioning), `policy` (shared access), `tier`, `throttle` and `quota` (how much is too much), `faults` (what is to go
//!   wrong), `update` (software updates), `uploads` (files of devices, and a storage account for them).
//! - `story`: what happened to each client, and `logged`: the last lines of the log; both for the page.
//! - `shown`: what reaches a terminal.
//! - `credentials` (SAS tokens, X.509), `tls` (certificates, handshake), `store` (durable state), `kinds` (what it
//!   may hold), `json` (depth), `clock`.
//!
//! Decisions are made in code without I/O where that is possible (`c2d::queue`, `mqtt::codec`, `mqtt::topic`,
//! `credentials`); sockets and files are around it.
//!
//! # Where Azure's behaviour is not documented
//! Microsoft's open sources and users' reports decide; where these disagree too, this hub is strict:
//! - A user name that does not parse is a credential problem: CONNACK 5. One without api-version connects, and
//!   has telemetry and messages, neither twin nor methods.
//! - CONNECT for another protocol level, or with a will that is not telemetry: a close without CONNACK.
//! - A keepalive of 0 is the longest one, 1767 s.
//! - A filter that IoT Hub does not have closes the connection, unless [`Config::lenient_subscriptions`]. The wider
//!   ones that Microsoft's own code sends are granted. Whatever is granted is served by the rules of MQTT, among the
//!   client's own topics.
//! - Every delivery of a cloud-to-device message that is not acknowledged counts towards its maximum, a lost
//!   connection included. A redelivery has DUP set and keeps its packet identifier (MQTT 3.1.1, section 4.4).
//! - All messages that wait are sent at once; a PUBACK other than for the oldest is ignored.
//! - A clean session discards what waits for the device, with the outcome `Purged`.
//! - Answers of the twin, notifications and method calls go out with QoS 0, whatever was subscribed.
//! - A twin GET with a body other than one space is refused with 400.
//! - A method's answer that is not JSON is 400012 for the operator; one of more than 128 KB closes.
//! - The provisioning service tells a wrong token when the device registers, by 401, and a certificate for
//!   another name by CONNACK 5.
//! - [`Throttling`]: telemetry waits for 5 s at most, then the connection closes; new connections close at once,
//!   without CONNACK. [`DailyQuota`]: telemetry closes the connection at once, connecting goes on; a request to
//!   the twin is answered with 403, its code's first three digits.
//!
//! # Limits
//! - TLS 1.2 with Azure's AES-GCM suites. Azure also has AES-CBC ones; rustls has none.
//! - No AMQP. Devices over HTTPS send telemetry, receive messages and upload files.
//! - Client certificates are not checked for revocation; neither does Azure.
//! - Loopback only, unless [`Config::allow_remote`]. Developed and tested on Linux.

mod c2d;
pub mod cli;
mod clock;
mod close;
mod config;
mod core;
mod credentials;
mod dps;
mod endpoints;
mod error;
mod events;
mod faults;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod hub;
mod json;
mod kinds;
mod lanes;
mod logged;
mod methods;
mod mqtt;
mod operate;
mod page;
mod policy;
mod query;
mod quota;
mod registry;
mod rest;
mod sessions;
mod shown;
mod sntp;
mod start;
mod store;
mod story;
mod throttle;
mod tier;
mod tls;
mod twin;
mod update;
mod uploads;

pub use c2d::{Ack, Feedback, Message, Outcome};
pub use close::Close;
pub use config::{CertificateFault, Chain, Config, Limits, ServerCertificate};
pub use dps::{Attestation, Enrollment};
pub use error::{Error, StartError};
pub use events::Event;
pub use faults::Fault;
pub use hub::{DeviceCertificate, Hub};
pub use methods::MethodResponse;
pub use quota::DailyQuota;
pub use registry::{Authentication, Device, Identity, Status, SymmetricKeys};
pub use throttle::Throttling;
pub use tier::Tier;
pub use update::{Import, UpdateFault, UpdateId};
