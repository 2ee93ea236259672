//! The twin without a device: what it asks for, and what it makes of the answers.

use super::*;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

const NAMES: [&str; 3] = ["interval", "led*on", "led*colour"];

/// Number of the text among the device's own properties. The other one counts.
const OWN: usize = 0;

fn own_name_of(index: usize) -> Option<&'static str> {
    ["own", "queued"].get(index).copied()
}

fn name_of(index: usize) -> Option<&'static str> {
    NAMES.get(index).copied()
}

/// An application that takes numbers only.
#[derive(Debug)]
struct Numbers {
    values: [i64; NAMES.len()],
    /// Length of the device's own text.
    own: usize,
}

impl Properties for Numbers {
    fn apply(&mut self, index: usize, value: Value<'_>) -> Result<(), application::Refusal> {
        self.values[index] = match value.as_i64() {
            Some(value) => value,
            None if value.is_null() => 0,
            None => return Err("not a number".into()),
        };
        Ok(())
    }

    fn is_present(&mut self, _: usize) -> bool {
        true
    }

    fn write(&mut self, index: usize, value: Slot<'_, '_>) {
        match index.checked_sub(MAX_PROPERTIES) {
            None => value.integer(self.values[index]),
            Some(OWN) => value.string("x".repeat(self.own)),
            Some(_) => value.integer(0),
        }
    }
}

/// A twin with its application and a clock, in milliseconds.
struct Bench<'b> {
    twin: Twin<'b>,
    application: Numbers,
    now: u64,
    scratch: Vec<u8>,
}

impl<'b> Bench<'b> {
    fn new(space: &'b mut [u8]) -> Self {
        let mut twin = Twin::new(
            space,
            Names {
                writable: name_of,
                reported: own_name_of,
                counting: bit(MAX_PROPERTIES + 1),
            },
        );
        twin.connected(true);
        Self {
            twin,
            application: Numbers {
                values: [0; NAMES.len()],
                own: 1,
            },
            now: 0,
            scratch: std::vec![0; 512],
        }
    }

