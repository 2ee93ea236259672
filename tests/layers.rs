//! The layers of the core: what is low imports nothing from what is high, and siblings nothing from each other.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers of `src/`, top first, as `src/lib.rs` lists them. The modules of one layer are siblings.
const LAYERS: &[&[&str]] = &[
    &["bench"],
    &["lifecycle"],
    &["device", "provisioning"],
    &["update"],
    &["application"],
    &["connection"],
    &["setup"],
    &["storage", "sensor", "queue"],
    &["port"],
    &["outlet"],
    &["report"],
    &["failure"],
    &["mqtt", "json", "cbor"],
    &["iot_hub"],
    &["foundation"],
];

/// Folders whose modules have their path without the folder.
const FOLDERS: [&str; 3] = ["setup", "iot_hub", "foundation"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Files of Rust below a folder, without those of tests.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        let is_test = name == "tests" || name.ends_with("_tests");
        if is_test {
            continue;
        }
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            all.push(path);
        }
    }
    all
}

/// The part of a file before its tests, without lines that are comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("UTF-8");
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    let lines = code.unwrap_or_default().lines();
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    lines
        .filter(|line| !is_comment(line))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// Names of modules that a text imports by `crate::`. Those of [`FOLDERS`] stand for their folder.
fn imports(code: &str) -> Vec<String> {
    let names = code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    });
    let folder = |name: &str| {
        let holds = |folder: &&&str| {
            let path = root().join(folder).join(name);
            path.is_dir() || path.with_extension("rs").is_file()
        };
        FOLDERS
            .iter()
            .find(holds)
            .map_or(name, |folder| folder)
            .to_owned()
    };
    names
        .filter(|name| !name.is_empty() && !name.starts_with('_'))
        .map(folder)
        .collect()
}

fn layer(module: &str) -> usize {
    let layer = LAYERS.iter().position(|layer| layer.contains(&module));
    layer.unwrap_or_else(|| {
        panic!("src/{module} has no layer: add it to LAYERS, and to the list in src/lib.rs")
    })
}

#[test]
fn what_is_low_imports_nothing_from_what_is_high() {
    let mut checked = 0;
    for path in files(&root()) {
        let inside = path.strip_prefix(root()).expect("in src");
        let first = inside.iter().next().expect("a name").to_string_lossy();
        let own = first.trim_end_matches(".rs").to_owned();
        if own == "lib" {
            continue;
        }
        for imported in imports(&code(&path)) {
            let allowed = imported == own || layer(&own) < layer(&imported);
            assert!(
                allowed,
                "src/{} imports {imported}, which is not below {own}",
                inside.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 200, "only {checked} imports were found");
}

#[test]
fn the_list_of_layers_is_that_of_the_crates_documentation() {
    let lib = fs::read_to_string(root().join("lib.rs")).expect("UTF-8");
    let mut rest = lib.split("The layers, top first:").nth(1).expect("a list");
    for module in LAYERS.concat() {
        let at = rest.find(&format!("`{module}`")).unwrap_or_else(|| {
            panic!("src/lib.rs does not list {module} behind those that are above it")
        });
        rest = rest.get(at..).unwrap_or_default();
    }
}
