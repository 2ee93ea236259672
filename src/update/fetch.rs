//! The loop that joins a [`Download`] with a [`Fetcher`]: the work of the thread beside the device loop.

use embedded_io::{Read as _, Write as _};
use sha2::{Digest as _, Sha256};

use super::download::{Download, Turn};
use crate::logging::warn;
use crate::port::update::Fetcher;
use crate::port::update::{FetchFailure, Job};

/// Bytes of the buffer that a read may bring.
const RECEIVE: usize = 512;
/// The least buffer of a download, in bytes.
pub const MIN_BUFFER: usize = 1024;

/// Downloads a file into the slot, and gives its length. It is hashed as it is written, and once more from flash.
///
/// `buffer` has 1,024 bytes at least: 512 to receive, the rest to gather a write.
///
/// # Errors
///
/// It failed for good, or was stopped.
pub fn fetch<F: Fetcher>(
    job: &Job,
    fetcher: &mut F,
    buffer: &mut [u8],
) -> Result<u32, FetchFailure> {
    if buffer.len() < MIN_BUFFER {
        return Err(FetchFailure::Buffer);
    }
    if job.size > fetcher.capacity() {
        return Err(FetchFailure::TooLarge);
    }
    let (receive, gather) = buffer.split_at_mut(RECEIVE);
    let block = fetcher.write_block().max(1);
    let usable = gather.len() / block * block;
    let gather = gather.get_mut(..usable).unwrap_or_default();
    // A block that was begun is erased and written again.
    let offset = match job.offset.min(job.size) {
        0 => 0,
        offset => fetcher.erase_block(offset).0,
    };
    let hash = hash_of(fetcher, offset, receive)?;
    let mut download = Download::new(job, offset, hash);
    let mut page = Page {
        gather,
        length: 0,
        written: offset,
        erased: offset,
    };
    loop {
        if fetcher.is_stopped() {
            return Err(FetchFailure::Stopped);
        }
        match download.next(fetcher.now()) {
            Turn::Sleep(until) => fetcher.sleep(until),
            Turn::Open(server) if server.tls && !fetcher.speaks_tls() => {
                download.refuse(FetchFailure::NoTls);
            }
            Turn::Open(server) => match fetcher.open(server) {
                Ok(mut stream) => {
                    let result =
                        receive_all(&mut download, fetcher, &mut stream, receive, &mut page);
                    page.flush(fetcher, download.is_complete())?;
                    result?;
                }
                Err(error) => failed(&mut download, FetchFailure::Connect(error), fetcher),
            },
            Turn::End(result) => {
                let length = result?;
                return check_flash(&download, length, fetcher, receive);
            }
        }
    }
}

/// Notes a failure, which is told the first, second, fourth, eighth time in a row.
fn failed(download: &mut Download<'_>, failure: FetchFailure, fetcher: &impl Fetcher) {
    download.failed(failure, fetcher.now());
    let failures = download.failures();
    if failures.is_power_of_two() {
        warn!("update: {failure} ({failures}); the download goes on later");
    }
}

/// Sends the request, and takes what comes until the connection is of no more use.
fn receive_all<F: Fetcher>(
    download: &mut Download<'_>,
    fetcher: &mut F,
    stream: &mut F::Stream,
    receive: &mut [u8],
    page: &mut Page<'_>,
) -> Result<(), FetchFailure> {
    let request = download.request(receive)?;
    if stream
        .write_all(request)
        .and_then(|()| stream.flush())
        .is_err()
    {
        failed(download, FetchFailure::Broken, fetcher);
        return Ok(());
    }
    while !download.is_complete() {
        if fetcher.is_stopped() {
            return Err(FetchFailure::Stopped);
        }
        if let Some(until) = download.paused_until(fetcher.now()) {
            fetcher.sleep(until);
            continue;
        }
        let bytes = match stream.read(receive) {
            Ok(count @ 1..) => receive.get(..count).unwrap_or_default(),
            _ => {
                failed(download, FetchFailure::Broken, fetcher);
                return Ok(());
            }
        };
        match download.received(bytes, fetcher.now()) {
            Some(body) => page.push(fetcher, body)?,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Hashes the file once more, from flash. Not inlined: two hashes are large for the stack of a download.
#[inline(never)]
fn check_flash<F: Fetcher>(
    download: &Download<'_>,
    length: u32,
    fetcher: &mut F,
    space: &mut [u8],
) -> Result<u32, FetchFailure> {
    let written = hash_of(fetcher, length, space)?;
    match written.finalize()[..] == download.digest() {
        true => Ok(length),
        false => Err(FetchFailure::FlashDigest),
    }
}

/// SHA-256 of the first bytes of the slot.
fn hash_of<F: Fetcher>(
    fetcher: &mut F,
    length: u32,
    space: &mut [u8],
) -> Result<Sha256, FetchFailure> {
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < length {
        let count = space.len().min((length - at) as usize);
        let piece = space.get_mut(..count).unwrap_or_default();
        fetcher.read(at, piece).map_err(FetchFailure::Slot)?;
        hash.update(&*piece);
        at += count as u32;
    }
    Ok(hash)
}

/// Bytes that are gathered for a write.
struct Page<'b> {
    gather: &'b mut [u8],
    length: usize,
    /// Bytes in flash.
    written: u32,
    /// End of what was erased.
    erased: u32,
}

impl Page<'_> {
    fn push<F: Fetcher>(&mut self, fetcher: &mut F, mut bytes: &[u8]) -> Result<(), FetchFailure> {
        while !bytes.is_empty() {
            let free = self.gather.get_mut(self.length..).unwrap_or_default();
            let count = free.len().min(bytes.len());
            let (now, later) = bytes.split_at(count);
            free.get_mut(..count)
                .unwrap_or_default()
                .copy_from_slice(now);
            self.length += count;
            bytes = later;
            if self.length == self.gather.len() {
                self.flush(fetcher, false)?;
            }
        }
        Ok(())
    }

    /// Writes what was gathered: whole write blocks, and at the end the rest too, filled up with 0xff.
    fn flush<F: Fetcher>(&mut self, fetcher: &mut F, is_end: bool) -> Result<(), FetchFailure> {
        let block = fetcher.write_block().max(1);
        let whole = match is_end {
            true => self.length.next_multiple_of(block),
            false => self.length / block * block,
        };
        if let Some(rest) = self.gather.get_mut(self.length..whole) {
            rest.fill(0xff);
        }
        let bytes = self.gather.get(..whole).unwrap_or_default();
        if !bytes.is_empty() {
            let end = self.written + whole as u32;
            while self.erased < end {
                let (start, length) = fetcher.erase_block(self.erased);
                fetcher.erase(start, length).map_err(FetchFailure::Slot)?;
                self.erased = start + length.max(1);
            }
            fetcher
                .write(self.written, bytes)
                .map_err(FetchFailure::Slot)?;
            self.written = end;
            fetcher.progress(end);
        }
        let left = self.length.saturating_sub(whole);
        self.gather.copy_within(whole..whole + left, 0);
        self.length = left;
        Ok(())
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
