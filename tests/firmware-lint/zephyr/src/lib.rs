//! Part of zephyr-lang-rust's crate `zephyr` that the firmware uses, over std.

/// As in zephyr-lang-rust.
pub mod sync {
    use core::convert::Infallible;

    /// A mutex whose lock cannot fail.
    #[derive(Debug)]
    pub struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// A mutex around a value.
        pub const fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        /// Waits for the mutex.
        pub fn lock(&self) -> Result<std::sync::MutexGuard<'_, T>, Infallible> {
            Ok(self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner))
        }
    }
}
