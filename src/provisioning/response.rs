//! Answers of the service, by status and body (Microsoft, "Device Registration – Register Device").

use core::time::Duration;

use super::assignment::Assignment;
use crate::failure::ProvisioningFailure;
use crate::identity::{DeviceId, HostName};
use crate::json::{JsonString, Value};

/// The longest operation id that is taken, in bytes. The service's have about 60.
pub(super) const OPERATION_ID_SIZE: usize = 128;

/// Waits between questions if the service names none, and at most.
const RETRY_AFTER: Duration = Duration::from_secs(2);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// An answer, understood.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    /// Not yet: ask again after this time, with this operation id.
    Assigning {
        operation_id: Option<JsonString<'a>>,
        retry_after: Duration,
    },
    /// Done.
    Assigned(Assignment),
}

/// Wait before the next question.
pub(super) fn retry_after(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(RETRY_AFTER).min(RETRY_AFTER_MAX)
}

/// Understands the answer with this status.
pub(super) fn understand(
    status: u16,
    wait: Option<Duration>,
    body: &[u8],
) -> Result<Answer<'_>, ProvisioningFailure> {
    let body = Value::parse(body).ok();
    if !(200..300).contains(&status) {
        let code = body
            .and_then(|body| code(body, "errorCode"))
            .unwrap_or_default();
        return Err(match status {
            401 => ProvisioningFailure::Unauthorized(code),
            404 => ProvisioningFailure::NotFound(code),
            429 | 500.. => ProvisioningFailure::Busy(status),
            _ => ProvisioningFailure::Refused(status, code),
        });
    }
    let body = body.ok_or(ProvisioningFailure::Malformed)?;
    let text = |name| body.get(name).and_then(Value::as_text);
    let state = body.get("registrationState");
    let status = text("status").ok_or(ProvisioningFailure::Malformed)?;
    let is = |plain| status.is(plain);
    if is("assigning") || is("unassigned") {
        let operation_id = text("operationId").filter(|id| id.chars().next().is_some());
        Ok(Answer::Assigning {
            operation_id,
            retry_after: retry_after(wait),
        })
    } else if is("assigned") {
        state
            .map_or(Err(ProvisioningFailure::Malformed), assigned)
            .map(Answer::Assigned)
    } else if is("disabled") {
        Err(ProvisioningFailure::Disabled)
    } else if is("failed") {
        let code = state.and_then(|state| code(state, "errorCode"));
        Err(ProvisioningFailure::AllocationFailed(
            code.unwrap_or_default(),
        ))
    } else {
        Err(ProvisioningFailure::Malformed)
    }
}

fn code(object: Value<'_>, name: &str) -> Option<u32> {
    object.get(name)?.as_i64()?.try_into().ok()
}

fn assigned(state: Value<'_>) -> Result<Assignment, ProvisioningFailure> {
    let mut space = [0; HostName::MAX_LEN + DeviceId::MAX_LEN];
    let (host_name, device_id) = space.split_at_mut(HostName::MAX_LEN);
    let text = |name| {
        state
            .get(name)
            .and_then(Value::as_text)
            .ok_or(ProvisioningFailure::Malformed)
    };
    let bad = |_| ProvisioningFailure::BadAssignment;
    let host_name = crate::text::render(host_name, text("assignedHub")?).map_err(bad)?;
    let device_id = crate::text::render(device_id, text("deviceId")?).map_err(bad)?;
    let payload = state
        .get("payload")
        .filter(|payload| !payload.is_null())
        .map(Value::text);
    Assignment::new(host_name, device_id, payload).map_err(|_| ProvisioningFailure::BadAssignment)
}
