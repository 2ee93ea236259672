//! Bytes and text that are wiped after use, and never printed.
//!
//! A [`Secret`] sits in one heap allocation of exactly its size, which is never moved or grown (a growing
//! buffer would leave copies behind) and is overwritten with zeros when it is dropped. `Debug` and
//! `Display` print `[redacted]`. It cannot be cloned.
//!
//! Limits: copies that a caller makes of what [`Secret::expose`] gives, and what the compiler spills to
//! the stack, are beyond its reach.

use alloc::boxed::Box;
use core::fmt;

use zeroize::Zeroize;

/// A secret of type `[u8]` or `str`.
pub struct Secret<T: ?Sized + Zeroize = [u8]>(Box<T>);

impl<T: ?Sized + Zeroize> Secret<T> {
    /// The secret itself. Every place that handles one in the clear says so by this call's name.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

/// Copies the secret; the original is the caller's to wipe.
impl<'a, T: ?Sized + Zeroize> From<&'a T> for Secret<T>
where
    Box<T>: From<&'a T>,
{
    fn from(secret: &'a T) -> Self {
        Self(Box::from(secret))
    }
}

/// Takes over the allocation without a copy.
impl<T: ?Sized + Zeroize> From<Box<T>> for Secret<T> {
    fn from(secret: Box<T>) -> Self {
        Self(secret)
    }
}

impl<T: ?Sized + Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: ?Sized + Zeroize> zeroize::ZeroizeOnDrop for Secret<T> {}

impl<T: ?Sized + Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T: ?Sized + Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Text that is printed instead of a secret.
pub const REDACTED: &str = "[redacted]";

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn a_secret_is_exposed_only_on_request() {
        let text = Secret::<str>::from("open sesame");
        let bytes = Secret::<[u8]>::from([1, 2, 3].as_slice());
        assert_eq!(text.expose(), "open sesame");
        assert_eq!(bytes.expose(), [1, 2, 3]);
        for printed in [
            format!("{text} {text:?} {text:#?}"),
            format!("{bytes} {bytes:?} {bytes:#?}"),
        ] {
            assert_eq!(printed, "[redacted] [redacted] [redacted]");
        }
    }

    #[test]
    fn a_dropped_secret_is_wiped_first() {
        use std::rc::Rc;
        use std::{cell::Cell, vec::Vec};

        /// Tells what its bytes were when its memory was given back.
        struct Witness(Vec<u8>, Rc<Cell<Option<u8>>>);
        impl Zeroize for Witness {
            fn zeroize(&mut self) {
                self.0.as_mut_slice().zeroize();
            }
        }
        impl Drop for Witness {
            fn drop(&mut self) {
                self.1.set(self.0.iter().copied().max());
            }
        }

        let seen = Rc::new(Cell::new(None));
        drop(Secret::from(Box::new(Witness(
            Vec::from([7; 32]),
            seen.clone(),
        ))));
        assert_eq!(seen.get(), Some(0));
    }
}
