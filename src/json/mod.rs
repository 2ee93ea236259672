//! JSON without an allocator: written member by member into a bounded buffer, read where it lies or as it
//! comes.
//!
//! [`Object`], [`Array`] and [`Slot`] write; [`Value`] and [`Reader`] read. Numbers with decimals are [`Decimal`],
//! without floating point; the feature `float` adds `f32` and `f64`. A `Reader` takes a document of any size in pieces and keeps none of it. It checks without
//! recursion and with a limit on the depth, so that nothing that a hub could send exhausts a stack. [`Value::parse`]
//! has it check a whole text once; after that, looking into the text cannot fail.

mod decimal;
mod error;
#[cfg(feature = "float")]
mod float;
mod name;
mod number;
mod pieces;
mod read;
mod write;

pub use self::decimal::Decimal;
pub use self::error::{MAX_DEPTH, ParseError};
#[cfg(feature = "float")]
pub use self::float::Float;
pub use self::name::{MAX_NAME, Name};
pub use self::pieces::{Reader, Sink};
pub use self::read::{Elements, JsonString, Kind, Members, Value};
pub use self::write::{Array, Object, Slot, TooLong, write_value};
