//! Finds the programs of others, and makes tests that say so when one is missing.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use libtest_mimic::{Completion, Trial};

/// Set where a missing peer is a failure.
const REQUIRED: &str = "REQUIRE_PEERS";
/// Names the Python interpreter that has the SDK.
const PYTHON: &str = "INTEROP_PYTHON";

/// Path of a peer's program, or a text that says what is missing and how to install it.
pub(crate) type Found = Result<PathBuf, String>;

/// A test that needs `peer`, and is given its path.
pub(crate) fn trial(name: &str, peer: &'static LazyLock<Found>, test: fn(&Path)) -> Trial {
    Trial::ignorable_test(name.replace('_', " "), move || match &**peer {
        Ok(path) => {
            test(path);
            Ok(Completion::Completed)
        }
        Err(missing) if env::var_os(REQUIRED).is_some() => Err(missing.into()),
        Err(missing) => Ok(Completion::ignored_with(format!("did not run: {missing}"))),
    })
}

/// The tests with these names, each of which needs `$peer`.
macro_rules! trials {
    ($kind:literal, $peer:expr, $($test:ident),* $(,)?) => {
        vec![$($crate::peers::trial(stringify!($test), &$peer, $test).with_kind($kind)),*]
    };
}
pub(crate) use trials;

/// A Python that has Microsoft's device SDK.
pub(crate) static SDK: LazyLock<Found> =
    LazyLock::new(|| python_with("azure.iot.device", "azure-iot-device"));

/// A Python that has Microsoft's device and service SDKs.
pub(crate) static SERVICE_SDK: LazyLock<Found> =
    LazyLock::new(|| python_with("azure.iot.device, azure.iot.hub", "azure-iot-hub"));

/// A Python that has Microsoft's device and storage SDKs.
pub(crate) static STORAGE_SDK: LazyLock<Found> =
    LazyLock::new(|| python_with("azure.iot.device, azure.storage.blob", "azure-storage-blob"));

fn python_with(modules: &str, package: &str) -> Found {
    let environment = workspace().join("target/interop");
    let python = match env::var_os(PYTHON) {
        Some(given) => PathBuf::from(given),
        None => Some(environment.join("bin/python"))
            .filter(|python| python.exists())
            .unwrap_or_else(|| "python3".into()),
    };
    if succeeds(&python, ["-c", &format!("import {modules}")]) {
        Ok(python)
    } else {
        Err(format!(
            "{} has no {package}; python3 -m venv target/interop && \
             target/interop/bin/pip install -r tests/interop/requirements.txt",
            python.display()
        ))
    }
}

/// Node.js with Microsoft's packages, in `target/interop-node`.
pub(crate) static NODE: LazyLock<Found> = LazyLock::new(|| {
    let node = on_path("node").ok_or("there is no node; install Node.js 20 or newer, and npm")?;
    if modules().join("azure-iothub").is_dir() {
        Ok(node)
    } else {
        Err(
            "Node.js has no azure-iothub; mkdir -p target/interop-node && cp tests/interop/node/package*.json \
             target/interop-node && npm ci --ignore-scripts --prefix target/interop-node"
                .into(),
        )
    }
});

/// Folder of the packages for Node.js.
pub(crate) fn modules() -> PathBuf {
    workspace().join("target/interop-node/node_modules")
}

/// The broker, which has `mosquitto_passwd` beside it or on the `PATH`.
pub(crate) static MOSQUITTO: LazyLock<Found> = LazyLock::new(|| {
    let missing =
        |program| format!("there is no {program}; apt-get install mosquitto mosquitto-clients");
    for client in ["mosquitto_passwd", "mosquitto_sub", "mosquitto_pub"] {
        on_path(client).ok_or_else(|| missing(client))?;
    }
    on_path("mosquitto").ok_or_else(|| missing("mosquitto"))
});

/// Returns the path of an installed program; `None` if there is none.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers where only root's PATH leads.
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn succeeds<const N: usize>(program: &Path, arguments: [&str; N]) -> bool {
    Command::new(program)
        .args(arguments.map(OsStr::new))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The root of the repository.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
