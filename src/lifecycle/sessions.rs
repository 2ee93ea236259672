//! Sessions with the provisioning service about updates: before a registration, and of a provisioned device.

use core::time::Duration;

use super::{QUESTION_FAILURES, Scope};
use crate::backoff;
use crate::connection::{self, Buffers, Machine};
use crate::device::{Carryover, Config};
use crate::logging::info;
use crate::mqtt::RequestError;
use crate::port::Platform;
use crate::provisioning::{Purpose, Registration, Talk, Talked};
use crate::update::channel;
use crate::update::{Channel, Updates};

/// Times and etags of sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions(channel::Sessions);

impl Sessions {
    /// The device starts.
    pub(super) fn start<P: Platform>(&mut self, platform: &mut P) {
        self.0.start(platform.now());
    }

    /// Tells a device when to end for a session.
    pub(super) const fn configure(&self, config: &mut Config<'_>) {
        config.update_sessions = Some(self.0.due());
    }

    /// The record of updates, if sessions carry them.
    pub(super) fn updates<'s, P: Platform>(
        &self,
        scope: &'s Scope<'_>,
        platform: &mut P,
    ) -> Option<Updates<'s>> {
        let settings = scope
            .config
            .update
            .filter(|settings| settings.channel != Channel::Twin)?;
        let facts = &scope.config.facts;
        let mut updates = Updates::new(settings, facts.firmware_version, facts.last_fault);
        updates.load_record(platform.updater()?);
        Some(updates)
    }

    /// Has a registration ask for an update first.
    pub(super) fn begin<'b>(
        &self,
        updates: Option<&'b Updates<'b>>,
        registration: &mut Machine<'_, Registration<'b>>,
    ) {
        if let Some(updates) = updates {
            registration.set_talk(Talk::new(updates, Purpose::Registration, self.0.etags));
        }
    }

    /// Takes what a registration brought.
    pub(super) fn end_registration<P: Platform>(
        &mut self,
        registration: &mut Machine<'_, Registration<'_>>,
        carryover: &mut Carryover,
        _: &mut P,
    ) {
        if let Some((talked, etags)) = registration.take_talk().take() {
            self.0.etags = etags;
            offer(talked, carryover);
        }
    }

    /// A session of a provisioned device: its report, and a question for an update. True if it was asked to stop.
    #[inline(never)]
    pub(super) fn hold<P: Platform>(
        &mut self,
        scope: &Scope<'_>,
        buffers: &mut Buffers<'_>,
        platform: &mut P,
        carryover: &mut Carryover,
    ) -> Result<bool, RequestError> {
        let Some(mut updates) = self.updates(scope, platform) else {
            return Ok(false);
        };
        info!("update: asking the provisioning service");
        let report = updates.is_unreported();
        let (talked, stopped) = {
            let config = scope.provisioning.clone();
            let mut made = Registration::new(scope.enrollment, config, buffers.without_outbox());
            let session = made.as_mut().map_err(|error| *error)?;
            session.set_report(*carryover.report());
            session.set_talk(Talk::new(
                &updates,
                Purpose::Update { report },
                self.0.etags,
            ));
            session.give_up_after(QUESTION_FAILURES);
            connection::run(session, platform);
            carryover.set_report(*session.report());
            if session.work().was_asked_to_send() {
                carryover.send_now(platform.now());
            }
            let (talked, etags) = session.take_talk().take().unwrap_or_default();
            self.0.etags = etags;
            (talked, session.was_asked_to_stop())
        };
        if talked.is_reported
            && let Some(updater) = platform.updater()
        {
            updates.result_is_reported(updater);
        }
        let poll = match scope.config.update.map(|settings| settings.channel) {
            Some(Channel::Provisioning { poll }) => poll,
            _ => Duration::MAX,
        };
        // A fleet does not ask all at once.
        let poll = poll - backoff::scale(poll / 4, connection::random(platform));
        let later = match talked.is_answered {
            true => talked.later,
            // It could not be reached.
            false => talked.later.or(Some(None)),
        };
        self.0.ended(platform.now(), later, poll);
        offer(talked, carryover);
        Ok(stopped)
    }
}

fn offer(talked: Talked, carryover: &mut Carryover) {
    if let Some(offer) = talked.offer {
        carryover.set_offer(offer);
    }
}
