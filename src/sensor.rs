//! Readings from a sensor's values, and a simulated sensor for places without one.

use crate::port::{Reading, Sensor, SensorError};

/// Ratio between the unit of a sensor's value and the unit that telemetry has: 10 and 1 make hPa of kPa.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Factor, from 1 to 1,000.
    pub multiplier: i32,
    /// Divisor, 1 or more.
    pub divisor: i32,
}

impl Scale {
    /// Thousandths of telemetry's unit, of a value as Zephyr's sensors give it: an integer and millionths, both of the
    /// value's sign (`struct sensor_value`). Digits beyond thousandths are dropped. A value that does not fit becomes the
    /// largest or smallest that does.
    #[must_use]
    pub fn thousandths(self, integer: i32, millionths: i32) -> i64 {
        let value = i64::from(integer) * 1_000_000 + i64::from(millionths);
        let divisor = i64::from(self.divisor.max(1)) * 1000;
        value.saturating_mul(self.multiplier.into()) / divisor
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

    fn scale(multiplier: i32, divisor: i32) -> Scale {
        Scale {
            multiplier,
            divisor,
        }
    }

    #[test]
    fn a_value_of_zephyrs_sensors_becomes_thousandths_of_telemetrys_unit() {
        for (multiplier, divisor, integer, millionths, thousandths) in [
            (1, 1, 21, 345_678, 21_345),
            (1, 1, -7, -250_000, -7_250),
            (1, 1, 0, -999, 0),
            (1, 1, 45, 500_000, 45_500),
            // 101.325 kPa are 1013.25 hPa.
            (10, 1, 101, 325_000, 1_013_250),
            (10, 1, 98, 7, 980_000),
            // 90 degrees in radians, as a fraction of a turn: 1.570796 / 6.283.
            (1000, 6283, 1, 570_796, 250),
            // 3.3 V in mV.
            (1000, 1, 3, 300_001, 3_300_001),
        ] {
            let scale = scale(multiplier, divisor);
            assert_eq!(
                scale.thousandths(integer, millionths),
                thousandths,
                "{scale:?}"
            );
        }
    }

    #[test]
    fn the_largest_values_of_a_sensor_do_not_overflow() {
        assert_eq!(
            scale(1000, 1).thousandths(i32::MAX, 999_999),
            2_147_483_647_999_999
        );
        assert_eq!(
            scale(1000, 1).thousandths(i32::MIN, -999_999),
            -2_147_483_648_999_999
        );
        // Beyond what the devicetree may say.
        assert_eq!(scale(i32::MAX, 1).thousandths(i32::MAX, 0), i64::MAX / 1000);
        assert_eq!(scale(1, 0).thousandths(5, 0), 5000);
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