    /// One whose twin was read and reported, with desired version 1.
    fn settled(space: &'b mut [u8]) -> Self {
        let mut bench = Self::new(space);
        bench.asked().expect("a read");
        bench
            .read(1, r#"{"desired":{"$version":1}}"#)
            .expect("a twin");
        bench.asked().expect("a patch");
        assert_eq!(bench.answer(204, 2), ResponseKind::Taken);
        bench
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    /// The request that is due: topic and payload.
    fn asked(&mut self) -> Option<(String, String)> {
        let now = self.now();
        let request = self
            .twin
            .poll(now, &mut self.application, &mut self.scratch)?;
        let (topic, payload) = request.expect("it fits");
        Some((topic.to_string(), payload.to_string()))
    }

    fn answer(&mut self, status: u16, id: u32) -> ResponseKind {
        let now = self.now();
        self.twin
            .handle_response(now, status, &id.to_string(), None)
    }

    /// The hub answers the read with this id.
    fn read(&mut self, id: u32, twin: &str) -> Result<(), PassedOver> {
        let now = self.now();
        assert_eq!(self.answer(200, id), ResponseKind::Whole(id));
        self.twin.feed(now, twin.as_bytes(), None);
        self.twin
            .read_whole(now, id, &mut self.application)
            .map(drop)
    }

    /// An operator changes desired properties.
    fn change(&mut self, change: &str) -> Result<(), PassedOver> {
        self.twin.begin_desired();
        self.twin.feed(self.now(), change.as_bytes(), None);
        self.twin
            .read_desired(None, &mut self.application)
            .map(drop)
    }
}

#[test]
fn a_connection_begins_with_a_read_and_then_reports_everything_in_one_patch() {
    let mut space = [0; 64];
    let mut bench = Bench::new(&mut space);
    let get = ("$iothub/twin/GET/?$rid=1".to_string(), String::new());
    assert_eq!(bench.asked(), Some(get));
    assert_eq!(bench.asked(), None, "one request at a time");
    bench
        .read(
            1,
            r#"{"desired":{"interval":5,"led":{"__t":"c","on":"x"},"$version":7}}"#,
        )
        .expect("a twin");
    assert_eq!(bench.application.values, [5, 0, 0]);
    let patch = r#"{"own":"x","queued":0,"interval":{"value":5,"ac":200,"av":7,"ad":null},"led":{"__t":"c","on":{"value":0,"ac":400,"av":7,"ad":"not a number"},"colour":{"value":0,"ac":203,"av":0,"ad":null}}}"#;
    assert_eq!(
        bench.asked(),
        Some((
            "$iothub/twin/PATCH/properties/reported/?$rid=2".to_string(),
            patch.to_string()
        ))
    );
    assert_eq!(bench.answer(204, 2), ResponseKind::Taken);
    assert_eq!((bench.asked(), bench.twin.deadline()), (None, None));
}

#[test]
fn a_change_during_a_patch_is_part_of_the_next_one() {
    let mut space = [0; 64];
    let mut bench = Bench::settled(&mut space);
    bench
        .change(r#"{"interval":6,"$version":2}"#)
        .expect("a change");
    let (_, first) = bench.asked().expect("a patch");
    assert_eq!(
        first,
        r#"{"interval":{"value":6,"ac":200,"av":2,"ad":null}}"#
    );
    bench
        .change(r#"{"interval":7,"$version":3}"#)
        .expect("a change");
    bench
        .change(r#"{"led":null,"$version":4}"#)
        .expect("a change");
    bench.twin.counters_changed();
    assert_eq!(bench.asked(), None);
    bench.answer(204, 3);
    let (_, second) = bench.asked().expect("a patch");
    assert_eq!(
        second,
        r#"{"queued":0,"interval":{"value":7,"ac":200,"av":3,"ad":null},"led":{"__t":"c","on":{"value":0,"ac":203,"av":0,"ad":null},"colour":{"value":0,"ac":203,"av":0,"ad":null}}}"#
    );
}

#[test]
fn an_older_change_and_one_before_the_read_are_passed_over() {
    let mut space = [0; 64];
    let mut bench = Bench::new(&mut space);
    bench
        .change(r#"{"interval":5,"$version":9}"#)
        .expect("JSON");
    assert_eq!(bench.application.values[0], 0, "the read will have it");
    bench.asked().expect("a read");
    bench
        .read(1, r#"{"desired":{"interval":5,"$version":9}}"#)
        .expect("a twin");
    for version in [0, 8, 9] {
        let change = format!(r#"{{"interval":1,"$version":{version}}}"#);
        bench.change(&change).expect("JSON");
        assert_eq!(bench.application.values[0], 5, "{version}");
    }
    bench
        .change(r#"{"interval":1,"$version":10}"#)
        .expect("JSON");
    assert_eq!(bench.application.values[0], 1);
}

#[test]
fn a_hub_that_is_busy_or_silent_is_asked_again_after_ever_longer_waits() {
    let mut space = [0; 64];
    let mut bench = Bench::new(&mut space);
    let mut waits = Vec::new();
    for id in 1..=12 {
        assert!(bench.asked().is_some(), "{id}");
        if id % 2 == 0 {
            assert_eq!(bench.answer(429, id), ResponseKind::Taken);
        } else {
            // Its time passes; the next poll notes it.
            bench.now += 30_000;
            assert_eq!(bench.asked(), None);
        }
        let due = bench.twin.deadline().expect("one that waits").as_millis();
        waits.push((due - bench.now) / 1000);
        bench.now = due - 1;
        assert_eq!(bench.asked(), None, "not before its time");
        bench.now = due;
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
}

#[test]
fn what_a_cut_or_failed_patch_reported_is_reported_again_and_what_was_refused_is_not() {
    let mut space = [0; 64];
    let mut bench = Bench::settled(&mut space);
    bench.twin.changed(WRITABLE);
    let (_, patch) = bench.asked().expect("a patch");
    // It fails, and is repeated as it was.
    bench.answer(500, 3);
    bench.now += 2_000;
    assert_eq!(bench.asked().map(|(_, again)| again), Some(patch.clone()));
    // It could not be sent.
    let now = bench.now();
    bench.twin.failed(now);
    bench.now += 4_000;
    assert_eq!(bench.asked().map(|(_, again)| again), Some(patch.clone()));
    // The connection ends: all of it comes after the next read.
    bench.twin.connected(true);
    let (topic, _) = bench.asked().expect("a read");
    assert_eq!(topic, "$iothub/twin/GET/?$rid=6");
    bench
        .read(6, r#"{"desired":{"$version":1}}"#)
        .expect("a twin");
    let (_, whole) = bench.asked().expect("a patch");
    assert!(
        whole.starts_with(r#"{"own":"x","#) && whole.ends_with(&patch[1..]),
        "{whole}"
    );
    // Refused, the same would be refused again.
    bench.answer(400, 7);
    assert_eq!((bench.asked(), bench.twin.deadline()), (None, None));
}

#[test]
fn what_does_not_fit_one_patch_is_reported_in_several() {
    let mut space = [0; 64];
    let mut bench = Bench::new(&mut space);
    bench.scratch.truncate(TOPIC_SIZE + 70);
    bench.application.own = 55;
    bench.asked().expect("a read");
    bench
        .read(1, r#"{"desired":{"$version":1}}"#)
        .expect("a twin");
    let mut patches = Vec::new();
    while let Some((_, patch)) = bench.asked() {
        assert!(patch.len() <= 70, "{patch}");
        patches.push(patch);
        bench.answer(204, 1 + patches.len() as u32);
    }
    let all = patches.join("");
    for part in [
        "\"own\"",
        "\"queued\"",
        "\"interval\"",
        "\"on\"",
        "\"colour\"",
    ] {
        assert_eq!(all.matches(part).count(), 1, "{patches:?}");
    }
    assert_eq!(patches.len(), 5);
}

#[test]
fn a_property_that_alone_is_too_long_is_tried_again_later() {
    let mut space = [0; 64];
    let mut bench = Bench::settled(&mut space);
    bench.scratch.truncate(TOPIC_SIZE + 20);
    bench.twin.changed(WRITABLE);
    let now = bench.now();
    let request = bench
        .twin
        .poll(now, &mut bench.application, &mut bench.scratch);
    assert_eq!(request, Some(Err(TooLong)));
    assert_eq!(bench.twin.deadline(), Some(now.after(RETRY_MIN)));
    bench.scratch.resize(512, 0);
    bench.now += 2_000;
    assert!(bench.asked().is_some());
}

#[test]
fn an_answer_to_no_request_and_a_twin_that_comes_too_late_change_nothing() {
    let mut space = [0; 64];
    let mut bench = Bench::new(&mut space);
    bench.asked().expect("a read");
    for id in ["0", "2", "", "x", "1x"] {
        let now = bench.now();
        assert_eq!(
            bench.twin.handle_response(now, 200, id, None),
            ResponseKind::Unexpected
        );
    }
    assert_eq!(bench.answer(200, 1), ResponseKind::Whole(1));
    let now = bench.now();
    bench
        .twin
        .feed(now, br#"{"desired":{"interval":5,"$version":9}}"#, None);
    bench.twin.connected(true);
    let late = bench.twin.read_whole(now, 1, &mut bench.application);
    assert_eq!(late, Err("a twin that came too late"));
    assert_eq!(bench.application.values[0], 0);
}

#[test]
fn of_a_document_that_is_not_json_or_has_no_version_nothing_is_applied() {
    let mut space = [0; 64];
    let mut bench = Bench::settled(&mut space);
    for (bad, reason) in [
        (
            r#"{"interval":5,"$version":9"#,
            "a desired update that is not JSON",
        ),
        (r#"{"interval":5}"#, "a desired update without a version"),
    ] {
        assert_eq!(bench.change(bad), Err(reason));
    }
    bench.twin.connected(true);
    bench.asked().expect("a read");
    assert_eq!(
        bench.read(3, r#"{"desired":{"interval":5,"$version":9"#),
        Err("a twin that is not JSON")
    );
    assert_eq!(bench.application.values[0], 0);
    bench.now += 2_000;
    assert!(
        bench
            .asked()
            .is_some_and(|(topic, _)| topic.contains("GET")),
        "it is read again"
    );
    assert_eq!(
        bench.read(4, r#"{"desired":{"interval":5}}"#),
        Err("a twin without a desired version")
    );
    assert_eq!(bench.application.values[0], 0);
}

#[test]
fn a_hub_without_twins_is_asked_for_nothing() {
    let mut space = [0; 64];
    let mut bench = Bench::new(&mut space);
    bench.twin.connected(false);
    assert_eq!((bench.asked(), bench.twin.deadline()), (None, None));
    bench.twin.connected(true);
    bench.twin.not_served();
    assert_eq!((bench.asked(), bench.twin.deadline()), (None, None));
    bench.twin.connected(true);
    assert!(bench.asked().is_some(), "the next connection may have them");
}
