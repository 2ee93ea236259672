//! A device that counts, over the platform on tokio.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use azure_device::application::{Application, CloudMessage, Context, Message, Receipt, Stream};
use azure_device::connection::{Buffers, run_async};
use azure_device::device::{Config, Device};
use azure_device::identity::ConnectionString;
use azure_device::mqtt;
use azure_device::queue::Mode;
use azure_device::report::Report;

use super::platform::Platform;

/// Numbers its messages, and keeps what the cloud sends.
#[derive(Default)]
pub(crate) struct Counting {
    count: i64,
    /// Bodies of the cloud-to-device messages.
    pub(crate) taken: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl Counting {
    fn sample(&mut self, message: &mut Message<'_>, _: &mut Context<'_>) {
        self.count += 1;
        let readings = message.readings();
        message.object(|object| {
            object.integer("count", self.count);
            for reading in readings.iter() {
                object.thousandths(reading.name, reading.thousandths);
            }
        });
    }
}

impl Application for Counting {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new("telemetry", Self::sample)];

    fn receive(&mut self, message: &CloudMessage<'_>, _: &mut Context<'_>) -> Receipt {
        self.taken.borrow_mut().push(message.body.to_vec());
        Receipt::Accepted
    }
}

/// Runs a device that sends ten messages a second to `endpoint`, `HOST:PORT`, until it is asked to stop. Gives its
/// counters.
pub(crate) async fn run(
    connection_string: &str,
    endpoint: &str,
    application: Counting,
    mut platform: Platform,
) -> Result<Report, Box<dyn std::error::Error>> {
    let identity = ConnectionString::parse(connection_string)?;
    let (address, port) = endpoint.rsplit_once(':').ok_or("no port")?;
    let mut config = Config {
        address: Some(address),
        port: port.parse()?,
        telemetry_interval: Some(Duration::from_millis(100)),
        ..Config::default()
    };
    if platform.queue.is_some() {
        config.queue.mode = Mode::Spill;
    }
    // The outbox holds the messages of half a minute without a hub.
    let (mut receive, mut transmit, mut outbox) = ([0; 2048], [0; 1024], vec![0; 65_536]);
    let buffers = Buffers {
        mqtt: mqtt::Buffers {
            receive: &mut receive,
            transmit: &mut transmit,
            outbox: &mut outbox,
        },
        scratch: &mut [0; 1024],
        twin: &mut [0; 256],
    };
    let mut device = Device::new(&identity, config, buffers, application)?;
    run_async(&mut device, &mut platform).await;
    Ok(platform.report)
}
