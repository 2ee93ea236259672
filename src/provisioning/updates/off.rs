//! Without updates over the provisioning service.

use core::marker::PhantomData;
use core::time::Duration;

use crate::provisioning::enrollment::API_VERSION;
use crate::time::Instant;

/// No talk of updates.
#[derive(Debug, Default)]
pub(crate) struct Talk<'b>(PhantomData<&'b ()>);

impl Talk<'_> {
    pub(in crate::provisioning) const fn api_version(&self) -> &'static str {
        API_VERSION
    }

    pub(in crate::provisioning) const fn begin(&mut self, _now: Instant) {}

    pub(in crate::provisioning) const fn is_due(&self, _now: Instant) -> bool {
        false
    }

    pub(in crate::provisioning) const fn is_only_purpose(&self) -> bool {
        false
    }

    pub(in crate::provisioning) const fn is_asking(&self) -> bool {
        false
    }

    pub(in crate::provisioning) const fn timed_out(&mut self) -> bool {
        false
    }

    pub(in crate::provisioning) const fn begin_answer(&mut self, _: u16, _: Option<Duration>) {}

    pub(in crate::provisioning) const fn feed(&mut self, _bytes: &[u8]) {}

    pub(in crate::provisioning) const fn end_answer(&mut self, now: Instant) -> Instant {
        now
    }
}
