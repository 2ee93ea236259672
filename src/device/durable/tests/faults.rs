//! Damaged records, a medium that fails, and power cuts.

use super::*;

#[test]
fn damaged_records_cost_only_themselves() {
    let mut life = Life::new(Mode::Spill, 50);
    life.outage(2 * MINUTE, 5 * HOUR);
    life.run_for(2 * HOUR);
    let measured = *life.counter.borrow();
    // A bit in the body of three messages.
    for damaged in [20, 21, 50] {
        let mut chip = life.flash.0.borrow_mut();
        let needle = format!("\"count\":{damaged},");
        let bytes = chip.bytes();
        let at = bytes
            .windows(needle.len())
            .position(|window| window == needle.as_bytes())
            .unwrap();
        bytes[at + needle.len() + 20] ^= 4;
    }
    life.world.hub.borrow_mut().outages.clear();
    let report = life.run_for(HOUR);
    assert_eq!(report.queued, 0);
    let stored = life.stored();
    let expected: Vec<u64> = (1..=*life.counter.borrow())
        .filter(|count| ![20, 21, 50].contains(count))
        .collect();
    assert_eq!(stored, expected);
    assert_eq!(report.dropped.of(Cause::Damaged), 3, "of {measured}");
}

#[test]
fn a_flash_that_fails_is_told_and_tried_again_and_messages_go_on_in_ram() {
    let mut life = Life::new(Mode::Always, 8);
    life.outage(10 * MINUTE, 20 * MINUTE);
    // Not a cut of the device's power: only the flash is off.
    struct Failing(Rc<RefCell<u32>>);
    impl Queue for Failing {
        fn push(&mut self, _: &[&[u8]], _: bool) -> Result<(), QueueError> {
            *self.0.borrow_mut() += 1;
            Err(QueueError::Medium)
        }
        fn visit(&mut self, _: &mut dyn FnMut(&[u8]) -> Visit) -> Result<(), QueueError> {
            Ok(())
        }
        fn free(&mut self) -> Result<u32, QueueError> {
            Ok(8192)
        }
        fn size(&self) -> u32 {
            8192
        }
        fn clear(&mut self) -> Result<(), QueueError> {
            Err(QueueError::Medium)
        }
    }
    let tries = Rc::new(RefCell::new(0));
    let identity = ConnectionString::parse(KEY).unwrap();
    let mut memory = Memory::default();
    life.world.queue = Some(Box::new(Failing(Rc::clone(&tries))));
    life.world.stop_after(HOUR);
    let counter = life.application();
    let mut device = Device::new(
        &identity,
        life.config.clone(),
        buffers(&mut memory),
        counter,
    )
    .unwrap();
    run(&mut device, &mut life.world);
    assert_whole(&life.stored());
    assert_eq!(life.stored().len() as u64, *life.counter.borrow());
    let tries = *tries.borrow();
    assert!((30..=61).contains(&tries), "once a minute: {tries}");
    assert_eq!(*life.events.borrow(), ["QueueFailed(Medium)"], "told once");
}

/// Runs a device over many power cuts, and gives what the hub got.
fn over_cuts(mode: Mode, seed: u32, cuts: u32) -> (Life, u32) {
    let mut life = Life::new(mode, 60);
    life.config.telemetry_interval = Some(Duration::from_secs(5));
    life.config.queue.spill_after = Duration::from_secs(20);
    let mut random = seed | 1;
    let mut next = |below: u32| {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random % below
    };
    let mut cut = 0;
    while cut < cuts {
        let now = life.world.now;
        // The hub is away half of the time.
        let away = now + u64::from(next(20_000));
        life.world.hub.borrow_mut().outages = vec![(away, away + u64::from(next(150_000)))];
        life.flash
            .0
            .borrow_mut()
            .cut_after(next(400), next(u32::MAX - 1));
        life.world.stop_after(Duration::from_millis(now + 200_000));
        match life.run() {
            None => cut += 1,
            Some(_) => {
                life.flash.0.borrow_mut().power_on();
                life.world.requests.clear();
            }
        }
        life.world.now += 1_000;
    }
    life.world.hub.borrow_mut().outages.clear();
    life.run_for(4 * HOUR);
    (life, cut)
}

