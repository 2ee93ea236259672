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
            for _ in io::stdin().lock().lines().map_while(Result::ok) {
                let charge = pressing.charge();
                // A device that waits before its next attempt makes it now.
                charge.devices.iter().for_each(Remote::retry_now);
                charge.devices.iter().for_each(Remote::send_now);
            }
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
        charge.devices.push(device);
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
