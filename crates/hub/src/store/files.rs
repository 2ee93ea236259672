//! Files of the state: made, found again and refused.
//!
//! The hub makes its files itself, readable by its own user only. What is there under their names and was not made
//! by it is refused before anything is changed: a link (a symbolic one, or a second name of a file), what is no
//! file, a file of another user, a file with other contents. A file of the hub's own that others may read or write
//! is taken, and closed to them; the log tells of it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::error::StartError;

/// Opens a file of the hub's own to read, and to append; `None` if there is none.
pub(crate) fn open_own(path: &Path) -> Result<Option<File>, StartError> {
    // A link or a pipe is found before the system follows or waits for it.
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, error)),
        Ok(metadata) => refuse_foreign(path, &metadata)?,
    }
    let mut options = OpenOptions::new();
    no_follow(options.read(true).append(true));
    let file = options.open(path).map_err(|error| unusable(path, error))?;
    // What was opened may be another file than the one that was looked at.
    let metadata = file.metadata().map_err(|error| unusable(path, error))?;
    refuse_foreign(path, &metadata)?;
    Ok(Some(file))
}

/// Reads a small text of the hub's own; `None` if there is none. `parse` says what is wrong with the contents.
pub(crate) fn read_own<T>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, StartError> {
    let Some(mut file) = open_own(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| unusable(path, error))?;
    let parsed = std::str::from_utf8(&bytes)
        .map_err(|_| "it is no text".to_owned())
        .and_then(parse)
        .map_err(|detail| foreign(path, &detail))?;
    close_to_others(&file, path)?;
    Ok(Some(parsed))
}

/// Refuses to put something in the place of a file that the hub did not make. `is_own` judges its contents.
pub(crate) fn refuse_to_replace(
    path: &Path,
    is_own: impl FnOnce(&[u8]) -> bool,
) -> Result<(), StartError> {
    let Some(mut file) = open_own(path)? else {
        return Ok(());
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| unusable(path, error))?;
    if is_own(&bytes) {
        Ok(())
    } else {
        Err(foreign(path, "the hub did not write what is in it"))
    }
}

/// Takes the rights of all others off a file of the hub's own.
pub(crate) fn close_to_others(file: &File, path: &Path) -> Result<(), StartError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let unusable = |error| unusable(path, error);
        let mode = file.metadata().map_err(unusable)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            log::warn!(
                "{} had mode {mode:o}, so that others could read or write it; it has 600 now",
                path.display()
            );
            file.set_permissions(PermissionsExt::from_mode(0o600))
                .map_err(unusable)?;
        }
    }
    #[cfg(not(unix))]
    let _ = (file, path);
    Ok(())
}

fn refuse_foreign(path: &Path, metadata: &Metadata) -> Result<(), StartError> {
    if metadata.is_symlink() {
        return Err(foreign(path, "it is a symbolic link"));
    }
    if !metadata.is_file() {
        return Err(foreign(path, "it is no regular file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if metadata.nlink() > 1 {
            return Err(foreign(
                path,
                "the file has a second name elsewhere (a hard link)",
            ));
        }
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user {
            let detail = format!("it belongs to user {}, not to user {user}", metadata.uid());
            return Err(foreign(path, &detail));
        }
    }
    Ok(())
}

fn foreign(path: &Path, detail: &str) -> StartError {
    StartError::ForeignState {
        path: path.to_owned(),
        detail: detail.to_owned(),
    }
}

pub(super) fn unusable(path: &Path, source: io::Error) -> StartError {
    StartError::State {
        path: path.to_owned(),
        source,
    }
}

/// Puts `contents` at `path`, all or nothing, also if the power fails; readable by this user only if `private`.
/// Gives the file, open for reading and appending.
pub(crate) fn write_atomically(path: &Path, contents: &[u8], private: bool) -> io::Result<File> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let temporary = path.with_file_name(name);
    // What an earlier crash left; of a link, the link itself.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = options(private);
    no_follow(options.read(true).append(true).create_new(true));
    let mut file = options.open(&temporary)?;
    let written = file
        .write_all(contents)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        // A disk that is full needs the room.
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    sync_directory(path)?;
    Ok(file)
}

/// Opens files: readable by this user only if `private`, where the system knows such a thing.
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

/// A link is not followed, and nothing is waited for.
fn no_follow(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    }
    #[cfg(not(unix))]
    let _ = options;
}

/// Makes a rename in the directory of `path` durable, where directories can be synced.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

/// Holds a state directory for one process; freed by the system when that process ends in any way.
#[derive(Debug)]
pub(crate) struct DirectoryLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl DirectoryLock {
    /// Takes the lock, or says that another process has it. Nothing is ever written into its file.
    pub(crate) fn take(directory: &Path) -> Result<Self, StartError> {
        let path = directory.join("lock");
        let file = match open_own(&path)? {
            Some(file) => file,
            None => {
                let mut options = options(true);
                no_follow(options.append(true).create(true));
                let made = options.open(&path);
                made.map_err(|error| unusable(&path, error))?
            }
        };
        match file.try_lock() {
            Ok(()) => {
                close_to_others(&file, &path)?;
                Ok(Self(file))
            }
            Err(std::fs::TryLockError::WouldBlock) => Err(StartError::Locked(directory.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => Err(unusable(&path, source)),
        }
    }
}

#[cfg(all(test, unix))]
#[path = "files_tests.rs"]
mod tests;