#[test]
fn nothing_that_was_promised_is_lost_over_power_cuts() {
    let cuts_each = 25;
    for seed in 1..=8 {
        for mode in [Mode::Always, Mode::Spill] {
            let (life, cuts) = over_cuts(mode, seed, cuts_each);
            let stored = life.stored();
            let got: BTreeSet<u64> = stored.iter().copied().collect();
            let promised = life.promised.borrow();
            let missing: Vec<_> = promised.difference(&got).collect();
            assert!(missing.is_empty(), "{mode:?} {seed}: {missing:?}");
            let measured = *life.counter.borrow();
            assert!(
                got.last().is_none_or(|last| *last <= measured),
                "nothing is invented"
            );
            let firsts = firsts(&stored);
            assert!(firsts.is_sorted(), "{mode:?} {seed}: {firsts:?}");
            let twice = stored.len() - firsts.len();
            let most = (8 + 2 * 4) * cuts as usize;
            assert!(twice <= most, "{twice} of {most}");
        }
    }
}

#[test]
fn a_record_has_the_form_that_is_documented() {
    let life = {
        let mut life = Life::new(Mode::Always, 8);
        life.outage(Duration::ZERO, HOUR);
        life.config.telemetry_interval = None;
        let send_now = Requests {
            send_now: true,
            ..Requests::default()
        };
        life.world.requests.push_back((60_000, send_now));
        life.run_for_with_requests(5 * MINUTE);
        life
    };
    let mut records = 0;
    life.queue()
        .visit(&mut |bytes| {
            let record = Record::parse(bytes).unwrap();
            assert_eq!((record.number, record.boot), (records, 0));
            let Kind::Message(message) = record.kind else {
                panic!("a clock");
            };
            assert!(message.properties.starts_with("%24.mid="));
            assert!(
                message.properties.ends_with("&%24.ce=utf-8"),
                "{}",
                message.properties
            );
            assert_eq!(
                bytes.len(),
                queue::RECORD_HEADER + message.properties.len() + message.body.len()
            );
            records += 1;
            Visit::Next
        })
        .unwrap();
    assert_eq!(records, 1);
}

/// A queue whose medium fails for each second thirty messages, and works again. Nothing on it is lost.
struct Moody {
    inner: Box<dyn Queue>,
    counter: Rc<RefCell<u64>>,
}

impl Moody {
    fn check(&self) -> Result<(), QueueError> {
        match *self.counter.borrow() / 30 % 2 {
            0 => Ok(()),
            _ => Err(QueueError::Medium),
        }
    }
}

impl Queue for Moody {
    fn push(&mut self, parts: &[&[u8]], urgent: bool) -> Result<(), QueueError> {
        self.check()?;
        self.inner.push(parts, urgent)
    }
    fn visit(&mut self, visit: &mut dyn FnMut(&[u8]) -> Visit) -> Result<(), QueueError> {
        self.check()?;
        self.inner.visit(visit)
    }
    fn free(&mut self) -> Result<u32, QueueError> {
        self.check()?;
        self.inner.free()
    }
    fn size(&self) -> u32 {
        self.inner.size()
    }
    fn clear(&mut self) -> Result<(), QueueError> {
        self.check()?;
        self.inner.clear()
    }
}

#[test]
fn a_flash_that_works_again_is_told_to_the_application_and_lost_nothing() {
    let mut life = Life::new(Mode::Always, 60);
    life.world.queue = Some(Box::new(Moody {
        inner: life.queue(),
        counter: Rc::clone(&life.counter),
    }));
    life.world.stop_after(145 * MINUTE);
    let identity = ConnectionString::parse(KEY).unwrap();
    let mut memory = Memory::default();
    let mut device = Device::new(
        &identity,
        life.config.clone(),
        buffers(&mut memory),
        life.application(),
    )
    .unwrap();
    run(&mut device, &mut life.world);
    let report = *device.report();
    assert_eq!((report.queued, report.dropped.total()), (0, 0));
    assert_whole(&life.stored());
    let told = ["QueueFailed(Medium)", "QueueRestored"];
    assert_eq!(*life.events.borrow(), [told, told].concat());
}
