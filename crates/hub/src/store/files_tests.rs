#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::store::{Store, StoreError};
use serde_json::Value;

fn any(_: &str, _: &Value) -> Result<(), String> {
    Ok(())
}

fn open(directory: &Path) -> Result<Store, StartError> {
    Store::open(directory, any)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A state directory with a journal of one key, and the journal's path.
fn filled() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).unwrap().put("a", &1).unwrap();
    let path = directory.path().join("hub.journal");
    (directory, path)
}

/// All that can be seen of a directory: names, kinds, modes, times, contents.
fn seen(directory: &Path) -> Vec<(PathBuf, u32, i64, Option<Vec<u8>>)> {
    let mut all: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let contents = metadata.is_file().then(|| fs::read(&path).unwrap());
            (path, metadata.mode(), metadata.mtime_nsec(), contents)
        })
        .collect();
    all.sort();
    all
}

fn refused(directory: &Path) -> String {
    let before = seen(directory);
    let error = open(directory).unwrap_err();
    assert_eq!(seen(directory), before, "something changed: {error}");
    error.to_string()
}

#[test]
fn what_the_hub_makes_is_for_its_own_user_only_whatever_the_umask() {
    let (directory, path) = filled();
    assert_eq!(mode(&path), 0o600);
    let lock = DirectoryLock::take(directory.path()).unwrap();
    assert_eq!(mode(&directory.path().join("lock")), 0o600);
    drop(lock);
}

#[test]
fn a_journal_that_others_may_read_is_taken_and_closed_to_them() {
    let (directory, path) = filled();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let store = open(directory.path()).unwrap();
    assert_eq!(store.get::<i32>("a"), Some(1));
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_link_in_the_place_of_the_journal_is_refused_and_its_target_is_not_touched() {
    let (directory, path) = filled();
    let elsewhere = directory.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    let error = refused(directory.path());
    assert!(error.contains("symbolic link"), "{error}");

    // A link to nothing is no missing journal.
    fs::remove_file(&elsewhere).unwrap();
    let error = refused(directory.path());
    assert!(error.contains("symbolic link"), "{error}");
}

#[test]
fn a_foreign_file_under_the_journals_name_is_refused_by_whatever_way_it_came_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.journal");
    let foreign = directory.path().join("thesis.txt");
    fs::write(&foreign, "years of work\n").unwrap();
    fs::hard_link(&foreign, &path).unwrap();
    let error = refused(directory.path());
    assert!(error.contains("hard link"), "{error}");

    fs::remove_file(&path).unwrap();
    fs::copy(&foreign, &path).unwrap();
    let error = refused(directory.path());
    assert!(error.contains("does not begin with the line"), "{error}");
    assert!(error.contains("Move it away"), "{error}");

    fs::write(&path, "").unwrap();
    let error = refused(directory.path());
    assert!(error.contains("it is empty"), "{error}");

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = refused(directory.path());
    assert!(error.contains("no regular file"), "{error}");
}

#[test]
fn a_pipe_in_the_place_of_the_journal_is_refused_and_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.journal");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let error = refused(directory.path());
    assert!(error.contains("no regular file"), "{error}");
}

#[test]
fn a_file_of_another_user_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("own");
    fs::write(&own, "").unwrap();
    // Only root can give a file away; all others have files of root's around them.
    let path = match fs::metadata(&own).unwrap().uid() {
        0 => {
            std::os::unix::fs::chown(&own, Some(65534), None).unwrap();
            own
        }
        _ => PathBuf::from("/etc/passwd"),
    };
    let error = open_own(&path).unwrap_err().to_string();
    assert!(error.contains("it belongs to user "), "{error}");
}

#[test]
fn damage_stops_the_start_with_place_and_remedy_and_touches_nothing() {
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, &str); 5] = [
        (|bytes| bytes.fill(0), "consists of zeros"),
        (
            |bytes| *bytes.last_mut().unwrap() = b'J',
            "line 2, at byte 28,",
        ),
        (
            |bytes| bytes[30] ^= 1,
            "line 2, at byte 28, does not match its checksum",
        ),
        (
            |bytes| bytes.extend(b"x\ny\nz\n"),
            "line 3, at byte 55, is too short",
        ),
        (
            |bytes| bytes.extend([0; 100]),
            "line 3, at byte 55, consists of zeros",
        ),
    ];
    for (change, told) in changes {
        let (directory, path) = filled();
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let error = refused(directory.path());
        assert!(error.contains(told), "{error}");
        assert!(error.contains("Nothing was changed."), "{error}");
        assert!(error.to_lowercase().contains("move it away"), "{error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn the_command_that_gives_up_a_damaged_last_line_gives_up_nothing_else() {
    let (directory, path) = filled();
    open(directory.path()).unwrap().put("b", &2).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = refused(directory.path());
    let (_, rest) = error.split_once("`truncate -s ").unwrap();
    let (length, _) = rest.split_once(' ').unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(length.parse().unwrap()).unwrap();
    let store = open(directory.path()).unwrap();
    assert_eq!((store.get("a"), store.get::<i32>("b")), (Some(1), None));
}

#[test]
fn a_small_file_is_read_only_if_it_is_the_hubs_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    let read = |path: &Path| read_own(path, |text| Ok(text.to_owned()));
    assert!(read(&path).unwrap().is_none());
    write_atomically(&path, b"key", true).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(read(&path).unwrap().as_deref(), Some("key"));
    assert_eq!(mode(&path), 0o600);
    // What cannot be understood is not touched either.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = read_own(&path, |_| Err::<(), _>("it is no key".into())).unwrap_err();
    assert!(error.to_string().contains("it is no key"), "{error}");
    assert_eq!(mode(&path), 0o644);
    let link = directory.path().join("link.pem");
    symlink(&path, &link).unwrap();
    assert!(read(&link).is_err());
}

#[test]
fn what_a_power_cut_left_of_a_rewrite_is_neither_read_nor_in_the_way() {
    let (directory, path) = filled();
    let target = directory.path().join("target");
    fs::write(&target, "untouched").unwrap();
    let left = directory.path().join("hub.journal.new");
    for kind in ["half a file", "link"] {
        match kind {
            "link" => symlink(&target, &left).unwrap(),
            _ => fs::write(&left, "local-hub jour").unwrap(),
        }
        let store = open(directory.path()).unwrap();
        assert_eq!(store.get::<i32>("a"), Some(1), "{kind}");
        store.compact().unwrap();
        assert!(fs::symlink_metadata(&left).is_err(), "{kind}");
    }
    assert_eq!(fs::read(&target).unwrap(), b"untouched");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(open(directory.path()).unwrap().get::<i32>("a"), Some(1));
}

#[test]
fn a_rewrite_that_fails_leaves_the_journal_and_the_store_goes_on() {
    let (directory, path) = filled();
    let store = open(directory.path()).unwrap();
    // A folder under the name of the file that a rewrite makes cannot be removed.
    fs::create_dir(directory.path().join("hub.journal.new")).unwrap();
    assert!(matches!(store.compact(), Err(StoreError::File(_))));
    store.put("b", &2).unwrap();
    drop(store);
    let store = open(directory.path()).unwrap();
    assert_eq!((store.get("a"), store.get("b")), (Some(1), Some(2)));
    assert_eq!(mode(&path), 0o600);
}
