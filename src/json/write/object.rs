//! Objects, written member by member.

use core::fmt::{Display, Write};

use super::super::{Decimal, Value};
use super::list::List;
use super::slot::Escape;
use super::{Array, Slot, TooLong};
use crate::text::Text;

/// An object being written. The first error sticks and comes out of [`Object::finish`].
#[derive(Debug)]
pub struct Object<'t, 'b>(List<'t, 'b>);

impl<'t, 'b> Object<'t, 'b> {
    /// Opens an object at the end of `out`.
    pub fn new(out: &'t mut Text<'b>) -> Self {
        Self(List::open(out, "{"))
    }

    /// Place for the value of a member.
    pub fn slot(&mut self, name: &str) -> Slot<'_, 'b> {
        self.0.slot(|out| {
            out.write_str("\"")?;
            Escape(out).write_str(name)?;
            out.write_str("\":")
        })
    }

    /// A member whose value is `true` or `false`.
    pub fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        self.slot(name).boolean(value);
        self
    }

    /// A member whose value is an integer.
    pub fn integer(&mut self, name: &str, value: i64) -> &mut Self {
        self.slot(name).integer(value);
        self
    }

    /// A member whose value is a decimal number.
    pub fn decimal(&mut self, name: &str, value: Decimal) -> &mut Self {
        self.slot(name).decimal(value);
        self
    }

    /// A member whose value is a decimal number, given in thousandths: 21,500 is written as `21.5`.
    pub fn thousandths(&mut self, name: &str, value: i64) -> &mut Self {
        self.slot(name).thousandths(value);
        self
    }

    /// A member that says that there is none: in a merge patch, it is deleted (RFC 7396).
    pub fn null(&mut self, name: &str) -> &mut Self {
        self.slot(name).null();
        self
    }

    /// A member whose value is a string, escaped as RFC 8259, section 7 wants it.
    pub fn string(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.slot(name).string(value);
        self
    }

    /// A member whose value is an object that `fill` writes.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_, 'b>)) -> &mut Self {
        self.slot(name).object(fill);
        self
    }

    /// A member whose value is an array that `fill` writes.
    pub fn array(&mut self, name: &str, fill: impl FnOnce(&mut Array<'_, 'b>)) -> &mut Self {
        self.slot(name).array(fill);
        self
    }

    /// A member whose value is the object of a component in a device twin, marked as such (IoT Plug and Play
    /// conventions, "Component").
    pub fn component(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_, 'b>)) -> &mut Self {
        self.object(name, |component| {
            component.string("__t", "c");
            fill(component);
        })
    }

    /// A member whose value was read before, and is written as it is.
    pub fn raw(&mut self, name: &str, value: Value<'_>) -> &mut Self {
        self.slot(name).raw(value);
        self
    }

    /// True if no member was written.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Closes the object.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if it does not fit.
    pub fn finish(self) -> Result<(), TooLong> {
        self.0.close("}")
    }
}
