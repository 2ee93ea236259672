#![allow(clippy::unwrap_used)]

use super::*;

fn filled(directory: &Path) -> Store {
    let store = Store::open(directory).unwrap();
    store.put("a", &1).unwrap();
    let mut batch = Batch::default();
    batch.put("b", &"two").unwrap();
    batch.put("c", &vec![3]).unwrap();
    batch.remove("a");
    store.write(batch).unwrap();
    store
}

#[test]
fn values_survive_reopening_and_removed_ones_do_not() {
    let directory = tempfile::tempdir().unwrap();
    drop(filled(directory.path()));
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.get::<i32>("a"), None);
    assert_eq!(store.get::<String>("b").unwrap(), "two");
    assert_eq!(store.get::<Vec<i32>>("c").unwrap(), [3]);
}

#[test]
fn a_journal_cut_at_any_byte_gives_the_state_after_some_whole_line() {
    let directory = tempfile::tempdir().unwrap();
    drop(filled(directory.path()));
    let path = directory.path().join("hub.journal");
    let journal = std::fs::read(&path).unwrap();
    let first = journal.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in 0..=journal.len() {
        std::fs::write(&path, &journal[..length]).unwrap();
        let store = Store::open(directory.path()).unwrap();
        let keys: Vec<_> = store
            .scan::<Value>("")
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        let expected: &[&str] = match length {
            _ if length == journal.len() => &["b", "c"],
            _ if length >= first => &["a"],
            _ => &[],
        };
        assert_eq!(keys, expected, "cut at {length}");
        // What was torn is gone, so that the next record starts on a line of its own.
        store.put("later", &true).unwrap();
        assert!(
            Store::open(directory.path())
                .unwrap()
                .get::<bool>("later")
                .unwrap()
        );
    }
}

#[test]
fn damage_in_the_middle_is_an_error_and_not_silently_skipped() {
    let directory = tempfile::tempdir().unwrap();
    drop(filled(directory.path()));
    let path = directory.path().join("hub.journal");
    let mut journal = std::fs::read(&path).unwrap();
    journal[20] ^= 1;
    std::fs::write(&path, &journal).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StartError::CorruptState { .. }), "{error}");
}

#[test]
fn a_journal_of_overwritten_values_is_rewritten_and_keeps_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let text = "x".repeat(10_000);
    for number in 0..1000 {
        store.put("k", &(number, &text)).unwrap();
    }
    store.put("other", &1).unwrap();
    let length = std::fs::metadata(directory.path().join("hub.journal"))
        .unwrap()
        .len();
    assert!(length < 2 * COMPACTION_FLOOR, "{length} bytes");
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.get::<(i32, String)>("k").unwrap().0, 999);
    assert_eq!(store.get::<i32>("other").unwrap(), 1);
}

#[test]
fn removing_a_prefix_leaves_its_neighbours() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for key in ["device/a/x", "device/a/y", "device/ab/x", "device/b/x"] {
        store.put(key, &0).unwrap();
    }
    store.remove_all("device/a/").unwrap();
    let left: Vec<_> = store
        .scan::<i32>("device/")
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(left, ["device/ab/x", "device/b/x"]);
}

#[test]
fn a_directory_is_locked_for_one_hub_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let held = DirectoryLock::take(directory.path()).unwrap();
    assert!(matches!(
        DirectoryLock::take(directory.path()),
        Err(StartError::Locked(_))
    ));
    drop(held);
    DirectoryLock::take(directory.path()).unwrap();
}
