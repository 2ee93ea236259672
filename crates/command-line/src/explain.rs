//! Sentences about a wrong command line. They repeat nothing of it.

use std::error::Error as _;
use std::ffi::OsString;
use std::fmt::Write;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::{Advice, Secret};

/// The longest piece of a value that may stand in an error by coincidence, in bytes.
const COINCIDENCE: usize = 7;

/// The sentence, a suggestion, and the usage. `arguments` are those that clap was given.
pub fn explain(error: &clap::Error, arguments: &[OsString], advice: &Advice) -> String {
    let mut text = String::new();
    let suspect = sentence(error, arguments, &mut text);
    if let Some(secret) = suspect.as_deref().and_then(Secret::of) {
        let _ = write!(text, "; it looks like {secret}: {}", advice.of(secret));
    }
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand] {
        match error.get(kind) {
            Some(ContextValue::String(name)) => _ = write!(text, "; did you mean {name}?"),
            Some(ContextValue::Strings(names)) if !names.is_empty() => {
                let _ = write!(text, "; did you mean {}?", names.join(" or "));
            }
            _ => {}
        }
    }
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        let _ = write!(text, "\n\n{usage}");
    }
    text.push_str("\n\nFor more information, try '--help'.");
    text
}

/// Writes what is wrong, and gives the text that it is wrong with.
fn sentence(error: &clap::Error, arguments: &[OsString], text: &mut String) -> Option<String> {
    let name = one(error, ContextKind::InvalidArg);
    let option = name.unwrap_or("an argument");
    let value = one(error, ContextKind::InvalidValue).map(str::to_owned);
    let _ = match error.kind() {
        ErrorKind::UnknownArgument => return unknown(name?, arguments, text),
        ErrorKind::InvalidSubcommand => {
            let word = one(error, ContextKind::InvalidSubcommand)?;
            return unknown(word, arguments, text);
        }
        ErrorKind::ValueValidation => invalid(error, option, value.as_deref(), text),
        ErrorKind::InvalidValue => match list(error, ContextKind::ValidValue) {
            Some(possible) => write!(text, "{option} takes one of: {possible}"),
            None => write!(text, "{option} needs a value"),
        },
        ErrorKind::NoEquals => write!(text, "{option} needs its value after an ="),
        ErrorKind::TooManyValues => write!(text, "{option} was given too many values"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            write!(text, "{option} was given too few values")
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = list(error, ContextKind::InvalidArg).unwrap_or_default();
            write!(text, "missing: {missing}")
        }
        ErrorKind::MissingSubcommand => {
            let possible = list(error, ContextKind::ValidSubcommand).unwrap_or_default();
            write!(text, "a command is missing: {possible}")
        }
        ErrorKind::ArgumentConflict => match list(error, ContextKind::PriorArg) {
            Some(prior) if prior == option => write!(text, "{option} was given twice"),
            Some(prior) => write!(text, "{option} does not go with {prior}"),
            None => write!(text, "{option} does not go with the other arguments"),
        },
        ErrorKind::InvalidUtf8 => write!(text, "an argument is not valid UTF-8 text"),
        _ => write!(text, "the command line is not understood"),
    };
    value
}

/// An argument that nothing takes: by its position, since it may be a secret without its option.
fn unknown(given: &str, arguments: &[OsString], text: &mut String) -> Option<String> {
    let is_it = |argument: &&OsString| {
        argument
            .to_str()
            .and_then(|argument| argument.strip_prefix(given))
            .is_some_and(|rest| {
                // `--option=value`, or a cluster of short options.
                rest.is_empty() || rest.starts_with('=') || !given.starts_with("--")
            })
    };
    let position = arguments
        .iter()
        .skip(1)
        .position(|argument| is_it(&argument));
    let what = if given.starts_with('-') {
        "is no option of this command"
    } else {
        "is not expected here"
    };
    let _ = match position {
        Some(index) => write!(text, "argument {} {what}", index + 1),
        None => write!(text, "an argument {what}"),
    };
    // The whole argument tells more than the part that clap looked at.
    let whole = position.and_then(|index| arguments.get(index + 1));
    Some(
        whole
            .and_then(|whole| whole.to_str())
            .unwrap_or(given)
            .to_owned(),
    )
}

/// A value that its parser refuses: with the parser's reason, unless that repeats a part of it.
fn invalid(
    error: &clap::Error,
    option: &str,
    value: Option<&str>,
    text: &mut String,
) -> std::fmt::Result {
    let reason = error.source().map(ToString::to_string);
    match reason.filter(|reason| !repeats(reason, value.unwrap_or_default())) {
        Some(reason) => write!(text, "the value of {option} is not valid: {reason}"),
        None => write!(text, "the value of {option} is not valid"),
    }
}

/// True if `text` has a piece of `value` in it that is no coincidence. A short value is no secret.
fn repeats(text: &str, value: &str) -> bool {
    value.as_bytes().windows(COINCIDENCE + 1).any(|piece| {
        text.as_bytes()
            .windows(piece.len())
            .any(|part| part == piece)
    })
}

fn one(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

fn list(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) if !texts.is_empty() => Some(texts.join(", ")),
        _ => None,
    }
}
