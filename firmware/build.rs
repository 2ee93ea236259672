//! Makes Kconfig's values visible: booleans as cfgs, the others as constants in OUT_DIR/kconfig.rs.
//!
//! The `zephyr` crate has such constants too, but does not notice when .config changes.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(dotconfig) = env::var_os("DOTCONFIG").map(PathBuf::from) else {
        println!("cargo::error=DOTCONFIG is not set: build with west, not with cargo");
        return ExitCode::FAILURE;
    };
    println!("cargo::rerun-if-env-changed=DOTCONFIG");
    println!("cargo::rerun-if-changed={}", dotconfig.display());
    zephyr_build::export_kconfig_bool_options();
    zephyr_build::build_kconfig_mod();
    ExitCode::SUCCESS
}
