//! Updates over the session with the provisioning service: nothing of it without the feature `update-dps`.

#[cfg(not(feature = "update-dps"))]
mod off;
#[cfg(feature = "update-dps")]
mod on;

#[cfg(not(feature = "update-dps"))]
pub(crate) use self::off::Talk;
#[cfg(feature = "update-dps")]
pub(crate) use self::on::{Purpose, Talk, Talked};
