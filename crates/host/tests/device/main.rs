//! Devices on a local hub, over real TLS on loopback: as threads of the test, and as the program.

#![allow(clippy::unwrap_used)]

mod application;
mod authority;
mod demonstration;
#[cfg(unix)]
mod durable;
mod faults;
mod foreign_text;
mod joining;
mod module;
mod operator;
mod options;
mod outage;
mod program;
mod provisioning;
mod queue;
mod refusals;
mod renewal;
mod secrecy;
mod sntp;
mod support;
#[cfg(unix)]
mod terminal;
mod twin;
mod update_links;
mod update_sessions;
mod updates;
