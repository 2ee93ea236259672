//! Values of an application that survive a restart.

/// The longest value, in bytes.
pub const MAX_KEPT_LEN: usize = 256;

/// A value of the application that survives a restart, kept beside the device's own with a checksum.
///
/// It is restored before the device joins, at each start. It is saved after [`Context::keep`](super::Context::keep) asked
/// for it, in the device's thread: flash takes milliseconds, and wears, so keep what changes rarely.
pub struct Kept<A> {
    pub(crate) name: &'static str,
    pub(crate) save: fn(&A, &mut [u8]) -> usize,
    pub(crate) restore: fn(&mut A, &[u8]),
}

impl<A> Kept<A> {
    /// A value of this name, of at most 32 bytes. `save` writes the value to the start of the space, which has
    /// [`MAX_KEPT_LEN`] bytes, and gives its length. `restore` takes it; it is not called if there is none, or if its
    /// checksum is wrong. A later version of the product may find what an earlier one has saved.
    pub const fn new(
        name: &'static str,
        save: fn(&A, &mut [u8]) -> usize,
        restore: fn(&mut A, &[u8]),
    ) -> Self {
        assert!(
            name.len() <= 32,
            "the name of a kept value has 32 bytes at most"
        );
        Self {
            name,
            save,
            restore,
        }
    }
}
