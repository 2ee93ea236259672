//! From switching on to switching off: provisioned if need be, then a device, then provisioned again when
//! its hub is gone or no longer knows it.
//!
//! Re-provisioning follows Microsoft's guidance ("How to reprovision devices"): an assignment is kept and used
//! again after restarts, and the service is asked again only when its hub seems to be the wrong one:
//!
//! - the hub refused the device [`REFUSALS`] times in a row, minutes apart, or
//! - [`FAILURES`] attempts in a row failed in a way that another hub may cure, and that has lasted for
//!   [`provisioning::Config::reprovision_after`] to twice that, drawn at random. These are hours, so that most outages
//!   pass first. They differ, so that not all devices of a region ask the service at once.
//!
//! A question is short ([`QUESTION_FAILURES`]). Until there is an answer the old assignment stays, in the storage
//! too: if the service cannot be reached, or assigns the same hub, the device goes on trying that one. The next
//! question then is due after [`QUESTION_PAUSE`] at most, and after twice as long each time, up to
//! [`QUESTION_PAUSE_MAX`]. CONNACK from the hub forgets all of this.
//!
//! Limit: failures are counted in memory. A device that is switched off more often than every few hours asks only
//! when its hub refuses it.

#[cfg(not(feature = "update-dps"))]
mod no_sessions;
#[cfg(feature = "update-dps")]
mod sessions;

use core::mem;
use core::time::Duration;

use crate::application::Application;
use crate::backoff;
use crate::connection::{self, Buffers, Machine};
use crate::device::{self, Carryover, Device, GiveUp};
use crate::identity::{Identity, IdentityError};
use crate::json::Value;
use crate::logging::{info, warn};
use crate::mqtt::RequestError;
use crate::port::{Platform, StorageError};
use crate::provisioning::{self, Assignment, Enrollment, Kept, PayloadLost, Registration};
use crate::queue::Mode;
use crate::storage;
use crate::time::Instant;
#[cfg(not(feature = "update-dps"))]
use no_sessions::Sessions;
#[cfg(feature = "update-dps")]
use sessions::Sessions;

/// Refusals by the hub in a row after which an assignment is no longer believed. At 5 to 10 minutes from
/// one to the next, these are 10 to 20 minutes.
pub const REFUSALS: u32 = 3;

/// Failed attempts in a row without which no time makes an assignment doubtful: a device that was off, or had no
/// network, has hardly tried. At up to 10 minutes from one to the next, these are an hour.
pub const FAILURES: u32 = 12;

/// Failures after which a question to the service ends, if there is an assignment to go on with. With a failure
/// that only a person can fix it ends at once.
pub const QUESTION_FAILURES: u32 = 3;

/// The longest pause from the first question that brought no other hub to the next. The shortest is half of it.
pub const QUESTION_PAUSE: Duration = Duration::from_secs(3600);

/// The same after many of them. 100,000 devices ask 1.5 times a second then: DPS takes 1,000 registrations a
/// minute, and answers 429 above that (Microsoft, "Azure IoT Hub Device Provisioning Service limits").
pub const QUESTION_PAUSE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Access of the device to its hub.
#[derive(Debug)]
pub enum Access<'a> {
    /// The hub is known.
    Hub(&'a Identity),
    /// The Device Provisioning Service knows it.
    Provisioning(&'a Enrollment, provisioning::Config<'a>),
}

/// Reason why [`run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to stop.
    Stopped,
    /// An operator wants the device to restart.
    Restart,
}

/// The key in [`crate::port::Storage`] of the number of messages that the last run left behind.
const LEFT_KEY: &str = "left-behind";

/// The key in [`crate::port::Storage`] of the number of starts with a queue in flash.
const STARTS_KEY: &str = "starts";

/// Runs until it is asked to stop, or to restart.
///
/// The queue is then in `carryover`, and the next run in the same memory sends it; a first run takes the
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
    if config.queue.mode != Mode::Off && !carryover.has_start() {
        carryover.set_start(count_start(platform));
    }
    restore(&mut application, buffers.scratch, platform);
    let end = match access {
        Access::Hub(identity) => {
            match operate(identity, config, buffers, application, platform, carryover)? {
                Ended::Asked(end) => end,
                // Without limits it never gives up.
                Ended::GaveUp { .. } | Ended::ForSession { .. } => End::Stopped,
            }
        }
        Access::Provisioning(enrollment, provisioning) => {
            let scope = Scope {
                enrollment,
                provisioning,
                config,
            };
            run_provisioned(&scope, buffers, application, platform, carryover)?
        }
    };
    if end == End::Restart {
        leave_behind(carryover, platform);
    }
    Ok(end)
}

