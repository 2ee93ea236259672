//! A parking garage's gate: a product in a crate of its own, which knows the library's public interface only.

use std::error::Error;
use std::io::Read;

use azure_device::application::{
    Application, Call, CloudMessage, Context, Message, Method, Outcome, Property, Receipt,
    Reported, Stream,
};
use azure_device::identity::ConnectionString;
use azure_device::json::Slot;
use azure_device::outlet::{Delivery, Submission};
use azure_device_host::Options;
use azure_device_host::runner::{DeviceThread, Settings};
use azure_device_host::tls::roots_from_pem;

#[derive(Clone, Default)]
struct Gate {
    is_open: bool,
    places: i64,
    announced: String,
}

impl Application for Gate {
    const STREAMS: &'static [Stream<Self>] = &[Stream::new("gate", Self::gate)];

    const PROPERTIES: &'static [Property<Self>] = &[Property::integer(
        "places",
        0..=500,
        |gate, places, _| gate.places = places.unwrap_or(100),
        |gate| gate.places,
    )];

    const REPORTED: &'static [Reported<Self>] = &[Reported::new("isOpen", |gate, _, value| {
        value.boolean(gate.is_open)
    })];

    const METHODS: &'static [Method<Self>] = &[Method::new("open", Self::open)];

    fn receive(&mut self, message: &CloudMessage<'_>, device: &mut Context<'_>) -> Receipt {
        let Ok(text) = std::str::from_utf8(message.body) else {
            return Receipt::Rejected("an announcement is UTF-8");
        };
        self.announced = text.into();
        device.send("gate");
        Receipt::Accepted
    }
}

impl Gate {
    fn gate(&mut self, message: &mut Message<'_>, _: &mut Context<'_>) {
        message.object(|object| {
            object
                .boolean("isOpen", self.is_open)
                .string("announced", &self.announced);
        });
        message.property("alert", self.is_open);
    }

    fn open(&mut self, _: Call<'_>, device: &mut Context<'_>, result: Slot<'_, '_>) -> Outcome {
        self.is_open = true;
        device.send("gate");
        device.report_changed("isOpen");
        result.integer(self.places);
        Outcome::Done(200)
    }
}

/// Runs the gate until its standard input ends.
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || {
        arguments
            .next()
            .ok_or("pass: connection string, CA, address, port")
    };
    let identity = ConnectionString::parse(&argument()?)?;
    let roots = roots_from_pem(&std::fs::read(argument()?)?, "the CA")?;
    let settings = Settings {
        address: Some(argument()?),
        port: argument()?.parse()?,
        ..Settings::default()
    };
    let device = DeviceThread::start(
        identity,
        settings,
        Options::new("gate", roots)?,
        Gate::default(),
    )?;

    // This thread is not the device's.
    let properties = [("lane", "2")];
    let car = Submission::json(r#"{"plate":"B-XY 1"}"#).properties(&properties);
    device
        .remote()
        .send_confirmed(&car, |delivery| match delivery {
            Delivery::Delivered => println!("the car was delivered"),
            Delivery::Dropped(cause) => println!("the car was dropped: {}", cause.explanation()),
        })?;

    std::io::stdin().read_to_end(&mut Vec::new())?;
    let report = device.stop();
    println!("stopped after {} connections", report.connections);
    Ok(())
}
