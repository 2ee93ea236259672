//! A sensor that measures nothing: a computer has no thermometer to rely on.

use azure_device::port::{Reading, Sensor, SensorError};

/// The steps in which the simulated day passes.
const SAMPLES_A_DAY: u32 = 96;

/// Simulated weather: temperature, humidity and pressure wander through a day of 96 samples.
///
/// Units: `temperature` in °C, `humidity` in % relative, `pressure` in hPa.
#[derive(Clone, Debug, Default)]
pub struct SimulatedSensor {
    samples: u32,
}

impl Sensor for SimulatedSensor {
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        let day = f64::from(self.samples % SAMPLES_A_DAY) / f64::from(SAMPLES_A_DAY);
        self.samples = self.samples.wrapping_add(1);
        let wave = (day * std::f64::consts::TAU).sin();
        for (name, mean, swing) in [
            ("temperature", 21_500.0, 4_000.0),
            ("humidity", 45_000.0, -12_000.0),
            ("pressure", 1_013_250.0, 1_800.0),
        ] {
            let thousandths = (mean + swing * wave) as i64;
            take(Reading { name, thousandths });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_weather_changes_and_stays_plausible() {
        let mut sensor = SimulatedSensor::default();
        let mut temperatures = Vec::new();
        for _ in 0..200 {
            let take = &mut |reading: Reading| {
                let (low, high) = match reading.name {
                    "temperature" => {
                        temperatures.push(reading.thousandths);
                        (17_500, 25_500)
                    }
                    "humidity" => (33_000, 57_000),
                    "pressure" => (1_011_450, 1_015_050),
                    other => panic!("{other}"),
                };
                assert!((low..=high).contains(&reading.thousandths), "{reading:?}");
            };
            assert!(sensor.sample(take).is_ok());
        }
        assert_eq!(temperatures.len(), 200);
        assert!(temperatures.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
