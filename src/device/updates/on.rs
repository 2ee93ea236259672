//! Updates: what the twin says of them goes to [`Updates`], and what that wants is done.

use alloc::boxed::Box;

use super::Tap;
use crate::application::{
    Application, Context, Control, Event, Permission, Rollback, UpdateEvent, UpdateStep, standard,
};
use crate::connection::Connection;
use crate::device::twin::{Twin, UPDATE};
use crate::device::{Config, Device};
use crate::failure::Failure;
use crate::json::Object;
use crate::logging::warn;
use crate::port::update::Updater;
use crate::report::{Report, Status};
use crate::time::{Instant, UnixTime};
#[cfg(feature = "update-dps")]
use crate::update::SessionsDue;
use crate::update::{COMPONENT, Environment, Side, Updates};

/// Updates, if they are configured. In a box: a device is moved several times, on a stack that a handshake needs.
#[derive(Debug)]
pub(in crate::device) struct Updating<'b> {
    pub(in crate::device) updates: Option<Box<Updates<'b>>>,
    #[cfg(feature = "update-dps")]
    sessions: Option<SessionsDue>,
    /// A session with the provisioning service is due: the device ends for it.
    wants_session: bool,
}

impl<'b> Updating<'b> {
    // Not inlined: what it makes is on the stack first, where a device is made.
    #[inline(never)]
    pub(in crate::device) fn new(config: &Config<'b>) -> Self {
        let facts = config.facts;
        let new = |settings| {
            let updates = Updates::new(settings, facts.firmware_version, facts.last_fault);
            Box::new(updates)
        };
        Self {
            updates: config.update.map(new),
            #[cfg(feature = "update-dps")]
            sessions: config.update_sessions,
            wants_session: false,
        }
    }

    /// Updates, if the twin carries them.
    fn by_twin(&mut self) -> Option<&mut Updates<'b>> {
        let updates = self.updates.as_deref_mut();
        updates.filter(|updates| !is_offered(updates))
    }

    /// Time at which the device ends for a session with the provisioning service.
    fn session_due(&self) -> Option<Instant> {
        #[cfg(feature = "update-dps")]
        if let (Some(updates), Some(sessions)) = (&self.updates, &self.sessions)
            && is_offered(updates)
        {
            return updates.session_due(sessions);
        }
        None
    }

    /// Takes an update that was offered on a session.
    #[cfg(feature = "update-dps")]
    pub(in crate::device) fn take_offer(&mut self, offer: crate::update::Service) {
        if let Some(updates) = &mut self.updates {
            updates.take_offer(offer);
        }
    }

    /// True if the device ends for a session.
    pub(in crate::device) const fn wants_session(&self) -> bool {
        self.wants_session
    }

    /// A document of the twin begins.
    pub(in crate::device) fn begin_document(&mut self) {
        if let Some(updates) = self.by_twin() {
            updates.begin_document();
        }
    }

    /// Place of the texts of a deployment.
    pub(in crate::device) fn tap(&mut self) -> Tap<'_> {
        match self.by_twin() {
            Some(updates) => Some(updates.service()),
            None => None,
        }
    }

    /// A document of the twin has ended: with its version, or it is to be passed over.
    pub(in crate::device) fn end_document(&mut self, is_whole: bool, version: Option<u64>) {
        if let Some(updates) = self.by_twin() {
            updates.end_document(is_whole, version);
        }
    }

    /// A patch was acknowledged.
    pub(in crate::device) fn reported(&mut self, twin: &mut Twin<'_>) {
        if twin.take_update_reported()
            && let Some(updates) = &mut self.updates
        {
            updates.reported();
        }
    }

    /// Writes the component.
    pub(in crate::device) fn write(&self, reported: &mut Object<'_, '_>) {
        if let Some(updates) = self.updates.as_ref().filter(|updates| !is_offered(updates)) {
            reported.component(COMPONENT, |component| updates.write(component));
        }
    }

    /// Status to be shown: while an update is under way, that.
    pub(in crate::device) const fn shown(&self, status: Status, report: &Report) -> Status {
        match status {
            Status::Connected | Status::Sending if report.update.is_under_way() => Status::Updating,
            status => status,
        }
    }

    /// A person has the update ended.
    pub(in crate::device) const fn cancel(&mut self) {
        if let Some(updates) = &mut self.updates {
            updates.cancel_soon();
        }
    }

    /// The device is not on its hub.
    pub(in crate::device) fn failed(&mut self, failure: &Failure) {
        if let Some(updates) = &mut self.updates {
            updates.failed(failure);
        }
    }

    /// Time at which something is due.
    pub(in crate::device) fn deadline(&self) -> Option<Instant> {
        let own = self.updates.as_deref().and_then(Updates::deadline);
        [own, self.session_due()].into_iter().flatten().min()
    }
}

impl<A: Application> Device<'_, A> {
    /// Does what is due with updates.
    pub(in crate::device) fn handle_updates(
        &mut self,
        connection: &mut Connection<'_>,
        (now, unix): (Instant, Option<UnixTime>),
        updater: &mut dyn Updater,
    ) {
        let Some(updates) = &mut self.updating.updates else {
            return;
        };
        let asked = self.control.update.rollback == Rollback::Asked;
        let mut side = Own {
            application: &mut self.application,
            control: &mut self.control,
            report: &connection.report,
            now,
            unix,
        };
        let mut environment = Environment {
            now,
            updater,
            application: &mut side,
        };
        match connection.is_stopping() {
            true => updates.stopping(&mut environment),
            false => updates.poll(&mut environment),
        }
        let is_asked = asked && !connection.is_stopping();
        let judged = is_asked.then(|| updates.roll_back(&mut environment));
        let status = &mut self.control.update;
        status.is_served = true;
        if let Some(judged) = judged {
            status.rollback = match judged {
                Ok(version) => Rollback::Ready(version),
                Err(reason) => {
                    warn!("update: no rollback: {reason}");
                    Rollback::Refused(reason)
                }
            };
        }
        let state = updates.state();
        let is_changed = updates.take_changed();
        if is_changed {
            self.twin.changed(UPDATE);
        }
        if is_changed || state.differs(status.state) {
            updates.observe(status);
            self.control.mark(standard::UPDATE_STATUS);
        }
        self.control.update.state = state;
        connection.report.update = state;
        if !is_offered(updates) && updates.take_wants_twin() {
            self.twin.read_again();
        }
        self.control.restart |= updates.wants_restart();
        let due = self.updating.session_due();
        self.updating.wants_session |= due.is_some_and(|due| now >= due);
    }
}

/// True if updates come by sessions with the provisioning service.
#[cfg(feature = "update-dps")]
fn is_offered(updates: &Updates<'_>) -> bool {
    updates.is_offered()
}

/// The twin is their only carrier.
#[cfg(not(feature = "update-dps"))]
const fn is_offered(_: &Updates<'_>) -> bool {
    false
}

/// The application, with what it may ask of the device.
struct Own<'o, A> {
    application: &'o mut A,
    control: &'o mut Control,
    report: &'o Report,
    now: Instant,
    unix: Option<UnixTime>,
}

impl<A: Application> Side for Own<'_, A> {
    fn ask(&mut self, step: UpdateStep<'_>) -> Permission {
        let mut context = Context::new(self.control, self.report, self.now, self.unix);
        self.application.permit_update(step, &mut context)
    }

    fn tell(&mut self, event: UpdateEvent<'_>) {
        let mut context = Context::new(self.control, self.report, self.now, self.unix);
        self.application.handle(Event::Update(event), &mut context);
    }
}
