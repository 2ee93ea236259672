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

/// What stands between backquotes.
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

#[test]
fn every_command_and_every_fault_of_the_documentation_is_there() {
    for heading in ["Commands", "Faults"] {
        for row in rows(heading) {
            let command = quoted(&row[0])[0];
            let words: Vec<_> = command
                .split(' ')
                .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
                .collect();
            let output = Command::new(env!("CARGO_BIN_EXE_local-hub"))
                .args(&words)
                .arg("--help")
                .output()
                .unwrap();
            assert!(output.status.success(), "there is no command {words:?}");
            let help = String::from_utf8(output.stdout).unwrap();
            for option in command.split(' ').filter(|word| word.starts_with("--")) {
                assert!(help.contains(option), "{words:?} has no {option}: {help}");
            }
        }
    }
}
