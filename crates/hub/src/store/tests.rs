#![allow(clippy::unwrap_used)]

use super::*;

fn any(_: &str, _: &Value) -> Result<(), String> {
    Ok(())
}

fn open(directory: &Path) -> Result<Store, StartError> {
    Store::open(directory, any)
}

fn filled(directory: &Path) -> Store {
    let store = open(directory).unwrap();
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
    let store = open(directory.path()).unwrap();
    assert_eq!(store.get::<i32>("a"), None);
    assert_eq!(store.get::<String>("b").unwrap(), "two");
    assert_eq!(store.get::<Vec<i32>>("c").unwrap(), [3]);
}

#[test]
fn a_journal_cut_at_any_byte_gives_the_state_after_some_whole_record() {
    let directory = tempfile::tempdir().unwrap();
    drop(filled(directory.path()));
    let path = directory.path().join("hub.journal");
    let journal = std::fs::read(&path).unwrap();
    let header = records::header(&JOURNAL).len();
    let first = header
        + journal[header..]
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap();
    for length in header..=journal.len() {
        std::fs::write(&path, &journal[..length]).unwrap();
        let store = open(directory.path()).unwrap();
        let keys: Vec<_> = store
            .scan::<Value>("")
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        // Of a record, the line feed may be missing.
        let expected: &[&str] = match length {
            _ if length + 1 >= journal.len() => &["b", "c"],
            _ if length >= first => &["a"],
            _ => &[],
        };
        assert_eq!(keys, expected, "cut at {length}");
        // What was partial is gone, so that the next record starts on a line of its own.
        store.put("later", &true).unwrap();
        assert!(
            open(directory.path())
                .unwrap()
                .get::<bool>("later")
                .unwrap()
        );
    }
}

#[test]
fn a_record_that_could_not_be_read_again_is_refused_before_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), |key, _| match key {
        "known" => Ok(()),
        _ => Err("what nobody keeps".into()),
    })
    .unwrap();
    let path = directory.path().join("hub.journal");
    let before = std::fs::read(&path).unwrap();
    let error = store.put("unknown", &1).unwrap_err();
    assert!(
        error.to_string().contains("\"unknown\" what nobody keeps"),
        "{error}"
    );
    // As deep as a record can be, and deeper: by itself, each value could be read.
    let nested = |levels: usize| (0..levels).fold(Value::Null, |inner, _| vec![inner].into());
    store.put("known", &nested(json::READABLE - 2)).unwrap();
    let length = std::fs::metadata(&path).unwrap().len();
    assert!(length > before.len() as u64);
    for levels in [json::READABLE - 1, json::READABLE, json::READABLE + 1, 500] {
        let error = store.put("known", &nested(levels)).unwrap_err();
        assert!(matches!(error, StoreError::Unreadable(_)), "{error}");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length);
    drop(store);
    let store = open(directory.path()).unwrap();
    let kept = store.get::<Value>("known").unwrap();
    assert_eq!(kept, nested(json::READABLE - 2));
}

#[test]
fn a_value_that_no_part_keeps_stops_the_start_and_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path())
        .unwrap()
        .put("policy/x", &"s3cret")
        .unwrap();
    let error = Store::open(directory.path(), crate::kinds::check)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 2, at byte 28, has under \"policy/x\" something else"),
        "{error}"
    );
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn a_number_comes_back_as_it_went_in() {
    let directory = tempfile::tempdir().unwrap();
    let numbers = [
        0.1,
        1.0e-320,
        9.346_474_1e35,
        2.225_073_858_507_201e-308,
        f64::MAX,
    ];
    let store = open(directory.path()).unwrap();
    store.put("n", &numbers).unwrap();
    drop(store);
    assert_eq!(
        open(directory.path()).unwrap().get::<[f64; 5]>("n"),
        Some(numbers)
    );
}

#[test]
fn a_journal_of_overwritten_values_is_rewritten_and_keeps_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
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
    let store = open(directory.path()).unwrap();
    assert_eq!(store.get::<(i32, String)>("k").unwrap().0, 999);
    assert_eq!(store.get::<i32>("other").unwrap(), 1);
}

#[test]
fn removing_a_prefix_leaves_its_neighbours() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
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
