//! Command lines that may hold a secret by mistake.
//!
//! Someone forgets the name of an option, or gives a key where an id belongs. clap's own error would repeat
//! the text, and the terminal's history, a log or a colleague's screen would keep it. [`read`] takes clap's
//! parser and says by itself what is wrong: it names the option and the position, and never a value. Text that
//! looks like a connection string, a token, a key or a PEM file is refused wherever none belongs, before
//! anything is done with it, since a path or an id would be repeated by later errors.
//!
//! # Limits
//!
//! A key is recognised as base64 of 16 to 64 bytes with its `=` at the end. One of 18, 21, 24, ... 48 bytes has
//! no `=`, and looks like an id.

#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod check;
mod explain;
mod output;
mod secret;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{ArgMatches, Command, Parser};

pub use explain::explain;
pub use output::{say, tell};
pub use secret::Secret;

/// Places where a program takes secrets and other free text.
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// Remedy for a connection string or a token in the wrong place: where it belongs.
    pub connection_string: &'static str,
    /// Remedy for a key in the wrong place.
    pub key: &'static str,
    /// Remedy for the text of a PEM file in the wrong place.
    pub pem: &'static str,
    /// Ids of the arguments, as clap knows them, whose value may be anything: secrets, payloads.
    pub takes_any_text: &'static [&'static str],
}

impl Advice {
    /// The remedy for this kind of secret.
    pub(crate) const fn of(&self, secret: Secret) -> &'static str {
        match secret {
            Secret::ConnectionString => self.connection_string,
            Secret::Key => self.key,
            Secret::Pem => self.pem,
        }
    }
}

/// Reason why there are no arguments to work with.
#[derive(Debug)]
pub enum Stop {
    /// Help or the version was asked for: the text.
    Asked(clap::Error),
    /// The command line is wrong: a sentence, the usage, without any value.
    Wrong(String),
}

impl Stop {
    /// Prints the text, and ends the program: with 0 for help, with 2 for a wrong command line (clap's codes),
    /// and with 1 for help that could not be written.
    pub fn exit(self) -> ! {
        let code = match self {
            Self::Asked(text) => {
                let printed = text.print().and_then(|()| io::stdout().flush());
                i32::from(printed.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe))
            }
            Self::Wrong(text) => {
                tell(format_args!("error: {text}"));
                2
            }
        };
        std::process::exit(code)
    }
}

/// The arguments of this process. Prints help, or what is wrong, and exits, if there are none to work with.
pub fn read<P: Parser>(advice: &Advice) -> P {
    read_from(std::env::args_os(), advice).unwrap_or_else(|stop| stop.exit())
}

/// Parses these arguments; the first one is the program's name.
///
/// # Errors
///
/// [`Stop`], whose text repeats no argument.
pub fn read_from<P: Parser>(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
    advice: &Advice,
) -> Result<P, Stop> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    parse(ignore_case(P::command()), &arguments, advice)
}

/// Has a command line take named values in any case, as `az` does: `symmetrickey` is `symmetricKey`.
fn ignore_case(command: Command) -> Command {
    command
        .mut_args(|argument| {
            let has_names = argument.get_action().takes_values();
            argument.ignore_case(has_names)
        })
        .mut_subcommands(ignore_case)
}

/// The same by a command line that is `P`'s.
fn parse<P: Parser>(
    mut command: Command,
    arguments: &[OsString],
    advice: &Advice,
) -> Result<P, Stop> {
    let wrong = |error: clap::Error| {
        if error.use_stderr() {
            Stop::Wrong(explain(&error, arguments, advice))
        } else {
            Stop::Asked(error)
        }
    };
    let mut matches = command.try_get_matches_from_mut(arguments).map_err(wrong)?;
    refuse_secrets(&command, &matches, advice).map_err(Stop::Wrong)?;
    P::from_arg_matches_mut(&mut matches).map_err(wrong)
}

/// Refuses a secret where none belongs.
fn refuse_secrets(command: &Command, matches: &ArgMatches, advice: &Advice) -> Result<(), String> {
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        if !argument.get_action().takes_values() || advice.takes_any_text.contains(&id) {
            continue;
        }
        let Ok(Some(values)) = matches.try_get_raw(id) else {
            continue;
        };
        if let Some(secret) = values
            .filter_map(|value| Secret::of(value.to_str()?))
            .next()
        {
            return Err(format!(
                "{argument} was given what looks like {secret}: {}",
                advice.of(secret)
            ));
        }
    }
    match matches.subcommand() {
        Some((name, matches)) => command
            .find_subcommand(name)
            .map_or(Ok(()), |command| refuse_secrets(command, matches, advice)),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
