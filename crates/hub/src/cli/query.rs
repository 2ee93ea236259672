//! `local-hub query`.

use clap::Args;
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::Call;
use super::shape::Shape;
use super::target::Target;

#[derive(Args)]
pub(super) struct Query {
    /// The query, such as "select * from devices where tags.site = 'north'"
    #[arg(short = 'q', long, value_name = "QUERY")]
    query_command: String,
    /// Print so many elements at most
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
}

impl Query {
    /// Prints what the query selects, all pages of it.
    pub(super) fn run(self) -> Result<(), Failure> {
        let operator = self.target.operator()?;
        let most = self.top.unwrap_or(usize::MAX);
        let mut elements = Vec::new();
        let mut continuation = None;
        while elements.len() < most {
            let call = Call::new(Method::POST, "/devices/query")
                .with(json!({ "query": self.query_command }))
                .page(continuation);
            let (page, next) = operator.call_for_token(call)?;
            elements.extend(page.as_array().into_iter().flatten().cloned());
            continuation = next;
            if continuation.is_none() {
                break;
            }
        }
        elements.truncate(most);
        self.shape.print(&Value::Array(elements))
    }
}
