//! Doc comments of all sources: each begins with a noun or a verb, so that its first word says what the item is or
//! does.

use std::fs;
use std::path::{Path, PathBuf};

/// Words that begin a question or a clause instead.
const BANNED: [&str; 10] = [
    "How", "What", "When", "Where", "Whether", "Which", "Who", "Whom", "Whose", "Why",
];

/// Folders of builds and packages. Their sources are made, or of others.
const SKIPPED: [&str; 3] = ["target", "node_modules", "twister-out"];

/// Returns the text behind `///` or `//!` in a line; `None` for a line that is no doc comment.
fn documentation(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line
        .strip_prefix("///")
        .or_else(|| line.strip_prefix("//!"))?;
    // Four slashes begin an ordinary comment.
    (!text.starts_with('/')).then_some(text)
}

/// Numbers and lines of the doc comments in `text` that begin with a banned word.
fn banned(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut is_inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        let documentation = documentation(line);
        let first = documentation.filter(|_| !is_inside).and_then(|text| {
            text.split(|c: char| !c.is_alphanumeric())
                .find(|word| !word.is_empty())
        });
        if first.is_some_and(|word| BANNED.contains(&word)) {
            found.push((number, line));
        }
        is_inside = documentation.is_some();
    }
    found
}

/// Sources of Rust below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type().expect("a type").is_dir() {
            let is_skipped =
                SKIPPED.contains(&&*name) || name.starts_with('.') || name.starts_with("build");
            if !is_skipped {
                all.extend(sources(&path));
            }
        } else if name.ends_with(".rs") {
            all.push(path);
        }
    }
    all
}

#[test]
fn each_doc_comment_begins_with_a_noun_or_a_verb() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(root);
    assert!(
        sources.len() > 500,
        "only {} sources were found",
        sources.len()
    );
    let mut errors = String::new();
    for path in sources {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let name = path.strip_prefix(root).expect("below the root").display();
        for (number, line) in banned(&text) {
            errors += &format!("{name}:{number}: {}\n", line.trim());
        }
    }
    assert!(
        errors.is_empty(),
        "begin with a noun or a verb, such as \"Time at which\" or \"Returns\":\n{errors}"
    );
}

#[test]
fn only_the_first_line_of_a_doc_comment_is_judged() {
    let text = [
        "//! Where it is.",
        "//! When it was.",
        "",
        "/// Place.",
        "/// What it holds.",
        "#[derive(Debug)]",
        "struct Place {",
        "    /// Who owns it.",
        "    owner: Name,",
        "    // Why it is.",
        "    //// How it looks.",
        "    /// Whoever lives there.",
        "    tenant: Name,",
        "}",
    ];
    let text = text.join("\n");
    let numbers: Vec<usize> = banned(&text).iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 8]);
}
