//! A hub that is killed and comes back finds its devices, and their messages.

use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use azure_device::backoff;
use azure_device::report::Cause;
use local_hub::{Config, Hub, Message};

use crate::program::{Access, PATIENCE};
use crate::support::{assert_complete_and_in_order, count, start};

const STATE: &str = "HUB_STATE_OF_THE_OUTAGE_TEST";
const LISTEN: &str = "HUB_ADDRESS_OF_THE_OUTAGE_TEST";

pub(crate) fn serve(state: &Path, listen: SocketAddr) -> Hub {
    Hub::start(Config {
        state: Some(state.to_owned()),
        listen,
        ..Config::temporary()
    })
    .unwrap()
}

/// This test binary again, as a process that serves a hub until it is killed.
pub(crate) struct HubProcess(Child);

impl HubProcess {
    pub(crate) fn start(state: &Path, listen: SocketAddr) -> Self {
        let process = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "outage::serves_a_hub_until_it_is_killed",
                "--ignored",
            ])
            .env(STATE, state)
            .env(LISTEN, listen.to_string())
            .stdout(Stdio::null())
            .spawn();
        Self(process.unwrap())
    }

    pub(crate) fn kill(self) {}
}

/// Also if the test fails before it kills: nothing is left running.
impl Drop for HubProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "the process that the test below starts and kills; alone it would only wait"]
fn serves_a_hub_until_it_is_killed() {
    let (Ok(state), Ok(listen)) = (env::var(STATE), env::var(LISTEN)) else {
        panic!("this runs only as a part of another test, which sets {STATE} and {LISTEN}");
    };
    let _hub = serve(state.as_ref(), listen.parse().unwrap());
    std::thread::sleep(PATIENCE * 2);
}

#[test]
fn a_device_survives_that_its_hub_is_killed_and_restarted_and_loses_nothing() {
    let state = tempfile::tempdir().unwrap();
    let hub = serve(state.path(), ([127, 0, 0, 1], 0).into());
    let connection_string = hub.create_sas_device("device").unwrap();
    let (listen, ca_pem) = (hub.endpoint(), hub.ca_pem().to_owned());
    let access = Access {
        connection_string: &connection_string,
        ca_pem: &ca_pem,
        endpoint: listen.to_string(),
        certificate: None,
    };
    // It waits in the state for the hub that will be killed, and shows that the device has joined that one.
    hub.send_c2d("device", Message::new("joined")).unwrap();
    drop(hub);

    let process = HubProcess::start(state.path(), listen);
    let (device, taken) = start(&access, |settings| {
        settings.backoff = backoff::Config {
            max: Duration::from_secs(1),
            ..backoff::Config::default()
        };
    });
    assert_eq!(taken.recv_timeout(PATIENCE).unwrap().body, b"joined");
    std::thread::sleep(Duration::from_secs(2));
    process.kill();
    // An outage in which messages fall due.
    std::thread::sleep(Duration::from_secs(2));

    let hub = serve(state.path(), listen);
    let before = hub.events().len();
    assert!(before > 0, "the hub stored nothing before it was killed");
    let (enough, _) = hub.wait_for_events(PATIENCE, |events| events.len() >= before + 30);
    assert!(enough);
    let report = device.stop();
    assert!(report.failures >= 1);
    let not_sampled = report.dropped.of(Cause::NotSampled).into();
    assert_eq!(report.dropped.total(), not_sampled, "{report:?}");
    let counts: Vec<_> = hub.events().iter().map(count).collect();
    assert_complete_and_in_order(&counts, report.connections as usize, not_sampled);
    assert!(counts.len() as u64 >= report.telemetry_acknowledged);
}
