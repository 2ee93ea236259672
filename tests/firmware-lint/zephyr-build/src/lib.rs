//! Part of zephyr-lang-rust's crate `zephyr-build` that the firmware's build script uses.

use std::fmt::Write;
use std::{env, fs};

/// The lines of the file that `DOTCONFIG` names, as symbol and value.
fn symbols() -> Vec<(String, String)> {
    let path = env::var("DOTCONFIG").expect("DOTCONFIG names a file");
    let text = fs::read_to_string(path).expect("DOTCONFIG can be read");
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Makes a cfg of each boolean that is set.
pub fn export_kconfig_bool_options() {
    for (name, value) in symbols() {
        if value == "y" {
            println!("cargo::rustc-cfg={name}");
        }
    }
}

/// Writes the other values as constants.
pub fn build_kconfig_mod() {
    let mut code = String::new();
    for (name, value) in symbols() {
        let kind = match value.as_bytes() {
            b"y" => continue,
            [b'"', ..] => "&str",
            [b'0', b'x', ..] => "usize",
            _ => "isize",
        };
        writeln!(
            code,
            "#[allow(dead_code)]\npub const {name}: {kind} = {value};"
        )
        .expect("a String takes it");
    }
    let out = env::var("OUT_DIR").expect("Cargo sets OUT_DIR");
    fs::write(format!("{out}/kconfig.rs"), code).expect("OUT_DIR can be written");
}
