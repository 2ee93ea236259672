//! One file of events, read where it is: of each event, memory holds its place only.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Events that follow each other in one file.
#[derive(Debug)]
pub(super) struct Segment {
    file: Arc<File>,
    /// The sequence number of the first event.
    first: u64,
    places: Places,
}

/// Places of events in a file.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The first byte of each.
    starts: Vec<u32>,
    /// The end of the last.
    end: u64,
}

/// Lines of some events, to be read without a lock.
#[derive(Debug)]
pub(super) struct Lines {
    file: Arc<File>,
    /// Bytes of the file.
    bytes: Range<u64>,
    /// The first byte of each in `bytes`.
    starts: Vec<usize>,
    /// The sequence number that follows the last.
    pub(super) next: u64,
}

impl Places {
    /// No event, in a file whose header has `header` bytes.
    pub(super) const fn after(header: u64) -> Self {
        Self {
            starts: Vec::new(),
            end: header,
        }
    }

    /// Adds the next event, of this many bytes.
    pub(super) fn push(&mut self, length: usize) -> Result<(), String> {
        let start = u32::try_from(self.end);
        self.starts
            .push(start.map_err(|_| "lies beyond 4 GB".to_owned())?);
        self.end += length as u64;
        Ok(())
    }

    /// The file ends here: a line feed was added.
    pub(super) fn end_at(&mut self, end: u64) {
        self.end = end;
    }
}

impl Segment {
    /// The events of a file, the first of which has the number `first`.
    pub(super) fn new(file: File, first: u64, places: Places) -> Self {
        Self {
            file: Arc::new(file),
            first,
            places,
        }
    }

    /// Adds the next event, of this many bytes.
    pub(super) fn push(&mut self, length: usize) -> Result<(), String> {
        self.places.push(length)
    }

    /// The sequence number of the next event.
    pub(super) fn next(&self) -> u64 {
        self.first.saturating_add(self.places.starts.len() as u64)
    }

    /// The lines from event `from` on: `most` at most, and more than `bytes` only if the first alone has more. `None`
    /// if there is none.
    pub(super) fn lines(&self, from: u64, most: usize, bytes: u64) -> Option<Lines> {
        let skipped = usize::try_from(from.saturating_sub(self.first)).ok()?;
        let starts = self.places.starts.get(skipped..)?;
        let begin = u64::from(*starts.first()?);
        let fits = |start: &&u32| u64::from(**start).saturating_sub(begin) <= bytes;
        let mut count = starts.iter().take(most).take_while(fits).count();
        let mut end = self.end_of(starts, count);
        if end - begin > bytes && count > 1 {
            count -= 1;
            end = self.end_of(starts, count);
        }
        let in_bytes = |start: &u32| usize::try_from(u64::from(*start) - begin).ok();
        Some(Lines {
            file: Arc::clone(&self.file),
            bytes: begin..end,
            starts: starts.iter().take(count).map_while(in_bytes).collect(),
            next: self.first.saturating_add((skipped + count) as u64),
        })
    }

    fn end_of(&self, starts: &[u32], count: usize) -> u64 {
        starts
            .get(count)
            .map_or(self.places.end, |start| u64::from(*start))
    }
}

impl Lines {
    /// Gives each line to `take`.
    pub(super) fn read(&self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let length = usize::try_from(self.bytes.end - self.bytes.start).unwrap_or_default();
        let mut bytes = vec![0; length];
        read_at(&self.file, &mut bytes, self.bytes.start)?;
        for (number, start) in self.starts.iter().enumerate() {
            let end = self.starts.get(number + 1).copied().unwrap_or(length);
            take(bytes.get(*start..end).unwrap_or_default());
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = bytes.get_mut(read..).unwrap_or_default();
        offset += read as u64;
    }
    Ok(())
}
