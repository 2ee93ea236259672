//! From switching on to switching off: provisioned if need be, then a device, then provisioned again when
//! the hub no longer knows it.
//!
//! Re-provisioning follows Microsoft's guidance ("Reprovisioning devices"): an assignment is kept and used
//! again after restarts; only after the hub has refused the device [`REFUSALS`] times, some minutes apart,
//! is it dropped and the provisioning service asked again.

use crate::application::Application;
use crate::device::{self, Buffers, Carryover, Device};
use crate::identity::{Identity, IdentityError};
use crate::json::Value;
use crate::logging::{info, warn};
use crate::mqtt::RequestError;
use crate::port::Platform;
use crate::provisioning::{self, Assignment, Enrollment, Kept, Provisioner};
use crate::storage;

/// Refusals by the hub in a row after which an assignment is no longer believed. At 5 to 10 minutes from
/// one to the next, these are 10 to 20 minutes.
pub const REFUSALS: u32 = 3;

/// How the device gets to its hub.
#[derive(Debug)]
pub enum Access<'a> {
    /// The hub is known.
    Hub(&'a Identity),
    /// The Device Provisioning Service knows it.
    Provisioning(&'a Enrollment, provisioning::Config<'a>),
}

/// Why [`run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to stop.
    Stopped,
    /// An operator wants the device to restart.
    Restart,
}

/// The key in [`crate::port::Storage`] of the number of messages that the last run left behind.
const LEFT_KEY: &str = "left-behind";

/// Runs until it is asked to stop, or to restart.
///
/// What is queued then is in `carryover`, and the next run in the same memory sends it; a first run takes the
/// default. If there is none, since the process or the device ends, call [`leave_behind`]; a restart has done so.
///
/// # Errors
///
/// A buffer that is too small, or a keep-alive interval that is too long: nothing was started.
pub fn run<P: Platform, A: Application>(
    access: &Access<'_>,
    config: &device::Config<'_>,
    buffers: &mut Buffers<'_>,
    mut application: A,
    platform: &mut P,
    carryover: &mut Carryover,
) -> Result<End, RequestError> {
    carryover.left_earlier(take_left_behind(platform));
    loop {
        let provisioned = match access {
            Access::Hub(_) => None,
            Access::Provisioning(enrollment, config) => {
                match provision(
                    enrollment,
                    config,
                    buffers,
                    &mut application,
                    platform,
                    carryover,
                )? {
                    Some(identity) => Some(identity),
                    None => return Ok(End::Stopped),
                }
            }
        };
        let identity = match (access, &provisioned) {
            (Access::Hub(identity), _) => identity,
            (_, Some(identity)) => identity,
            (Access::Provisioning(..), None) => return Ok(End::Stopped),
        };
        let mut config = config.clone();
        config.gives_up_after = provisioned.as_ref().map(|_| REFUSALS);
        application = match operate(identity, config, buffers, application, platform, carryover)? {
            Ended::Asked(end) => {
                if end == End::Restart {
                    leave_behind(carryover, platform);
                }
                return Ok(end);
            }
            Ended::Refused(application) => application,
        };
        warn!("the hub refused this device {REFUSALS} times; asking to be provisioned again");
        if let Err(error) = platform.remove(Kept::STORAGE_KEY) {
            warn!("storage: the old assignment could not be removed: {error}");
        }
    }
}

/// Why a device ended.
enum Ended<A> {
    /// Somebody asked for it.
    Asked(End),
    /// The hub refused it so often that it is to be provisioned again.
    Refused(A),
}

/// Runs a device. Not inlined, like the other steps of a life: a device and a provisioner are large, and never on
/// the stack together.
#[inline(never)]
fn operate<P: Platform, A: Application>(
    identity: &Identity,
    config: device::Config<'_>,
    buffers: &mut Buffers<'_>,
    application: A,
    platform: &mut P,
    carryover: &mut Carryover,
) -> Result<Ended<A>, RequestError> {
    // Run where it was made: a move would have room for a second one.
    let mut made = Device::resume(identity, config, buffers.reborrow(), application, carryover);
    let device = made.as_mut().map_err(|error| *error)?;
    device::run(device, platform);
    let (restart, given_up) = (device.wants_restart(), device.has_given_up());
    let (application, left) = made?.into_parts();
    *carryover = left;
    Ok(match (restart, given_up) {
        (true, _) => Ended::Asked(End::Restart),
        (false, true) => Ended::Refused(application),
        (false, false) => Ended::Asked(End::Stopped),
    })
}

