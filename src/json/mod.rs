//! JSON without an allocator: written member by member into a bounded buffer, read where it lies.
//!
//! [`Object`] writes; [`Value`] reads. A text is checked as a whole once, by [`Value::parse`], without
//! recursion and with a limit on its depth, so that nothing that a hub could send exhausts a stack. After
//! that, looking into it cannot fail.

mod check;
mod read;
mod write;

pub use self::check::{MAX_DEPTH, ParseError};
pub use self::read::{Kind, Members, Text, Value};
pub use self::write::{Object, TooLong};
