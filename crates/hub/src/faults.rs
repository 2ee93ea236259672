//! Faults on demand: what goes wrong in the field once a year happens when an operator says so.
//!
//! # Theory of operation
//! A fault is of one device or module, or of one registration with the provisioning service. Some happen at once to the connection that it has, others wait for
//! the next packets and are counted down or stay until they are cleared. None is kept beyond the process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::close::CloseReason;
use crate::core::Core;
use crate::dps::is_registration_id;
use crate::error::Error;
use crate::registry::Identity;
use crate::story::What;

/// The longest that a PUBACK can be delayed: an hour.
const MAX_DELAY: u64 = 3_600_000;

/// Fault that is to happen to a device.
///
/// In JSON an object with the name as `fault`, such as `{"fault":"refuseConnect","code":3,"times":2}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is closed without a word.
    DropConnection,
    /// The connection stays open, but nothing is read from it or written to it any more, until the device
    /// gives it up or connects again.
    HalfOpen,
    /// The connection ends as if the same client had connected again elsewhere: the token is good, the will is
    /// executed.
    TakeOver,
    /// The SAS token of the connection counts as expired, and so does any that expires no later: the
    /// connection is closed, and a CONNECT with such a token is refused.
    ExpireToken,
    /// The next CONNECTs, though right, are answered with a return code.
    RefuseConnect {
        /// 3 (server unavailable) or 5 (not authorized).
        code: u8,
        /// Number of times.
        times: u32,
    },
    /// PUBACKs come late, until the fault is cleared. The messages are stored at once.
    DelayPuback {
        /// Delay, up to an hour.
        milliseconds: u64,
    },
    /// No PUBACKs are sent, until the fault is cleared. The messages are stored.
    SuppressPuback,
    /// The next requests to the twin fail, and change nothing.
    FailTwin {
        /// 429 (throttled), or 500 to 599.
        status: u16,
        /// Number of times.
        times: u32,
    },
    /// The next messages to the device or module come twice in a row.
    DuplicateC2d {
        /// Number of times.
        times: u32,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DropConnection => f.write_str("its connection is dropped"),
            Self::HalfOpen => f.write_str("its connection is left half open"),
            Self::TakeOver => f.write_str("its connection is taken over"),
            Self::ExpireToken => f.write_str("its token expires"),
            Self::RefuseConnect { code, times } => {
                write!(
                    f,
                    "CONNECT is refused with return code {code}, {times} times"
                )
            }
            Self::DelayPuback { milliseconds } => write!(f, "PUBACKs come {milliseconds} ms late"),
            Self::SuppressPuback => f.write_str("no PUBACKs are sent"),
            Self::FailTwin { status, times } => {
                write!(f, "requests to the twin fail with {status}, {times} times")
            }
            Self::DuplicateC2d { times } => write!(f, "messages come twice, {times} times"),
        }
    }
}

/// Time at which a PUBLISH with QoS 1 is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Puback {
    /// At once.
    #[default]
    AtOnce,
    /// After this time.
    Late(Duration),
    /// Never.
    Never,
}

/// The faults that wait for one client.
#[derive(Debug, Default)]
struct Waiting {
    refusals: (u8, u32),
    twin: (u16, u32),
    duplicates: u32,
    puback: Puback,
    /// Tokens whose `se` is this or before count as expired.
    expired: Option<u64>,
}

impl Waiting {
    fn faults(&self) -> Vec<Fault> {
        let (code, times) = self.refusals;
        let refusals = (times > 0).then_some(Fault::RefuseConnect { code, times });
        let (status, times) = self.twin;
        let twin = (times > 0).then_some(Fault::FailTwin { status, times });
        let times = self.duplicates;
        let duplicates = (times > 0).then_some(Fault::DuplicateC2d { times });
        let puback = match self.puback {
            Puback::AtOnce => None,
            Puback::Late(late) => Some(Fault::DelayPuback {
                milliseconds: u64::try_from(late.as_millis()).unwrap_or(u64::MAX),
            }),
            Puback::Never => Some(Fault::SuppressPuback),
        };
        let expired = self.expired.map(|_| Fault::ExpireToken);
        let all = [refusals, twin, duplicates, puback, expired];
        all.into_iter().flatten().collect()
    }
}

/// The faults that wait.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// By client id.
    clients: Mutex<HashMap<String, Waiting>>,
    /// By registration id: the status that requests fail with, and how many.
    registrations: Mutex<HashMap<String, (u16, u32)>>,
}

