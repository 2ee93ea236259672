//! Writing JSON without an allocator, straight into a bounded text.
//!
//! A [`Slot`] is the place for one value. An [`Object`] has one for each member, an [`Array`] one for each element.
//! What does not fit is an error at the end of the outermost value, never a truncated text.

mod array;
mod list;
mod object;
mod slot;
#[cfg(test)]
mod tests;

use core::fmt::{self, Display};

pub use self::array::Array;
pub use self::object::Object;
pub use self::slot::Slot;
use crate::text::Text;

/// The value does not fit into its buffer, or a part of it cannot be written: its `Display` failed, or a number of
/// floating point is infinite or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match cfg!(feature = "float") {
            true => "the JSON value does not fit its buffer, or holds a float that is no number",
            false => "the JSON value does not fit its buffer",
        })
    }
}

impl core::error::Error for TooLong {}

/// Writes one value to the end of `out`: the one that `fill` puts into the slot, or `null` if it puts none.
///
/// # Errors
///
/// [`TooLong`] if the value does not fit. Then `out` is as it was.
pub fn write_value<'b>(out: &mut Text<'b>, fill: impl FnOnce(Slot<'_, 'b>)) -> Result<(), TooLong> {
    let start = out.len();
    let mut failed = false;
    fill(Slot::new(out, &mut failed, true));
    if failed {
        out.truncate(start);
        return Err(TooLong);
    }
    Ok(())
}
