//! The device: an Azure IoT Hub application core that runs unchanged under Zephyr and on the host.
//!
//! Everything here decides; nothing here does I/O, reads a clock or owns a socket. Bytes, events and the
//! time go in, bytes, events and the next deadline come out, so that hours of a device's life are tested
//! in milliseconds. What touches the world is behind the traits of [`port`].
//!
//! The layers, top first:
//!
//! - [`app`]: what this product measures, sends and does with messages. Change this.
//! - [`lifecycle`]: from switching on to switching off, provisioning included.
//! - [`device`]: work on a hub. Telemetry, cloud-to-device messages, twin and methods.
//! - [`provisioning`]: work with the Device Provisioning Service. From an id scope to a hub.
//! - [`connection`]: one connection below either, from a clock that is not set to a running connection and back, for
//!   ever, with [`failure`] (what follows from each failure) and [`backoff`] (how long to wait).
//! - [`mqtt`]: the session. Durable where MQTT is, mortal where connections are.
//! - [`topic`], [`properties`], [`json`]: IoT Hub's conventions on top of MQTT.
//! - [`identity`], [`sas`], [`percent`], [`secret`]: who the device is and how it proves it.
//! - [`pair`]: a new certificate and its key, tried before the old pair is given up.
//! - [`pem`], [`paste`]: certificates and keys as people paste them into a console.
//! - [`waiting`]: what ends or hurries a wait before there is a device.
//! - [`port`]: traits for what touches the world, and [`report`]: what the device tells about itself.
//! - [`storage`], [`text`], [`time`], [`sntp`], [`logging`]: foundations.
//!
//! A complete program is [`lifecycle::run`] over a [`port::Platform`].

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

#[cfg(test)]
extern crate std;

/// The guide's example must compile.
#[cfg(doctest)]
#[doc = include_str!("../docs/application.md")]
mod application_guide {}

pub mod app;
pub mod application;
pub mod backoff;
pub mod connection;
pub mod device;
pub mod failure;
pub mod identity;
pub mod json;
pub mod lifecycle;
pub mod logging;
pub mod mqtt;
pub mod pair;
pub mod paste;
pub mod pem;
pub mod percent;
pub mod port;
pub mod properties;
pub mod provisioning;
pub mod report;
pub mod sas;
pub mod secret;
pub mod sntp;
pub mod storage;
pub mod text;
pub mod time;
pub mod topic;
pub mod waiting;
