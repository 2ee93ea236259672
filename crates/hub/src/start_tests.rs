//! Whatever the hub accepts, it loads again: every kind of record, with inputs that nobody thought of.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::c2d::{Ack, Feedback, Message};
use crate::dps::{Attestation, Enrollment, Proof};
use crate::events::{Event, Unnumbered};
use crate::quota::DailyQuota;
use crate::registry::{Authentication, Device, Identity, Status, SymmetricKeys};
use crate::tls::DeviceAuthority;

const DEVICES: [&str; 3] = ["d", "D.1-_#!", "dé"];
const MODULES: [&str; 2] = ["m", "m$'@"];

/// One change of the state.
#[derive(Clone, Debug)]
enum Change {
    Create(Identity, Authentication),
    Disable(Identity),
    Delete(Identity),
    Upload(String, bool),
    Report(Identity, String),
    Patch(Identity, Value, bool),
    Announce(Identity, Option<String>),
    Subscribe(Identity, BTreeMap<String, u8>),
    Leave(Identity, u64),
    Send(&'static str, Box<Message>),
    Deliver(&'static str, bool),
    Purge(&'static str),
    Enroll(String, bool, Box<Enrollment>),
    Provision(String),
    Store(Box<Event>),
    Spend(usize),
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,3}",
        any::<String>(),
        "[\\x00-\\x1f\"\\\\\u{7f}\u{85}\u{202e}]{0,6}"
    ]
}

/// JSON of any kind, and values that nest up to 200 levels deep.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(12, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    });
    let levels = prop_oneof![3 => Just(0_usize), 2 => 1..12_usize, 1 => 12..200_usize];
    (tree, levels, any::<bool>()).prop_map(|(value, levels, arrays)| {
        (0..levels).fold(value, |inner, level| match arrays && level % 2 == 0 {
            true => json!([inner]),
            false => json!({ "k": inner }),
        })
    })
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(text(), value(), 0..4)
        .prop_map(|object| Value::Object(object.into_iter().collect()))
}

fn identity() -> impl Strategy<Value = Identity> {
    (
        prop::sample::select(&DEVICES[..]),
        prop::option::of(prop::sample::select(&MODULES[..])),
    )
        .prop_map(|(device, module)| match module {
            Some(module) => Identity::module(device, module),
            None => Identity::device(device),
        })
}

