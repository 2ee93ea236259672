//! A program with one of everything, and secrets in each place of it.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const CONNECTION_STRING: &str = "HostName=h.azure-devices.net;DeviceId=device;SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----";

const ADVICE: Advice = Advice {
    connection_string: "put it in a file for --connection-string-file",
    key: "put it in a file for --key-file",
    pem: "give the file's path",
    takes_any_text: &["connection_string", "data"],
};

#[derive(Debug, clap::Parser)]
struct Program {
    #[command(subcommand)]
    command: What,
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one")]
enum What {
    Run {
        id: String,
        #[arg(long)]
        connection_string: Option<String>,
        #[arg(long, value_parser = refuse)]
        scope: Option<String>,
        #[arg(long, value_parser = repeat)]
        careless: Option<String>,
        #[arg(long, requires = "key")]
        certificate: Option<PathBuf>,
        #[arg(short, long, conflicts_with = "scope")]
        key: Option<PathBuf>,
        #[arg(long)]
        listen: Option<SocketAddr>,
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
        #[arg(long, value_enum)]
        colour: Colour,
        #[arg(long)]
        data: Option<String>,
    },
    List,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Colour {
    Red,
    Green,
}

fn refuse(_: &str) -> Result<String, String> {
    Err("expected 0ne and letters".into())
}

fn repeat(text: &str) -> Result<String, String> {
    Err(format!("`{text}` is bad"))
}

fn wrong(arguments: &[&str]) -> String {
    let all = ["program"].iter().chain(arguments);
    match read_from::<Program>(all.copied(), &ADVICE) {
        Err(Stop::Wrong(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_argument_of_any_kind_is_repeated() {
    check::no_argument_is_repeated::<Program>(&ADVICE, &[KEY, CONNECTION_STRING, PEM]);
}

#[test]
fn a_named_value_is_taken_in_any_case() {
    for name in ["red", "Red", "RED"] {
        let arguments = ["program", "run", "id", "--colour", name];
        let program = read_from::<Program>(arguments, &ADVICE).unwrap();
        assert!(matches!(
            program.command,
            What::Run {
                colour: Colour::Red,
                ..
            }
        ));
    }
    let text = wrong(&["run", "id", "--colour", "blue"]);
    assert!(text.contains("takes one of: red, green"), "{text}");
}

#[test]
#[should_panic(expected = "takes a secret")]
fn the_check_finds_an_argument_that_takes_a_secret() {
    #[derive(clap::Parser)]
    struct Careless {
        #[arg(long, value_parser = |text: &str| Ok::<_, String>(text.len()))]
        _length: Option<usize>,
        #[arg(long)]
        other: Option<String>,
    }
    // Without recognition of secrets, which a text of its own kind escapes.
    check::no_argument_is_repeated::<Careless>(&ADVICE, &["no secret by its looks"]);
}

#[test]
fn a_secret_in_the_wrong_place_is_answered_with_the_right_one() {
    for (arguments, expected) in [
        (
            &["run", "id", "--colour=red", CONNECTION_STRING][..],
            "argument 4 is not expected here; it looks like a connection string or a SAS token: \
             put it in a file for --connection-string-file",
        ),
        (
            &["run", "--scope", KEY],
            "the value of --scope <SCOPE> is not valid: expected 0ne and letters; it looks like a symmetric \
             key: put it in a file for --key-file",
        ),
        (
            &["run", KEY, "--colour=red"],
            "<ID> was given what looks like a symmetric key: put it in a file for --key-file",
        ),
        (
            &["run", "id", "--colour=red", "--key", PEM],
            "argument 5 is no option of this command; it looks like the text of a PEM file: give the file's path",
        ),
        (
            &[CONNECTION_STRING],
            "argument 1 is not expected here; it looks like a connection string",
        ),
    ] {
        let text = wrong(arguments);
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_without_values_and_with_the_options_name() {
    for (arguments, expected) in [
        (&["run"][..], "missing: --colour <COLOUR>, <ID>"),
        (
            &["run", "--careless", "a word of some length"],
            "the value of --careless <CARELESS> is not valid\n",
        ),
        (
            &["run", "--colour", "blue"],
            "--colour <COLOUR> takes one of: red, green",
        ),
        (&["run", "--colour"], "--colour <COLOUR> takes one of"),
        (
            &["run", "--count", "x"],
            "the value of --count <COUNT> is not valid: invalid digit",
        ),
        (
            &["run", "a", "--colour=red", "--colour=red"],
            "--colour <COLOUR> was given twice",
        ),
        (
            &["run", "a", "--colour=red", "--connection-strin", "x"],
            "argument 4 is no option of this command; did you mean --connection-string?",
        ),
        (
            &["lst"],
            "argument 1 is not expected here; did you mean list?",
        ),
    ] {
        let text = wrong(arguments);
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn a_right_command_line_is_taken_with_secrets_where_they_belong() {
    let arguments = [
        "program",
        "run",
        "id",
        "--colour=red",
        "--connection-string",
    ];
    let all = arguments
        .into_iter()
        .chain([CONNECTION_STRING, "--data", KEY]);
    let program: Program = read_from(all, &ADVICE).unwrap();
    assert!(matches!(program.command, What::Run { .. }));
}

#[test]
fn help_is_asked_for_and_not_wrong() {
    let stop = read_from::<Program>(["program", "--help"], &ADVICE).unwrap_err();
    assert!(matches!(stop, Stop::Asked(_)), "{stop:?}");
}
