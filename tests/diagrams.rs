//! `docs/diagrams.md`: each name of the code in a diagram exists, and the parts are the layers of the core.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text between the fences of Mermaid diagrams.
fn diagrams() -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/diagrams.md")).expect("it exists");
    let blocks = text.split("```mermaid\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// All sources of the core in one text.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all += &sources(&path);
        } else {
            all += &fs::read_to_string(&path).expect("UTF-8");
        }
    }
    all
}

/// The names with `::` in a text, as pairs of what stands before the last `::` and behind it.
fn names(text: &str) -> BTreeSet<(&str, &str)> {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let words = text.split(|letter| !is_name(letter));
    let trimmed = words.map(|word| word.trim_matches(':'));
    trimmed.filter_map(|word| word.rsplit_once("::")).collect()
}

/// True if `outer` is declared with a member, a variant or an item of this name.
fn is_declared(sources: &str, outer: &str, inner: &str) -> bool {
    match outer.starts_with(char::is_lowercase) {
        true => is_in_module(outer, inner),
        false => is_in_type(sources, outer, inner),
    }
}

/// True if a module of the core has a public item of this name: `connection::run`.
fn is_in_module(module: &str, name: &str) -> bool {
    let path = root().join("src").join(module);
    let text = if path.is_dir() {
        sources(&path)
    } else {
        fs::read_to_string(path.with_extension("rs")).unwrap_or_default()
    };
    ["fn", "struct", "trait", "enum"].iter().any(|kind| {
        let head = format!("pub {kind} {name}");
        let ends = text.split(&head).skip(1);
        ends.into_iter()
            .any(|end| end.starts_with([' ', '<', '(', ':']))
    })
}

/// True if a declaration or an implementation of a type has a line that begins with this name.
fn is_in_type(sources: &str, name: &str, member: &str) -> bool {
    let heads = sources.split('\n').enumerate().filter(|(_, line)| {
        let line = line
            .trim_start_matches("pub ")
            .trim_start_matches("pub(super) ");
        let declares = ["enum ", "trait ", "impl"]
            .iter()
            .any(|kind| line.starts_with(kind));
        declares
            && line
                .split(|letter: char| !letter.is_alphanumeric())
                .any(|word| word == name)
    });
    let lines: Vec<_> = sources.split('\n').collect();
    heads.into_iter().any(|(start, _)| {
        // Up to the closing brace in the first column.
        let body = lines
            .iter()
            .skip(start + 1)
            .take_while(|line| !line.starts_with('}'));
        body.map(|line| line.trim_start()).any(|line| {
            let line = line.trim_start_matches("pub ").trim_start_matches("const ");
            let end = line.trim_start_matches("fn ").strip_prefix(member);
            end.is_some_and(|end| end.is_empty() || end.starts_with([',', '(', ' ', '<']))
        })
    })
}

#[test]
fn each_name_of_the_code_in_a_diagram_exists() {
    let sources = sources(&root().join("src"));
    let text = fs::read_to_string(root().join("docs/diagrams.md")).expect("it exists");
    let names = names(&text);
    assert!(names.len() >= 25, "{names:?}");
    for (outer, inner) in names {
        let outer = outer.rsplit("::").next().unwrap_or(outer);
        assert!(
            is_declared(&sources, outer, inner),
            "there is no {outer}::{inner}"
        );
    }
}

#[test]
fn a_name_that_does_not_exist_is_found() {
    let sources = sources(&root().join("src"));
    for (outer, inner) in [
        ("Task", "SetClocks"),
        ("Task", "SetCloc"),
        ("Tasks", "SetClock"),
        ("Machine", "task_of"),
        ("connection", "walk"),
        ("Status", "Starting_"),
    ] {
        assert!(!is_declared(&sources, outer, inner), "{outer}::{inner}");
    }
}

#[test]
fn the_parts_are_the_layers_of_the_core() {
    let library = fs::read_to_string(root().join("src/lib.rs")).expect("it exists");
    let modules: BTreeSet<_> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ").or(line.strip_prefix("mod ")))
        .filter_map(|line| line.strip_suffix(';'))
        .filter(|module| *module != "application_guide")
        .collect();
    let diagrams = diagrams();
    let parts = diagrams.first().expect("the first one shows the parts");
    let core = parts.split("subgraph src").nth(1).expect("the core");
    let core = core.split("\n    end").next().expect("its end");
    let shown: BTreeSet<_> = core
        .lines()
        .skip(1)
        .flat_map(|line| line.split(['-', '>', '&']))
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    assert_eq!(shown, modules);
}

#[test]
fn each_diagram_is_of_a_kind_that_forges_draw() {
    let diagrams = diagrams();
    assert!(diagrams.len() >= 4);
    for diagram in diagrams {
        let kind = diagram.split_whitespace().next().unwrap_or_default();
        assert!(
            ["flowchart", "sequenceDiagram", "stateDiagram-v2"].contains(&kind),
            "{kind}"
        );
    }
}
