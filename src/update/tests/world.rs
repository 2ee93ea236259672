//! A world for downloads and updates: flash that behaves as NOR flash, a server of files with faults, and a boot loader.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use crate::failure::{Code, ConnectError, TcpFailure};
use crate::label::Label;
use crate::port::StorageError;
use crate::port::update::{
    FetchFailure, Fetcher, FileServer, ImageState, Job, News, Slot, SlotError, SlotImage, Updater,
};
use crate::time::Instant;
use crate::update::fetch;

/// Erase blocks: small ones, and a large one, as some STM32 have them.
pub(crate) const BLOCKS: [u32; 9] = [1024, 1024, 2048, 2048, 4096, 16384, 16384, 16384, 16384];

/// Answers of a server to a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Gives the range that is asked for.
    Good,
    /// Gives the whole file whatever is asked for.
    Whole,
    /// Ends the connection after so many bytes of the body.
    Cut(usize),
    /// Gives this as it is.
    Raw(String),
    /// Accepts no connection.
    Refuse,
    /// Ends the connection without a word.
    Close,
}

/// Flash, server and clock of a download.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    pub(crate) now: u64,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Answers that come before good ones.
    pub(crate) answers: VecDeque<Answer>,
    /// First line, `Host` and `Range` of each request.
    pub(crate) requests: Vec<String>,
    pub(crate) flash: Vec<u8>,
    pub(crate) write_block: usize,
    /// Numbers of writes that remain before the flash fails.
    pub(crate) writes_left: Option<usize>,
    /// A byte that reads wrong.
    pub(crate) bad_byte: Option<u32>,
    /// Bytes in flash after which a stop is asked for.
    pub(crate) stop_at: Option<u32>,
    pub(crate) progress: Vec<u32>,
    pub(crate) erased: Vec<(u32, u32)>,
    pub(crate) stopped: bool,
    /// The platform has no TLS.
    pub(crate) without_tls: bool,
}

impl Default for Net {
    fn default() -> Self {
        Self {
            now: 0,
            files: BTreeMap::new(),
            answers: VecDeque::new(),
            requests: Vec::new(),
            flash: vec![0x55; BLOCKS.iter().sum::<u32>() as usize],
            write_block: 8,
            writes_left: None,
            bad_byte: None,
            stop_at: None,
            progress: Vec::new(),
            erased: Vec::new(),
            stopped: false,
            without_tls: false,
        }
    }
}

impl Slot for Net {
    fn capacity(&self) -> u32 {
        self.flash.len() as u32
    }

    fn write_block(&self) -> usize {
        self.write_block
    }

    fn erase_block(&self, offset: u32) -> (u32, u32) {
        let mut start = 0;
        for length in BLOCKS {
            if offset < start + length {
                return (start, length);
            }
            start += length;
        }
        panic!("no block at {offset}")
    }

    fn erase(&mut self, start: u32, length: u32) -> Result<(), SlotError> {
        assert_eq!((start, length), self.erase_block(start));
        self.flash[start as usize..(start + length) as usize].fill(0xff);
        self.erased.push((start, length));
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotError> {
        if let Some(left) = &mut self.writes_left {
            *left = left.checked_sub(1).ok_or(SlotError(Code(5)))?;
        }
        assert_eq!(offset as usize % self.write_block, 0);
        assert_eq!(bytes.len() % self.write_block, 0);
        let place = &mut self.flash[offset as usize..offset as usize + bytes.len()];
        assert!(
            place.iter().all(|byte| *byte == 0xff),
            "written twice at {offset}"
        );
        place.copy_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        let end = offset as usize + bytes.len();
        bytes.copy_from_slice(&self.flash[offset as usize..end]);
        if let Some(bad) = self.bad_byte
            && let Some(byte) = bad
                .checked_sub(offset)
                .and_then(|at| bytes.get_mut(at as usize))
        {
            *byte ^= 1;
        }
        Ok(())
    }
}

/// A connection: what was sent, and what is to be read.
pub(crate) struct Pipe {
    answer: Answer,
    files: BTreeMap<String, Vec<u8>>,
    request: Vec<u8>,
    response: Option<Vec<u8>>,
    requests: std::rc::Rc<std::cell::RefCell<Vec<String>>>,
}

#[derive(Debug)]
pub(crate) struct Broken;

impl core::fmt::Display for Broken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("broken")
    }
}

impl core::error::Error for Broken {}

impl embedded_io::Error for Broken {
    fn kind(&self) -> embedded_io::ErrorKind {
        embedded_io::ErrorKind::ConnectionReset
    }
}

impl embedded_io::ErrorType for Pipe {
    type Error = Broken;
}

impl embedded_io::Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Broken> {
        Ok(())
    }
}

