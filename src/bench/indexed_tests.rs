//! An application whose entries get their names at run time.

use core::time::Duration;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::{Bench, Memory};
use crate::application::{
    Application, Call, Context, Event, MAX_PROPERTIES, MAX_REPORTED, Method, Outcome, Property,
    Rate, Refusal, Reported, Stream, standard,
};
use crate::json::{Slot, Value};

const STREAMS: [(&str, Rate); 3] = [
    ("first", Rate::Configured),
    ("second", Rate::Every(Duration::from_secs(7))),
    ("third", Rate::OnRequest),
];
const PROPERTIES: [&str; 2] = ["colour", "lamp*level"];
const REPORTED: [&str; 2] = ["count", "door*open"];
const METHODS: [&str; 2] = ["echo", "wait"];

/// As one that is written in another language: its tables have the largest size, and its names are a run-time matter.
#[derive(Default)]
struct Foreign {
    values: [Option<i64>; 2],
    woken: u32,
}

impl Foreign {
    fn stream(index: usize) -> Option<&'static str> {
        STREAMS.get(index).map(|(name, _)| *name)
    }

    fn rate(index: usize) -> Rate {
        STREAMS[index].1
    }

    fn property(index: usize) -> Option<&'static str> {
        PROPERTIES.get(index).copied()
    }

    fn reported(index: usize) -> Option<&'static str> {
        REPORTED.get(index).copied()
    }

    fn method(index: usize) -> Option<&'static str> {
        METHODS.get(index).copied()
    }

    fn apply(
        &mut self,
        index: usize,
        value: Value<'_>,
        _: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        self.values[index] = value.as_i64();
        match value.as_i64() {
            Some(0) => Err("must not be 0".into()),
            _ => Ok(()),
        }
    }

    fn run(
        &mut self,
        index: usize,
        call: Call<'_>,
        device: &mut Context<'_>,
        result: Slot<'_, '_>,
    ) -> Outcome {
        if index == 1 && !call.again {
            return Outcome::Later(device.now().after(Duration::from_secs(20)));
        }
        result.string(METHODS[index]);
        Outcome::Done(200)
    }
}

impl Application for Foreign {
    const STREAMS: &'static [Stream<Self>] = &{
        let mut all = [const { Foreign::stream_entry(0) }; 8];
        let mut index = 0;
        while index < all.len() {
            all[index] = Foreign::stream_entry(index);
            index += 1;
        }
        all
    };

    const PROPERTIES: &'static [Property<Self>] = &{
        let mut all = [const { Foreign::property_entry(0) }; MAX_PROPERTIES];
        let mut index = 0;
        while index < all.len() {
            all[index] = Foreign::property_entry(index);
            index += 1;
        }
        all
    };

    const REPORTED: &'static [Reported<Self>] = &{
        let mut all = [const { Foreign::reported_entry(0) }; MAX_REPORTED];
        all[0] = standard::queued();
        let mut index = 1;
        while index < all.len() {
            all[index] = Foreign::reported_entry(index - 1);
            index += 1;
        }
        all
    };

    const METHODS: &'static [Method<Self>] = &{
        let mut all = [const { Foreign::method_entry(0) }; 8];
        all[0] = standard::get_status();
        let mut index = 1;
        while index < all.len() {
            all[index] = Foreign::method_entry(index - 1);
            index += 1;
        }
        all
    };

    fn handle(&mut self, event: Event<'_>, device: &mut Context<'_>) {
        if let Event::Woken = event {
            self.woken += 1;
            device.send("third");
        }
    }
}

impl Foreign {
    const fn stream_entry(index: usize) -> Stream<Self> {
        Stream::indexed(index, Self::stream, Self::rate, |_, index, message, _| {
            message.text(Value::parse(format!("[{index}]").as_bytes()).expect("JSON"));
            message.property("stream", STREAMS[index].0);
        })
    }

    const fn property_entry(index: usize) -> Property<Self> {
        Property::indexed(
            index,
            Self::property,
            Self::apply,
            |foreign, index, _, value| value.integer(foreign.values[index].unwrap_or(-1)),
        )
    }

    const fn reported_entry(index: usize) -> Reported<Self> {
        Reported::indexed(index, Self::reported, |_, index, _, value| {
            value.string(REPORTED[index]);
        })
    }

    const fn method_entry(index: usize) -> Method<Self> {
        Method::indexed(index, Self::method, Self::run)
    }
}

fn texts(bench: &mut Bench<'_, Foreign>) -> Vec<String> {
    let sent = bench.sent();
    sent.iter()
        .map(|message| message.text().to_string())
        .collect()
}

#[test]
fn streams_with_names_of_run_time_are_sent_each_at_its_rate() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Foreign::default());
    // The configured interval is longer than a minute.
    assert_eq!(texts(&mut bench), ["[0]", "[1]"]);
    bench.tick(Duration::from_secs(20));
    assert_eq!(texts(&mut bench), ["[1]", "[1]"]);
    bench.wake();
    assert_eq!(bench.application().woken, 1);
    let sent = bench.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].text(), "[2]");
    assert_eq!(sent[0].property("stream"), Some("third"));
}

#[test]
fn properties_with_names_of_run_time_are_applied_acknowledged_and_reported() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Foreign::default());
    assert_eq!(bench.reported("count"), Some(r#""count""#));
    assert_eq!(
        bench.reported("door"),
        Some(r#"{"__t":"c","open":"door*open"}"#)
    );
    assert_eq!(bench.reported("queued"), Some("0"));
    assert_eq!(
        bench.acknowledgement("colour").expect("reported").status,
        203
    );

    bench.desire(r#"{"colour":3,"lamp":{"__t":"c","level":0}}"#);
    let colour = bench.acknowledgement("colour").expect("reported");
    assert_eq!((colour.status, colour.value.as_str()), (200, "3"));
    let level = bench.acknowledgement("lamp*level").expect("reported");
    assert_eq!(level.status, 400);
    assert_eq!(level.description.as_deref(), Some("must not be 0"));
}

#[test]
fn methods_with_names_of_run_time_are_found_and_asked_again() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, Foreign::default());
    assert_eq!(bench.call("echo", "").body, r#""echo""#);
    let began = bench.elapsed();
    assert_eq!(bench.call("wait", "").body, r#""wait""#);
    assert!(bench.elapsed() - began >= Duration::from_secs(20));
    assert_eq!(bench.call("getStatus", "").status, 200);
    assert_eq!(bench.call("unknown", "").status, 404);
}
