//! Updates: what the twin says of them goes to [`Updates`], and what that wants is done.

use super::Tap;
use crate::application::{
    Application, Context, Control, Event, Permission, Rollback, UpdateEvent, UpdateStep, standard,
};
use crate::connection::Connection;
use crate::device::twin::{Twin, UPDATE};
use crate::device::{Config, Device};
use crate::failure::Failure;
use crate::json::Object;
use crate::port::update::Updater;
use crate::report::{Report, Status};
use crate::time::{Instant, UnixTime};
use crate::update::{COMPONENT, Environment, Side, Updates};

/// Updates, if they are configured.
#[derive(Debug)]
pub(in crate::device) struct Updating<'b>(pub(in crate::device) Option<Updates<'b>>);

impl<'b> Updating<'b> {
    pub(in crate::device) fn new(config: &Config<'b>) -> Self {
        let facts = config.facts;
        let new = |settings| Updates::new(settings, facts.firmware_version, facts.last_fault);
        Self(config.update.map(new))
    }

    /// A document of the twin begins.
    pub(in crate::device) fn begin_document(&mut self) {
        if let Some(updates) = &mut self.0 {
            updates.begin_document();
        }
    }

    /// Place of the texts of a deployment.
    pub(in crate::device) fn tap(&mut self) -> Tap<'_> {
        match &mut self.0 {
            Some(updates) => Some(updates.service()),
            None => None,
        }
    }

    /// A document of the twin has ended: with its version, or it is to be passed over.
    pub(in crate::device) fn end_document(&mut self, is_whole: bool, version: Option<u64>) {
        if let Some(updates) = &mut self.0 {
            updates.end_document(is_whole, version);
        }
    }

    /// A patch was acknowledged.
    pub(in crate::device) fn reported(&mut self, twin: &mut Twin<'_>) {
        if twin.take_update_reported()
            && let Some(updates) = &mut self.0
        {
            updates.reported();
        }
    }

    /// Writes the component.
    pub(in crate::device) fn write(&self, reported: &mut Object<'_, '_>) {
        if let Some(updates) = &self.0 {
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

    /// The device is not on its hub.
    pub(in crate::device) fn failed(&mut self, failure: &Failure) {
        if let Some(updates) = &mut self.0 {
            updates.failed(failure);
        }
    }

    /// Time at which something is due.
    pub(in crate::device) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().and_then(Updates::deadline)
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
        let Some(updates) = &mut self.updating.0 else {
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
                Err(reason) => Rollback::Refused(reason),
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
        if updates.take_wants_twin() {
            self.twin.read_again();
        }
        self.control.restart |= updates.wants_restart();
    }
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
