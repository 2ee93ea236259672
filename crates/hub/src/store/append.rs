//! A file of records that only grows, and never keeps half a record because of a failed write.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::files::{close_to_others, open_own, unusable, write_atomically};
use super::records::{self, Damage, Format, Position, Tail};
use crate::error::StartError;

/// An append-only file of records.
#[derive(Debug)]
pub(crate) struct AppendFile {
    file: File,
    length: u64,
    /// Set when a failed write could not be undone: the end of the file is unknown.
    broken: bool,
}

impl AppendFile {
    /// Opens the file of records at `path`, or makes it, and gives every record to `take`, with the length of its
    /// line; `take` says what is wrong with a record.
    ///
    /// A partial last record is cut off, a missing last line feed is added. Of any other damage the place is told,
    /// and nothing is changed.
    pub(crate) fn open(
        path: &Path,
        format: &Format,
        take: impl FnMut(&[u8], usize) -> Result<(), String>,
    ) -> Result<Self, StartError> {
        let Some((file, bytes)) = read(path)? else {
            return Self::create(path, format, &[]).map_err(|error| unusable(path, error));
        };
        let tail = judge(path, &bytes, format, take)?;
        close_to_others(&file, path)?;
        let mut opened = Self {
            file,
            length: bytes.len() as u64,
            broken: false,
        };
        opened
            .mend(path, &bytes, &tail)
            .map_err(|error| unusable(path, error))?;
        Ok(opened)
    }

    /// Reads a file that nobody appends to any more, and gives it; it may be missing. It ends in a whole record.
    pub(crate) fn read_finished(
        path: &Path,
        format: &Format,
        take: impl FnMut(&[u8], usize) -> Result<(), String>,
    ) -> Result<Option<(File, u64)>, StartError> {
        let Some((file, bytes)) = read(path)? else {
            return Ok(None);
        };
        match judge(path, &bytes, format, take)? {
            Tail::Partial(place) => Err(damaged(
                path,
                &bytes,
                &place,
                "is only the beginning of a record",
            )),
            Tail::Whole | Tail::Unterminated => {
                close_to_others(&file, path)?;
                Ok(Some((file, bytes.len() as u64)))
            }
        }
    }

    /// Puts a new file in the place of the one at `path`, with these lines: all or nothing.
    pub(crate) fn create(path: &Path, format: &Format, lines: &[u8]) -> io::Result<Self> {
        let mut contents = records::header(format);
        contents.extend(lines);
        Ok(Self {
            file: write_atomically(path, &contents, true)?,
            length: contents.len() as u64,
            broken: false,
        })
    }

    fn mend(&mut self, path: &Path, bytes: &[u8], tail: &Tail) -> io::Result<()> {
        match tail {
            Tail::Whole => Ok(()),
            Tail::Unterminated => {
                log::warn!(
                    "added the line feed that the last record of {} lacked",
                    path.display()
                );
                self.append(b"\n")
            }
            Tail::Partial(place) => {
                self.file.set_len(place.bytes.start as u64)?;
                self.length = place.bytes.start as u64;
                log::warn!(
                    "cut a partial last record off {}: {} bytes at byte {}{}; nobody was told that it was kept",
                    path.display(),
                    place.bytes.len(),
                    place.bytes.start,
                    subject(bytes.get(place.bytes.clone()).unwrap_or_default())
                );
                Ok(())
            }
        }
    }

    /// Bytes in the file.
    pub(crate) const fn len(&self) -> u64 {
        self.length
    }

    /// Says that the end of the file is unknown, since a write failed and could not be undone.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Hands all of `record` to the operating system, or leaves the file as it was.
    ///
    /// After this returns, a kill of the process cannot lose the record; a power failure can until the
    /// next [`Self::sync`].
    pub(crate) fn append(&mut self, record: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other(
                "an earlier write failed and could not be undone; restart the hub",
            ));
        }
        if let Err(error) = self.file.write_all(record) {
            self.broken = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += record.len() as u64;
        Ok(())
    }

    /// Waits until the medium has everything.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Another handle on the same file, to read, or to [`File::sync_data`] without holding a lock.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

fn read(path: &Path) -> Result<Option<(File, Vec<u8>)>, StartError> {
    let Some(mut file) = open_own(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| unusable(path, error))?;
    Ok(Some((file, bytes)))
}

/// Gives every record to `take`; the first thing that is wrong is the error.
fn judge(
    path: &Path,
    bytes: &[u8],
    format: &Format,
    mut take: impl FnMut(&[u8], usize) -> Result<(), String>,
) -> Result<Tail, StartError> {
    let (records, tail) = records::scan(bytes, format).map_err(|damage| match damage {
        Damage::Foreign(detail) => StartError::ForeignState {
            path: path.to_owned(),
            detail: detail.to_owned(),
        },
        Damage::Line(place, why) => damaged(path, bytes, &place, &why),
    })?;
    for record in records {
        take(record.json, record.place.bytes.len())
            .map_err(|why| damaged(path, bytes, &record.place, &why))?;
    }
    Ok(tail)
}

/// The refusal of a file: its place, and the remedy if nothing but the last line is lost by it.
fn damaged(path: &Path, bytes: &[u8], place: &Position, why: &str) -> StartError {
    let mut detail = format!("line {}, at byte {}, {why}", place.line, place.bytes.start);
    if place.bytes.end == bytes.len() {
        detail.push_str(&format!(
            "; it is the last one, and `truncate -s {} {}` gives it up",
            place.bytes.start,
            path.display()
        ));
    }
    StartError::CorruptState {
        path: path.to_owned(),
        detail,
    }
}

/// The key that a partial record of the journal begins with. Keys hold no secrets: kinds and ids.
fn subject(partial: &[u8]) -> String {
    let key = std::str::from_utf8(partial)
        .ok()
        .and_then(|text| text.split_once(" [[\""))
        .and_then(|(_, rest)| rest.split_once('"'));
    match key {
        Some((key, _)) => format!(", about {key:?}"),
        None => String::new(),
    }
}
