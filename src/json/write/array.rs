//! Arrays, written element by element.

use core::fmt::Display;

use super::super::{Decimal, Value};
use super::list::List;
use super::{Object, Slot, TooLong};
use crate::text::Text;

/// An array being written. The first error sticks and comes out of [`Array::finish`].
#[derive(Debug)]
pub struct Array<'t, 'b>(List<'t, 'b>);

impl<'t, 'b> Array<'t, 'b> {
    /// Opens an array at the end of `out`.
    pub fn new(out: &'t mut Text<'b>) -> Self {
        Self(List::open(out, "["))
    }

    /// Place for the next element.
    pub fn slot(&mut self) -> Slot<'_, 'b> {
        self.0.slot(|_| Ok(()))
    }

    /// An element that is `true` or `false`.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.slot().boolean(value);
        self
    }

    /// An element that is an integer.
    pub fn integer(&mut self, value: i64) -> &mut Self {
        self.slot().integer(value);
        self
    }

    /// An element that is a decimal number.
    pub fn decimal(&mut self, value: Decimal) -> &mut Self {
        self.slot().decimal(value);
        self
    }

    /// An element that is a decimal number, given in thousandths: 21,500 is written as `21.5`.
    pub fn thousandths(&mut self, value: i64) -> &mut Self {
        self.slot().thousandths(value);
        self
    }

    /// An element that is `null`.
    pub fn null(&mut self) -> &mut Self {
        self.slot().null();
        self
    }

    /// An element that is a string, escaped as RFC 8259, section 7 wants it.
    pub fn string(&mut self, value: impl Display) -> &mut Self {
        self.slot().string(value);
        self
    }

    /// An element that was read before, and is written as it is.
    pub fn raw(&mut self, value: Value<'_>) -> &mut Self {
        self.slot().raw(value);
        self
    }

    /// An element that is an object, whose members `fill` writes.
    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_, 'b>)) -> &mut Self {
        self.slot().object(fill);
        self
    }

    /// An element that is an array, whose elements `fill` writes.
    pub fn array(&mut self, fill: impl FnOnce(&mut Array<'_, 'b>)) -> &mut Self {
        self.slot().array(fill);
        self
    }

    /// True if no element was written.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Closes the array.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if it does not fit.
    pub fn finish(self) -> Result<(), TooLong> {
        self.0.close("]")
    }
}
