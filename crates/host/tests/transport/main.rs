//! The host's sockets and TLS against servers on loopback whose certificates are made for each test.

#![allow(clippy::unwrap_used)]

mod connection;
mod credentials;
mod defects;
mod refusals;
mod roots;
mod support;
