//! Random numbers that a seed repeats: SplitMix64.

use std::time::Duration;

/// A generator.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn number(&mut self, low: u32, high: u32) -> u32 {
        let range = u64::from(high - low) + 1;
        low + u32::try_from(self.next() % range).unwrap_or(0)
    }

    /// A time between two numbers of milliseconds.
    pub(crate) fn milliseconds(&mut self, low: u32, high: u32) -> Duration {
        Duration::from_millis(self.number(low, high).into())
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.number(0, u32::try_from(last).unwrap_or(u32::MAX));
            items.swap(last, other as usize);
        }
    }
}
