//! JSON without an allocator: written member by member into a bounded buffer, read where it lies or as it
//! comes.
//!
//! [`Object`] writes; [`Value`] and [`Reader`] read. A `Reader` takes a document of any size in pieces and
//! keeps none of it. It checks without recursion and with a limit on the depth, so that nothing that a hub
//! could send exhausts a stack. [`Value::parse`] has it check a whole text once; after that, looking into the
//! text cannot fail.

mod error;
mod name;
mod number;
mod pieces;
mod read;
mod write;

pub use self::error::{MAX_DEPTH, ParseError};
pub use self::name::{MAX_NAME, Name};
pub use self::pieces::{Reader, Sink};
pub use self::read::{JsonString, Kind, Members, Value};
pub use self::write::{Object, TooLong};
