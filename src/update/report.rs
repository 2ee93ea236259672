//! The reported part of the twin's component `deviceUpdate` (Azure SDK for Embedded C, `az_iot_adu_client`).

use super::machine::{Stage, Updates};
use super::record::InstallResult;
use super::service::ACTION_PROCESS;
use crate::json::{Object, write_value};
use crate::label::Label;
use crate::text::Text;

/// Name of the component.
pub(crate) const COMPONENT: &str = "deviceUpdate";
/// Model of the contract with the service.
const CONTRACT: &str = "dtmi:azure:iot:deviceUpdateContractModel;2";
/// This agent.
const AGENT: &str = concat!("DU;agent/", env!("CARGO_PKG_VERSION"));

/// State that is reported: idle, or the last update succeeded or was cancelled.
const IDLE: i64 = 0;
/// State that is reported: a deployment is under way.
const IN_PROGRESS: i64 = 6;
/// State that is reported: the last deployment failed.
const FAILED: i64 = 255;

/// The longest text of an update's name: three names with escapes that do not occur in practice, and the rest.
const MAX_ID: usize = 256;

impl Updates<'_> {
    /// Writes the members of the component.
    pub(crate) fn write(&self, component: &mut Object<'_, '_>) {
        component.object("agent", |agent| {
            agent.object("deviceProperties", |properties| {
                properties
                    .string("manufacturer", self.settings.manufacturer)
                    .string("model", self.settings.model)
                    .string("contractModelId", CONTRACT)
                    .string("aduVer", AGENT);
            });
            agent.string("compatPropertyNames", "manufacturer,model");
            match &self.record.result {
                Some(result) => write_result(agent, result),
                // The hub merges: the result of an earlier workflow would stay.
                None => {
                    agent.null("lastInstallResult");
                }
            }
            agent.integer("state", self.reported_state());
            let workflow = &self.record.workflow;
            match workflow.id.is_empty() {
                true => {
                    agent.null("workflow");
                }
                false => {
                    agent.object("workflow", |object| {
                        object
                            .integer("action", ACTION_PROCESS)
                            .string("id", workflow.id.as_str());
                        match workflow.retry.is_empty() {
                            true => object.null("retryTimestamp"),
                            false => object.string("retryTimestamp", workflow.retry.as_str()),
                        };
                    });
                }
            }
            agent.string("installedUpdateId", self.installed_text().as_str());
        });
        if let Some((status, version)) = self.answer {
            component.object("service", |service| {
                service
                    .integer("ac", status.into())
                    .integer("av", i64::try_from(version).unwrap_or(i64::MAX))
                    .object("value", |_| ());
            });
        }
    }

    fn reported_state(&self) -> i64 {
        let is_over = matches!(self.stage, Stage::New | Stage::Idle | Stage::Stopping)
            // The service knows nothing of a rollback.
            || self.record.is_rollback;
        match self.record.result {
            _ if !is_over => IN_PROGRESS,
            Some(InstallResult { code: 0, .. }) => FAILED,
            _ => IDLE,
        }
    }

    /// The update that is installed, as JSON in a text. One that came in another way has the device's own names.
    #[inline(never)]
    fn installed_text(&self) -> Label<MAX_ID> {
        let (id, _) = self.installed_or_own();
        let mut space = [0; MAX_ID];
        let mut text = Text::new(&mut space);
        let written = write_value(&mut text, |slot| {
            slot.object(|object| {
                object
                    .string("provider", id.provider.as_str())
                    .string("name", id.name.as_str())
                    .string("version", id.version.as_str());
            });
        });
        match written {
            Ok(()) => Label::cut(text.as_str()),
            Err(_) => Label::EMPTY,
        }
    }
}

#[inline(never)]
fn write_result(agent: &mut Object<'_, '_>, result: &InstallResult) {
    let write = |object: &mut Object<'_, '_>| {
        object
            .integer("resultCode", result.code.into())
            .integer("extendedResultCode", result.extended.into());
    };
    agent.object("lastInstallResult", |object| {
        write(object);
        object.string("resultDetails", result.details.as_str());
        // There is one step. Its details are the same: once, since the component has to fit a patch.
        object.object("stepResults", |steps| {
            steps.object("step_0", |step| write(step));
        });
    });
}
