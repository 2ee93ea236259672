//! `docs/features.md` names the tests that prove it: each of them exists, and is named once for a feature.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// Where tests are.
const PLACES: [&str; 3] = ["src", "crates", "tests"];

/// Collects the names of functions in `folder` and below, Rust's and Python's.
fn collect(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, names);
            continue;
        }
        if !path
            .extension()
            .is_some_and(|end| end == "rs" || end == "py")
        {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a text");
        for line in text.lines().map(str::trim_start) {
            let name = line.strip_prefix("fn ").or(line.strip_prefix("def "));
            if let Some((name, _)) = name.and_then(|name| name.split_once('(')) {
                names.insert(name.to_owned());
            }
        }
    }
}

#[test]
fn every_test_that_the_table_of_features_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = HashSet::new();
    for place in PLACES {
        collect(&root.join(place), &mut names);
    }
    let table = fs::read_to_string(root.join("docs/features.md")).expect("it exists");
    let mut rows = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        // Tables of features have a column for each peer after ours.
        let (Some(tests), true) = (cells.get(1), cells.len() >= 5) else {
            continue;
        };
        if tests.trim() == "Here" {
            continue;
        }
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test is named: {row}");
        let mut seen = HashSet::new();
        for test in tests {
            assert!(names.contains(test), "there is no test {test}");
            assert!(seen.insert(test), "{test} is named twice: {row}");
        }
        rows += 1;
    }
    assert!(rows >= 30, "{rows} rows were read");
}
