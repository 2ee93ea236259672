//! The `azure-device` program: a demonstration with a hub of its own, or a device on a real one.

mod cli;
mod commands;
mod logging;

use std::process::ExitCode;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::read();
    logging::start(cli.verbose);
    let result = match &cli.command {
        None => commands::demonstration::run(&cli.demonstration),
        Some(Command::Device(arguments)) => commands::device::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("azure-device: {error}");
            ExitCode::FAILURE
        }
    }
}
