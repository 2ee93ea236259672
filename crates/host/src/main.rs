//! The `azure-device` program: a demonstration with a hub of its own, or a device on a real one.

#![warn(clippy::print_stderr, clippy::print_stdout)]

mod cli;
mod commands;
mod logging;

use std::process::ExitCode;

use azure_device::text::Visible;
use azure_device_host::indicator::write_failure;
use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::read();
    logging::start(cli.verbose);
    let result = match &cli.command {
        None => commands::demonstration::run(&cli.demonstration),
        Some(Command::Device(arguments)) => commands::device::run(arguments),
    };
    let written = || match write_failure() {
        None => Ok(()),
        Some(error) => Err(format!("cannot write to standard output: {error}").into()),
    };
    match result.and_then(|()| written()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command_line::tell(format_args!("azure-device: {}", Visible(error)));
            ExitCode::FAILURE
        }
    }
}
