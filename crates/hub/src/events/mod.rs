mod event;
pub use event::Event;
pub(crate) use event::base64_bytes;
