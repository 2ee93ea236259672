//! Two slots in files, and a boot loader over them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use azure_device::failure::Code;
use azure_device::label::Label;
use azure_device::port::Storage;
use azure_device::port::update::{ImageState, Slot, SlotError, SlotImage};

use crate::storage::FileStorage;

/// Start of an image.
const MARK: &str = "azure-device-image ";
/// Bytes that an image may have.
const CAPACITY: u32 = 16 * 1024 * 1024;
/// Bytes that are erased at a time, as by a flash.
const BLOCK: u32 = 4096;
/// Key of the boot loader's record.
const RECORD: &str = "boot";

/// Slots of a folder.
#[derive(Debug)]
pub struct Slots {
    folder: PathBuf,
    storage: FileStorage,
}

/// Order to the boot loader for the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Start the image that runs again.
    Same,
    /// Start the other image, on trial.
    Other,
    /// The image that runs is on trial: start the other one, which was there before.
    Back,
}

impl Slots {
    /// Slots in `folder`, which is made if it does not exist, with an image of this program's version.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let storage = FileStorage::in_folder(folder)?;
        let slots = Self {
            folder: folder.to_owned(),
            storage,
        };
        let first = slots.path(false);
        if !first.exists() {
            std::fs::write(first, Self::image(env!("CARGO_PKG_VERSION"), b""))?;
        }
        Ok(slots)
    }

    /// The bytes of an image of this version.
    pub fn image(version: &str, rest: &[u8]) -> Vec<u8> {
        [format!("{MARK}{version}\n").as_bytes(), rest].concat()
    }

    fn path(&self, second: bool) -> PathBuf {
        self.folder.join(if second {
            "slot-1.image"
        } else {
            "slot-0.image"
        })
    }

    /// True if the second slot runs, and what is next.
    fn record(&mut self) -> (bool, Next) {
        let mut buffer = [0; 2];
        match self.storage.load(RECORD, &mut buffer) {
            Ok(Some(2)) => {
                let [second, next] = buffer;
                let next = match next {
                    b'o' => Next::Other,
                    b'b' => Next::Back,
                    _ => Next::Same,
                };
                (second == b'1', next)
            }
            _ => (false, Next::Same),
        }
    }

    fn set(&mut self, second: bool, next: Next) -> Result<(), SlotError> {
        let next = match next {
            Next::Same => b's',
            Next::Other => b'o',
            Next::Back => b'b',
        };
        let record = [if second { b'1' } else { b'0' }, next];
        let stored = self.storage.store(RECORD, &record);
        stored.map_err(|_| SlotError(Code(0)))
    }

    /// A start, as the boot loader sees it. Gives the version of the image that runs.
    pub fn boot(&mut self) -> String {
        let (second, next) = self.record();
        let (second, next) = match next {
            Next::Same => (second, Next::Same),
            Next::Other => (!second, Next::Back),
            Next::Back => (!second, Next::Same),
        };
        if let Err(error) = self.set(second, next) {
            log::error!("update: {error}");
        }
        let version = version(&self.path(second));
        log::info!(
            "image {version} runs{}",
            if next == Next::Back { ", on trial" } else { "" }
        );
        version
    }

    /// Has the other image started at the next start, on trial.
    pub(crate) fn request_trial(&mut self) -> Result<(), SlotError> {
        let (second, _) = self.record();
        self.set(second, Next::Other)
    }

    /// Image in the slot.
    pub(crate) fn slot_image(&mut self) -> SlotImage {
        let (second, _) = self.record();
        match version(&self.path(!second)) {
            version if version.is_empty() => SlotImage::None,
            version => Label::new(version).map_or(SlotImage::None, SlotImage::Version),
        }
    }

    /// State of the image that runs.
    pub(crate) fn image_state(&mut self) -> ImageState {
        match self.record().1 {
            Next::Back => ImageState::OnTrial,
            Next::Same | Next::Other => ImageState::Confirmed,
        }
    }

    /// Keeps the image that runs.
    pub(crate) fn confirm(&mut self) -> Result<(), SlotError> {
        let (second, _) = self.record();
        self.set(second, Next::Same)
    }

    /// The slot of the image that does not run.
    pub(crate) fn other(&mut self) -> io::Result<OtherSlot> {
        let (second, _) = self.record();
        OtherSlot::open(&self.path(!second))
    }
}

