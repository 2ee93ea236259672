//! Telemetry's readings: those that the board's devicetree names, or simulated ones.

#![forbid(unsafe_code)]

use azure_device::logging::{info, warn};
use azure_device::port::{Reading, Sensor, SensorError};
use azure_device::sensor::SimulatedSensor;

use crate::ffi;

/// The board's sensors if it has any, else [`SimulatedSensor`].
#[derive(Debug, Default)]
pub(crate) struct Sensors {
    simulated: Option<SimulatedSensor>,
    /// Readings that failed the last time, one bit for each: `CONFIG_AZURE_READINGS` is 16 at most.
    failed: u16,
}

impl Sensor for Sensors {
    /// Gives the readings of all sensors that answer. The error is the first of the others.
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        let count = ffi::readings_count();
        if count == 0 {
            let simulated = self.simulated.get_or_insert_with(|| {
                info!("sensor: the devicetree names no reading, so that readings are simulated");
                SimulatedSensor::default()
            });
            return simulated.sample(take);
        }
        let mut result = Ok(());
        for index in 0..count {
            let (name, scale) = ffi::reading_scale(index);
            let bit = 1_u16.checked_shl(index).unwrap_or(0);
            match ffi::measure(index) {
                Ok(raw) => {
                    self.failed &= !bit;
                    let thousandths = scale.thousandths(raw.integer, raw.millionths);
                    take(Reading { name, thousandths });
                }
                Err(error) => {
                    if self.failed & bit == 0 {
                        warn!("sensor: no reading of {name} (error {error})");
                    }
                    self.failed |= bit;
                    result = result.and(Err(SensorError(error)));
                }
            }
        }
        result
    }
}