/// The configuration of a device that is provisioned.
struct Scope<'a> {
    enrollment: &'a Enrollment,
    provisioning: &'a provisioning::Config<'a>,
    config: &'a device::Config<'a>,
}

fn run_provisioned<P: Platform, A: Application>(
    scope: &Scope<'_>,
    buffers: &mut Buffers<'_>,
    mut application: A,
    platform: &mut P,
    carryover: &mut Carryover,
) -> Result<End, RequestError> {
    let mut questions = Questions::default();
    let mut sessions = Sessions::default();
    sessions.start(platform);
    let (mut assigned, mut believed) = kept(scope, buffers, &mut application, platform);
    loop {
        if !believed || assigned.is_none() {
            match ask(
                scope,
                assigned.as_ref(),
                &mut sessions,
                buffers,
                platform,
                carryover,
            )? {
                QuestionEnd::Assigned(assignment, identity) => {
                    keep(&assignment, scope.enrollment, platform);
                    let payload = assignment.payload.as_deref().map(str::as_bytes);
                    if let Some(Ok(payload)) = payload.map(Value::parse) {
                        application.assigned(payload);
                    }
                    assigned = Some(identity);
                }
                QuestionEnd::None => {
                    info!("provisioning: going on with the hub that was assigned before")
                }
                QuestionEnd::Stopped => return Ok(End::Stopped),
            }
            questions.asked(platform);
        }
        let Some(identity) = &assigned else {
            continue;
        };
        let mut config = scope.config.clone();
        config.gives_up = Some(questions.limits(scope.provisioning, platform));
        sessions.configure(&mut config);
        match operate(identity, &config, buffers, application, platform, carryover)? {
            Ended::Asked(end) => return Ok(end),
            Ended::ForSession {
                application: unused,
            } => {
                application = unused;
                if sessions.hold(scope, buffers, platform, carryover)? {
                    return Ok(End::Stopped);
                }
                believed = true;
                continue;
            }
            Ended::GaveUp {
                application: unused,
                was_accepted,
            } => {
                application = unused;
                if was_accepted {
                    questions = Questions::default();
                }
            }
        }
        believed = false;
        warn!(
            "the hub refused this device, or could not be reached, too often; asking the provisioning \
             service whether it has another one"
        );
    }
}

/// Questions to the service in a row that brought the device to no hub that accepts it.
#[derive(Clone, Copy, Debug, Default)]
struct Questions {
    count: u32,
    /// The earliest time of the next one.
    not_before: Instant,
}

impl Questions {
    /// One was asked just now: whatever came of it, the next one has to wait.
    fn asked<P: Platform>(&mut self, platform: &mut P) {
        let half = backoff::doubled(QUESTION_PAUSE, self.count, QUESTION_PAUSE_MAX) / 2;
        self.count = self.count.saturating_add(1);
        let pause = half + backoff::scale(half, connection::random(platform));
        self.not_before = platform.now().after(pause);
    }

    /// Limits of the device's belief in its hub. The time is this device's own, drawn for this outage.
    fn limits<P: Platform>(&self, config: &provisioning::Config<'_>, platform: &mut P) -> GiveUp {
        let least = config.reprovision_after;
        GiveUp {
            refusals: REFUSALS,
            failures: FAILURES,
            after: least + backoff::scale(least, connection::random(platform)),
            not_before: self.not_before,
        }
    }
}

/// Reason why a device ended.
enum Ended<A> {
    /// Somebody asked for it.
    Asked(End),
    /// The provisioning service is to be asked for updates, or told of one.
    ForSession { application: A },
    /// It does not believe any more that its hub is the right one.
    GaveUp {
        application: A,
        /// The hub had accepted the device.
        was_accepted: bool,
    },
}

