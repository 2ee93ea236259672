//! Tokens are renewed by planned reconnects that lose nothing.

use std::time::{Duration, Instant};

use azure_device::report::Cause;

use crate::program::PATIENCE;
use crate::support::{access, assert_complete_and_in_order, count, hub, start};

const RENEWALS: usize = 20;

#[test]
fn twenty_renewals_in_a_row_under_load_lose_nothing_and_keep_the_order() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let access = access(&hub, &connection_string);
    // A token of a second is renewed after 0.7 to 0.85 s; fifty messages fall due in each second.
    let (device, _taken) = start(&access, |settings| {
        settings.token_life = Duration::from_secs(1);
        settings.telemetry_interval = Some(Duration::from_millis(20));
        settings.will = Some("gone".into());
    });
    let deadline = Instant::now() + PATIENCE;
    let renewed = |needed: usize| hub.closes().len() >= needed;
    while !renewed(RENEWALS) {
        assert!(Instant::now() < deadline, "{:?}", hub.closes());
        std::thread::sleep(Duration::from_millis(50));
    }
    let report = device.stop();
    assert!(hub.wait_connected("device", false, PATIENCE));
    assert_eq!(report.last_failure, None, "{report:?}");
    // The stop may come between two connections.
    let renewals = report.connections - 1..=report.connections;
    assert!(renewals.contains(&report.renewals), "{report:?}");

    let events = hub.events();
    // Every goodbye was a clean one.
    let gone = events.iter().any(|event| event.body == b"gone");
    assert!(!gone, "{:?}", hub.closes());
    let counts: Vec<_> = events.iter().map(count).collect();
    let renewals = usize::try_from(report.renewals).unwrap();
    assert_complete_and_in_order(
        &counts,
        renewals,
        report.dropped.of(Cause::NotSampled).into(),
    );
    assert!(
        report.telemetry_due >= 20 * RENEWALS as u64,
        "no load: {report:?}"
    );
}