/// Gives up what is queued, since nothing follows in this memory, and keeps the number for the next start to tell.
pub fn leave_behind<P: Platform>(carryover: &mut Carryover, platform: &mut P) {
    let left = carryover.leave_behind();
    if left > 0
        && let Err(error) = storage::store(platform, LEFT_KEY, &left.to_le_bytes())
    {
        warn!("storage: the number of messages left behind could not be kept: {error}");
    }
}

/// The number of messages that the last run left behind. It is told once.
#[inline(never)]
fn take_left_behind<P: Platform>(platform: &mut P) -> u32 {
    let mut buffer = [0; 4 + storage::CHECKSUM_LEN];
    let loaded = storage::load(platform, LEFT_KEY, "it is not told", &mut buffer);
    if let Ok(None) = loaded {
        return 0;
    }
    if let Err(error) = platform.remove(LEFT_KEY) {
        // It would be counted again at each start.
        warn!("storage: the number of messages left behind could not be removed: {error}");
        return 0;
    }
    let left = buffer
        .first_chunk()
        .filter(|_| matches!(loaded, Ok(Some(4))));
    left.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The kept assignment, or a new one; `None` if it was asked to stop meanwhile.
fn provision<P: Platform, A: Application>(
    enrollment: &Enrollment,
    config: &provisioning::Config<'_>,
    buffers: &mut Buffers<'_>,
    application: &mut A,
    platform: &mut P,
    carryover: &mut Carryover,
) -> Result<Option<Identity>, RequestError> {
    if let Some(kept) = Kept::load(platform, enrollment)
        && let Some(identity) = adopt(&kept.assignment, enrollment)
        && let Ok(payload) = kept.payload(platform, &mut *buffers.scratch)
    {
        info!(
            "provisioning: using the kept assignment to {} as {}",
            identity.host_name(),
            identity.device_id()
        );
        if let Some(payload) = payload {
            application.assigned(payload);
        }
        return Ok(Some(identity));
    }
    loop {
        let Some(assignment) = register(enrollment, config, buffers, platform, carryover)? else {
            return Ok(None);
        };
        if let Err(error) = Kept::store(platform, &assignment, enrollment) {
            warn!(
                "storage: the assignment could not be kept ({error}); it is asked for again after a restart"
            );
        }
        if let Some(identity) = adopt(&assignment, enrollment) {
            let payload = assignment.payload.as_deref().map(str::as_bytes);
            if let Some(Ok(payload)) = payload.map(Value::parse) {
                application.assigned(payload);
            }
            return Ok(Some(identity));
        }
    }
}

/// A new assignment; `None` if it was asked to stop meanwhile.
#[inline(never)]
fn register<P: Platform>(
    enrollment: &Enrollment,
    config: &provisioning::Config<'_>,
    buffers: &mut Buffers<'_>,
    platform: &mut P,
    carryover: &mut Carryover,
) -> Result<Option<Assignment>, RequestError> {
    let mut made = Provisioner::new(enrollment, config.clone(), buffers.without_outbox());
    let provisioner = made.as_mut().map_err(|error| *error)?;
    provisioner.set_report(*carryover.report());
    device::run(provisioner, platform);
    carryover.set_report(*provisioner.report());
    Ok(made?.into_assignment())
}

fn adopt(assignment: &Assignment, enrollment: &Enrollment) -> Option<Identity> {
    let Assignment {
        host_name,
        device_id,
        ..
    } = assignment.clone();
    // Only a ready-made token could be refused here, and an enrolment has none.
    let identity: Result<Identity, IdentityError> =
        Identity::new(host_name, device_id, None, enrollment.credential());
    identity.ok()
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