impl embedded_io::Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        let response = match &mut self.response {
            Some(response) => response,
            None => {
                let request = String::from_utf8(core::mem::take(&mut self.request)).unwrap();
                let response = self.respond(&request);
                self.response.insert(response)
            }
        };
        let count = buffer.len().min(response.len()).min(301);
        buffer[..count].copy_from_slice(&response[..count]);
        response.drain(..count);
        Ok(count)
    }
}

impl Pipe {
    fn respond(&self, request: &str) -> Vec<u8> {
        let lines: Vec<&str> = request.split("\r\n").collect();
        let range = lines
            .iter()
            .find_map(|line| line.strip_prefix("Range: bytes="))
            .unwrap();
        let from: usize = range.trim_end_matches('-').parse().unwrap();
        let path = lines[0].split(' ').nth(1).unwrap();
        self.requests.borrow_mut().push(format!("{path} {from}"));
        let Some(file) = self.files.get(path) else {
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
        };
        let part = |body: &[u8]| {
            let end = file.len() - 1;
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{end}/{}\r\n\r\n",
                file.len() - from,
                file.len()
            );
            [head.as_bytes(), body].concat()
        };
        match &self.answer {
            Answer::Good => part(&file[from..]),
            Answer::Cut(count) => part(&file[from..(from + count).min(file.len())]),
            Answer::Whole => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
                [head.as_bytes(), file].concat()
            }
            Answer::Raw(text) => text.as_bytes().to_vec(),
            Answer::Refuse | Answer::Close => Vec::new(),
        }
    }
}

/// A net with the shared log of its connections.
pub(crate) struct Thread<'n>(
    pub(crate) &'n mut Net,
    std::rc::Rc<std::cell::RefCell<Vec<String>>>,
);

impl Slot for Thread<'_> {
    fn capacity(&self) -> u32 {
        self.0.capacity()
    }

    fn write_block(&self) -> usize {
        self.0.write_block()
    }

    fn erase_block(&self, offset: u32) -> (u32, u32) {
        self.0.erase_block(offset)
    }

    fn erase(&mut self, start: u32, length: u32) -> Result<(), SlotError> {
        self.0.erase(start, length)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotError> {
        self.0.write(offset, bytes)
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        Slot::read(self.0, offset, bytes)
    }
}

impl Fetcher for Thread<'_> {
    type Stream = Pipe;

    fn speaks_tls(&self) -> bool {
        !self.0.without_tls
    }

    fn open(&mut self, server: FileServer<'_>) -> Result<Pipe, ConnectError> {
        assert_eq!((server.host, server.port), ("files.example", 8080));
        assert!(!(server.tls && self.0.without_tls));
        let answer = self.0.answers.pop_front().unwrap_or(Answer::Good);
        if matches!(answer, Answer::Refuse) {
            return Err(ConnectError::Tcp(TcpFailure::Refused, Code(0)));
        }
        Ok(Pipe {
            answer,
            files: self.0.files.clone(),
            request: Vec::new(),
            response: None,
            requests: self.1.clone(),
        })
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.0.now)
    }

    fn sleep(&mut self, until: Instant) {
        self.0.now = self.0.now.max(until.as_millis());
    }

    fn is_stopped(&self) -> bool {
        self.0.stopped
    }

    fn progress(&mut self, written: u32) {
        self.0.progress.push(written);
        if self.0.stop_at.is_some_and(|at| written >= at) {
            self.0.stopped = true;
        }
    }
}

impl Net {
    /// Runs a download to its end, with a buffer of this size.
    pub(crate) fn fetch(&mut self, job: &Job, buffer: usize) -> Result<u32, FetchFailure> {
        self.stopped = false;
        self.progress.clear();
        let log = std::rc::Rc::default();
        let mut thread = Thread(self, std::rc::Rc::clone(&log));
        let result = fetch(job, &mut thread, &mut vec![0; buffer]);
        self.requests.append(&mut log.borrow_mut());
        result
    }
}

/// An image: its first line is its version.
pub(crate) fn image(version: &str, length: usize) -> Vec<u8> {
    let mut image = version.to_string().into_bytes();
    image.push(b'\n');
    image.extend((image.len()..length).map(|at| (at * 31 % 251) as u8));
    image
}

fn version_of(image: &[u8]) -> String {
    let line = image
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

/// The power is cut: what a device's run ends with.
#[derive(Debug)]
pub(crate) struct PowerCut;

/// A device's flash with two slots, a boot loader that swaps them, and a storage.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) net: Net,
    /// The image that runs.
    pub(crate) primary: Vec<u8>,
    /// True if the boot loader is to start the other image on trial.
    pub(crate) trial_wanted: bool,
    pub(crate) on_trial: bool,
    pub(crate) storage: BTreeMap<String, Vec<u8>>,
    pub(crate) job: Option<Job>,
    pub(crate) news: VecDeque<News>,
    /// A download goes on when the test says so.
    pub(crate) is_slow: bool,
    pub(crate) fails: bool,
    /// Milliseconds from one report of progress to the next; 0 has a download end within its start.
    pub(crate) pace: u64,
    pub(crate) now: u64,
    /// News of a download that goes on, with their times.
    pub(crate) due: VecDeque<(u64, News)>,
    /// Bytes of that download that are in flash.
    pub(crate) written: u32,
    /// Steps that survive a restart (loads and stores, trials that are requested, images that are kept) until the power
    /// is cut, and whether the last one is still done.
    pub(crate) cut: Option<(usize, bool)>,
}

