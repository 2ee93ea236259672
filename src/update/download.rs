//! A download as a machine without I/O: which connection to open, what to send, which bytes of a response are the file's,
//! and when to try again.
//!
//! One request asks for the rest of the file. After an interruption the next one goes on where the bytes ended. A
//! response to the whole file is read too: its first bytes are passed over.

use core::time::Duration;

use sha2::{Digest as _, Sha256};

use super::address::Address;
use super::http::{self, Head};
use crate::backoff::doubled;
use crate::label::Label;
use crate::port::update::FileServer;
use crate::port::update::{FetchFailure, Job, MAX_ADDRESS};
use crate::time::Instant;

/// The first wait after a failure; it doubles.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// The longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// The most redirects in a row.
const MAX_REDIRECTS: u8 = 3;

/// Step that a download asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn<'d> {
    /// Open a connection, send [`Download::request`], and give what comes to [`Download::received`].
    Open(FileServer<'d>),
    /// Nothing to do until then.
    Sleep(Instant),
    /// It has ended: with the file's length, or for good.
    End(Result<u32, FetchFailure>),
}

/// A download.
#[derive(Clone, Debug)]
pub struct Download<'j> {
    job: &'j Job,
    /// Bytes of the file that were taken.
    taken: u32,
    /// Length of the file, once it is known.
    size: Option<u32>,
    hash: Sha256,
    address: usize,
    redirect: Label<MAX_ADDRESS>,
    redirects: u8,
    head: Head,
    /// The head was read: so many bytes of the body are to be passed over.
    skip: Option<u32>,
    failures: u32,
    not_before: Option<Instant>,
    end: Option<FetchFailure>,
    /// The rate is counted from here.
    paced: Option<(Instant, u32)>,
}

impl<'j> Download<'j> {
    /// A download whose first `taken` bytes are in flash, with their hash.
    // Not inlined: its parts are off the stack afterwards.
    #[inline(never)]
    pub fn new(job: &'j Job, taken: u32, hash: Sha256) -> Self {
        Self {
            job,
            taken,
            size: job.digest.map(|_| job.size),
            hash,
            address: 0,
            redirect: Label::EMPTY,
            redirects: 0,
            head: Head::new(),
            skip: None,
            failures: 0,
            not_before: None,
            end: None,
            paced: None,
        }
    }

    /// Bytes of the file that were taken.
    pub const fn taken(&self) -> u32 {
        self.taken
    }

    /// True if all bytes were taken.
    pub fn is_complete(&self) -> bool {
        self.size == Some(self.taken)
    }