/// Runs a device. Not inlined, like the other steps of a life: a device and a registration are large, and never on
/// the stack together.
#[inline(never)]
fn operate<P: Platform, A: Application>(
    identity: &Identity,
    config: &device::Config<'_>,
    buffers: &mut Buffers<'_>,
    application: A,
    platform: &mut P,
    carryover: &mut Carryover,
) -> Result<Ended<A>, RequestError> {
    // Run where it was made: a move would have room for a second one.
    let mut made = Device::resume(identity, config, buffers.reborrow(), application, carryover);
    let device = made.as_mut().map_err(|error| *error)?;
    connection::run(device, platform);
    // What was asked for while the last attempt blocked comes after its failure, and counts too.
    let given_up = device.work().has_given_up() && !device.was_stopped();
    let restart = device.work().wants_restart();
    let was_accepted = device.work().was_accepted();
    #[cfg(feature = "update-dps")]
    let for_session = device.work().wants_session() && !device.was_asked_to_stop();
    #[cfg(not(feature = "update-dps"))]
    let for_session = false;
    let application = take_apart(&mut made, carryover)?;
    Ok(match (restart, given_up) {
        (false, _) if for_session => Ended::ForSession { application },
        (true, _) => Ended::Asked(End::Restart),
        (false, true) => Ended::GaveUp {
            application,
            was_accepted,
        },
        (false, false) => Ended::Asked(End::Stopped),
    })
}

/// Ends a device. Not inlined: the copies that moving it makes are on the stack only now, when nothing runs in it.
#[inline(never)]
fn take_apart<A: Application>(
    made: &mut Result<Machine<'_, Device<'_, A>>, RequestError>,
    carryover: &mut Carryover,
) -> Result<A, RequestError> {
    // The error that is left in its place is never read. Passed by value, the result had a second place on the
    // stack while the device runs: 3148 bytes more on mps2/an385.
    let (application, left) = mem::replace(made, Err(RequestError::NotConnected))?.into_parts();
    *carryover = left;
    Ok(application)
}

/// Gives up what is queued, since nothing follows in this memory, and keeps the number for the next start to tell.
pub fn leave_behind<P: Platform>(carryover: &mut Carryover, platform: &mut P) {
    let left = carryover.leave_behind();
    while let Some((ticket, delivery)) = carryover.take_outcome() {
        platform.delivered(ticket, delivery);
    }
    if left > 0
        && let Err(error) = storage::store(platform, LEFT_KEY, &left.to_le_bytes())
    {
        warn!("storage: the number of messages left behind could not be kept: {error}");
    }
}

/// Gives the application the values that an earlier run has kept.
#[inline(never)]
fn restore<P: Platform, A: Application>(application: &mut A, space: &mut [u8], platform: &mut P) {
    for kept in A::KEPT {
        let Some(name) = kept.name() else { break };
        match storage::load_application(platform, name, space) {
            Ok(Some(length)) => {
                kept.restore(application, space.get(..length).unwrap_or_default());
            }
            Ok(None) => {}
            Err(error) => {
                warn!("storage: {name} of the application could not be read: {error}");
            }
        }
    }
}

/// Number of this start, from 1 on. It tells messages of two starts apart whose time is not known.
#[inline(never)]
fn count_start<P: Platform>(platform: &mut P) -> u32 {
    let last = load_number(platform, STARTS_KEY, "starts count from 1");
    let start = last.ok().flatten().unwrap_or(0).wrapping_add(1).max(1);
    if let Err(error) = storage::store(platform, STARTS_KEY, &start.to_le_bytes()) {
        warn!("storage: the number of starts could not be kept: {error}");
    }
    start
}

/// The number of messages that the last run left behind. It is told once.
#[inline(never)]
fn take_left_behind<P: Platform>(platform: &mut P) -> u32 {
    let left = load_number(platform, LEFT_KEY, "it is not told");
    if let Ok(None) = left {
        return 0;
    }
    if let Err(error) = platform.remove(LEFT_KEY) {
        // It would be counted again at each start.
        warn!("storage: the number of messages left behind could not be removed: {error}");
        return 0;
    }
    left.ok().flatten().unwrap_or(0)
}

