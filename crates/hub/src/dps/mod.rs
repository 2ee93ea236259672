//! The Device Provisioning Service: assigns this hub, and a device id, to devices that know an id scope
//! only ("Communicate with DPS using the MQTT protocol", "Device Registration – Register Device").
//!
//! # Theory of operation
//! A registration is judged by the enrolment of its own, or else by the groups. Asking to be registered
//! begins an operation; the device asks how it goes until the enrolment's count of `assigning` answers is
//! used up, and is then entered into the identity registry with the key or certificate that it proved.
//!
//! # Limits
//! One hub to assign. No TPM attestation, which does not exist on MQTT, and no certificate signing requests.
//! An operation is forgotten when the hub stops: the device asks to be registered again.

mod enrollment;
mod policy;
mod request;
mod service;
mod updates;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use enrollment::{Attestation, Enrollment};
pub(crate) use enrollment::{Proof, derive};
pub(crate) use policy::check as check_policy;
pub(crate) use service::{Condition, Details};
pub(crate) use updates::Offer;

use crate::clock::{Clock, iso_8601};
use crate::core::Core;
use crate::credentials::random;
use crate::error::Error;
use crate::registry::{Authentication, Identity, Status};
use crate::store::{Store, StoreError};
use enrollment::Judge;
use policy::{Policy, Reprovision};

/// Operations that are remembered.
const MAX_OPERATIONS: usize = 10_000;

/// Answer to a device: the status of the topic, the seconds to wait, the body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u32>,
    pub(crate) body: Value,
}

/// Record of a registration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Registration {
    created: String,
    device_id: String,
    /// The group that it was assigned by.
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    updated: Option<String>,
    #[serde(default)]
    etag: Option<String>,
    /// Effect of the last registration, in Azure's word.
    #[serde(default = "initial_assignment")]
    substatus: String,
}

fn initial_assignment() -> String {
    "initialAssignment".into()
}

/// A device that is being assigned.
#[derive(Debug)]
struct Operation {
    id: String,
    registration_id: String,
    enrollment: Enrollment,
    /// The group that it is one of.
    group: Option<String>,
    authentication: Authentication,
    /// Questions that are still answered with `assigning`.
    assigning: u32,
}

/// An enrolment that a proof suits, the name of its group if it is one, and the proof for the hub.
type Found = (Enrollment, Option<String>, Authentication);

/// The enrolments, and who is being assigned.
#[derive(Debug)]
pub(crate) struct Provisioning {
    store: Arc<Store>,
    clock: Arc<Clock>,
    id_scope: String,
    operations: Mutex<VecDeque<Operation>>,
    enrolling: Mutex<()>,
}

impl Provisioning {
    /// Reads the id scope from the store, or makes one.
    pub(crate) fn open(store: Arc<Store>, clock: Arc<Clock>) -> Result<Self, StoreError> {
        let id_scope = match store.get("dps-scope") {
            Some(id_scope) => id_scope,
            None => {
                let random = random::uuid().to_uppercase();
                let id_scope = format!("0ne{}", random.get(..8).unwrap_or_default());
                store.put("dps-scope", &id_scope)?;
                id_scope
            }
        };
        Ok(Self {
            store,
            clock,
            id_scope,
            operations: Mutex::default(),
            enrolling: Mutex::default(),
        })
    }

    /// Id that tells this service from others.
    pub(crate) fn id_scope(&self) -> &str {
        &self.id_scope
    }

    fn operations(&self) -> MutexGuard<'_, VecDeque<Operation>> {
        self.operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Enrols an individual by its registration id, or a group by its name; what was there is replaced.
    /// Gives it with the keys that were made up.
    pub(crate) fn enroll(
        &self,
        name: &str,
        group: bool,
        enrollment: Enrollment,
    ) -> Result<Enrollment, Error> {
        self.enroll_with(name, group, enrollment, None)
    }

