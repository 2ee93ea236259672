#![allow(clippy::unwrap_used)]

use std::fs;

use super::*;

fn records(queue: &mut FileQueue) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    queue
        .visit(&mut |record| {
            records.push(record.to_vec());
            Visit::Next
        })
        .unwrap();
    records
}

fn error(folder: &Path) -> String {
    let made = FileQueue::open(folder, MIN_SIZE).unwrap_err().to_string();
    let existing = FileQueue::open_existing(folder).unwrap_err().to_string();
    assert_eq!(made, existing, "also if the queue is off");
    let path = folder.join(FILE_NAME).display().to_string();
    assert!(made.contains(&path) && made.contains("--state"), "{made}");
    made
}

#[test]
fn records_are_there_again_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    assert!(FileQueue::open_existing(folder.path()).unwrap().is_none());
    let mut queue = FileQueue::open(folder.path(), DEFAULT_SIZE).unwrap();
    assert_eq!(queue.size(), DEFAULT_SIZE);
    for number in 0..200_u8 {
        queue.push(&[&[number], &[7; 100]], false).unwrap();
    }
    drop(queue);
    let mut queue = FileQueue::open(folder.path(), DEFAULT_SIZE).unwrap();
    let firsts: Vec<u8> = records(&mut queue).iter().map(|record| record[0]).collect();
    assert_eq!(firsts, (0..200).collect::<Vec<u8>>());
    let mut left = 150;
    queue
        .visit(&mut |_| {
            left -= 1;
            match left {
                0 => Visit::RemoveAndStop,
                _ => Visit::Remove,
            }
        })
        .unwrap();
    drop(queue);
    let mut queue = FileQueue::open_existing(folder.path()).unwrap().unwrap();
    assert_eq!(records(&mut queue).len(), 50);
    queue.clear().unwrap();
    drop(queue);
    let mut queue = FileQueue::open(folder.path(), DEFAULT_SIZE).unwrap();
    assert_eq!(records(&mut queue).len(), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_queue_that_goes_round_its_file_many_times_keeps_what_was_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let length = {
        let queue = FileQueue::open(folder.path(), 0).unwrap();
        fs::metadata(queue.path()).unwrap().len()
    };
    assert_eq!(length, u64::from(PAGE + MIN_SIZE), "the smallest one");
    for number in 0..400_u32 {
        let mut queue = FileQueue::open(folder.path(), 0).unwrap();
        queue
            .push(&[&number.to_le_bytes(), &[1; 1000]], false)
            .unwrap();
        let kept = records(&mut queue);
        let numbers: Vec<u32> = kept
            .iter()
            .map(|record| u32::from_le_bytes(*record.first_chunk().unwrap()))
            .collect();
        let first = number.saturating_sub(4);
        assert_eq!(numbers, (first..=number).collect::<Vec<u32>>());
        if numbers.len() == 5 {
            queue.visit(&mut |_| Visit::RemoveAndStop).unwrap();
        }
    }
    assert_eq!(
        fs::metadata(folder.path().join(FILE_NAME)).unwrap().len(),
        length
    );
}

#[test]
fn a_file_takes_another_size_once_it_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let size = |size| {
        let mut queue = FileQueue::open(folder.path(), size).unwrap();
        let real = fs::metadata(queue.path()).unwrap().len();
        assert_eq!(real, u64::from(queue.size() + PAGE));
        (queue.size(), records(&mut queue).len())
    };
    assert_eq!(size(10 * PAGE), (10 * PAGE, 0));
    assert_eq!(size(20 * PAGE - 1), (20 * PAGE, 0), "whole pages");
    FileQueue::open(folder.path(), 20 * PAGE)
        .unwrap()
        .push(&[b"wait"], false)
        .unwrap();
    assert_eq!(size(10 * PAGE), (20 * PAGE, 1));
    FileQueue::open(folder.path(), 10 * PAGE)
        .unwrap()
        .visit(&mut |_| Visit::Remove)
        .unwrap();
    assert_eq!(size(10 * PAGE), (10 * PAGE, 0));
    assert_eq!(size(u32::MAX), (MAX_SIZE, 0));
}

