//! The common part of objects and arrays: values in brackets with commas between them.

use core::fmt;

use super::{Slot, TooLong};
use crate::text::Text;

/// Values in brackets. The first error sticks and comes out of [`List::close`].
#[derive(Debug)]
pub(super) struct List<'t, 'b> {
    out: &'t mut Text<'b>,
    is_empty: bool,
    failed: bool,
}

impl<'t, 'b> List<'t, 'b> {
    pub(super) fn open(out: &'t mut Text<'b>, bracket: &str) -> Self {
        let failed = fmt::Write::write_str(out, bracket).is_err();
        Self {
            out,
            is_empty: true,
            failed,
        }
    }

    /// Place for the next value. `lead` writes what stands before it.
    pub(super) fn slot(&mut self, lead: impl FnOnce(&mut Text<'b>) -> fmt::Result) -> Slot<'_, 'b> {
        let is_first = core::mem::take(&mut self.is_empty);
        let separator = if is_first { "" } else { "," };
        let is_open = !self.failed
            && fmt::Write::write_str(self.out, separator)
                .and_then(|()| lead(self.out))
                .is_ok();
        Slot::new(self.out, &mut self.failed, is_open)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.is_empty
    }

    pub(super) fn close(self, bracket: &str) -> Result<(), TooLong> {
        if self.failed || fmt::Write::write_str(self.out, bracket).is_err() {
            return Err(TooLong);
        }
        Ok(())
    }
}
