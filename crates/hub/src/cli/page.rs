//! `local-hub page`.

use std::io::Write;

use clap::Args;

use super::output::written;
use super::{Failure, State};
use crate::endpoints::Endpoints;
use crate::page::PageToken;

#[derive(Args)]
pub(super) struct Page {
    #[command(flatten)]
    state: State,
}

impl Page {
    /// Prints the address of the page.
    pub(super) fn run(&self) -> Result<(), Failure> {
        let directory = &self.state.directory;
        let (endpoints, key) = Endpoints::read(directory).map_err(|error| {
            Failure(format!(
                "no hub has served {}: {error}; start it: `local-hub serve --state …`",
                directory.display()
            ))
        })?;
        let Some(page) = endpoints.page else {
            return Err(Failure(
                "the hub was started with `--page off`; start it without".into(),
            ));
        };
        let address = PageToken::from_key(&key).address(page);
        written(writeln!(std::io::stdout(), "{address}"))
    }
}
