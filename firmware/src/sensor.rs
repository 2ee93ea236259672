//! Telemetry's readings: the board's sensors, or a simulated one.

#![forbid(unsafe_code)]

use azure_device::logging::info;
use azure_device::port::{Reading, Sensor, SensorError};
use azure_device::sensor::{Quantity, SimulatedSensor};

use crate::ffi::{self, RawReading, c};

/// The board's sensors if it has any, else [`SimulatedSensor`].
#[derive(Debug, Default)]
pub(crate) struct Sensors {
    simulated: Option<SimulatedSensor>,
}

impl Sensor for Sensors {
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        let mut raw = [RawReading::default(); ffi::READINGS];
        let count = ffi::read_sensors(&mut raw).map_err(SensorError)?;
        if count == 0 {
            let simulated = self.simulated.get_or_insert_with(|| {
                info!("sensor: this board has none, so that readings are simulated");
                SimulatedSensor::default()
            });
            return simulated.sample(take);
        }
        for reading in raw.iter().take(count) {
            let quantity = match reading.quantity {
                c::AZURE_TEMPERATURE => Quantity::Temperature,
                c::AZURE_HUMIDITY => Quantity::Humidity,
                c::AZURE_PRESSURE => Quantity::Pressure,
                _ => continue,
            };
            take(quantity.reading(reading.integer, reading.millionths));
        }
        Ok(())
    }
}
