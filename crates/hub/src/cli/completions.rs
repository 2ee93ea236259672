//! `local-hub completions`.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output::written;
use super::{Failure, Program};

#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut Program::command(),
            "local-hub",
            &mut script,
        );
        let mut script =
            String::from_utf8(script).map_err(|_| Failure("the script is not text".into()))?;
        if self.shell == Shell::Bash {
            script = mended(&script);
        }
        written(std::io::stdout().lock().write_all(script.as_bytes()))
    }
}

/// The script for bash, whose arms clap_complete 4.6 names otherwise than the state that it looks for if the name of
/// the program has a hyphen (clap's issue 6421): nothing would be completed after the first word.
fn mended(script: &str) -> String {
    script.replace("local__subcmd__hub", "local__hub")
}
