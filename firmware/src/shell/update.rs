//! `azure update`: the images, what is under way, and what an operator may do.

#![forbid(unsafe_code)]

use super::{Refusal, say};
use crate::ffi::{Shell, update as port};
use crate::{requests, status, update};

/// Runs `azure update` with its argument.
pub(super) fn run(shell: Shell<'_>, argument: Option<&str>) -> Result<(), Refusal> {
    match argument {
        None | Some("status") => print_status(shell),
        Some("cancel") => {
            requests::cancel_update();
            say!(
                shell,
                "Asked for: an update ends that has not restarted the device yet."
            );
        }
        Some("previous") => {
            requests::roll_back();
            say!(
                shell,
                "Asked for: the device restarts into the image before, or the log says why not."
            );
        }
        Some(_) => {
            return Err(Refusal::Because(
                "write: azure update status, azure update cancel, or azure update previous",
            ));
        }
    }
    Ok(())
}

fn print_status(shell: Shell<'_>) {
    match update::version(true) {
        Some(version) => say!(
            shell,
            "image         {}, {}",
            version.as_str(),
            match port::is_on_trial() {
                true => "on trial",
                false => "kept",
            }
        ),
        None => say!(shell, "image         not started by MCUboot"),
    }
    match update::version(false) {
        Some(version) => say!(shell, "other slot    {}", version.as_str()),
        None => say!(shell, "other slot    no image"),
    }
    if let Some(snapshot) = status::snapshot() {
        let state = snapshot.report.update;
        match state.percent() {
            Some(percent) => say!(shell, "update        {}, {percent} %", state.name()),
            None => say!(shell, "update        {}", state.name()),
        }
    }
    if let Some((size, used)) = port::stack() {
        say!(
            shell,
            "download      {used} of {size} bytes of its stack at most"
        );
    }
}