    /// The same with members of the service API, which stay as they are if none are given.
    fn enroll_with(
        &self,
        name: &str,
        group: bool,
        enrollment: Enrollment,
        more: Option<Map<String, Value>>,
    ) -> Result<Enrollment, Error> {
        if !is_registration_id(name) {
            return Err(Error::ArgumentInvalid(format!(
                "{name:?} is no registration id; use up to 128 lower-case letters, digits and - . _ :, with \
                 a letter, a digit or - at the end"
            )));
        }
        let enrollment = enrollment.checked(group)?;
        self.keep(name, group, &enrollment, more)?;
        Ok(enrollment)
    }

    fn enrolling(&self) -> MutexGuard<'_, ()> {
        self.enrolling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes an enrolment. Devices that were assigned stay.
    pub(crate) fn remove(&self, name: &str, group: bool) -> Result<(), Error> {
        self.remove_if(name, group, Condition::Any)
    }

    /// An enrolment.
    pub(crate) fn get(&self, name: &str, group: bool) -> Option<Enrollment> {
        self.store.get(&key(name, group))
    }

    /// Every enrolment of an individual, or of a group, with its name; in the order of names.
    pub(crate) fn all(&self, group: bool) -> Vec<(String, Enrollment)> {
        let prefix = key("", group);
        let name = |key: String| key.get(prefix.len()..).unwrap_or_default().to_owned();
        let all = self.store.scan(&prefix).into_iter();
        all.map(|(key, enrollment)| (name(key), enrollment))
            .collect()
    }

    /// Every registration that was assigned: its id, when first, and the device; in the order of ids.
    pub(crate) fn registrations(&self) -> Vec<(String, Registration)> {
        let prefix = registration_key("");
        let id = |key: String| key.get(prefix.len()..).unwrap_or_default().to_owned();
        let all = self.store.scan(&prefix).into_iter();
        all.map(|(key, registration)| (id(key), registration))
            .collect()
    }

    /// Begins an operation; an earlier one of the same registration is forgotten.
    fn begin(
        &self,
        registration_id: &str,
        enrollment: Enrollment,
        group: Option<String>,
        authentication: Authentication,
    ) -> Answer {
        let (left, right) = (random::uuid().replace('-', ""), random::uuid());
        let id = format!("4.{}.{right}", left.get(..16).unwrap_or_default());
        let answer = Answer {
            status: 202,
            retry_after: Some(enrollment.retry_after),
            body: json!({ "operationId": id, "status": "assigning" }),
        };
        let mut operations = self.operations();
        operations.retain(|operation| operation.registration_id != registration_id);
        if operations.len() >= MAX_OPERATIONS {
            operations.pop_front();
        }
        operations.push_back(Operation {
            id,
            registration_id: registration_id.to_owned(),
            assigning: enrollment.assigning,
            enrollment,
            group,
            authentication,
        });
        answer
    }

    /// The enrolment that a proof suits: the individual's, or else a group's. The error is an answer.
    fn find(&self, judge: Judge<'_>, proof: &Proof, now: u64) -> Result<Found, Answer> {
        let unauthorized = |why: &str| {
            log::warn!(
                "registration {:?} is not authorized: {why}",
                judge.registration_id
            );
            failure(401_002, "Unauthorized", now)
        };
        if let Some(enrollment) = self.get(judge.registration_id, false) {
            let authentication = judge.judge(&enrollment, false, proof);
            return authentication
                .map(|authentication| (enrollment, None, authentication))
                .map_err(|why| unauthorized(&why));
        }
        let mut last = None;
        for (name, group) in self.all(true) {
            match judge.judge(&group, true, proof) {
                Ok(authentication) => return Ok((group, Some(name), authentication)),
                Err(why) => last = Some(why),
            }
        }
        Err(match last {
            Some(why) => unauthorized(&why),
            None => failure(404_201, "Enrollment not found", now),
        })
    }
}

