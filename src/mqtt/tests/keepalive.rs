//! Time: PINGREQ, and everything that the server owes.

use super::*;

const INTERVAL: Duration = Duration::from_secs(60);

fn config() -> Config {
    Config {
        keepalive: INTERVAL,
        ping_timeout: Duration::from_secs(10),
        ..Config::default()
    }
}

#[test]
fn a_ping_goes_out_when_the_interval_has_passed_and_not_before() {
    let mut bench = Bench::connected(config());
    bench.wait(INTERVAL - Duration::from_millis(1));
    assert_eq!(bench.feed(&[]), []);
    assert_eq!(bench.sent(), []);
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.session.deadline(), Some(bench.now));
    assert_eq!(bench.feed(&[]), []);
    assert_eq!(bench.sent(), [0xc0, 0]);
    assert_eq!(bench.feed(&[0xd0, 0]), []);
    assert_eq!(bench.session.deadline(), Some(bench.now.after(INTERVAL)));
}