fn authentication() -> impl Strategy<Value = Authentication> {
    prop_oneof![
        3 => Just(Authentication::Sas(SymmetricKeys::generated())),
        1 => "[0-9a-fA-F]{40}".prop_map(|text| Authentication::X509Thumbprint {
            primary: Some(text),
            secondary: None,
        }),
        1 => Just(Authentication::X509Ca),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let properties = prop::collection::vec(("[a-z!#$%&]{1,4}", "[A-Z|~]{0,4}"), 0..3);
    (
        prop::collection::vec(any::<u8>(), 0..60),
        prop::option::of(text()),
        properties,
        0..4_u8,
    )
        .prop_map(|(body, id, properties, ack)| Message {
            message_id: id.clone(),
            correlation_id: id,
            properties,
            ack: [
                None,
                Some(Ack::Full),
                Some(Ack::Positive),
                Some(Ack::Negative),
            ][usize::from(ack)],
            ..Message::new(body)
        })
}

fn enrollment() -> impl Strategy<Value = Enrollment> {
    let attestation = prop_oneof![
        3 => Just(Attestation::SymmetricKey(SymmetricKeys::generated())),
        1 => Just(Attestation::X509Thumbprint { thumbprint: "0a".repeat(20) }),
        1 => Just(Attestation::X509Ca { certificate: authority().to_owned() }),
    ];
    let failure = prop::option::of((any::<u32>(), text()));
    let device_id = prop::option::of(text());
    (
        attestation,
        prop::option::of(value()),
        failure,
        device_id,
        any::<u32>(),
    )
        .prop_map(
            |(attestation, payload, failure, device_id, retry_after)| Enrollment {
                payload,
                failure,
                device_id,
                retry_after,
                ..Enrollment::new(attestation)
            },
        )
}

fn event() -> impl Strategy<Value = Event> {
    let properties = prop::collection::btree_map(text(), prop::option::of(text()), 0..3);
    let system = prop::collection::btree_map(text(), text(), 0..3);
    (
        identity(),
        properties,
        system,
        prop::collection::vec(any::<u8>(), 0..60),
        any::<u64>(),
    )
        .prop_map(|(origin, properties, system, body, enqueued_time)| Event {
            sequence_number: 0,
            enqueued_time,
            origin,
            annotations: system.clone(),
            system,
            properties,
            body,
        })
}

impl Unnumbered for Event {
    fn write(&self, sequence_number: u64, json: &mut Vec<u8>) -> std::io::Result<()> {
        let numbered = Event {
            sequence_number,
            ..self.clone()
        };
        Ok(serde_json::to_writer(json, &numbered)?)
    }
}

fn change() -> impl Strategy<Value = Change> {
    let device = || prop::sample::select(&DEVICES[..]);
    let filters = prop::collection::btree_map(text(), any::<u8>(), 0..3);
    let name = || prop_oneof![Just("e".to_owned()), "[a-z0-9.:-]{1,4}", text()];
    prop_oneof![
        4 => (identity(), authentication()).prop_map(|(i, a)| Change::Create(i, a)),
        1 => identity().prop_map(Change::Disable),
        1 => identity().prop_map(Change::Delete),
        1 => (text(), any::<bool>()).prop_map(|(name, good)| Change::Upload(name, good)),
        6 => (identity(), object()).prop_map(|(i, v)| Change::Report(i, v.to_string())),
        1 => (identity(), text()).prop_map(|(i, v)| Change::Report(i, v)),
        4 => (identity(), object(), object(), any::<bool>()).prop_map(|(i, tags, desired, replace)| {
            Change::Patch(i, json!({"tags": tags, "properties": {"desired": desired}}), replace)
        }),
        1 => (identity(), prop::option::of(text())).prop_map(|(i, m)| Change::Announce(i, m)),
        1 => (identity(), filters).prop_map(|(i, filters)| Change::Subscribe(i, filters)),
        1 => (identity(), any::<u64>()).prop_map(|(i, now)| Change::Leave(i, now)),
        3 => (device(), message()).prop_map(|(d, m)| Change::Send(d, Box::new(m))),
        2 => (device(), any::<bool>()).prop_map(|(d, acknowledge)| Change::Deliver(d, acknowledge)),
        1 => device().prop_map(Change::Purge),
        3 => (name(), any::<bool>(), enrollment())
            .prop_map(|(name, group, e)| Change::Enroll(name, group, Box::new(e))),
        2 => name().prop_map(Change::Provision),
        3 => event().prop_map(|event| Change::Store(Box::new(event))),
        1 => (0..100_000_usize).prop_map(Change::Spend),
    ]
}

/// A CA's certificate.
fn authority() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let made = DeviceAuthority::open(directory.path()).unwrap();
        made.certificate_pem().to_owned()
    })
}

/// Makes a change; it may be refused, and must then have changed nothing that is kept.
fn make(core: &Core, change: Change) -> Result<(), String> {
    let known = |identity: &Identity| core.registry.get(identity).map_err(|e| e.to_string());
    let told = |error: crate::error::Error| error.to_string();
    let kept = |error: StoreError| panic!("{error}");
    match change {
        Change::Create(identity, authentication) => core
            .registry
            .create(identity, authentication, Status::Enabled)
            .map(drop)
            .map_err(told),
        Change::Disable(identity) => core
            .update_device(&identity, None, |device| device.status = Status::Disabled)
            .map(drop)
            .map_err(told),
        Change::Delete(identity) => core.delete_device(&identity, None).map_err(told),
        Change::Upload(name, good) => core
            .registry
            .upload_authority(&name, if good { authority() } else { "no PEM" })
            .map_err(told),
        Change::Report(identity, patch) => core
            .twins
            .report(&known(&identity)?, patch.as_bytes())
            .map(drop)
            .map_err(told),
        Change::Patch(identity, change, replace) => core
            .twins
            .change(&known(&identity)?, None, &change, replace, |_, _| ())
            .map(drop)
            .map_err(told),
        Change::Announce(identity, model) => core
            .twins
            .announce(&known(&identity)?, model.as_deref())
            .map_err(kept),
        Change::Subscribe(identity, filters) => {
            let id = known(&identity)?.identity.to_string();
            core.sessions.keep(&id, &filters).map_err(kept)
        }
        Change::Leave(identity, now) => {
            let id = known(&identity)?.identity.to_string();
            let (link, _) = core.sessions.enter(&id, BTreeMap::new(), None, true, now);
            core.sessions.leave(&link);
            core.sessions.keep_activity(&link, now).map_err(kept)
        }
        Change::Send(device, message) => core
            .send_c2d(&Identity::device(device), *message)
            .map_err(told),
        Change::Deliver(id, acknowledge) => {
            let device = known(&Identity::device(id))?;
            let Some(delivery) = core.c2d.deliver(&device.identity.to_string(), 1).unwrap() else {
                return Err("nothing waits".into());
            };
            if acknowledge {
                let done = core.c2d.acknowledge(&device, 1, delivery.packet_id);
                let _ = done.unwrap();
            }
            core.c2d.release(&device, 1).map_err(kept)
        }
        Change::Purge(id) => core
            .c2d
            .purge(&known(&Identity::device(id))?)
            .map(drop)
            .map_err(kept),
        Change::Enroll(name, group, enrollment) => {
            let enrolled = core.provisioning.enroll(&name, group, *enrollment);
            enrolled.map(drop).map_err(told)
        }
        Change::Provision(id) => provision(core, &id),
        Change::Store(event) => core.events.append(*event).map_err(|e| panic!("{e}")),
        Change::Spend(bytes) => core.quota.spend(bytes).map_err(told),
    }
}

