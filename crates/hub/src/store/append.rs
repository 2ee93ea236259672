//! A file that only grows, and never keeps half a record because of a failed write.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// An append-only file. Readable by this user only.
#[derive(Debug)]
pub(crate) struct AppendFile {
    file: File,
    length: u64,
    /// Set when a failed write could not be undone: the end of the file is unknown.
    broken: bool,
}

impl AppendFile {
    /// Opens `path`, or makes it, and cuts it to `length` bytes: what follows is a torn record.
    pub(crate) fn open(path: &Path, length: u64) -> io::Result<Self> {
        let file = options(true).append(true).create(true).open(path)?;
        if file.metadata()?.len() != length {
            file.set_len(length)?;
        }
        Ok(Self {
            file,
            length,
            broken: false,
        })
    }

    /// Bytes in the file.
    pub(crate) const fn len(&self) -> u64 {
        self.length
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

    /// Another handle on the same file, to [`File::sync_data`] without holding a lock.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// Puts `contents` at `path`, all or nothing, also if the power fails; readable by this user only if
/// `private`.
pub(crate) fn write_atomically(path: &Path, contents: &[u8], private: bool) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let temporary = path.with_file_name(name);
    // A leftover of an earlier crash would keep its own mode.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = options(private)
        .write(true)
        .create_new(true)
        .open(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_directory(path)
}

/// How files are made: readable by this user only if `private`, where the system knows such a thing.
pub(crate) fn options(private: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if private { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = private;
    options
}

/// Makes a rename in the directory of `path` durable, where directories can be synced.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}
