//! Finds the published mqttbytes 0.6.0 that Cargo downloaded, and writes a crate root that compiles its
//! MQTT 3.1.1 half from where it lies.
//!
//! The question "where?" is put to `cargo metadata`, about a package of one dependency that is written to
//! OUT_DIR. So the answer depends neither on the workspace that this crate is built in nor on its lock
//! file, needs no network (whatever it names is a build dependency and is there already), writes nothing
//! outside OUT_DIR, and follows source replacement (vendored sources, mirrors). The directory that Cargo
//! is run in decides which `.cargo/config.toml` it sees, and nothing tells a build script which one
//! started the build; hence a few are tried.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "mqttbytes";
const VERSION: &str = "0.6.0";
/// Environment variable with the folder of the unpacked package. If it is set, Cargo is not asked.
const OVERRIDE: &str = "MQTTBYTES_SOURCE_DIR";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={OVERRIDE}");
    if let Err(error) = run() {
        // One `cargo::error` line is one line of Cargo's output.
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
    }
}

fn run() -> Outcome<()> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let source = match env::var_os(OVERRIDE) {
        Some(directory) => {
            checked(PathBuf::from(directory)).map_err(|error| format!("{OVERRIDE}: {error}"))?
        }
        None => ask_cargo(&out)?,
    };
    println!("cargo::rerun-if-changed={}", source.display());
    fs::write(out.join("root.rs"), root(&source)?)?;
    Ok(())
}

/// The published crate root, without the MQTT 5 half (which needs more of std than its name, and which
/// IoT Hub does not speak) and with its modules read from the published package.
fn root(source: &Path) -> Outcome<String> {
    let text = read(&source.join("src/lib.rs"))?;
    let mut root = String::new();
    let mut modules = Vec::new();
    for line in text.lines() {
        let module = line
            .trim_start_matches("pub ")
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(';'));
        match module {
            Some("v5") => {}
            Some(name @ ("v4" | "topic")) => {
                let file = match name {
                    "v4" => source.join("src/v4/mod.rs"),
                    _ => source.join("src/topic.rs"),
                };
                // `{:?}` of a string is a Rust string literal.
                root.push_str(&format!("#[path = {:?}]\n", utf8(&file)?));
                modules.push(name);
            }
            Some(name) => {
                return Err(format!("unexpected module `{name}` in {}", source.display()).into());
            }
            None => {}
        }
        if module != Some("v5") {
            root.push_str(line);
            root.push('\n');
        }
    }
    modules.sort_unstable();
    if modules != ["topic", "v4"] {
        return Err(format!(
            "{} does not declare the modules topic and v4",
            source.display()
        )
        .into());
    }
    Ok(root)
}

/// Asks Cargo where it keeps the package.
fn ask_cargo(out: &Path) -> Outcome<PathBuf> {
    let probe = out.join("probe");
    fs::create_dir_all(&probe)?;
    let manifest = probe.join("Cargo.toml");
    fs::write(
        &manifest,
        format!(
            "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
             [lib]\npath = \"lib.rs\"\n[workspace]\n[dependencies]\n{NAME} = \"={VERSION}\"\n"
        ),
    )?;
    fs::write(probe.join("lib.rs"), "")?;

    let mut said = String::new();
    for directory in directories(out) {
        match metadata(&manifest, &directory).and_then(|json| locate(&json)) {
            Ok(source) => return Ok(source),
            Err(error) => said.push_str(&format!("in {}: {error}\n", directory.display())),
        }
    }
    Err(format!(
        "cannot find the source of {NAME} {VERSION}, which `cargo metadata --offline` should know, since it is \
         a build dependency of mqttbytes-nostd.\n{said}Remedy: run `cargo fetch` where you build, or unpack the \
         package and set {OVERRIDE} to its directory."
    )
    .into())
}

/// Folders that Cargo's configuration may lie in or above: of this crate, of the build's output, of the caller.
fn directories(out: &Path) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = Vec::new();
    let candidates = [
        env::var_os("CARGO_MANIFEST_DIR"),
        Some(out.as_os_str().to_owned()),
        env::var_os("PWD"),
    ];
    for directory in candidates.into_iter().flatten().map(PathBuf::from) {
        if directory.is_dir() && !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories
}

fn metadata(manifest: &Path, directory: &Path) -> Outcome<String> {
    let output = Command::new(variable("CARGO")?)
        .args([
            "metadata",
            "--offline",
            "--format-version=1",
            "--manifest-path",
        ])
        .arg(manifest)
        .current_dir(directory)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr)
            .trim()
            .to_owned()
            .into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Picks the package's directory out of Cargo's answer, which names the manifest of every package in it.
fn locate(json: &str) -> Outcome<PathBuf> {
    const KEY: &str = "\"manifest_path\":\"";
    let mut last = format!("Cargo's answer names no package {NAME} {VERSION}");
    for (start, _) in json.match_indices(KEY) {
        let value = json[start + KEY.len()..]
            .split('"')
            .next()
            .unwrap_or_default();
        let manifest = PathBuf::from(value.replace("\\\\", "\\"));
        match checked(manifest.with_file_name("")) {
            Ok(source) => return Ok(source),
            Err(error) if value.contains(NAME) && !value.contains("probe") => {
                last = error.to_string()
            }
            Err(_) => {}
        }
    }
    Err(last.into())
}

/// `source`, if it is the package that this crate was written for.
fn checked(source: PathBuf) -> Outcome<PathBuf> {
    let manifest = read(&source.join("Cargo.toml"))?;
    for (key, value) in [("name", NAME), ("version", VERSION)] {
        let line = format!("{key} = \"{value}\"");
        if !manifest.lines().any(|found| found.trim() == line) {
            return Err(format!(
                "{} is not {NAME} {VERSION}: its manifest lacks `{line}`",
                source.display()
            )
            .into());
        }
    }
    Ok(source)
}

fn read(file: &Path) -> Outcome<String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()).into())
}

fn utf8(path: &Path) -> Outcome<&str> {
    path.to_str()
        .ok_or_else(|| format!("{} is not UTF-8, which rustc needs here", path.display()).into())
}

fn variable(name: &str) -> Outcome<std::ffi::OsString> {
    env::var_os(name).ok_or_else(|| format!("Cargo did not set {name}").into())
}
