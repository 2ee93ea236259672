//! docs/hub.md says which test proves what: those tests must be there, and so must the commands.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

/// Rows of tables below a heading of docs/hub.md, as their cells.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/hub.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\n## ").find(|part| part.starts_with(heading));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    section
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .map(cells)
        .collect()
}

/// Texts between backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_row_of_the_matrix_names_tests_that_there_are() {
    let rows = rows("What it must get right");
    assert!(rows.len() >= 20, "{} rows", rows.len());
    for row in rows {
        let proofs = quoted(row.last().unwrap());
        assert!(!proofs.is_empty(), "{row:?} names no test");
        for proof in proofs {
            let (file, test) = proof.split_once("::").unwrap();
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/{file}.rs"));
            let source = std::fs::read_to_string(path).unwrap();
            let function = format!("#[test]\nfn {test}() {{");
            assert!(source.contains(&function), "there is no test {proof}");
        }
    }
}

/// The help of a command; `None` if there is no such command.
fn help(words: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_local-hub"))
        .args(words)
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(help)
}

/// Words that are no options and no values of such.
fn words(command: &str) -> Vec<&str> {
    command
        .split(' ')
        .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

#[test]
fn every_command_and_every_fault_of_the_documentation_is_there() {
    for heading in ["Commands", "Faults"] {
        for row in rows(heading) {
            if row[0] == "Command" {
                continue;
            }
            let commands = quoted(&row[0]);
            let first = words(commands[0]);
            let text = help(&first).unwrap_or_else(|| panic!("there is no command {first:?}"));
            let (_, group) = first.split_last().unwrap();
            for command in &commands[1..] {
                // Named whole, or by its last words, or nothing but an option or a variable.
                let words = words(command);
                let whole = [group, &words].concat();
                let is_there = help(&words).or_else(|| help(&whole)).is_some();
                assert!(
                    is_there || words.is_empty(),
                    "there is no command {command}"
                );
            }
            let mut options: Vec<_> = commands[0].split(' ').collect();
            // In the words of `az`, each option begins what stands between backquotes.
            if !quoted(&row[1]).iter().any(|cell| cell.starts_with("az ")) {
                options.extend(
                    quoted(&row[1])
                        .iter()
                        .filter_map(|cell| cell.split(' ').next()),
                );
            }
            for option in options.into_iter().filter(|word| word.starts_with('-')) {
                let is_there = text.split([' ', ',', ']', '\n']).any(|word| word == option);
                assert!(is_there, "{first:?} has no {option}: {text}");
            }
        }
    }
}
