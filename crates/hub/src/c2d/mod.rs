//! Messages to devices and modules.

mod message;
mod queue;
mod service;
mod topic;

pub use message::{Ack, Feedback, Message, Outcome};
pub(crate) use queue::Entry;
pub(crate) use service::CloudToDevice;
pub(crate) use topic::{ack_name, topic, topic_prefix};
