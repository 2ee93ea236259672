//! `docs/features.md` names the tests that prove it: each of them is a test that runs, and is named once for a feature.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// Folders with Rust's tests.
const PLACES: [&str; 4] = ["src", "crates", "tests", "examples"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a text of the repository")
}

/// The name of the function that a line begins to define.
fn function(line: &str) -> Option<&str> {
    let words = ["pub ", "pub(crate) ", "async "];
    let rest = words
        .iter()
        .fold(line, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
    let end = |c: char| !c.is_alphanumeric() && c != '_';
    rest.strip_prefix("fn ")?.split(end).next()
}

/// Names of the functions that the attribute `#[test]` or `#[tokio::test]` makes a test. One with `#[ignore]` is none.
fn attributed(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            is_ignored = true;
        } else if let Some(name) = function(line) {
            found.extend((is_test && !is_ignored).then_some(name));
            (is_test, is_ignored) = (false, false);
        }
    }
    found
}

/// Names of the functions that a list `trials!(…)` hands to the harness of the tests with foreign programs.
fn listed(text: &str) -> Vec<&str> {
    let lists = text.split("\n    trials!(\n").skip(1);
    let lines = lists.flat_map(|list| list.lines().take_while(|line| line.trim() != ")"));
    lines
        .filter_map(|line| line.trim().strip_suffix(','))
        .collect()
}

/// Names of the functions that pytest takes for tests.
fn functions_of_pytest(text: &str) -> Vec<&str> {
    let definitions = text.lines().filter_map(|line| line.strip_prefix("def "));
    definitions
        .filter_map(|line| line.split('(').next())
        .filter(|name| name.starts_with("test_"))
        .collect()
}

/// Collects the names of Rust's tests in `folder` and below.
fn collect(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = read(&path);
            let tests = attributed(&text).into_iter().chain(listed(&text));
            names.extend(tests.map(str::to_owned));
        }
    }
}

/// The files that have twister run tests.
const SAMPLES: [&str; 4] = [
    "sample.yaml",
    "examples/c/sample.yaml",
    "examples/rust/sample.yaml",
    "tests/zephyr/c_api/sample.yaml",
];

/// The files in `tests/zephyr` that twister runs, without their ends.
fn run_by_twister() -> HashSet<String> {
    let mut files = HashSet::new();
    for sample in SAMPLES {
        for line in read(&root().join(sample)).lines() {
            let file = line.trim().strip_prefix("- \"");
            let Some(file) = file.and_then(|file| file.strip_suffix(".py\"")) else {
                continue;
            };
            // All of them lie in one folder, which some name from theirs.
            files.insert(file.rsplit('/').next().unwrap_or_default().to_owned());
        }
    }
    files
}

/// Collects the names of the firmware's tests: of the files that twister runs.
fn collect_of_the_firmware(names: &mut HashSet<String>) {
    for file in run_by_twister() {
        let text = read(&root().join(format!("tests/zephyr/{file}.py")));
        names.extend(functions_of_pytest(&text).into_iter().map(str::to_owned));
    }
}

#[test]
fn twister_runs_every_test_of_the_firmware() {
    let run = run_by_twister();
    let mut files = 0;
    for entry in fs::read_dir(root().join("tests/zephyr")).expect("the firmware's tests") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("a name in ASCII");
        if let (true, Some(file)) = (name.starts_with("test_"), name.strip_suffix(".py")) {
            assert!(run.contains(file), "no scenario of twister runs {name}");
            files += 1;
        }
    }
    assert!(files >= 20, "{files} files were found");
}

#[test]
fn every_test_that_the_table_of_features_names_is_one_that_runs() {
    let mut names = HashSet::new();
    for place in PLACES {
        collect(&root().join(place), &mut names);
    }
    collect_of_the_firmware(&mut names);
    let table = read(&root().join("docs/features.md"));
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
            assert!(names.contains(test), "there is no test {test} that runs");
            assert!(seen.insert(test), "{test} is named twice: {row}");
        }
        rows += 1;
    }
    assert!(rows >= 30, "{rows} rows were read");
}

#[test]
fn a_function_is_a_test_by_its_attribute_only() {
    let text = "fn helper() {}\n\
                #[test]\nfn plain() {}\nfn after_it() {}\n\
                #[test]\n#[cfg(unix)]\n#[allow(\n    dead_code,\n)]\nfn with_others_between() {}\n\
                #[test]\n#[ignore = \"slow\"]\nfn ignored() {}\n\
                proptest! {\n    #[test]\n    fn of_proptest(a in 0..9) {}\n}\n\
                #[tokio::test(start_paused = true)]\nasync fn of_tokio() {}\n\
                // #[test]\npub(crate) fn in_a_comment() {}\n";
    let tests = ["plain", "with_others_between", "of_proptest", "of_tokio"];
    assert_eq!(attributed(text), tests);
}

#[test]
fn a_trial_is_a_test_if_the_harness_is_given_it() {
    let text = "fn trials() {\n    trials!(\n        PEER,\n        one,\n        two,\n    )\n}\n\
                fn three(python: &Path) {}\n";
    assert_eq!(listed(text), ["PEER", "one", "two"]);
}

#[test]
fn a_function_of_pytest_is_a_test_by_its_name_and_place() {
    let text =
        "def helper():\n    def test_inside():\ndef test_one(device):\nTEXT = 'def test_two():'\n";
    assert_eq!(functions_of_pytest(text), ["test_one"]);
}
