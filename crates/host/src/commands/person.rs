//! The person at the terminal: Ctrl-C stops the devices, Enter is their button.

use std::io::{self, BufRead};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use azure_device_host::Remote;

use super::CommandError;

/// Exit code of a program that Ctrl-C ended at once, by the shells' convention: 128 and SIGINT's number.
const INTERRUPTED: i32 = 130;

/// Passes on what a person asks for. Clones share the devices.
#[derive(Clone, Debug, Default)]
pub(super) struct Person(Arc<Mutex<Charge>>);

#[derive(Debug, Default)]
struct Charge {
    stopping: bool,
    /// Enter came before there was a device.
    pressed: bool,
    devices: Vec<Remote>,
}

impl Person {
    /// Listens from now on. The first Ctrl-C or SIGTERM has every device say goodbye, those too that start
    /// later; a second one ends the program at once.
    pub(super) fn listen() -> Result<Self, CommandError> {
        let person = Self::default();
        let interrupted = person.clone();
        ctrlc::set_handler(move || interrupted.stop())
            .map_err(|error| format!("Ctrl-C cannot be caught: {error}"))?;
        let pressing = person.clone();
        let lines = move || {
            let lines = io::stdin().lock().lines();
            lines.map_while(Result::ok).for_each(|_| pressing.press());
        };
        // The thread reads until the program ends. Without it there is only no button.
        if let Err(error) = thread::Builder::new().name("button".into()).spawn(lines) {
            log::warn!("Enter will not send a message: {error}");
        }
        Ok(person)
    }

    /// Puts a device into the person's hands.
    pub(super) fn takes(&self, device: Remote) {
        let mut charge = self.charge();
        if charge.stopping {
            device.stop();
        }
        // Its thread may have joined, and said so, before this.
        if std::mem::take(&mut charge.pressed) {
            device.send_now();
        }
        charge.devices.push(device);
    }

    /// Enter: every device sends a message.
    fn press(&self) {
        let mut charge = self.charge();
        charge.pressed = charge.devices.is_empty();
        // A device that waits before its next attempt makes it now.
        charge.devices.iter().for_each(Remote::retry_now);
        charge.devices.iter().for_each(Remote::send_now);
    }

    fn stop(&self) {
        let mut charge = self.charge();
        if charge.stopping {
            std::process::exit(INTERRUPTED);
        }
        charge.stopping = true;
        charge.devices.iter().for_each(Remote::stop);
        // Last, and without a panic: nobody may read standard error any more.
        command_line::tell(format_args!("saying goodbye; another Ctrl-C ends at once"));
    }

    fn charge(&self) -> MutexGuard<'_, Charge> {
        // Nothing is left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use azure_device::port::Platform as _;
    use azure_device_host::tls::azure_roots;
    use azure_device_host::{HostPlatform, Options};

    use super::*;

    #[test]
    fn enter_before_a_device_is_taken_over_is_not_lost() {
        let options = || Options::new("d", azure_roots().expect("roots")).expect("options");
        let mut device = HostPlatform::new(options()).expect("a platform");
        let person = Person::default();
        person.press();
        person.takes(device.remote());
        assert!(device.requests().send_now);
        let mut later = HostPlatform::new(options()).expect("a platform");
        person.takes(later.remote());
        assert!(!later.requests().send_now);
        person.press();
        assert!(device.requests().send_now && later.requests().send_now);
    }
}