/// A number that was kept in four bytes; 0 for a value of another length.
fn load_number<P: Platform>(
    platform: &mut P,
    key: &str,
    remedy: &str,
) -> Result<Option<u32>, StorageError> {
    let mut buffer = [0; 4 + storage::CHECKSUM_LEN];
    let length = storage::load(platform, key, remedy, &mut buffer)?;
    Ok(length.map(|length| {
        let bytes = buffer.first_chunk().filter(|_| length == 4);
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }))
}

/// The kept assignment, if there is one, and whether it is whole. Its payload goes to the application.
#[inline(never)]
fn kept<P: Platform, A: Application>(
    scope: &Scope<'_>,
    buffers: &mut Buffers<'_>,
    application: &mut A,
    platform: &mut P,
) -> (Option<Identity>, bool) {
    let kept = Kept::load(platform, scope.enrollment);
    let identity = kept
        .as_ref()
        .and_then(|kept| adopt(&kept.assignment, scope.enrollment));
    let (Some(kept), Some(identity)) = (kept, identity) else {
        return (None, false);
    };
    match kept.payload(platform, &mut *buffers.scratch) {
        Ok(payload) => {
            info!(
                "provisioning: using the kept assignment to {} as {}",
                identity.host_name(),
                identity.device_id()
            );
            if let Some(payload) = payload {
                application.assigned(payload);
            }
            (Some(identity), true)
        }
        Err(PayloadLost) => {
            warn!(
                "provisioning: the payload of the kept assignment is lost; asking for both again"
            );
            (Some(identity), false)
        }
    }
}

/// The end of a question to the service.
enum QuestionEnd {
    /// A hub.
    Assigned(Assignment, Identity),
    /// None, and there is one to go on with.
    None,
    /// It was asked to stop meanwhile.
    Stopped,
}

/// Asks for an assignment: for a short time if there is one already, otherwise until there is one.
fn ask<P: Platform>(
    scope: &Scope<'_>,
    assigned: Option<&Identity>,
    sessions: &mut Sessions,
    buffers: &mut Buffers<'_>,
    platform: &mut P,
    carryover: &mut Carryover,
) -> Result<QuestionEnd, RequestError> {
    loop {
        let limit = assigned.map(|_| QUESTION_FAILURES);
        let (assignment, stopped) = register(scope, limit, sessions, buffers, platform, carryover)?;
        let Some(assignment) = assignment else {
            return Ok(match stopped {
                true => QuestionEnd::Stopped,
                false => QuestionEnd::None,
            });
        };
        if let Some(identity) = adopt(&assignment, scope.enrollment) {
            return Ok(QuestionEnd::Assigned(assignment, identity));
        }
    }
}

/// A new assignment, if there is one, and whether it was asked to stop.
#[inline(never)]
fn register<P: Platform>(
    scope: &Scope<'_>,
    limit: Option<u32>,
    sessions: &mut Sessions,
    buffers: &mut Buffers<'_>,
    platform: &mut P,
    carryover: &mut Carryover,
) -> Result<(Option<Assignment>, bool), RequestError> {
    let updates = sessions.updates(scope, platform);
    let config = scope.provisioning.clone();
    let mut made = Registration::new(scope.enrollment, config, buffers.without_outbox());
    let registration = made.as_mut().map_err(|error| *error)?;
    registration.set_report(*carryover.report());
    sessions.begin(updates.as_ref(), registration);
    if let Some(failures) = limit {
        registration.give_up_after(failures);
    }
    connection::run(registration, platform);
    carryover.set_report(*registration.report());
    sessions.end_registration(registration, carryover, platform);
    let stopped = registration.was_stopped();
    if registration.work().was_asked_to_send() {
        carryover.send_now(platform.now());
    }
    Ok((registration.take_assignment(), stopped))
}

/// Keeps an assignment. Where that fails, the one before may still be there.
fn keep<P: Platform>(assignment: &Assignment, enrollment: &Enrollment, platform: &mut P) {
    if let Err(error) = Kept::store(platform, assignment, enrollment) {
        warn!(
            "storage: the assignment could not be kept ({error}); it is asked for again after a restart"
        );
    }
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
mod tests;

#[cfg(test)]
mod reprovisioning_tests;

#[cfg(all(test, feature = "update-dps"))]
mod session_tests;
