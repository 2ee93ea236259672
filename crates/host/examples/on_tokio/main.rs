//! Two devices on one thread: the device over `embedded-io-async`, with tokio as its executor.
//!
//! ```text
//! cargo run -p azure-device-host --example on_tokio
//! ```
//!
//! A local hub is started; each device joins it, sends ten messages, takes a cloud-to-device message, and says goodbye.
//! On a microcontroller the same loop runs under Embassy: implement `AsyncPlatform` over its sockets and timers.

mod device;
mod platform;

use std::error::Error;
use std::time::Duration;

use azure_device_host::tls::roots_from_pem;
use local_hub::{Config, Hub, Message};

use device::Counting;
use platform::Platform;

/// Messages that each device sends at least.
const MESSAGES: u64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    // It has threads of its own.
    let hub = Hub::start(Config::temporary())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { tokio::try_join!(visit(&hub, "pump"), visit(&hub, "tank")) })?;
    hub.shutdown();
    Ok(())
}

/// A device joins, sends, receives and leaves.
async fn visit(hub: &Hub, id: &str) -> Result<(), Box<dyn Error>> {
    let connection_string = hub.create_sas_device(id)?;
    hub.send_c2d(id, Message::new("hello"))?;
    let platform = Platform::new(roots_from_pem(hub.ca_pem().as_bytes(), "the hub's CA")?)?;
    let (application, remote) = (Counting::default(), platform.remote());
    let taken = application.taken.clone();
    let endpoint = hub.endpoint().to_string();
    let device = device::run(&connection_string, &endpoint, application, platform);
    let visitor = async {
        let sent = || {
            hub.events()
                .iter()
                .filter(|event| event.origin.device_id == id)
                .count() as u64
        };
        while sent() < MESSAGES || taken.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        remote.stop();
    };
    let (report, ()) = tokio::join!(device, visitor);
    let report = report?;
    let (sent, acknowledged) = (report.telemetry_due, report.telemetry_acknowledged);
    let text = String::from_utf8_lossy(&taken.borrow().concat()).into_owned();
    anstream::println!("{id}: {acknowledged} of {sent} messages acknowledged, took \"{text}\"");
    Ok(())
}
