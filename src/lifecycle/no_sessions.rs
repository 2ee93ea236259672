//! No sessions with the provisioning service about updates.

use super::Scope;
use crate::connection::{Buffers, Machine};
use crate::device::{Carryover, Config};
use crate::mqtt::RequestError;
use crate::port::Platform;
use crate::provisioning::Registration;

/// No sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions;

impl Sessions {
    pub(super) const fn start<P: Platform>(&self, _: &mut P) {}

    pub(super) const fn configure(&self, _config: &mut Config<'_>) {}

    pub(super) const fn updates<P: Platform>(&self, _: &Scope<'_>, _: &mut P) -> Option<()> {
        None
    }

    pub(super) const fn begin(&self, _: Option<&()>, _: &mut Machine<'_, Registration<'_>>) {}

    pub(super) const fn end_registration<P: Platform>(
        &self,
        _: &mut Machine<'_, Registration<'_>>,
        _: &mut Carryover,
        _: &mut P,
    ) {
    }

    pub(super) const fn hold<P: Platform>(
        &self,
        _: &Scope<'_>,
        _: &mut Buffers<'_>,
        _: &mut P,
        _: &mut Carryover,
    ) -> Result<bool, RequestError> {
        Ok(false)
    }
}
