//! Stories that outlive the process: each happening under a key of its own.
//!
//! Every change of memory is one record of the journal, with what made room for it. So the journal has what memory has,
//! and the same bounds hold for it. A story is no state: where it cannot be kept, the hub says so and goes on.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Detail, Dropped, Happening, What};
use crate::store::{Batch, Store};

/// Label of what the provisioning service answers, the only packet in the story of a registration.
pub(crate) const ANSWER: &str = "answer";

/// Kind of the keys in the journal.
const PREFIX: &str = "dps-story/";

/// Happening as it is kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    time: u64,
    last: u64,
    count: u64,
    what: What,
    detail: String,
}

/// The journal behind the stories of registrations.
#[derive(Debug)]
pub(super) struct Journal(Arc<Store>);

/// Changes of stories that happen together.
#[derive(Default)]
pub(super) struct Changes(Batch);

impl Changes {
    /// Keeps happenings of a subject.
    pub(super) fn keep<'h>(&mut self, subject: &str, all: impl Iterator<Item = &'h Happening>) {
        for one in all {
            let kept = Kept {
                time: one.time,
                last: one.last,
                count: one.count,
                what: one.what,
                detail: one.detail.to_string(),
            };
            // Numbers and texts are always JSON.
            let _ = self.0.put(key(subject, one.number), &kept);
        }
    }

    /// Removes what made room for a happening of a subject.
    pub(super) fn remove(&mut self, subject: &str, dropped: Dropped) {
        if let Some(one) = dropped.happening {
            self.0.remove(key(subject, one.number));
        }
        if let Some((subject, story)) = dropped.story {
            for one in story.all() {
                self.0.remove(key(&subject, one.number));
            }
        }
    }
}

impl Journal {
    pub(super) const fn new(store: Arc<Store>) -> Self {
        Self(store)
    }

    /// Kept happenings with their subjects, oldest first.
    pub(super) fn read(&self) -> Vec<(String, Happening)> {
        let mut all: Vec<_> = self
            .0
            .scan::<Kept>(PREFIX)
            .into_iter()
            .filter_map(|(key, kept)| {
                let (subject, number) = key.strip_prefix(PREFIX)?.rsplit_once('/')?;
                let number = number.parse().ok()?;
                Some((subject.to_owned(), kept.into_happening(number)))
            })
            .collect();
        all.sort_by_key(|(_, one)| one.number);
        all
    }

    /// Writes changes; nothing if there are none.
    pub(super) fn write(&self, changes: Changes) {
        if let Err(error) = self.0.write(changes.0) {
            log::warn!("the story of a registration is not kept: {error}");
        }
    }
}

impl Kept {
    fn into_happening(self, number: u64) -> Happening {
        Happening {
            number,
            changed: number,
            time: self.time,
            last: self.last,
            count: self.count,
            label: if self.what.is_packet() { ANSWER } else { "" },
            what: self.what,
            detail: Detail::Text(self.detail.into()),
        }
    }
}

fn key(subject: &str, number: u64) -> String {
    format!("{PREFIX}{subject}/{number}")
}
