//! Software updates over a session with the provisioning service: three operations of the preview
//! [`API_VERSION`], beside the twin's component.
//!
//! # Theory of operation
//! A device asks for an update before it is registered (onboarding), or while it is provisioned, and reports what became of
//! it. An offer is kept with its registration. It is made until its final report; one of onboarding is made afterwards too,
//! as Microsoft says that it measured.
//!
//! # Limits
//! The contract is a draft. What Microsoft has not published is chosen here: the form of etags, and the statuses of errors
//! whose names alone are known.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::enrollment::{Judge, Proof};
use super::{Answer, failure};
use crate::core::Core;
use crate::credentials::random;
use crate::error::Error;
use crate::registry::Status;
use crate::store::Batch;
use crate::update::{Operation, UpdateId, incompatible};

/// Version of the service's interface that has these operations.
pub(crate) const API_VERSION: &str = "2026-11-02-preview";
/// Seconds after which a device is to try again.
const RETRY_AFTER: u32 = 3;

/// An update that is offered to a registration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Offer {
    workflow: String,
    update: UpdateId,
    /// It is offered before the registration, and not afterwards.
    onboarding: bool,
    /// As a device gets it.
    metadata: Value,
    root_keys: Value,
    /// The last report.
    #[serde(default)]
    report: Option<Report>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Get {
    agent_info: AgentInfo,
    installed_update_id: Option<UpdateId>,
    agent_info_etag: Option<String>,
    service_config_etag: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AgentInfo {
    agent_sdk_version: String,
    agent_profile: i64,
    compatibility_properties: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Report {
    workflow_id: String,
    installed_update_id: UpdateId,
    install_result: InstallResult,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InstallResult {
    outcome: Outcome,
    failure_origin: Origin,
    result_code: i64,
    extended_result_codes: String,
    result_details: Option<String>,
    step_results: Option<BTreeMap<String, StepResult>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StepResult {
    outcome: Outcome,
    failure_origin: Origin,
    result_code: i64,
    extended_result_codes: String,
    result_details: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Outcome {
    InProgress,
    Succeeded,
    Failed,
    Canceled,
    Skipped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Origin {
    NotApplicable,
    AduCloudService,
    AduManagedResource,
    AgentCore,
    AgentExtension,
    AgentDependency,
    Device,
    Other,
}

impl Report {
    /// Reason why the service refuses it, if it does.
    fn fault(&self) -> Option<&'static str> {
        let result = &self.install_result;
        let is_final = result.outcome != Outcome::InProgress;
        let steps = result.step_results.iter().flat_map(BTreeMap::values);
        let steps = steps.map(|step| {
            (
                step.outcome,
                step.failure_origin,
                &step.extended_result_codes,
            )
        });
        let own = (
            result.outcome,
            result.failure_origin,
            &result.extended_result_codes,
        );
        for (outcome, origin, codes) in steps.chain([own]) {
            if (origin == Origin::NotApplicable) == (outcome == Outcome::Failed) {
                return Some("failureOrigin is NOT_APPLICABLE if and only if nothing failed");
            }
            let is_code = |code: &str| {
                (1..=8).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_hexdigit())
            };
            if !codes.split(',').all(is_code) {
                return Some(
                    "extendedResultCodes are hexadecimal numbers with commas between them",
                );
            }
        }
        match &result.step_results {
            Some(_) if !is_final => {
                Some("stepResults are left out while the outcome is IN_PROGRESS")
            }
            Some(steps) if steps.is_empty() => Some("stepResults has no step"),
            None if is_final => Some("stepResults are missing"),
            _ => None,
        }
    }
}

impl Offer {
    fn outcome(&self) -> Option<Outcome> {
        self.report
            .as_ref()
            .map(|report| report.install_result.outcome)
    }

    fn is_over(&self) -> bool {
        self.outcome()
            .is_some_and(|outcome| outcome != Outcome::InProgress)
    }

    fn shown(&self) -> Value {
        let state = match self.outcome() {
            None => "Pending",
            Some(Outcome::InProgress) => "InProgress",
            Some(Outcome::Succeeded) => "Succeeded",
            Some(Outcome::Failed) => "Failed",
            Some(Outcome::Canceled) => "Canceled",
            Some(Outcome::Skipped) => "Skipped",
        };
        json!({
            "state": state, "workflow": self.workflow, "update": self.update, "onboarding": self.onboarding,
            "report": self.report,
        })
    }
}

impl Core {
    /// Offers an update to a registration, instead of an earlier one. Gives the workflow.
    pub(crate) fn offer_update(
        &self,
        id: &UpdateId,
        registration_id: &str,
        onboarding: bool,
    ) -> Result<String, Error> {
        if !super::is_registration_id(registration_id) {
            let text = format!("{registration_id:?} is no registration id");
            return Err(Error::ArgumentInvalid(text));
        }
        let update = self.updates.update(id)?;
        let workflow = random::uuid();
        let (metadata, root_keys) = self.updates.offer(&update, &workflow)?;
        let offer = Offer {
            workflow: workflow.clone(),
            update: id.clone(),
            onboarding,
            metadata,
            root_keys,
            report: None,
        };
        self.provisioning.store.put(&key(registration_id), &offer)?;
        log::info!("registration {registration_id:?} is to install {id} (workflow {workflow})");
        Ok(workflow)
    }

    /// Offers an update to a registration no longer.
    pub(crate) fn withdraw_update(&self, registration_id: &str) -> Result<(), Error> {
        let mut batch = Batch::default();
        batch.remove(key(registration_id));
        Ok(self.provisioning.store.write(batch)?)
    }

    /// State of the update that is offered to a registration; `Null` if there is none.
    pub(crate) fn offered_update(&self, registration_id: &str) -> Value {
        let offer = self.provisioning.store.get::<Offer>(&key(registration_id));
        offer.map_or(Value::Null, |offer| offer.shown())
    }

    /// One of the three operations.
    pub(crate) fn update_operation(
        &self,
        operation: Operation,
        (registration_id, proof): (&str, &Proof),
        api_version: &str,
        body: &[u8],
    ) -> Answer {
        let answer = match self.updates.take_operation_fault(operation) {
            Some(status) => Err(injected(operation, status)),
            None if api_version != API_VERSION => Err((400_013, "UNSUPPORTED_API_VERSION")),
            None => self.authorize(registration_id, proof),
        };
        let answer = answer.and_then(|()| match operation {
            Operation::Report => self.take_report(registration_id, body),
            _ => self.offer_for(operation, registration_id, body),
        });
        match answer {
            Ok(body) => Answer {
                status: 200,
                retry_after: None,
                body,
            },
            Err((code, message)) => {
                log::warn!("registration {registration_id:?}: {operation}: {code} {message}");
                Answer {
                    retry_after: (code >= 429_000).then_some(RETRY_AFTER),
                    ..failure(code, message, self.clock.unix_millis())
                }
            }
        }
    }

    fn authorize(&self, registration_id: &str, proof: &Proof) -> Result<(), (u32, &'static str)> {
        let now = self.clock.unix_millis();
        let judge = Judge {
            id_scope: self.provisioning.id_scope(),
            registration_id,
            now: now / 1000,
            skew: self.limits.sas_skew.as_secs(),
        };
        match self.provisioning.find(judge, proof, now) {
            Ok((enrollment, ..)) if enrollment.status != Status::Disabled => Ok(()),
            Ok(_) | Err(Answer { status: 401, .. }) => Err((401_002, "Unauthorized")),
            Err(_) => Err((404_201, "Enrollment not found")),
        }
    }

    fn offer_for(
        &self,
        operation: Operation,
        registration_id: &str,
        body: &[u8],
    ) -> Result<Value, (u32, &'static str)> {
        let get: Get = serde_json::from_slice(body).map_err(|error| {
            log::warn!("registration {registration_id:?}: {error}");
            (400_012, "INVALID_REQUEST")
        })?;
        let is_onboarding = operation == Operation::Onboarding;
        if get.installed_update_id.is_some() == is_onboarding {
            return Err((400_012, "INVALID_REQUEST"));
        }
        let properties = &get.agent_info.compatibility_properties;
        if !(1..=5).contains(&properties.len()) {
            return Err((400_014, "INVALID_COMPATIBILITY_PROPERTIES"));
        }
        let agent_etag = etag(&json!(get.agent_info));
        if get.agent_info_etag.is_some_and(|sent| sent != agent_etag) {
            return Err((400_015, "OUTDATED_AGENT_INFO"));
        }
        let offer = self.provisioning.store.get::<Offer>(&key(registration_id));
        let offer = offer.filter(|offer| {
            let is_wanted = offer.onboarding || !offer.is_over();
            let is_there = get.installed_update_id.as_ref() == Some(&offer.update);
            let update = self.updates.update(&offer.update);
            let is_for =
                update.is_ok_and(|update| incompatible(&update, &json!(properties)).is_none());
            offer.onboarding == is_onboarding && is_wanted && !is_there && is_for
        });
        let root_keys = offer.as_ref().map(|offer| offer.root_keys.clone());
        let root_keys = root_keys.or_else(|| self.updates.root_key_address().ok().map(Value::from));
        let configuration = json!({ "rootKeyDownloadUrl": root_keys });
        let configuration_etag = etag(&configuration);
        let mut answer = json!({
            "agentInfoEtag": agent_etag,
            "serviceConfigEtag": configuration_etag,
            "updateMetadata": offer.map(|offer| offer.metadata),
        });
        match get.service_config_etag {
            Some(sent) if sent == configuration_etag => {}
            Some(_) => return Err((400_016, "OUTDATED_SERVICE_CONFIG")),
            None => answer["serviceConfiguration"] = configuration,
        }
        Ok(answer)
    }

    fn take_report(
        &self,
        registration_id: &str,
        body: &[u8],
    ) -> Result<Value, (u32, &'static str)> {
        let refuse = |why: &dyn std::fmt::Display| {
            log::warn!("registration {registration_id:?}: a report is refused: {why}");
            (400_012, "INVALID_REQUEST")
        };
        let report: Report = serde_json::from_slice(body).map_err(|error| refuse(&error))?;
        if let Some(why) = report.fault() {
            return Err(refuse(&why));
        }
        let key = key(registration_id);
        let offer = self.provisioning.store.get::<Offer>(&key);
        let offer = offer.filter(|offer| offer.workflow == report.workflow_id);
        let mut offer = offer.ok_or((404_210, "UNKNOWN_WORKFLOW_ID"))?;
        let outcome = report.install_result.outcome;
        if offer.is_over() && offer.report.as_ref() != Some(&report) {
            return match (offer.outcome(), outcome) {
                (Some(Outcome::Succeeded), Outcome::Skipped) => Ok(json!({})),
                _ => Err((409_000, "REPORT_CONFLICT")),
            };
        }
        log::info!("registration {registration_id:?} reports {outcome:?}");
        offer.report = Some(report);
        let stored = self.provisioning.store.put(&key, &offer);
        stored.map_err(|error| {
            log::error!("a report could not be stored: {error}");
            (500_001, "INTERNAL_SERVER_ERROR")
        })?;
        Ok(json!({}))
    }
}

/// The failure that an operator asked for, under the name that Microsoft gives it.
fn injected(operation: Operation, status: u16) -> (u32, &'static str) {
    match (status, operation) {
        (409, Operation::Report) => (409_000, "REPORT_CONFLICT"),
        (409, _) => (409_001, "UPDATE_ACCOUNT_NOT_LINKED"),
        (429, _) => (429_001, "TOO_MANY_REQUESTS"),
        (503, _) => (503_000, "UPSTREAM_UNAVAILABLE"),
        (500.., _) => (u32::from(status) * 1000 + 1, "INTERNAL_SERVER_ERROR"),
        _ => (u32::from(status) * 1000 + 12, "INVALID_REQUEST"),
    }
}

fn etag(value: &Value) -> String {
    let digest = digest(&SHA256, value.to_string().as_bytes());
    digest
        .as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn key(registration_id: &str) -> String {
    format!("dps-update/{registration_id}")
}
