//! The device: an Azure IoT Hub application core that runs unchanged under Zephyr and on the host.
//!
//! Everything here decides; nothing here does I/O, reads a clock or owns a socket. Bytes, events and the
//! time go in, bytes, events and the next deadline come out, so that hours of a device's life are tested
//! in milliseconds. What touches the world is behind the traits of [`port`].
//!
//! The layers, top first:
//!
//! - `bench`: tests of an application on a host, with the feature `bench`.
//! - [`lifecycle`]: from switching on to switching off, provisioning included.
//! - [`device`]: work on a hub. Telemetry, cloud-to-device messages, twin and methods. [`provisioning`]: work with the
//!   Device Provisioning Service. From an id scope to a hub.
//! - `update`: software updates, with the feature `update`. From what the service desires to an image that is kept.
//! - [`application`]: the interface between a device and its application.
//! - [`connection`]: one connection below either work, from a clock that is not set to a running connection and back,
//!   for ever.
//! - `setup`: what a person gives the device. [`pair`] is a new certificate and its key, tried before the old pair is
//!   given up; [`paste`] takes them from a console; [`waiting`] is the time until there is something to connect with.
//! - [`storage`]: guards what is kept. [`sensor`]: readings from a sensor's values. [`queue`]: messages that outlive
//!   restarts and power cuts.
//! - [`port`]: traits for what touches the world.
//! - [`outlet`]: messages from any thread.
//! - [`report`]: what the device tells about itself.
//! - [`failure`]: what follows from each failure.
//! - [`mqtt`]: the session. Durable where MQTT is, mortal where connections are. [`json`]: the payloads' format.
//!   `cbor`: another, behind a feature.
//! - `iot_hub`: IoT Hub's conventions. [`identity`] and [`sas`] say who the device is and prove it; [`topic`],
//!   [`properties`] and [`percent`] are the form of its messages.
//! - `foundation`: [`backoff`] (how long to wait), `label` (a short text that owns its memory), [`logging`], [`pem`], [`secret`], [`server`] (a server as a person
//!   writes it), [`sntp`], [`text`], [`time`].
//!
//! Each is a folder or a file of `src/`. What is in `setup`, `iot_hub` and `foundation` has its path without the folder.
//! A low layer imports nothing from a high one (`tests/layers.rs`).
//!
//! Features, all of them off by default: `queue` has [`queue`]'s use and its store on a flash; `update` has software
//! updates; `update-dps` their second channel, sessions with the provisioning service; `float` reads and writes `f32` and `f64` in JSON; `cbor` has the codec for bodies of messages in CBOR; `async`
//! has [`connection`]'s driver for an executor, over `embedded-io-async`.
//!
//! A complete program is [`lifecycle::run`] over a [`port::Platform`].

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod application;
#[cfg(any(test, feature = "bench"))]
pub mod bench;
#[cfg(feature = "cbor")]
pub mod cbor;
pub mod connection;
pub mod device;
pub mod failure;
mod foundation;
mod iot_hub;
pub mod json;
pub mod lifecycle;
pub mod mqtt;
pub mod outlet;
pub mod port;
pub mod provisioning;
pub mod queue;
pub mod report;
pub mod sensor;
mod setup;
pub mod storage;
#[cfg(feature = "update")]
pub mod update;

#[cfg(feature = "update")]
pub use self::foundation::label;
pub use self::foundation::{backoff, logging, pem, secret, server, sntp, text, time};
pub use self::iot_hub::{identity, percent, properties, sas, topic};
pub use self::setup::{pair, paste, waiting};
