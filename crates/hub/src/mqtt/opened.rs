//! A session from CONNECT to its end: what is kept of it, and what becomes of its will.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::authenticate::Authenticated;
use super::codec::{Connect, Publish};
use super::topic::{self, Topic};
use crate::clock::iso_8601;
use crate::close::CloseReason;
use crate::core::Core;
use crate::error::Error;
use crate::events::{self, Flags};
use crate::registry::Identity;
use crate::sessions::{Link, Subscriptions};
use crate::story::{Detail, What};

/// A session that is open, before it has the connection.
pub(crate) struct Opened {
    pub(super) core: Arc<Core>,
    pub(super) who: Authenticated,
    pub(super) link: Arc<Link>,
    clean: bool,
    will: Option<Publish>,
    pub(super) keep_alive: Duration,
    /// Statement of CONNACK about stored state.
    pub(crate) session_present: bool,
}

/// Wishes of CONNECT.
impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clean = if self.clean {
            "clean session"
        } else {
            "kept session"
        };
        let present = if self.session_present {
            ", present"
        } else {
            ""
        };
        let limit = self.keep_alive.as_secs_f32();
        write!(f, "{clean}{present}, closed after {limit} s of silence")?;
        if let Some(expiry) = self.who.expiry {
            write!(f, ", token until {}", iso_8601(expiry.saturating_mul(1000)))?;
        }
        if self.will.is_some() {
            f.write_str(", with a will")?;
        }
        Ok(())
    }
}

impl Opened {
    /// Opens a session for a client that proved its identity; an older connection of it ends.
    pub(crate) fn open(
        core: &Arc<Core>,
        who: Authenticated,
        connect: Connect,
    ) -> Result<Self, CloseReason> {
        if let Some(will) = &connect.will {
            check_will(will, &who.sender.identity)?;
        }
        let (subscriptions, session_present) = if connect.clean_session {
            core.sessions.forget(&connect.client_id)?;
            core.c2d.purge(&who.device)?;
            (Subscriptions::new(), false)
        } else {
            core.sessions.resume(&connect.client_id)?
        };
        core.twins
            .announce(&who.device, who.sender.model_id.as_deref())?;
        let (link, old) = core.sessions.enter(
            &connect.client_id,
            subscriptions,
            who.expiry,
            who.versioned,
            core.clock.unix_millis(),
        );
        if let Some(old) = old {
            core.c2d.release(&who.device, old.id)?;
        }
        Ok(Self {
            core: Arc::clone(core),
            who,
            link,
            clean: connect.clean_session,
            will: connect.will,
            keep_alive: keep_alive_limit(connect.keep_alive, core.limits.keep_alive_cap),
            session_present,
        })
    }

    /// `device` or `device/module`.
    pub(crate) fn client_id(&self) -> &str {
        &self.link.client_id
    }

    /// Adds a packet to the client's story.
    pub(super) fn tell<D: Into<Detail>>(
        &self,
        what: What,
        label: &'static str,
        detail: impl FnOnce() -> D,
    ) {
        self.core.tell(&self.link.client_id, what, label, detail);
    }

    /// Stores telemetry; once this returns, it may be acknowledged.
    pub(super) fn store(
        &self,
        bag: Vec<(String, Option<String>)>,
        publish: Publish,
        will: bool,
    ) -> Result<(), CloseReason> {
        let flags = Flags {
            retain: publish.retain,
            dup: publish.dup,
            will,
        };
        let now = self.core.clock.unix_millis();
        let (body, properties) = (publish.payload.len(), bag.len());
        let (event, size) = events::event_from(&self.who.sender, bag, publish.payload, flags, now)
            .map_err(|size| {
                CloseReason::Violation(format!("a message of {size} bytes; 262144 are allowed"))
            })?;
        self.core.quota.spend(size).map_err(|error| match error {
            Error::QuotaExceeded(messages) => CloseReason::QuotaExceeded(messages),
            error => CloseReason::Storage(error.to_string()),
        })?;
        self.core.events.append(event).map_err(|error| {
            CloseReason::Storage(format!("the hub cannot store telemetry: {error}"))
        })?;
        log::debug!(
            "{:?} {}: {body} bytes and {properties} properties",
            self.link.client_id,
            if will {
                "left its will"
            } else {
                "sent telemetry"
            }
        );
        Ok(())
    }

    /// Replaces the subscriptions, kept unless the session is a clean one.
    pub(super) fn change(&self, subscriptions: Subscriptions) -> Result<(), CloseReason> {
        if !self.clean {
            self.core
                .sessions
                .keep(&self.link.client_id, &subscriptions)?;
        }
        self.core.sessions.subscribe(&self.link, subscriptions);
        Ok(())
    }

    /// The connection is over: the will is executed unless the client said goodbye, and messages wait
    /// again.
    pub(super) fn end(&mut self, reason: &CloseReason) {
        if !matches!(reason, CloseReason::Disconnected) {
            self.execute_will();
        }
        if let Err(error) = self.core.c2d.release(&self.who.device, self.link.id) {
            log::error!("{error}");
        }
        self.core.sessions.leave(&self.link);
        self.keep_activity();
        if let Some(newer) = self.core.sessions.get(&self.link.client_id) {
            newer.wake.notify_one();
        }
    }

    /// Unless the device was deleted, and perhaps made again.
    fn keep_activity(&self) {
        let device = self.core.registry.get(&self.who.device.identity);
        let generation_id = &self.who.device.generation_id;
        if device.is_ok_and(|device| device.generation_id == *generation_id)
            && let Err(error) = {
                let now = self.core.clock.unix_millis();
                self.core.sessions.keep_activity(&self.link, now)
            }
        {
            log::error!("{error}");
        }
    }

    fn execute_will(&mut self) {
        let Some(will) = self.will.take() else { return };
        if let Ok(Topic::Telemetry(bag)) = topic::parse(&will.topic, &self.who.sender.identity)
            && let Err(reason) = self.store(bag, will, true)
        {
            log::error!("the will of {:?} is lost: {reason}", self.link.client_id);
        }
    }
}

/// A will has to be telemetry of the client's own.
fn check_will(will: &Publish, client: &Identity) -> Result<(), CloseReason> {
    let why = match topic::parse(&will.topic, client) {
        Ok(Topic::Telemetry(_)) => return Ok(()),
        Ok(_) => String::new(),
        Err(why) => format!(": {why}"),
    };
    Err(CloseReason::Violation(format!(
        "a will that is not telemetry{why}"
    )))
}

/// 1.5 times the keepalive, at most `cap`; no keepalive is the longest one.
pub(super) fn keep_alive_limit(keep_alive: u16, cap: Duration) -> Duration {
    match keep_alive {
        0 => cap,
        seconds => (Duration::from_secs(u64::from(seconds)) * 3 / 2).min(cap),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_tolerated_for_one_and_a_half_keepalives_and_1767_seconds_at_most() {
        let cap = Duration::from_secs(1767);
        for (keep_alive, millis) in [
            (1, 1500),
            (240, 360_000),
            (1177, 1_765_500),
            (1178, 1_767_000),
            (65_535, 1_767_000),
            (0, 1_767_000),
        ] {
            assert_eq!(
                keep_alive_limit(keep_alive, cap).as_millis(),
                millis,
                "{keep_alive}"
            );
        }
    }
}
