//! An operator has the image before started.

use super::bench::Bench;
use std::string::String;
use std::{format, vec};

use super::world::image;
use crate::application::Permission;
use crate::update::State;

/// A device that was updated from 1.0.0 to 1.1.0.
fn updated() -> Bench {
    let mut bench = Bench::new();
    bench.deploy("w1", "1.1.0");
    bench.wanted_restart();
    bench.acknowledge();
    assert_eq!(bench.status().previous.as_str(), "1.0.0");
    bench
}

fn versions(bench: &Bench) -> (String, bool) {
    (bench.board.version(), bench.board.on_trial)
}

#[test]
fn the_image_before_is_started_on_trial_and_kept_and_the_way_back_is_open() {
    let mut bench = updated();
    for (version, other) in [("1.0.0", "1.1.0"), ("1.1.0", "1.0.0"), ("1.0.0", "1.1.0")] {
        assert_eq!(bench.roll_back(), Ok(version.into()));
        assert_eq!(bench.status().state, State::Restarting);
        assert!(!bench.updates.wants_restart(), "first the answer");
        bench.wait(5);
        bench.wanted_restart();
        assert_eq!(versions(&bench), (version.into(), true));
        assert_eq!(bench.status().version.as_str(), version);
        // The service's workflow is as it was, and is not done again.
        assert_eq!(bench.result(), (0, 700, String::new()));
        bench.acknowledge();
        bench.deploy("w1", "1.1.0");
        assert_eq!(versions(&bench), (version.into(), false));
        assert_eq!(bench.result(), (0, 700, String::new()));
        let installed = format!("\\\"version\\\":\\\"{version}\\\"");
        assert!(bench.reported().contains(&installed));
        assert_eq!(
            (bench.status().state, bench.status().previous.as_str()),
            (State::Idle, other)
        );
        bench.restart(false);
        assert_eq!(versions(&bench), (version.into(), false));
    }
    // Another update after it.
    bench.deploy("w2", "1.2.0");
    bench.wanted_restart();
    bench.acknowledge();
    assert_eq!(versions(&bench), ("1.2.0".into(), false));
    assert_eq!(bench.status().previous.as_str(), "1.0.0");
}

#[test]
fn an_image_before_that_fails_its_trial_gives_way_again_and_the_workflow_keeps_its_result() {
    let mut bench = updated();
    bench.roll_back().unwrap();
    bench.restart(true);
    assert_eq!(versions(&bench), ("1.0.0".into(), true));
    bench.wait(600);
    bench.wanted_restart();
    assert_eq!(versions(&bench), ("1.1.0".into(), false));
    assert_eq!(bench.result(), (0, 700, String::new()));
    let reason = "the new image did not join its hub in time";
    for _ in 0..2 {
        let status = bench.status();
        assert_eq!(
            (status.state, status.reason.as_str()),
            (State::Failed, reason)
        );
        assert!(status.previous.is_empty());
        let refused = "no image before the one that runs is known to have been kept";
        assert_eq!(bench.roll_back(), Err(refused));
        bench.restart(false);
    }
    // A hang tells nothing.
    let mut bench = updated();
    bench.roll_back().unwrap();
    bench.restart(true);
    bench.restart(false);
    assert_eq!(versions(&bench), ("1.1.0".into(), false));
    let reason = "the new image restarted before it had joined its hub";
    assert_eq!(bench.status().reason.as_str(), reason);
    // A restart in good order is no failure.
    let mut bench = updated();
    bench.roll_back().unwrap();
    bench.restart(true);
    bench.restart(true);
    assert_eq!(versions(&bench), ("1.0.0".into(), true));
}

#[test]
fn a_rollback_during_the_trial_ends_it() {
    let mut bench = Bench::new();
    bench.deploy("w1", "1.1.0");
    bench.wanted_restart();
    assert_eq!(bench.roll_back(), Ok("1.0.0".into()));
    // It is not kept meanwhile.
    bench.acknowledge();
    bench.wait(5);
    bench.wanted_restart();
    assert_eq!(versions(&bench), ("1.0.0".into(), false));
    let details = "an operator had the image before started";
    assert_eq!(bench.result(), (255, 0, details.into()));
    assert!(bench.status().previous.is_empty());
}

#[test]
fn a_rollback_without_an_image_to_go_back_to_is_refused_and_changes_nothing() {
    let none = "no image before the one that runs is known to have been kept";
    let mut bench = Bench::new();
    assert_eq!(bench.roll_back(), Err(none));

    let mut bench = updated();
    bench.board.is_slow = true;
    bench.deploy("w2", "1.2.0");
    let busy = "an update is under way: cancel it first, or wait for its end";
    assert_eq!(bench.roll_back(), Err(busy));
    // The download has overwritten it.
    bench.read("null", false);
    assert_eq!(bench.roll_back(), Err(none));

    let mut bench = updated();
    bench.board.net.flash[..5000].copy_from_slice(&image("0.9.0", 5000));
    let other = "the slot does not hold the image before any more";
    assert_eq!(bench.roll_back(), Err(other));

    // Another way than an update brought this image.
    let mut bench = updated();
    bench.board.primary = image("7.0.0", 5000);
    bench.restart(false);
    assert_eq!(
        bench.roll_back(),
        Err("the image that runs did not come by an update")
    );

    let mut bench = updated();
    bench.application.answers = vec![Permission::Later, Permission::Refused("the pump runs")];
    let later = "the application is not ready for a restart: try again later";
    assert_eq!(bench.roll_back(), Err(later));
    assert_eq!(bench.roll_back(), Err("the pump runs"));
    bench.board.fails = true;
    assert_eq!(bench.roll_back(), Err("the rollback could not be stored"));
    bench.board.fails = false;
    assert!(!bench.board.trial_wanted);
    bench.restart(false);
    assert_eq!(versions(&bench), ("1.1.0".into(), false));
    assert!(bench.roll_back().is_ok());
}
