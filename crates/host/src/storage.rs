//! Small values in files: one file a value, in a folder of the device's own.
//!
//! A value is written beside its place and then renamed into it, so that a crash leaves the old one or the
//! new one, never half of either.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use azure_device::port::{Storage, StorageError};
use tempfile::{NamedTempFile, TempDir};

/// A folder of values.
#[derive(Debug)]
pub struct FileStorage {
    folder: PathBuf,
    /// Removes the folder when the last user is gone, if it is a temporary one.
    _temporary: Option<TempDir>,
}

impl FileStorage {
    /// Values that stay in `folder`, which is made if it does not exist.
    pub fn in_folder(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            _temporary: None,
        })
    }

    /// Values that are gone when this is dropped.
    pub fn temporary() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("azure-device-").tempdir()?;
        Ok(Self {
            folder: folder.path().to_owned(),
            _temporary: Some(folder),
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(file_name(key) + ".value")
    }

    fn write(&self, key: &str, value: &[u8]) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(value)?;
        file.as_file().sync_all()?;
        file.persist(self.path(key))?;
        self.sync_folder()
    }

    /// Makes a rename or a removal last: on Unix the folder is a file of its own.
    fn sync_folder(&self) -> io::Result<()> {
        if cfg!(unix) {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// A name of a file for `key` that every file system takes, and that no other key gives.
pub fn file_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 6);
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

impl Storage for FileStorage {
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        let path = self.path(key);
        // Looked at before it is opened: to open a pipe waits for its other end.
        let mut file = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => match File::open(path) {
                Ok(file) => file,
                Err(error) => return Err(medium(&error)),
            },
            Ok(_) => {
                log::warn!("{} is no file, and is not read", path.display());
                return Err(StorageError::Medium(0));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(medium(&error)),
        };
        let length = file.metadata().map_err(|error| medium(&error))?.len();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(place) = buffer.get_mut(..length) else {
            return Err(StorageError::TooLong(length));
        };
        file.read_exact(place).map_err(|error| medium(&error))?;
        Ok(Some(length))
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        self.write(key, value).map_err(|error| medium(&error))
    }

    fn remove(&mut self, key: &str) -> Result<(), StorageError> {
        match fs::remove_file(self.path(key)) {
            Ok(()) => self.sync_folder().map_err(|error| medium(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(medium(&error)),
        }
    }
}

fn medium(error: &io::Error) -> StorageError {
    log::debug!("storage: {error}");
    StorageError::Medium(error.raw_os_error().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_value_survives_in_a_folder_and_can_be_replaced_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut buffer = [0; 8];
        let mut storage = FileStorage::in_folder(folder.path().join("new")).unwrap();
        assert_eq!(storage.load("twin/version", &mut buffer), Ok(None));
        storage.store("twin/version", b"old value").unwrap();
        storage.store("twin/version", b"new").unwrap();
        drop(storage);
        let mut storage = FileStorage::in_folder(folder.path().join("new")).unwrap();
        assert_eq!(storage.load("twin/version", &mut buffer), Ok(Some(3)));
        assert_eq!(&buffer[..3], b"new");
        storage.remove("twin/version").unwrap();
        storage.remove("twin/version").unwrap();
        assert_eq!(storage.load("twin/version", &mut buffer), Ok(None));
        assert_eq!(fs::read_dir(storage.folder()).unwrap().count(), 0);
    }

    #[test]
    fn keys_that_differ_in_case_or_in_odd_characters_do_not_collide() {
        let mut storage = FileStorage::temporary().unwrap();
        let keys = ["a", "A", "a/b", "a%2fb", "../a", "", ".", "a.value", "ä"];
        for (index, key) in keys.iter().enumerate() {
            storage.store(key, &[u8::try_from(index).unwrap()]).unwrap();
        }
        for (index, key) in keys.iter().enumerate() {
            let mut buffer = [0; 1];
            assert_eq!(storage.load(key, &mut buffer), Ok(Some(1)));
            assert_eq!(usize::from(buffer[0]), index, "{key}");
        }
        assert_eq!(fs::read_dir(storage.folder()).unwrap().count(), keys.len());
    }

    #[test]
    fn a_buffer_that_is_too_small_is_told_the_size_it_needs() {
        let mut storage = FileStorage::temporary().unwrap();
        storage.store("key", &[7; 100]).unwrap();
        assert_eq!(
            storage.load("key", &mut [0; 99]),
            Err(StorageError::TooLong(100))
        );
    }

    #[test]
    fn temporary_values_leave_nothing_behind() {
        let mut storage = FileStorage::temporary().unwrap();
        storage.store("key", b"value").unwrap();
        let folder = storage.folder().to_owned();
        assert!(folder.exists());
        drop(storage);
        assert!(!folder.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_or_a_folder_in_the_place_of_a_value_is_refused_at_once() {
        let mut storage = FileStorage::temporary().unwrap();
        let pipe = storage.path("pipe");
        let made = std::process::Command::new("mkfifo").arg(pipe).status();
        assert!(made.unwrap().success());
        fs::create_dir(storage.path("folder")).unwrap();
        for key in ["pipe", "folder"] {
            let loaded = storage.load(key, &mut [0; 8]);
            assert!(matches!(loaded, Err(StorageError::Medium(_))), "{loaded:?}");
        }
    }

    #[test]
    fn a_folder_that_vanished_is_an_error_and_not_an_empty_store() {
        let mut storage = FileStorage::temporary().unwrap();
        fs::remove_dir_all(storage.folder()).unwrap();
        assert!(matches!(
            storage.store("key", b"value"),
            Err(StorageError::Medium(_))
        ));
    }
}