/// The version that an image says it has; empty if it is none.
fn version(path: &Path) -> String {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(128).read_to_end(&mut start));
    let text = String::from_utf8_lossy(&start);
    let line = text
        .lines()
        .next()
        .filter(|_| read.is_ok())
        .unwrap_or_default();
    line.strip_prefix(MARK).unwrap_or_default().to_owned()
}

/// The slot that a new image is written to.
#[derive(Debug)]
pub(crate) struct OtherSlot(File);

impl OtherSlot {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(path).map(Self)
    }

    fn at(&mut self, offset: u32) -> io::Result<&mut File> {
        self.0.seek(SeekFrom::Start(offset.into()))?;
        Ok(&mut self.0)
    }
}

fn failed(error: io::Error) -> SlotError {
    SlotError(Code(error.raw_os_error().unwrap_or(0)))
}

impl Slot for OtherSlot {
    fn capacity(&self) -> u32 {
        CAPACITY
    }

    fn write_block(&self) -> usize {
        1
    }

    fn erase_block(&self, offset: u32) -> (u32, u32) {
        (offset / BLOCK * BLOCK, BLOCK)
    }

    fn erase(&mut self, start: u32, length: u32) -> Result<(), SlotError> {
        let blank = vec![0xff; length as usize];
        let erased = self.at(start).and_then(|file| file.write_all(&blank));
        erased.map_err(failed)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotError> {
        let written = self.at(offset).and_then(|file| {
            file.write_all(bytes)?;
            file.sync_data()
        });
        written.map_err(failed)
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        let read = self.at(offset).and_then(|file| file.read_exact(bytes));
        read.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> (tempfile::TempDir, Slots) {
        let folder = tempfile::tempdir().expect("a folder");
        let slots = Slots::open(folder.path()).expect("slots");
        (folder, slots)
    }

    #[test]
    fn an_image_on_trial_that_is_not_kept_gives_way_to_the_one_before() {
        let (folder, mut slots) = slots();
        let own = env!("CARGO_PKG_VERSION");
        assert_eq!(slots.boot(), own);
        std::fs::write(
            folder.path().join("slot-1.image"),
            Slots::image("2.0.0", b"x"),
        )
        .expect("written");
        assert_eq!(slots.boot(), own);
        slots.request_trial().expect("stored");
        assert_eq!(slots.image_state(), ImageState::Confirmed);
        assert_eq!(
            (slots.boot(), slots.image_state()),
            ("2.0.0".into(), ImageState::OnTrial)
        );
        assert_eq!(
            (slots.boot(), slots.image_state()),
            (own.into(), ImageState::Confirmed)
        );
        slots.request_trial().expect("stored");
        assert_eq!(slots.boot(), "2.0.0");
        slots.confirm().expect("stored");
        let mut slots = Slots::open(folder.path()).expect("slots");
        assert_eq!(
            (slots.boot(), slots.image_state()),
            ("2.0.0".into(), ImageState::Confirmed)
        );
    }

    #[test]
    fn what_is_written_to_the_other_slot_is_read_from_it() {
        let (_folder, mut slots) = slots();
        let mut slot = slots.other().expect("a slot");
        slot.erase(0, BLOCK).expect("erased");
        slot.write(10, b"image").expect("written");
        let mut bytes = [0; 7];
        slot.read(9, &mut bytes).expect("read");
        assert_eq!(&bytes, b"\xffimage\xff");
        assert_eq!(slot.erase_block(5000), (4096, 4096));
    }
}