impl Board {
    pub(crate) fn version(&self) -> String {
        version_of(&self.primary)
    }

    /// A restart, as the boot loader sees it: test swap, revert, or nothing.
    pub(crate) fn restart(&mut self) {
        if self.trial_wanted || self.on_trial {
            let length = self.primary.len();
            let other = self.net.flash.clone();
            self.net.flash[..length].copy_from_slice(&self.primary);
            self.primary = other;
        }
        self.on_trial = core::mem::take(&mut self.trial_wanted);
        self.job = None;
        self.news.clear();
        self.end_download();
    }

    /// A download wrote nothing after its end.
    fn end_download(&mut self) {
        if !self.due.is_empty() {
            self.due.clear();
            let rest = self.net.flash.get_mut(self.written as usize..);
            rest.unwrap_or_default().fill(0x55);
        }
    }

    /// Time of the next news.
    pub(crate) fn news_due(&self) -> Option<u64> {
        self.due.front().map(|(at, _)| *at)
    }

    /// A step that survives a restart. The power may be cut before it, or after it.
    fn step<T>(&mut self, step: impl FnOnce(&mut Self) -> T) -> T {
        let Some((left, is_done)) = &mut self.cut else {
            return step(self);
        };
        if *left > 0 {
            *left -= 1;
            return step(self);
        }
        let is_done = *is_done;
        self.cut = None;
        if is_done {
            step(self);
        }
        // Not a panic, whose message would be printed.
        std::panic::resume_unwind(std::boxed::Box::new(PowerCut))
    }

    /// Runs the download that was begun.
    pub(crate) fn download(&mut self) {
        if let Some(job) = self.job.take() {
            let result = self.net.fetch(&job, 1024);
            let progress = core::mem::take(&mut self.net.progress);
            self.news.extend(progress.into_iter().map(News::Progress));
            self.news.push_back(News::Ended(result));
        }
    }
}

impl Updater for Board {
    fn begin(&mut self, job: &Job) {
        assert!(self.job.is_none(), "one download at a time");
        self.job = Some(*job);
        if self.is_slow {
            return;
        }
        self.download();
        if self.pace > 0 {
            self.written = job.offset;
            let news = core::mem::take(&mut self.news);
            let times = (1..).map(|step| self.now + step * self.pace);
            self.due = times.zip(news).collect();
        }
    }

    fn stop(&mut self) {
        if self.job.take().is_some() || !self.due.is_empty() {
            self.end_download();
            self.news.push_back(News::Ended(Err(FetchFailure::Stopped)));
        }
    }

    fn news(&mut self) -> Option<News> {
        if self.news_due().is_some_and(|at| at <= self.now)
            && let Some((_, news)) = self.due.pop_front()
        {
            if let News::Progress(written) = news {
                self.written = written;
            }
            return Some(news);
        }
        self.news.pop_front()
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SlotError> {
        Slot::read(&mut self.net, offset, bytes)
    }

    fn request_trial(&mut self) -> Result<(), SlotError> {
        if self.fails {
            return Err(SlotError(Code(5)));
        }
        self.step(|board| board.trial_wanted = true);
        Ok(())
    }

    fn slot_image(&mut self) -> Result<SlotImage, SlotError> {
        Ok(match version_of(&self.net.flash) {
            version if version.len() > 20 => SlotImage::None,
            version => SlotImage::Version(Label::new(version).unwrap()),
        })
    }

    fn image_state(&mut self) -> ImageState {
        match self.on_trial {
            true => ImageState::OnTrial,
            false => ImageState::Confirmed,
        }
    }

    fn confirm(&mut self) -> Result<(), SlotError> {
        self.step(|board| board.on_trial = false);
        Ok(())
    }

    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        self.step(|_| ());
        let Some(value) = self.storage.get(key) else {
            return Ok(None);
        };
        buffer[..value.len()].copy_from_slice(value);
        Ok(Some(value.len()))
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        if self.fails {
            return Err(StorageError::Medium(5));
        }
        self.step(|board| board.storage.insert(key.to_string(), value.to_vec()));
        Ok(())
    }
}

/// A second.
pub(crate) const SECOND: Duration = Duration::from_secs(1);
