//! A full queue, messages that expire, another hub, and clearing.

use super::*;

#[test]
fn a_full_queue_drops_what_its_policy_says_and_counts_it() {
    for mode in [Mode::Spill, Mode::Always] {
        for (overflow, cause) in [
            (Overflow::DropOldest, Cause::OverflowOldest),
            (Overflow::RefuseNewest, Cause::OverflowNewest),
            (Overflow::ThinOut, Cause::Thinned),
        ] {
            let mut life = Life::new(mode, 8);
            life.config.queue.overflow = overflow;
            if overflow == Overflow::RefuseNewest {
                life.config.mqtt.overflow = mqtt::OverflowPolicy::RefuseNewest;
            }
            life.outage(2 * MINUTE, 5 * HOUR);
            let report = life.run_for(6 * HOUR);
            assert_eq!(report.queued, 0, "{mode:?} {overflow:?}");
            let dropped = report.dropped.of(cause);
            assert!(dropped > 50, "{mode:?} {overflow:?} {report:?}");
            if overflow != Overflow::ThinOut {
                assert_eq!(report.dropped.total(), dropped.into());
            }
            let stored = life.stored();
            assert_eq!(firsts(&stored).len(), stored.len(), "none twice");
            assert_eq!(
                stored.len() as u64 + report.dropped.total(),
                *life.counter.borrow()
            );
            let urgent = stored.iter().filter(|count| count.is_multiple_of(10));
            if overflow == Overflow::DropOldest {
                let all = *life.counter.borrow() / 10;
                assert_eq!(
                    urgent.count() as u64,
                    all,
                    "{mode:?}: an alarm outlives others"
                );
            }
        }
    }
}

#[test]
fn a_message_of_no_more_use_is_dropped_and_counted() {
    for mode in [Mode::Off, Mode::Spill, Mode::Always] {
        let mut life = Life::new(mode, 50);
        life.time_to_live = (600, 1);
        life.outage(2 * MINUTE, 18 * MINUTE);
        let report = life.run_for(2 * HOUR);
        let stored = life.stored();
        let expired = report.dropped.of(Cause::Expired);
        assert!((4..16).contains(&expired), "{mode:?}: {expired}");
        assert_eq!(report.dropped.total(), expired.into(), "{mode:?}");
        assert_eq!(
            stored.len() as u64 + u64::from(expired),
            *life.counter.borrow()
        );
        assert!(stored.is_sorted());
    }
}

#[test]
fn what_is_queued_goes_to_another_hub_under_another_id() {
    let mut life = Life::new(Mode::Spill, 50);
    life.outage(2 * MINUTE, 5 * HOUR);
    life.run_for(2 * HOUR);
    life.identity = "HostName=other.azure-devices.net;DeviceId=another-device-with-a-longer-name;\
                     SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    life.world.host_name = "other.azure-devices.net";
    life.world.hub.borrow_mut().client_id = "another-device-with-a-longer-name";
    life.world.hub.borrow_mut().outages.clear();
    life.world.hub.borrow_mut().log.topics.clear();
    life.run_for(HOUR);
    let topics = life.topics();
    assert!(topics.len() > 100);
    for topic in topics {
        let start = "devices/another-device-with-a-longer-name/messages/events/%24.mid=";
        assert!(topic.starts_with(start), "{topic}");
    }
    assert_whole(&life.stored());
    assert_eq!(life.stored().len() as u64, *life.counter.borrow());
}

#[test]
fn clearing_erases_what_was_not_sent_and_says_how_much() {
    let mut life = Life::new(Mode::Spill, 50);
    life.outage(2 * MINUTE, 5 * HOUR);
    let clear = Requests {
        clear_queue: true,
        ..Requests::default()
    };
    life.world.requests.push_back((4 * 3_600_000, clear));
    life.world.stop_after(6 * HOUR);
    let report = life.run().unwrap();
    assert_eq!(report.queued, 0);
    let erased = report.dropped.of(Cause::Erased);
    assert!((230..240).contains(&erased), "{erased}");
    assert_eq!(report.dropped.total(), erased.into());
    assert_eq!(
        life.stored().len() as u64 + u64::from(erased),
        *life.counter.borrow()
    );
}

#[test]
fn a_message_that_expires_among_others_is_no_damage_after_a_power_cut() {
    let mut cuts = 0;
    for seed in 1..200 {
        let mut life = Life::new(Mode::Always, 50);
        life.time_to_live = (60, 3);
        life.outage(2 * MINUTE, 40 * MINUTE);
        life.run_for(39 * MINUTE);
        let hub = Rc::clone(&life.world.hub);
        hub.borrow_mut().puback_delay = Duration::from_millis(50);
        // Somewhere in the replay.
        life.flash.0.borrow_mut().cut_after(seed, 0);
        life.world
            .stop_after(Duration::from_millis(life.world.now) + 10 * MINUTE);
        cuts += u32::from(life.run().is_none());
        life.flash.0.borrow_mut().power_on();
        let report = life.run_for(HOUR);
        assert_eq!(report.dropped.of(Cause::Damaged), 0, "{seed}");
        let got: BTreeSet<u64> = life.stored().into_iter().collect();
        let immortal: Vec<_> = life
            .promised
            .borrow()
            .iter()
            .filter(|count| !count.is_multiple_of(3) && !got.contains(count))
            .copied()
            .collect();
        assert!(immortal.is_empty(), "{seed}: {immortal:?}");
    }
    assert!(cuts > 100, "{cuts}");
}
