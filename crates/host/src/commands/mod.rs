//! What the program does.

pub(crate) mod demonstration;
pub(crate) mod device;
mod operator;

use std::io::{self, BufRead};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use azure_device_host::Remote;

/// What ends a command without success: a sentence.
pub(crate) type CommandError = Box<dyn std::error::Error + Send + Sync>;

/// Exit code of a program that Ctrl-C ended at once, by the shells' convention: 128 and SIGINT's number.
const INTERRUPTED: i32 = 130;

/// Has Ctrl-C and SIGTERM end the devices with a goodbye, and a second one end the program at once.
fn stop_on_ctrl_c(devices: Vec<Remote>) -> Result<(), CommandError> {
    let times = AtomicU8::new(0);
    let handler = move || match times.fetch_add(1, Ordering::AcqRel) {
        0 => {
            eprintln!("saying goodbye; another Ctrl-C ends at once");
            devices.iter().for_each(Remote::stop);
        }
        _ => std::process::exit(INTERRUPTED),
    };
    ctrlc::set_handler(handler).map_err(|error| format!("Ctrl-C cannot be caught: {error}").into())
}

/// Makes every line on standard input a press of the devices' button.
fn send_on_enter(devices: Vec<Remote>) {
    let press = move || {
        for _ in io::stdin().lock().lines().map_while(Result::ok) {
            devices.iter().for_each(Remote::send_now);
        }
    };
    // The thread reads until the program ends. Without it there is only no button.
    if let Err(error) = thread::Builder::new().name("button".into()).spawn(press) {
        log::warn!("Enter will not send a message: {error}");
    }
}