/// Takes one off a counter; true if there was one.
const fn count_down(times: &mut u32) -> bool {
    let left = *times > 0;
    *times = times.saturating_sub(1);
    left
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn registrations(&self) -> MutexGuard<'_, HashMap<String, (u16, u32)>> {
        self.registrations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails the next `times` requests of a registration with this status: 401, 429, or 500 to 599.
    pub(crate) fn fail_registration(
        &self,
        registration_id: &str,
        status: u16,
        times: u32,
    ) -> Result<(), Error> {
        let id = registration_id.to_ascii_lowercase();
        if !is_registration_id(&id) {
            return Err(Error::ArgumentInvalid(format!(
                "{registration_id:?} is no registration id"
            )));
        }
        if !matches!(status, 401 | 429 | 500..=599) {
            return Err(Error::ArgumentInvalid(
                "status is 401, 429, or 500 to 599".into(),
            ));
        }
        log::info!("fault for registration {id:?}: status {status}, {times} times");
        self.registrations().insert(id, (status, times));
        Ok(())
    }

    /// Forgets what waits for a registration.
    pub(crate) fn clear_registration(&self, registration_id: &str) {
        self.registrations()
            .remove(&registration_id.to_ascii_lowercase());
    }

    /// The status that a request of a registration is to fail with; the id is in lower case.
    pub(crate) fn registration(&self, registration_id: &str) -> Option<u16> {
        let mut registrations = self.registrations();
        let (status, times) = registrations.get_mut(registration_id)?;
        count_down(times).then_some(*status)
    }

    fn change(&self, client_id: &str, change: impl FnOnce(&mut Waiting)) {
        change(self.lock().entry(client_id.to_owned()).or_default());
    }

    /// Forgets what waits for a client.
    pub(crate) fn clear(&self, client_id: &str) {
        self.lock().remove(client_id);
    }

    /// Every fault that waits, or stays, by client id and in the order of ids.
    pub(crate) fn waiting(&self) -> Vec<(String, Vec<Fault>)> {
        let clients = self.lock();
        let mut all: Vec<_> = clients
            .iter()
            .map(|(client_id, waiting)| (client_id.clone(), waiting.faults()))
            .filter(|(_, faults)| !faults.is_empty())
            .collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// Every registration whose requests are to fail: its id, the status, and how many; in the order of ids.
    pub(crate) fn failing_registrations(&self) -> Vec<(String, u16, u32)> {
        let registrations = self.registrations();
        let mut all: Vec<_> = registrations
            .iter()
            .filter(|(_, (_, times))| *times > 0)
            .map(|(id, (status, times))| (id.clone(), *status, *times))
            .collect();
        all.sort();
        all
    }

    /// The return code that a CONNECT is to be refused with; `expiry` is the `se` of its token.
    pub(crate) fn refusal(
        &self,
        client_id: &str,
        expiry: Option<u64>,
    ) -> Option<(u8, &'static str)> {
        let mut faults = self.lock();
        let waiting = faults.get_mut(client_id)?;
        if expiry.is_some() && expiry <= waiting.expired {
            return Some((5, "an operator had the token expire"));
        }
        let (code, times) = &mut waiting.refusals;
        count_down(times).then_some((*code, "an operator asked for it"))
    }

    /// The status that a request to the twin is to fail with.
    pub(crate) fn twin(&self, client_id: &str) -> Option<u16> {
        let mut faults = self.lock();
        let (status, times) = &mut faults.get_mut(client_id)?.twin;
        count_down(times).then_some(*status)
    }

    /// True if a cloud-to-device message is to be sent twice.
    pub(crate) fn duplicate(&self, client_id: &str) -> bool {
        self.lock()
            .get_mut(client_id)
            .is_some_and(|waiting| count_down(&mut waiting.duplicates))
    }

    /// Time at which a PUBLISH is to be acknowledged.
    pub(crate) fn puback(&self, client_id: &str) -> Puback {
        self.lock()
            .get(client_id)
            .map_or(Puback::AtOnce, |waiting| waiting.puback)
    }
}

impl Core {
    /// Injects a fault into a device or module.
    pub(crate) fn inject(&self, identity: &Identity, fault: Fault) -> Result<(), Error> {
        self.registry.get(identity)?;
        let client_id = identity.to_string();
        let change = |change: &dyn Fn(&mut Waiting)| self.faults.change(&client_id, change);
        let link = || {
            let link = self.sessions.get(&client_id);
            link.ok_or_else(|| Error::DeviceNotOnline(client_id.clone()))
        };
        check(fault)?;
        match fault {
            Fault::DropConnection => link()?.cut(CloseReason::Operator),
            Fault::HalfOpen => link()?.freeze(),
            Fault::TakeOver => link()?.cut(CloseReason::TakenOver),
            Fault::ExpireToken => {
                let link = link()?;
                let Some(expiry) = link.expiry else {
                    return Err(Error::ArgumentInvalid(
                        "the device is connected with a certificate, which is no token".into(),
                    ));
                };
                change(&|waiting| waiting.expired = Some(expiry));
                link.cut(CloseReason::TokenExpired);
            }
            Fault::RefuseConnect { code, times } => {
                change(&|waiting| waiting.refusals = (code, times));
            }
            Fault::DelayPuback { milliseconds } => {
                let late = Puback::Late(Duration::from_millis(milliseconds));
                change(&|waiting| waiting.puback = late);
            }
            Fault::SuppressPuback => change(&|waiting| waiting.puback = Puback::Never),
            Fault::FailTwin { status, times } => change(&|waiting| waiting.twin = (status, times)),
            Fault::DuplicateC2d { times } => change(&|waiting| waiting.duplicates = times),
        }
        log::info!("fault for {client_id:?}: {fault}");
        self.tell(&client_id, What::Fault, "", || fault.to_string());
        Ok(())
    }
}

/// Rejects a code, a time or a status that is out of its range.
fn check(fault: Fault) -> Result<(), Error> {
    let refused = |text: &str| Err(Error::ArgumentInvalid(text.into()));
    match fault {
        Fault::RefuseConnect { code, .. } if !matches!(code, 3 | 5) => {
            refused("code is 3 (server unavailable) or 5 (not authorized)")
        }
        Fault::DelayPuback { milliseconds } if milliseconds > MAX_DELAY => {
            refused("milliseconds is 3600000, an hour, at most")
        }
        Fault::FailTwin { status, .. } if !matches!(status, 429 | 500..=599) => {
            refused("status is 429, or 500 to 599")
        }
        _ => Ok(()),
    }
}