impl Core {
    /// A registration asks to be registered.
    pub(crate) fn register(&self, registration_id: &str, proof: &Proof, body: &[u8]) -> Answer {
        let now = self.clock.unix_millis();
        if let Some(status) = self.faults.registration(registration_id) {
            return injected(status, now);
        }
        if let Err(wait) = self.throttle.register() {
            log::warn!("registration {registration_id:?} is one too many in a minute (429001)");
            return throttled(wait, now);
        }
        if let Err((code, why)) = request::check(body, registration_id) {
            log::warn!("registration {registration_id:?} sent a body that is refused: {why}");
            return failure(code, &why, now);
        }
        let dps = &self.provisioning;
        let judge = Judge {
            id_scope: dps.id_scope(),
            registration_id,
            now: now / 1000,
            skew: self.limits.sas_skew.as_secs(),
        };
        let (enrollment, group, authentication) = match dps.find(judge, proof, now) {
            Ok(found) => found,
            Err(refused) => return refused,
        };
        if enrollment.status == Status::Disabled {
            return ended(registration_id, "disabled", json!({}));
        }
        if let Some((code, message)) = &enrollment.failure {
            let more = json!({ "errorCode": code, "errorMessage": message });
            return ended(registration_id, "failed", more);
        }
        dps.begin(registration_id, enrollment, group, authentication)
    }

    /// A registration asks how it is going.
    pub(crate) fn operation_status(&self, registration_id: &str, operation_id: &str) -> Answer {
        let now = self.clock.unix_millis();
        if let Some(status) = self.faults.registration(registration_id) {
            return injected(status, now);
        }
        if let Err(wait) = self.throttle.poll(registration_id) {
            log::warn!("registration {registration_id:?} asks too often (429001)");
            return throttled(wait, now);
        }
        let mut operations = self.provisioning.operations();
        let operation = operations.iter_mut().find(|operation| {
            operation.id == operation_id && operation.registration_id == registration_id
        });
        let Some(operation) = operation else {
            return failure(404_202, "Operation not found", now);
        };
        if operation.assigning > 0 {
            operation.assigning -= 1;
            return Answer {
                status: 202,
                retry_after: Some(operation.enrollment.retry_after),
                body: json!({
                    "operationId": operation_id,
                    "status": "assigning",
                    "registrationState": { "registrationId": registration_id, "status": "assigning" },
                }),
            };
        }
        match self.assign(operation) {
            Ok(state) => Answer {
                status: 200,
                retry_after: None,
                body: json!({ "operationId": operation_id, "status": "assigned", "registrationState": state }),
            },
            Err(error) => {
                log::error!("registration {registration_id:?} cannot be assigned: {error}");
                failure(error.code(), &error.to_string(), now)
            }
        }
    }

