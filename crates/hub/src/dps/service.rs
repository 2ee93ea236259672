//! Enrolments as Azure's service API keeps them: with an etag, times, and members that only it knows.
//!
//! They stand beside the enrolments themselves, under keys of their own, and are written together with them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Enrollment, Provisioning, Registration, key, registration_key};
use crate::clock::iso_8601;
use crate::credentials::random;
use crate::error::Error;
use crate::store::{Batch, StoreError};

/// Details that are kept beside an enrolment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Details {
    /// Changes with every change of the enrolment.
    pub(crate) etag: String,
    /// Time at which it was made, ISO 8601.
    pub(crate) created: String,
    /// Time at which it was changed last, ISO 8601.
    pub(crate) updated: String,
    /// Members of the service API that are given back as they came.
    pub(crate) more: Map<String, Value>,
}

/// Condition of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition<'c> {
    /// There is no such enrolment yet.
    New,
    /// There is one.
    Any,
    /// There is one with this etag.
    Etag(&'c str),
}

fn details_key(name: &str, group: bool) -> String {
    format!("dps-details/{}", key(name, group))
}

impl Provisioning {
    /// Details that are kept beside an enrolment.
    pub(crate) fn details(&self, name: &str, group: bool) -> Details {
        self.store
            .get(&details_key(name, group))
            .unwrap_or_default()
    }

    /// Writes an enrolment with its details; `more` as it was if none is given.
    pub(super) fn keep(
        &self,
        name: &str,
        group: bool,
        enrollment: &Enrollment,
        more: Option<Map<String, Value>>,
    ) -> Result<(), StoreError> {
        let now = iso_8601(self.clock.unix_millis());
        let old = self.details(name, group);
        let details = Details {
            etag: random::etag(),
            created: if old.created.is_empty() {
                now.clone()
            } else {
                old.created
            },
            updated: now,
            more: more.unwrap_or(old.more),
        };
        let mut batch = Batch::default();
        batch.put(key(name, group), enrollment)?;
        batch.put(details_key(name, group), &details)?;
        self.store.write(batch)
    }

    /// Enrols, or changes an enrolment, on a condition. Symmetric keys that are not given stay as they are.
    pub(crate) fn put(
        &self,
        name: &str,
        group: bool,
        condition: Condition<'_>,
        mut enrollment: Enrollment,
        more: Option<Map<String, Value>>,
    ) -> Result<Enrollment, Error> {
        let _enrolling = self.enrolling();
        let old = self.get(name, group);
        match (condition, old) {
            (Condition::New, None) => {}
            (Condition::New, Some(_)) => {
                return Err(Error::EnrollmentAlreadyExists(name.to_owned()));
            }
            (_, None) => return Err(Error::EnrollmentNotFound(name.to_owned())),
            (condition, Some(old)) => {
                self.check(name, group, condition)?;
                enrollment.keep_keys(old);
            }
        }
        self.enroll_with(name, group, enrollment, more)
    }

    /// Removes an enrolment on a condition. Devices that were assigned stay.
    pub(crate) fn remove_if(
        &self,
        name: &str,
        group: bool,
        condition: Condition<'_>,
    ) -> Result<(), Error> {
        let _enrolling = self.enrolling();
        if self.get(name, group).is_none() {
            return Err(Error::EnrollmentNotFound(name.to_owned()));
        }
        self.check(name, group, condition)?;
        let mut batch = Batch::default();
        batch.remove(key(name, group));
        batch.remove(details_key(name, group));
        if !group {
            batch.remove(registration_key(name));
        }
        Ok(self.store.write(batch)?)
    }

    fn check(&self, name: &str, group: bool, condition: Condition<'_>) -> Result<(), Error> {
        match condition {
            Condition::Etag(etag) if etag != self.details(name, group).etag => {
                Err(Error::PreconditionFailed(format!(
                    "enrolment {name:?} was changed by someone else; read it again, or send If-Match: *"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The registration of a device that was assigned.
    pub(crate) fn registration(&self, id: &str) -> Result<Registration, Error> {
        self.store
            .get(&registration_key(id))
            .ok_or_else(|| Error::EnrollmentNotFound(id.to_owned()))
    }

    /// Forgets the registration of a device. The device stays in the identity registry.
    pub(crate) fn forget_registration(&self, id: &str) -> Result<(), Error> {
        self.registration(id)?;
        let mut batch = Batch::default();
        batch.remove(registration_key(id));
        Ok(self.store.write(batch)?)
    }
}

impl Registration {
    /// Group that it was assigned by, if it was one.
    pub(crate) fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// As the service API shows it.
    pub(crate) fn to_json(&self, id: &str, hub: &str) -> Value {
        json!({
            "registrationId": id,
            "createdDateTimeUtc": self.created,
            "assignedHub": hub,
            "deviceId": self.device_id,
            "status": "assigned",
            "substatus": self.substatus,
            "lastUpdatedDateTimeUtc": self.updated.as_ref().unwrap_or(&self.created),
            "errorCode": 0,
            "errorMessage": "",
            "etag": self.etag.clone().unwrap_or_default(),
        })
    }
}
