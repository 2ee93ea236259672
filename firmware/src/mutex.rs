//! Zephyr's mutex, whose lock cannot fail.

#![forbid(unsafe_code)]

use zephyr::sync::Mutex;

/// Works with what a mutex guards. Waits while another thread does.
pub(crate) fn with_locked<T, R>(mutex: &Mutex<T>, work: impl FnOnce(&mut T) -> R) -> R {
    match mutex.lock() {
        Ok(mut content) => work(&mut content),
        Err(never) => match never {},
    }
}
