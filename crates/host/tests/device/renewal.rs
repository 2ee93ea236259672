//! Tokens are renewed by planned reconnects that lose nothing.

use crate::program::{PATIENCE, Program};
use crate::support::{access, assert_complete_and_in_order, count, hub};

const RENEWALS: usize = 20;

#[cfg(unix)]
#[test]
fn twenty_renewals_in_a_row_under_load_lose_nothing_and_keep_the_order() {
    let hub = hub();
    let connection_string = hub.create_sas_device("device").unwrap();
    let access = access(&hub, &connection_string);
    // A token of a second is renewed after 0.7 to 0.85 s; fifty messages fall due in each second.
    let arguments = ["--token-life", "1", "--interval", "0.02", "--will", "gone"];
    let program = Program::device(&access, &arguments);
    program.wait_for_times("joined", RENEWALS + 1);
    program.interrupt();
    let (status, lines) = program.finish();
    assert!(status.success());
    assert!(
        lines
            .iter()
            .all(|line| !line.contains(" ERROR ") && !line.contains(" WARN ")),
        "{lines:?}"
    );

    let connections = lines.iter().filter(|line| line.contains("joined")).count();
    assert!(hub.wait_connected("device", false, PATIENCE));
    let events = hub.events();
    // Every goodbye was a clean one.
    assert!(events.iter().all(|event| event.body != b"gone"));
    let counts: Vec<_> = events.iter().map(count).collect();
    assert_complete_and_in_order(&counts, connections - 1);
    assert!(
        counts.len() >= 20 * RENEWALS,
        "no load: {} messages",
        counts.len()
    );
}
