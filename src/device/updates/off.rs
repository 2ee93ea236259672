//! No updates.

use core::marker::PhantomData;

use super::Tap;
use crate::device::Config;
use crate::device::twin::Twin;
use crate::failure::Failure;
use crate::json::Object;
use crate::report::{Report, Status};
use crate::time::Instant;

/// No updates.
#[derive(Debug)]
pub(in crate::device) struct Updating<'b>(PhantomData<&'b ()>);

impl<'b> Updating<'b> {
    pub(in crate::device) const fn new(_: &Config<'b>) -> Self {
        Self(PhantomData)
    }

    pub(in crate::device) const fn wants_session(&self) -> bool {
        false
    }

    pub(in crate::device) const fn begin_document(&mut self) {}

    pub(in crate::device) const fn tap(&mut self) -> Tap<'_> {
        None
    }

    pub(in crate::device) const fn end_document(&mut self, _is_whole: bool, _version: Option<u64>) {
    }

    pub(in crate::device) const fn reported(&mut self, _twin: &mut Twin<'_>) {}

    pub(in crate::device) const fn write(&self, _reported: &mut Object<'_, '_>) {}

    pub(in crate::device) const fn shown(&self, status: Status, _report: &Report) -> Status {
        status
    }

    pub(in crate::device) const fn cancel(&mut self) {}

    pub(in crate::device) const fn failed(&mut self, _failure: &Failure) {}

    pub(in crate::device) const fn deadline(&self) -> Option<Instant> {
        None
    }
}
