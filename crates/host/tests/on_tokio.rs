//! Devices on an executor, by the driver over `embedded-io-async`, on a local hub over real TLS on loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../examples/on_tokio/device.rs"]
mod device;
#[path = "../examples/on_tokio/platform.rs"]
mod platform;

use std::future::Future;
use std::net::TcpListener;
use std::time::Duration;

use azure_device::failure::Failure;
use azure_device::report::Report;
use azure_device_host::queue::{FileQueue, MIN_SIZE};
use azure_device_host::tls::roots_from_pem;
use local_hub::{Config, Event, Hub, Message};

use device::Counting;
use platform::{Platform, Remote};

/// The longest time for all that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

fn platform(hub: &Hub) -> Platform {
    Platform::new(roots_from_pem(hub.ca_pem().as_bytes(), "the hub's CA").unwrap()).unwrap()
}

/// Waits until something has come true.
async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

/// Runs a device, with `visit` beside it on the same thread. Gives its counters.
fn run<V: Future<Output = ()>>(
    hub: &Hub,
    endpoint: &str,
    application: Counting,
    visit: impl FnOnce(Remote) -> V,
) -> Report {
    run_with_queue(hub, endpoint, application, None, visit)
}

/// The same with a queue, if there is one.
fn run_with_queue<V: Future<Output = ()>>(
    hub: &Hub,
    endpoint: &str,
    application: Counting,
    queue: Option<FileQueue>,
    visit: impl FnOnce(Remote) -> V,
) -> Report {
    let connection_string = hub.create_sas_device("device").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut platform = platform(hub);
        platform.queue = queue;
        let remote = platform.remote();
        let device = device::run(&connection_string, endpoint, application, platform);
        let both = async { tokio::join!(device, visit(remote)) };
        let (report, ()) = tokio::time::timeout(2 * PATIENCE, both).await.unwrap();
        report.unwrap()
    })
}

/// The `count` that the application wrote into a message.
fn count(event: &Event) -> u64 {
    let body: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
    body["count"].as_u64().unwrap()
}

#[test]
fn a_device_on_an_executor_joins_sends_receives_and_leaves() {
    let hub = Hub::start(Config::temporary()).unwrap();
    let application = Counting::default();
    let taken = application.taken.clone();
    let report = run(
        &hub,
        &hub.endpoint().to_string(),
        application,
        async |remote| {
            until(|| hub.is_connected("device")).await;
            hub.send_c2d("device", Message::new("hi")).unwrap();
            until(|| hub.events().len() >= 5 && !taken.borrow().is_empty()).await;
            remote.stop();
        },
    );
    assert_eq!(taken.borrow().as_slice(), [b"hi".to_vec()]);
    assert!(hub.wait_connected("device", false, PATIENCE));
    assert_eq!(
        (report.connections, report.failures),
        (1, 0),
        "{:?}",
        report.last_failure
    );
    let events = hub.events();
    assert_eq!(events.len() as u64, report.telemetry_acknowledged);
    let counts: Vec<_> = events.iter().map(count).collect();
    let all: Vec<_> = (1..=events.len() as u64).collect();
    assert_eq!(counts, all);
}

#[test]
fn a_device_on_an_executor_comes_back_after_its_connection_broke_and_loses_no_message() {
    let hub = Hub::start(Config::temporary()).unwrap();
    let report = run(
        &hub,
        &hub.endpoint().to_string(),
        Counting::default(),
        async |remote| {
            until(|| hub.events().len() >= 3).await;
            assert!(hub.disconnect("device"));
            let before = hub.events().len();
            until(|| hub.is_connected("device") && hub.events().len() >= before + 10).await;
            remote.stop();
        },
    );
    assert_eq!((report.connections, report.dropped.total()), (2, 0));
    assert_eq!(report.last_failure, Some(Failure::Closed));
    let mut counts: Vec<_> = hub.events().iter().map(count).collect();
    counts.sort_unstable();
    counts.dedup();
    let all: Vec<_> = (1..=*counts.last().unwrap()).collect();
    assert_eq!(counts, all);
}

#[test]
fn a_device_on_an_executor_stops_while_it_connects() {
    let hub = Hub::start(Config::temporary()).unwrap();
    // It accepts and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = silent.local_addr().unwrap().to_string();
    let report = run(&hub, &endpoint, Counting::default(), async |remote| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        remote.stop();
    });
    assert_eq!(
        (report.connections, report.failures),
        (0, 0),
        "{:?}",
        report.last_failure
    );
}

#[test]
fn what_a_device_on_an_executor_measures_in_an_outage_is_sent_after_its_restart() {
    let folder = tempfile::tempdir().unwrap();
    let queue = || Some(FileQueue::open(folder.path(), MIN_SIZE).unwrap());
    let hub = Hub::start(Config::temporary()).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = silent.local_addr().unwrap().to_string();
    let application = Counting::default();
    let report = run_with_queue(&hub, &endpoint, application, queue(), async |remote| {
        tokio::time::sleep(Duration::from_secs(2)).await;
        remote.stop();
    });
    let left = report.queued_in_flash;
    assert!(left > 3, "{report:?}");
    assert_eq!((report.connections, report.queued), (0, left));

    // The next start knows another hub.
    let hub = Hub::start(Config::temporary()).unwrap();
    let endpoint = hub.endpoint().to_string();
    let application = Counting::default();
    let report = run_with_queue(&hub, &endpoint, application, queue(), async |remote| {
        until(|| hub.events().len() > left as usize).await;
        remote.stop();
    });
    assert!(report.telemetry_acknowledged > left.into(), "{report:?}");
    let counts: Vec<_> = hub.events().iter().map(count).collect();
    let first_life: Vec<_> = counts.iter().take(left as usize).collect();
    assert!(first_life.is_sorted(), "{counts:?}");
    assert_eq!(
        counts[left as usize], 1,
        "the second life begins: {counts:?}"
    );
}
