//! Interoperation with Microsoft's SDKs for Node.js and Python: operators and devices, over HTTPS, MQTT and WebSocket.
//! Those for Python over MQTT are tested with the program for a host.
//!
//! A test whose peer is not installed is reported as ignored, with what to install. Where the environment
//! variable `REQUIRE_PEERS` is set, as in continuous integration, it fails instead.

#![allow(clippy::unwrap_used, reason = "tests")]

mod node;
mod node_files;
#[allow(dead_code, reason = "its other user uses the rest")]
#[path = "../../../host/tests/interop/peers.rs"]
mod peers;
mod python;
mod sdk;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = node::trials();
    trials.extend(node_files::trials());
    trials.extend(python::trials());
    libtest_mimic::run(&arguments, trials).exit();
}
