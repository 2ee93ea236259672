//! Generates what Rust has from Kconfig and from the C shim's headers.
//!
//! - Kconfig's values: booleans as cfgs, the others as constants in OUT_DIR/kconfig.rs. The `zephyr` crate has such
//!   constants too, but does not notice when .config changes.
//! - For each header of the shim, and for the C API's: its types, constants and functions in OUT_DIR/<header>.rs, by bindgen. A list in
//!   OUT_DIR/<header>_exports.rs holds each function that Rust provides to its declaration: one that is missing, or has
//!   other types, does not compile.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::{env, fs};

use bindgen::callbacks::{ItemInfo, ItemKind, ParseCallbacks};

/// Start of the names of the functions that Rust provides to the shim.
const EXPORT: &str = "azure_rust_";

/// Start of the names of the functions of the C API: Rust provides all of them.
const C_API: &str = "azure_iot_hub_";

fn main() -> ExitCode {
    let Some(dotconfig) = env::var_os("DOTCONFIG").map(PathBuf::from) else {
        println!("cargo::error=DOTCONFIG is not set: build with west, not with cargo");
        return ExitCode::FAILURE;
    };
    println!("cargo::rerun-if-env-changed=DOTCONFIG");
    println!("cargo::rerun-if-changed={}", dotconfig.display());
    // Where cmake/credentials.cmake writes them.
    let credentials = dotconfig.with_file_name("azure-credentials");
    println!(
        "cargo::rustc-env=AZURE_CREDENTIALS={}",
        credentials.display()
    );
    zephyr_build::export_kconfig_bool_options();
    zephyr_build::build_kconfig_mod();
    let headers = booleans(&dotconfig).and_then(|booleans| {
        bind("shim/include", "azure_shim", EXPORT, &booleans)?;
        bind("shim/include", "azure_ism43362", EXPORT, &booleans)?;
        bind("../include", "azure_iot_hub", C_API, &booleans)
    });
    if let Err(problem) = headers {
        println!("cargo::error={problem}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Kconfig's booleans that are set, as the C compiler gets them.
fn booleans(dotconfig: &PathBuf) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(dotconfig)
        .map_err(|error| format!("{} cannot be read: {error}", dotconfig.display()))?;
    Ok(text
        .lines()
        .filter_map(|line| line.strip_suffix("=y"))
        .map(|name| format!("-D{name}=1"))
        .collect())
}

/// Writes OUT_DIR/`name`.rs and OUT_DIR/`name`_exports.rs from the header of this name. The names of the functions that
/// Rust provides begin with `export`.
fn bind(folder: &str, name: &str, export: &'static str, booleans: &[String]) -> Result<(), String> {
    let header = format!("{folder}/{name}.h");
    println!("cargo::rerun-if-changed={header}");
    let target = variable("TARGET")?;
    // rustc names the extensions of RISC-V in its targets, clang does not.
    let target = match target.split_once('-') {
        Some((riscv, rest)) if riscv.starts_with("riscv32") => format!("riscv32-{rest}"),
        Some((riscv, rest)) if riscv.starts_with("riscv64") => format!("riscv64-{rest}"),
        _ => target,
    };
    let exports = Exports {
        start: export,
        names: Rc::default(),
    };
    let bindings = bindgen::Builder::default()
        .header(&header)
        .clang_arg(format!("--target={target}"))
        // The headers need no C library: clang's own stdbool.h, stddef.h and stdint.h are enough.
        .clang_arg("-ffreestanding")
        .clang_args(booleans)
        .use_core()
        .rust_edition(bindgen::RustEdition::Edition2024)
        .formatter(bindgen::Formatter::None)
        .allowlist_item("(azure|AZURE)_.*")
        // mbedTLS's types are in it; only C calls it.
        .blocklist_function("azure_certificate_seen")
        .prepend_enum_name(false)
        .array_pointers_in_arguments(true)
        .derive_default(true)
        // Their pointers would need unsafe code.
        .no_default("azure_arguments|azure_scale|azure_iot_hub_.*")
        .parse_callbacks(Box::new(exports.clone()))
        .generate()
        .map_err(|error| format!("{header}: {error}"))?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    let write = |file: String, text: &str| {
        fs::write(out.join(&file), text).map_err(|error| format!("{file}: {error}"))
    };
    write(format!("{name}.rs"), &bindings.to_string())?;
    write(format!("{name}_exports.rs"), &exports.checks())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

/// Names of the functions that a header expects of Rust.
#[derive(Clone, Debug)]
struct Exports {
    start: &'static str,
    names: Rc<RefCell<BTreeSet<String>>>,
}

impl Exports {
    /// A line for each function. An array has elements of one type: the declaration, and the function of the same name
    /// in the module that includes this, have to have the same signature.
    fn checks(&self) -> String {
        self.names
            .borrow()
            .iter()
            .fold(String::new(), |mut text, name| {
                let _ = writeln!(text, "const _: () = {{ let _ = [c::{name}, {name}]; }};");
                text
            })
    }
}

impl ParseCallbacks for Exports {
    fn generated_name_override(&self, item: ItemInfo<'_>) -> Option<String> {
        if matches!(item.kind, ItemKind::Function) && item.name.starts_with(self.start) {
            self.names.borrow_mut().insert(item.name.to_owned());
        }
        None
    }
}
