//! Notes of the device about each message, in a file that outlives its kills.
//!
//! A number is noted before the device has the message. The next one follows when the device has it: in its queue's file,
//! if it has one. So of each life that ended in a kill, only the last message may not have been accepted.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

const NAME: &str = "journal";
const STARTED: &str = "started";
const MEASURED: &str = "measured";
const UNMEASURED: &str = "unmeasured";

/// The file, open to append. A line is one write: a kill leaves it there or not.
#[derive(Debug)]
pub(crate) struct Journal(File);

impl Journal {
    /// Begins a life. Gives the number of the last message too.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, u64)> {
        let path = folder.join(NAME);
        let file = File::options().create(true).append(true).open(path)?;
        let last = Account::read(folder)?.last;
        let journal = Self(file);
        journal.note(STARTED, last)?;
        Ok((journal, last))
    }

    pub(crate) fn measured(&self, number: u64) -> io::Result<()> {
        self.note(MEASURED, number)
    }

    /// The message fell due and was not measured.
    pub(crate) fn unmeasured(&self, number: u64) -> io::Result<()> {
        self.note(UNMEASURED, number)
    }

    fn note(&self, what: &str, number: u64) -> io::Result<()> {
        (&self.0).write_all(format!("{what} {number}\n").as_bytes())
    }
}

/// Totals of the journal over all lives of the device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// Number of the last message.
    pub(crate) last: u64,
    /// Messages that fell due and were not measured.
    pub(crate) unmeasured: BTreeSet<u64>,
    /// Messages that were the last of a life before another one.
    pub(crate) doubtful: BTreeSet<u64>,
}

impl Account {
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let mut account = Self::default();
        let mut newest = None;
        for line in std::fs::read_to_string(folder.join(NAME))?.lines() {
            let (what, number) = line.split_once(' ').unwrap_or_default();
            let number = number.parse().map_err(io::Error::other)?;
            match what {
                STARTED => account.doubtful.extend(newest.take()),
                UNMEASURED => {
                    account.unmeasured.insert(number);
                }
                _ => newest = Some(number),
            }
            account.last = account.last.max(number);
        }
        Ok(account)
    }
}
