//! Messages that were measured before the clock was set.

use super::*;

#[test]
fn a_message_without_a_clock_gets_its_time_when_that_is_known_also_after_a_restart() {
    for restarts in [false, true] {
        let mut life = Life::new(Mode::Always, 50);
        // The time server is out of reach for ten minutes.
        life.world.sntp = (0..200)
            .map(|_| Err(crate::failure::ClockError::NoAnswer))
            .collect();
        life.config.telemetry_interval = Some(MINUTE);
        for at in 1..8_u64 {
            let request = Requests {
                send_now: true,
                ..Requests::default()
            };
            life.world.requests.push_back((at * 60_000, request));
        }
        life.outage(Duration::ZERO, 30 * MINUTE);
        life.world.stop_after(20 * MINUTE);
        life.start = 7;
        if restarts {
            life.run().unwrap();
            life.start = 8;
            life.world.sntp.clear();
            life.world.stop_after(2 * HOUR);
        } else {
            life.world.requests.pop_back();
            life.world.stop_after(2 * HOUR);
            life.world.sntp.truncate(4);
        }
        life.run().unwrap();
        let topics = life.topics();
        assert!(topics.len() > 8, "{topics:?}");
        for (minute, topic) in topics.iter().take(8).enumerate() {
            match restarts {
                // Its boot never learned the time: none is invented.
                true => {
                    let undated = format!("&createdBoot=7&createdUptimeMs={}", minute * 60_000);
                    assert!(topic.ends_with(&undated), "{topic}");
                    assert_eq!(creation_time(topic), "");
                }
                false => assert_eq!(
                    creation_time(topic),
                    format!("2026-06-01T00%3A{minute:02}%3A00.000Z")
                ),
            }
        }
    }
}

#[test]
fn a_clock_that_was_set_before_the_restart_dates_the_messages_of_its_boot() {
    let mut life = Life::new(Mode::Always, 50);
    life.world.sntp = vec![Err(crate::failure::ClockError::NoAnswer); 3].into();
    for at in 1..3_u64 {
        let request = Requests {
            send_now: true,
            ..Requests::default()
        };
        life.world.requests.push_back((at * 1_000, request));
    }
    life.outage(Duration::ZERO, HOUR);
    life.run_for_with_requests(30 * MINUTE);
    life.run_for(2 * HOUR);
    let topics = life.topics();
    for (second, topic) in topics.iter().take(3).enumerate() {
        let time = format!("2026-06-01T00%3A00%3A0{second}.000Z");
        assert_eq!(creation_time(topic), time);
    }
}

impl Life {
    pub(super) fn run_for_with_requests(&mut self, time: Duration) {
        self.world.stop_after(time);
        self.run().expect("the power is on");
    }
}

#[test]
fn a_clock_that_outlives_the_messages_after_it_is_no_sign_of_a_loss() {
    let mut life = Life::new(Mode::Always, 50);
    life.world.sntp = vec![Err(crate::failure::ClockError::NoAnswer); 3].into();
    let hour = HOUR.as_millis() as u64;
    life.world.hub.borrow_mut().outages = vec![(0, hour), (2 * hour, 5 * hour)];
    let report = life.run_for(3 * HOUR);
    assert!(report.queued_in_flash > 50, "{report:?}");
    let mut clocks = 0;
    let mut queue = life.queue();
    let count = &mut |bytes: &[u8]| {
        clocks += u32::from(matches!(Record::parse(bytes).unwrap().kind, Kind::Clock(_)));
        Visit::Next
    };
    queue.visit(count).unwrap();
    assert_eq!(clocks, 1);
    let report = life.run_for(4 * HOUR);
    assert_eq!(
        (report.queued, report.dropped.total()),
        (0, 0),
        "{report:?}"
    );
    assert_whole(&life.stored());
}

#[test]
fn a_message_that_was_measured_before_the_clock_was_set_has_one_time_whenever_it_is_sent() {
    let mut durable = Durable::default();
    let moment = |now, unix: Option<u64>| Moment {
        now: Instant::from_millis(now),
        unix: unix.map(UnixTime::from_millis),
        random: 0,
    };
    assert_eq!(durable.boot_time(&moment(1_000, None)), None);
    let start = Some(UnixTime::from_millis(1_800_000_000_000));
    // Two clocks of whole milliseconds seem to differ; a clock is corrected.
    for unix in [1_800_000_002_000, 1_800_000_002_001, 1_800_003_602_000] {
        assert_eq!(durable.boot_time(&moment(2_000, Some(unix))), start);
    }
    assert_eq!(durable.boot_time(&moment(3_000, None)), None);
}
