//! Interoperation with programs that no one here wrote: Microsoft's device SDK for Python against the local
//! hub, and the device against mosquitto.
//!
//! A test whose peer is not installed is reported as ignored, with what to install. Where the environment
//! variable `REQUIRE_PEERS` is set, as in continuous integration, it fails instead. The SDK is looked for in
//! the Python of the variable `INTEROP_PYTHON`, else in `target/interop` (a virtual environment), else in
//! `python3`; mosquitto on the `PATH` and in `/usr/sbin`.

#![allow(clippy::unwrap_used)]

mod broker;
mod mosquitto;
#[allow(dead_code, reason = "the tests of the hub use the rest")]
mod peers;
#[allow(dead_code, reason = "its other user uses the rest")]
#[path = "../device/program.rs"]
mod program;
mod sdk;
mod sdk_device;
mod sdk_provisioning;
mod sdk_service;
mod sdk_twin;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = sdk::trials();
    trials.extend(sdk_twin::trials());
    trials.extend(sdk_provisioning::trials());
    trials.extend(sdk_service::trials());
    trials.extend(mosquitto::trials());
    libtest_mimic::run(&arguments, trials).exit();
}
