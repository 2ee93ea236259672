//! Updates beside the device's other work: nothing of it without the feature `update`.

#[cfg(not(feature = "update"))]
mod off;
#[cfg(feature = "update")]
mod on;

#[cfg(not(feature = "update"))]
pub(super) use self::off::Updating;
#[cfg(feature = "update")]
pub(super) use self::on::Updating;

/// Place of the texts of a deployment while the twin is read.
#[cfg(feature = "update")]
pub(super) type Tap<'t> = Option<&'t mut crate::update::Service>;

/// Place of the texts of a deployment, of which there is none.
#[cfg(not(feature = "update"))]
pub(super) type Tap<'t> = Option<(core::marker::PhantomData<&'t ()>, core::convert::Infallible)>;
