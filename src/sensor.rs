//! Readings from a sensor's values, and a simulated sensor for places without one.

use crate::port::{Reading, Sensor, SensorError};

/// Physical quantity that a sensor measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Temperature. Sensors give °C, and so does telemetry.
    Temperature,
    /// Relative humidity. Sensors give %, and so does telemetry.
    Humidity,
    /// Air pressure. Sensors give kPa, telemetry gives hPa.
    Pressure,
}

impl Quantity {
    /// Reading of a value as Zephyr's sensors give it: an integer and millionths, both of the value's sign
    /// (`struct sensor_value`). Digits beyond thousandths are dropped.
    #[must_use]
    pub fn reading(self, integer: i32, millionths: i32) -> Reading {
        let value = i64::from(integer) * 1_000_000 + i64::from(millionths);
        let (name, thousandths) = match self {
            Self::Temperature => ("temperature", value / 1000),
            Self::Humidity => ("humidity", value / 1000),
            Self::Pressure => ("pressure", value / 100),
        };
        Reading { name, thousandths }
    }
}

/// Simulated weather: temperature, humidity and pressure go up and down in a day of 96 samples.
///
/// Units: `temperature` in °C, `humidity` in % relative, `pressure` in hPa.
#[derive(Clone, Debug, Default)]
pub struct SimulatedSensor {
    /// Samples of the day so far.
    sample: u8,
}

/// Samples from the lowest to the highest value.
const STEPS: u8 = 48;

impl Sensor for SimulatedSensor {
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        let height = i64::from(self.sample.min(2 * STEPS - self.sample));
        self.sample = (self.sample + 1) % (2 * STEPS);
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
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_value_of_zephyrs_sensors_becomes_thousandths_of_telemetrys_unit() {
        for (quantity, integer, millionths, name, thousandths) in [
            (Quantity::Temperature, 21, 345_678, "temperature", 21_345),
            (Quantity::Temperature, -7, -250_000, "temperature", -7_250),
            (Quantity::Temperature, 0, -999, "temperature", 0),
            (Quantity::Humidity, 45, 500_000, "humidity", 45_500),
            // 101.325 kPa are 1013.25 hPa.
            (Quantity::Pressure, 101, 325_000, "pressure", 1_013_250),
            (Quantity::Pressure, 98, 7, "pressure", 980_000),
        ] {
            let reading = quantity.reading(integer, millionths);
            assert_eq!(reading, Reading { name, thousandths }, "{quantity:?}");
        }
    }

    #[test]
    fn the_largest_values_of_a_sensor_do_not_overflow() {
        let reading = Quantity::Pressure.reading(i32::MAX, 999_999);
        assert_eq!(reading.thousandths, 21_474_836_479_999);
        let reading = Quantity::Pressure.reading(i32::MIN, -999_999);
        assert_eq!(reading.thousandths, -21_474_836_489_999);
    }

    #[test]
    fn simulated_weather_changes_with_each_sample_and_repeats_each_day() {
        let mut sensor = SimulatedSensor::default();
        let mut samples = Vec::new();
        for _ in 0..300 {
            let mut sample = Vec::new();
            assert!(
                sensor
                    .sample(&mut |reading: Reading| sample.push(reading))
                    .is_ok()
            );
            samples.push(sample);
        }
        assert!(samples.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(samples.windows(97).all(|day| day[0] == day[96]));
        for (index, name, low, high) in [
            (0, "temperature", 17_500, 25_180),
            (1, "humidity", 33_000, 57_000),
            (2, "pressure", 1_011_450, 1_015_050),
        ] {
            let values: Vec<Reading> = samples.iter().map(|sample| sample[index]).collect();
            assert!(values.iter().all(|reading| reading.name == name));
            let thousandths = || values.iter().map(|reading| reading.thousandths);
            assert_eq!(
                (thousandths().min(), thousandths().max()),
                (Some(low), Some(high))
            );
        }
    }
}
