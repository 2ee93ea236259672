//! The `local-hub` program; see [`local_hub::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    local_hub::cli::run()
}
