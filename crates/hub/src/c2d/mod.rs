mod message;
pub use message::{Ack, Feedback, Message, Outcome};