    /// Step to be done now, without a connection.
    pub fn next(&mut self, now: Instant) -> Turn<'_> {
        if let Some(failure) = self.end {
            return Turn::End(Err(failure));
        }
        if self.is_complete() {
            return Turn::End(self.check().map(|()| self.taken));
        }
        if let Some(until) = self.not_before.take().filter(|until| now < *until) {
            self.not_before = Some(until);
            return Turn::Sleep(until);
        }
        while self.address < self.job.addresses.len() {
            if self.target().is_some() {
                // Borrowed again, since the loop changes what it is borrowed from.
                return match self.target() {
                    Some(address) => Turn::Open(address.server),
                    None => Turn::End(Err(FetchFailure::NoAddress)),
                };
            }
            self.address += 1;
        }
        Turn::End(Err(FetchFailure::NoAddress))
    }

    /// The address in use, after redirects.
    fn target(&self) -> Option<Address<'_>> {
        let address = Address::parse(self.job.addresses.get(self.address)?.as_str())?;
        match self.redirect.is_empty() {
            true => Some(address),
            false => address.redirected(self.redirect.as_str()),
        }
    }

    /// SHA-256 of what was taken.
    #[inline(never)]
    pub fn digest(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    fn check(&self) -> Result<(), FetchFailure> {
        match self.job.digest {
            Some(digest) if digest != self.digest() => Err(FetchFailure::Digest),
            _ => Ok(()),
        }
    }

    /// Request to send on a connection that was opened.
    ///
    /// # Errors
    ///
    /// `space` is too small: 1,024 bytes are enough.
    pub fn request<'s>(&mut self, space: &'s mut [u8]) -> Result<&'s [u8], FetchFailure> {
        self.head.clear();
        self.skip = None;
        let address = self.target().ok_or(FetchFailure::NoAddress)?;
        http::request(&address, self.taken, space).map_err(|_| FetchFailure::Buffer)
    }

    /// Takes bytes of a response, and gives those of the file. `None` if the connection is of no more use.
    pub fn received<'b>(&mut self, bytes: &'b [u8], now: Instant) -> Option<&'b [u8]> {
        let body = match self.skip {
            Some(_) => bytes,
            None => match self.head.take(bytes) {
                Err(http::Malformed) => return self.give_up(FetchFailure::Malformed),
                Ok(None) => return Some(&[]),
                Ok(Some(body)) => {
                    self.skip = Some(self.judge(now)?);
                    body
                }
            },
        };
        let skip = self.skip.unwrap_or(0);
        let passed = body.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
        self.skip = Some(skip - passed as u32);
        let body = body.get(passed..).unwrap_or_default();
        let left = self
            .size
            .map_or(u32::MAX, |size| size.saturating_sub(self.taken));
        let length = body.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let body = body.get(..length).unwrap_or_default();
        if !body.is_empty() {
            self.hash.update(body);
            self.taken += body.len() as u32;
            self.failures = 0;
            self.redirects = 0;
            self.paced.get_or_insert((now, self.taken));
        }
        Some(body)
    }

    /// Judges the head of a response. Gives the number of bytes of its body to pass over.
    fn judge(&mut self, now: Instant) -> Option<u32> {
        let from = match self.head.fields.status {
            200 => 0,
            206 => self.head.fields.range.map_or(u64::MAX, |(from, _)| from),
            301 | 302 | 303 | 307 | 308 => return self.follow(),
            408 | 429 | 500..=599 => {
                let failure = FetchFailure::Status(self.head.fields.status);
                self.failed(failure, now);
                if let Some(seconds) = self.head.fields.retry_after {
                    let wait = Duration::from_secs(seconds.into()).min(RETRY_AFTER_MAX);
                    self.not_before = Some(now.after(wait));
                }
                return None;
            }
            416 => return self.end(FetchFailure::Size),
            status => return self.give_up(FetchFailure::Status(status)),
        };
        let total = match (self.head.fields.status, self.head.fields.range) {
            (206, Some((_, Some(total)))) => Some(total),
            (_, _) => self
                .head
                .fields
                .content_length
                .and_then(|length| length.checked_add(from)),
        };
        if self.head.fields.is_encoded || from > u64::from(self.taken) {
            return self.give_up(FetchFailure::Malformed);
        }
        let total = total.and_then(|total| u32::try_from(total).ok());
        match (self.size, total) {
            // The length of a file without a digest is the server's word.
            (None, Some(total)) if total <= self.job.size => self.size = Some(total),
            (None, Some(_)) => return self.end(FetchFailure::TooLarge),
            (None, None) => return self.give_up(FetchFailure::Malformed),
            (Some(size), Some(total)) if size != total => return self.end(FetchFailure::Size),
            (Some(_), _) => {}
        }
        u32::try_from(u64::from(self.taken) - from).ok()
    }

    fn follow<T>(&mut self) -> Option<T> {
        self.redirects += 1;
        let location = self.head.fields.location.as_str();
        let is_same = self
            .target()
            .is_some_and(|address| address.redirected(location).is_some());
        if !is_same || self.redirects > MAX_REDIRECTS {
            return self.give_up(FetchFailure::Redirected);
        }
        self.redirect = self.head.fields.location;
        None
    }

    /// This address cannot be used at all: the next one, if there is one.
    pub(super) fn refuse(&mut self, failure: FetchFailure) {
        self.give_up::<()>(failure);
    }

    /// This address is of no more use: the next one, if there is one.
    fn give_up<T>(&mut self, failure: FetchFailure) -> Option<T> {
        self.redirect.clear();
        (self.redirects, self.failures, self.not_before) = (0, 0, None);
        self.address += 1;
        let rest = self.job.addresses.get(self.address..).unwrap_or_default();
        match rest.iter().any(|address| !address.is_empty()) {
            true => None,
            false => self.end(failure),
        }
    }

    const fn end<T>(&mut self, failure: FetchFailure) -> Option<T> {
        self.end = Some(failure);
        None
    }

    /// Failures in a row.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// A connection could not be opened, or broke before the file was complete.
    pub fn failed(&mut self, failure: FetchFailure, now: Instant) {
        self.failures += 1;
        if self.failures >= self.job.patience.max(1) {
            self.give_up::<()>(failure);
            return;
        }
        let wait = doubled(RETRY_MIN, self.failures - 1, RETRY_MAX);
        self.not_before = Some(now.after(wait));
        self.paced = None;
    }

    /// Time until which nothing more should be read, so that the rate is kept.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        let rate = self.job.rate.filter(|rate| *rate > 0)?;
        let (since, from) = self.paced?;
        let milliseconds = u64::from(self.taken - from) * 1000 / u64::from(rate);
        let until = since.after(Duration::from_millis(milliseconds));
        (now < until).then_some(until)
    }
}
