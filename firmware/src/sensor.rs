//! Telemetry's readings: the board's sensors, or a simulated one.

#![forbid(unsafe_code)]

use azure_device::logging::info;
use azure_device::port::{Reading, SensorError};

use crate::ffi::{self, RawReading};

/// The board's sensors if it has any, else [`SimulatedSensor`].
#[derive(Debug, Default)]
pub(crate) struct Sensors {
    simulated: SimulatedSensor,
}

impl Sensors {
    /// Gives every reading to `take`.
    pub(crate) fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        let mut raw = [RawReading::default(); ffi::READINGS];
        let count = ffi::read_sensors(&mut raw).map_err(SensorError)?;
        if count == 0 {
            self.simulated.sample(take);
        }
        for reading in raw.iter().take(count) {
            take(from_raw(reading));
        }
        Ok(())
    }
}

/// Simulated weather, for boards without sensors: temperature, humidity and pressure go up and down.
#[derive(Debug, Default)]
struct SimulatedSensor {
    samples: u32,
}

impl SimulatedSensor {
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) {
        /// Samples from the lowest to the highest value.
        const STEPS: u32 = 48;
        if self.samples == 0 {
            info!("sensor: this board has none, so that readings are simulated");
        }
        let position = self.samples % (2 * STEPS);
        self.samples = self.samples.wrapping_add(1);
        let height = i64::from(if position < STEPS {
            position
        } else {
            2 * STEPS - position
        });
        for (name, lowest, step) in [
            ("temperature", 17_500, 160),
            ("humidity", 33_000, 500),
            ("pressure", 1_011_450, 75),
        ] {
            take(Reading {
                name,
                thousandths: lowest + step * height,
            });
        }
    }
}

/// The shim's `enum azure_quantity`: °C, per cent relative, kPa. Telemetry has the pressure in hPa.
fn from_raw(reading: &RawReading) -> Reading {
    let thousandths = i64::from(reading.integer) * 1000 + i64::from(reading.millionths) / 1000;
    match reading.quantity {
        0 => Reading {
            name: "temperature",
            thousandths,
        },
        1 => Reading {
            name: "humidity",
            thousandths,
        },
        _ => Reading {
            name: "pressure",
            thousandths: i64::from(reading.integer) * 10_000 + i64::from(reading.millionths) / 100,
        },
    }
}
