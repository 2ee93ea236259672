//! A simulated NOR flash that fails as real ones do, for tests.

use alloc::vec;
use alloc::vec::Vec;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// A flash with pages of `PAGE` bytes that is written in words of `WORD` bytes.
///
/// Writing only clears bits. A power cut ([`Nor::cut_after`]) stops in the middle of a word that is written, of which some
/// bits are cleared then, or of a page that is erased, of which some bytes are erased. All that follows fails until
/// [`Nor::power_on`].
#[derive(Clone, Debug)]
pub struct Nor<const PAGE: usize, const WORD: usize> {
    bytes: Vec<u8>,
    /// Words and pages that can still be written or erased before the power fails; `None` if it does not.
    left: Option<u32>,
    is_off: bool,
    /// State of the bits that a cut leaves.
    noise: u32,
    /// Figures since the start.
    pub figures: Figures,
}

/// Number of operations of a [`Nor`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes that were read.
    pub read: u64,
    /// Bytes that were written.
    pub written: u64,
    /// Words that were written, and pages that were erased: where a power cut can come.
    pub steps: u64,
    /// Pages that were erased.
    pub erased: u64,
}

/// The flash did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NorError(NorFlashErrorKind);

impl NorFlashError for NorError {
    fn kind(&self) -> NorFlashErrorKind {
        self.0
    }
}

impl<const PAGE: usize, const WORD: usize> Nor<PAGE, WORD> {
    /// A flash with so many pages, erased.
    pub fn new(pages: usize) -> Self {
        Self {
            bytes: vec![0xff; pages * PAGE],
            left: None,
            is_off: false,
            noise: 0x9e37_79b9,
            figures: Figures::default(),
        }
    }

    /// Has the power fail in the middle of the step after so many. `noise` chooses the bits that are left.
    pub const fn cut_after(&mut self, steps: u32, noise: u32) {
        self.left = Some(steps);
        self.noise = noise | 1;
    }

    /// True if the power has failed.
    pub const fn is_off(&self) -> bool {
        self.is_off
    }

    /// The power is back.
    pub const fn power_on(&mut self) {
        self.is_off = false;
        self.left = None;
    }

    /// Its content.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn next_noise(&mut self) -> u32 {
        // Marsaglia's xorshift.
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 17;
        self.noise ^= self.noise << 5;
        self.noise
    }

    /// Counts a step. False if the power fails in it.
    fn step(&mut self) -> bool {
        self.figures.steps += 1;
        match &mut self.left {
            Some(0) => {
                self.is_off = true;
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    const OFF: NorError = NorError(NorFlashErrorKind::Other);

    fn range(
        &self,
        from: u32,
        length: usize,
        unit: usize,
    ) -> Result<core::ops::Range<usize>, NorError> {
        let from = from as usize;
        if !from.is_multiple_of(unit) || !length.is_multiple_of(unit) {
            return Err(NorError(NorFlashErrorKind::NotAligned));
        }
        if from + length > self.bytes.len() {
            return Err(NorError(NorFlashErrorKind::OutOfBounds));
        }
        match self.is_off {
            true => Err(Self::OFF),
            false => Ok(from..from + length),
        }
    }
}

impl<const PAGE: usize, const WORD: usize> ErrorType for Nor<PAGE, WORD> {
    type Error = NorError;
}

impl<const PAGE: usize, const WORD: usize> ReadNorFlash for Nor<PAGE, WORD> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorError> {
        let range = self.range(offset, bytes.len(), 1)?;
        self.figures.read += bytes.len() as u64;
        bytes.copy_from_slice(&self.bytes[range]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const PAGE: usize, const WORD: usize> NorFlash for Nor<PAGE, WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorError> {
        let range = self.range(from, to.saturating_sub(from) as usize, PAGE)?;
        for page in range.step_by(PAGE) {
            let whole = self.step();
            self.figures.erased += 1;
            // Erasing sets bits all over the page, in no order.
            for at in page..page + PAGE {
                if whole || self.next_noise().is_multiple_of(2) {
                    self.bytes[at] = 0xff;
                }
            }
            if !whole {
                return Err(Self::OFF);
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorError> {
        let range = self.range(offset, bytes.len(), WORD)?;
        for (at, word) in range.step_by(WORD).zip(bytes.chunks(WORD)) {
            let whole = self.step();
            for (index, byte) in word.iter().enumerate() {
                let cleared = match whole {
                    true => *byte,
                    false => *byte | self.next_noise().to_le_bytes()[0],
                };
                self.bytes[at + index] &= cleared;
                self.figures.written += u64::from(whole);
            }
            if !whole {
                return Err(Self::OFF);
            }
        }
        Ok(())
    }
}

impl<const PAGE: usize, const WORD: usize> MultiwriteNorFlash for Nor<PAGE, WORD> {}