fn provision(core: &Core, id: &str) -> Result<(), String> {
    let enrollment = core.provisioning.get(id, false).ok_or("not enrolled")?;
    let Attestation::SymmetricKey(keys) = &enrollment.attestation else {
        return Err("another attestation".into());
    };
    let resource = format!("{}/registrations/{id}", core.provisioning.id_scope());
    let expiry = core.clock.unix_secs() + 60;
    let policy = Some("registration");
    let token = crate::credentials::sas::sign(&resource, &keys.primary_key, expiry, policy);
    let proof = Proof {
        password: token.unwrap().into_bytes(),
        certificates: Vec::new(),
    };
    let body = json!({ "registrationId": id }).to_string();
    let answer = core.register(id, &proof, body.as_bytes());
    let operation = answer.body["operationId"].as_str().unwrap_or_default();
    let answer = core.operation_status(id, operation);
    match answer.status {
        200 => Ok(()),
        status => Err(format!("{status}")),
    }
}

/// All that a hub keeps, as the store and as its parts see it.
#[derive(Debug, PartialEq)]
struct Seen {
    values: Vec<(String, Value)>,
    devices: Vec<Device>,
    twins: Vec<Value>,
    pending: Vec<usize>,
    feedback: Vec<Feedback>,
    authorities: usize,
    owner_key: Option<String>,
    id_scope: String,
    usage: Option<(u64, u64)>,
    events: Vec<Event>,
}

fn see(core: &Core) -> Seen {
    let devices = core.registry.all();
    let feedback = core
        .c2d
        .feedback(true)
        .into_iter()
        .map(|(_, record)| record);
    let twin = |device: &Device| serde_json::to_value(core.twins.get(device)).unwrap();
    Seen {
        values: core.store.scan(""),
        twins: devices.iter().map(twin).collect(),
        pending: DEVICES.map(|id| core.c2d.pending(id)).to_vec(),
        feedback: feedback.collect(),
        authorities: core.registry.authorities().len(),
        owner_key: core.policies.key("iothubowner").map(str::to_owned),
        id_scope: core.provisioning.id_scope().to_owned(),
        usage: core.quota.usage(),
        events: core.events.since(0),
        devices,
    }
}

fn open(directory: &Path) -> Result<Core, StartError> {
    let config = Config {
        daily_quota: Some(DailyQuota::new(1_000_000)),
        ..Config::temporary()
    };
    open_core(&config, directory)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_hub_accepts_it_loads_again(
        changes in prop::collection::vec(change(), 1..40),
        rewrite in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let core = open(directory.path()).unwrap();
        for id in &DEVICES[..2] {
            let keys = Authentication::Sas(SymmetricKeys::generated());
            core.registry.create(Identity::device(*id), keys, Status::Enabled).unwrap();
        }
        for change in changes {
            let before = core.store.scan::<Value>("");
            if let Err(why) = make(&core, change) {
                prop_assert_eq!(core.store.scan::<Value>(""), before, "refused, and kept: {}", why);
                // The rules refuse what is wrong; the store's own check is the net below them.
                prop_assert!(!why.contains("cannot keep its state"), "{}", why);
            }
        }
        if rewrite {
            core.store.compact().unwrap();
        }
        let before = see(&core);
        drop(core);
        let core = open(directory.path());
        let core = core.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(see(&core), before);
    }
}
