//! A check that a program's own tests run: no argument of its is ever repeated.

use std::ffi::OsString;
use std::marker::PhantomData;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Parser};

use crate::{Advice, Stop, parse};

/// Values that stand in for what a test does not care about, tried in turn.
const FILLERS: [&str; 5] = ["1", "x=1", "localhost", "{}", "0ne00ABCDEF"];

/// Bytes of a secret that stand in no text by coincidence, as `HostName=` does.
const PIECE: usize = 12;

/// Puts each of `secrets` into every place of every command of `P`: as an argument too many, as the name of an
/// option, as each option's value in both spellings.
///
/// # Panics
///
/// If a text repeats 12 bytes of a secret, or a secret is accepted where none belongs.
pub fn no_argument_is_repeated<P: Parser>(advice: &Advice, secrets: &[&str]) {
    let program = Program {
        command: P::command(),
        advice,
        parser: PhantomData::<P>,
    };
    let mut root = P::command();
    root.build();
    for secret in secrets {
        program.visit(&root, &[], secret);
    }
}

/// A program under test.
struct Program<'a, P> {
    /// Its command line. Building one takes long, cloning it does not.
    command: Command,
    advice: &'a Advice,
    parser: PhantomData<P>,
}

impl<P: Parser> Program<'_, P> {
    fn visit(&self, command: &Command, path: &[&str], secret: &str) {
        for stray in [
            vec![secret.to_owned()],
            vec![format!("--{secret}")],
            vec![format!("-{secret}")],
            vec!["--nonsense".into(), secret.to_owned()],
            vec![format!("--nonsense={secret}")],
            vec!["help".into(), secret.to_owned()],
        ] {
            assert_not_repeated(self.run(path, &stray).err(), path, secret);
        }
        for argument in command.get_arguments() {
            if argument.is_global_set() && !path.is_empty() {
                continue;
            }
            for spelling in spellings(argument, secret) {
                let free = self
                    .advice
                    .takes_any_text
                    .contains(&argument.get_id().as_str());
                let result = self.filled(command, path, spelling);
                assert!(
                    free || result.is_err() || !argument.get_action().takes_values(),
                    "{path:?}: {argument} takes a secret"
                );
                assert_not_repeated(result.err(), path, secret);
            }
        }
        for command in command.get_subcommands() {
            let path = [path, &[command.get_name()]].concat();
            self.visit(command, &path, secret);
        }
    }

    fn run(&self, path: &[&str], rest: &[String]) -> Result<(), Stop> {
        let words = path.iter().map(ToString::to_string);
        let all = ["program".to_owned()]
            .into_iter()
            .chain(words)
            .chain(rest.to_vec());
        let all: Vec<OsString> = all.map(Into::into).collect();
        parse::<P>(self.command.clone(), &all, self.advice).map(drop)
    }

    /// As [`Self::run`], with everything that is missing besides filled in.
    fn filled(&self, command: &Command, path: &[&str], mut rest: Vec<String>) -> Result<(), Stop> {
        for _ in 0..8 {
            let Err(error) = parsed(command, &rest) else {
                break;
            };
            if error.kind() != ErrorKind::MissingRequiredArgument {
                break;
            }
            let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
                break;
            };
            for argument in command.get_arguments() {
                if missing.iter().any(|name| names(name, argument)) {
                    rest.extend(fill(command, argument, &rest));
                }
            }
        }
        self.run(path, &rest)
    }
}

/// The ways to give the secret to an argument.
fn spellings(argument: &Arg, secret: &str) -> Vec<Vec<String>> {
    let mut spellings = Vec::new();
    if let Some(name) = argument.get_long() {
        spellings.push(vec![format!("--{name}={secret}")]);
        spellings.push(vec![format!("--{name}"), secret.to_owned()]);
    }
    if let Some(letter) = argument.get_short() {
        spellings.push(vec![format!("-{letter}{secret}")]);
    }
    if argument.is_positional() {
        spellings.push(vec![secret.to_owned()]);
    }
    spellings
}

/// Answer of clap to these arguments of a command. By the command alone, since building them all takes long.
fn parsed(command: &Command, arguments: &[String]) -> Result<(), clap::Error> {
    let all = ["program".to_owned()].into_iter().chain(arguments.to_vec());
    command.clone().try_get_matches_from(all).map(drop)
}

fn names(missing: &str, argument: &Arg) -> bool {
    let shown = argument.to_string();
    missing.contains(shown.split(' ').next().unwrap_or(&shown))
}

/// The argument with the first value that its parser takes.
fn fill(command: &Command, argument: &Arg, rest: &[String]) -> Vec<String> {
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    let fillers = possible.into_iter().chain(FILLERS.map(str::to_owned));
    let spelt = |value: String| match argument.get_long() {
        Some(name) => vec![format!("--{name}={value}")],
        None => vec![value],
    };
    let taken = |words: &Vec<String>| {
        let result = parsed(command, &[rest, words.as_slice()].concat());
        !result.is_err_and(|error| {
            matches!(
                error.kind(),
                ErrorKind::ValueValidation | ErrorKind::InvalidValue
            )
        })
    };
    fillers.map(spelt).find(taken).unwrap_or_default()
}

fn assert_not_repeated(stop: Option<Stop>, path: &[&str], secret: &str) {
    let text = match stop {
        None => return,
        Some(Stop::Asked(text)) => text.to_string(),
        Some(Stop::Wrong(text)) => text,
    };
    for piece in secret.as_bytes().windows(PIECE) {
        let repeated = text
            .as_bytes()
            .windows(piece.len())
            .any(|part| part == piece);
        // The secret is the test's own.
        assert!(!repeated, "{path:?}: a secret is repeated: {text}");
    }
}