    /// Enters the device into the identity registry; gives the state that the device is told.
    fn assign(&self, operation: &Operation) -> Result<Value, Error> {
        let (registration_id, enrollment) = (&operation.registration_id, &operation.enrollment);
        let dps = &self.provisioning;
        let name = operation.group.as_ref().unwrap_or(registration_id);
        let policy = Policy::of(&dps.details(name, operation.group.is_some()).more);
        let kept = dps
            .store
            .get::<Registration>(&registration_key(registration_id));
        let exists = |id: &String| self.registry.get(&Identity::device(id)).is_ok();
        let stays = kept
            .as_ref()
            .filter(|kept| policy.reprovision == Reprovision::Never && exists(&kept.device_id));
        let wanted = enrollment.device_id.as_ref().unwrap_or(registration_id);
        let device_id = stays.map_or(wanted, |kept| &kept.device_id).clone();
        let identity = Identity::device(&device_id);
        let authentication = operation.authentication.clone();
        let old = self.registry.get(&identity).ok();
        let is_new = old.is_none();
        let device = match old {
            Some(device) if stays.is_some() || device.authentication == authentication => device,
            Some(_) => self.update_device(&identity, None, |device| {
                device.authentication = authentication
            })?,
            None => self
                .registry
                .create(identity, authentication, Status::Enabled)?,
        };
        let resets = kept.is_some() && policy.reprovision == Reprovision::Reset;
        if resets && !is_new {
            self.twins.forget(&device_id)?;
        }
        if let Some(twin) = policy.initial_twin.filter(|_| is_new || resets) {
            // The enrolment's, so no request of an operator's: neither metered nor told to a device that is away.
            self.twins.change(&device, None, &twin, true, |_, _| {})?;
        }
        let substatus = match (&kept, resets) {
            (_, true) => "deviceDataReset".to_owned(),
            (Some(kept), false) => kept.substatus.clone(),
            (None, false) => initial_assignment(),
        };
        let now = iso_8601(self.clock.unix_millis());
        let registration = Registration {
            created: kept.map_or_else(|| now.clone(), |kept| kept.created),
            device_id: device_id.clone(),
            group: operation.group.clone(),
            updated: Some(now.clone()),
            etag: Some(device.etag.clone()),
            substatus,
        };
        self.provisioning
            .store
            .put(&registration_key(registration_id), &registration)?;
        let mut state = json!({
            "registrationId": registration_id,
            "createdDateTimeUtc": registration.created,
            "assignedHub": self.host_name,
            "deviceId": device_id,
            "status": "assigned",
            "substatus": registration.substatus,
            "lastUpdatedDateTimeUtc": now,
            "etag": device.etag,
        });
        let attestation = match enrollment.attestation {
            Attestation::SymmetricKey(_) => "symmetricKey",
            _ => "x509",
        };
        state[attestation] = json!({});
        if let Some(payload) = &enrollment.payload {
            state["payload"] = payload.clone();
        }
        log::info!("registration {registration_id:?} is assigned as device {device_id:?}");
        Ok(state)
    }
}

/// An end without an assignment; IoT Hub tells it with status 200.
fn ended(registration_id: &str, status: &str, more: Value) -> Answer {
    let mut state = json!({ "registrationId": registration_id, "status": status });
    if let (Value::Object(state), Value::Object(more)) = (&mut state, more) {
        state.extend(more);
    }
    Answer {
        status: 200,
        retry_after: None,
        body: json!({ "operationId": "", "status": status, "registrationState": state }),
    }
}

/// An error; its code's first three digits are the status.
pub(crate) fn failure(code: u32, message: &str, now: u64) -> Answer {
    Answer {
        status: u16::try_from(code / 1000).unwrap_or(500),
        retry_after: None,
        body: json!({
            "errorCode": code,
            "trackingId": random::uuid(),
            "message": message,
            "timestampUtc": iso_8601(now),
        }),
    }
}

/// Too many; `retry-after` is in whole seconds, and at least one.
fn throttled(wait: Duration, now: u64) -> Answer {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Answer {
        retry_after: Some(u32::try_from(seconds).unwrap_or(u32::MAX).max(1)),
        ..failure(429_001, "Too many requests, try again later", now)
    }
}

/// The failure that an operator asked for. Where trying again helps, the device is told when.
fn injected(status: u16, now: u64) -> Answer {
    let number = if status == 401 { 2 } else { 1 };
    let code = u32::from(status) * 1000 + number;
    Answer {
        retry_after: (status >= 429).then_some(enrollment::RETRY_AFTER),
        ..failure(code, "An operator asked for this failure", now)
    }
}

/// Case does not count; the service keeps them in lower case.
pub(crate) fn is_registration_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:".contains(&b);
    (1..=128).contains(&id.len())
        && id.bytes().all(allowed)
        && id.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
}

fn key(name: &str, group: bool) -> String {
    let kind = if group { "dps-group" } else { "dps-enrollment" };
    format!("{kind}/{name}")
}

fn registration_key(registration_id: &str) -> String {
    format!("dps-registration/{registration_id}")
}