#[test]
fn a_file_with_other_contents_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    drop(FileQueue::open(folder.path(), MIN_SIZE).unwrap());
    let whole = fs::read(&path).unwrap();
    let length = whole.len();
    let mut of_another_format = whole.clone();
    of_another_format[40] ^= 1;
    let foreign = "the device did not write what is in it";
    for (contents, says) in [
        (Vec::new(), foreign),
        (b"notes of a person".to_vec(), foreign),
        (vec![0xff; length], foreign),
        (vec![0; length], foreign),
        (of_another_format, foreign),
        (whole[..PAGE as usize].to_vec(), "three at least"),
        (whole[..2 * PAGE as usize].to_vec(), "three at least"),
        (
            whole[..length - 1].to_vec(),
            "not a whole number of pages of 4096 bytes",
        ),
        (
            [&whole[..], &[0xff]].concat(),
            "not a whole number of pages of 4096 bytes",
        ),
        (
            [&whole[..], &vec![0xff; MAX_SIZE as usize]].concat(),
            "are more than a queue has",
        ),
    ] {
        fs::write(&path, &contents).unwrap();
        let error = error(folder.path());
        assert!(error.contains(says), "{error}");
        assert_eq!(fs::read(&path).unwrap(), contents);
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_of_the_device_alone_is_refused_and_left_as_it_is() {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join(FILE_NAME);
    drop(FileQueue::open(elsewhere.path(), MIN_SIZE).unwrap());
    let before = fs::read(&target).unwrap();
    type Make<'m> = &'m dyn Fn();
    for (make, says) in [
        (
            &(|| symlink(&target, &path).unwrap()) as Make<'_>,
            "it is a symbolic link",
        ),
        (
            &|| symlink(elsewhere.path().join("nothing"), &path).unwrap(),
            "it is a symbolic link",
        ),
        (&|| fs::hard_link(&target, &path).unwrap(), "a hard link"),
        (
            &|| {
                let made = Command::new("mkfifo").arg(&path).status();
                assert!(made.unwrap().success());
            },
            "it is no regular file",
        ),
    ] {
        make();
        let error = error(folder.path());
        assert!(error.contains(says), "{error}");
        assert!(fs::symlink_metadata(&path).is_ok(), "it is still there");
        fs::remove_file(&path).unwrap();
    }
    fs::create_dir(&path).unwrap();
    assert!(error(folder.path()).contains("it is no regular file"));
    assert_eq!(fs::read(&target).unwrap(), before);
    assert!(
        FileQueue::open_existing(elsewhere.path())
            .unwrap()
            .is_some()
    );
}

#[cfg(unix)]
#[test]
fn the_file_is_for_its_own_user_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let queue = FileQueue::open(folder.path(), MIN_SIZE).unwrap();
    let mode = || {
        fs::metadata(folder.path().join(FILE_NAME))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(mode(), 0o600);
    drop(queue);
    let path = folder.path().join(FILE_NAME);
    fs::set_permissions(&path, PermissionsExt::from_mode(0o664)).unwrap();
    drop(FileQueue::open(folder.path(), MIN_SIZE).unwrap());
    assert_eq!(mode(), 0o600, "what others could read is closed to them");
}

#[test]
fn a_file_that_is_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let queue = FileQueue::open(folder.path(), MIN_SIZE).unwrap();
    assert!(error(folder.path()).contains("another program has it in use"));
    drop(queue);
    assert!(FileQueue::open(folder.path(), 2 * MIN_SIZE).is_ok());
}

#[test]
fn a_folder_that_is_not_there_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let error = FileQueue::open(&gone, MIN_SIZE).unwrap_err().to_string();
    assert!(error.contains("gone/messages.queue"), "{error}");
}

#[test]
fn a_failure_of_the_file_is_an_error_of_the_medium() {
    let folder = tempfile::tempdir().unwrap();
    let mut queue = FileQueue::open(folder.path(), MIN_SIZE).unwrap();
    // Shortened behind the device's back.
    let file = File::options().write(true).open(queue.path()).unwrap();
    file.set_len(u64::from(PAGE)).unwrap();
    assert_eq!(queue.push(&[b"text"], false), Err(QueueError::Medium));
    assert_eq!(queue.visit(&mut |_| Visit::Next), Err(QueueError::Medium));
}
