//! One page of what a query selects.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use serde_json::{Value, json};

use super::{Query, Select, Source};
use crate::core::Core;
use crate::error::Error;

/// Elements of a page, if nothing is said.
const DEFAULT_SIZE: usize = 100;
/// Most elements of a page.
const MAX_SIZE: usize = 1000;
/// Bytes of the mark that tells the tokens of one query from another's.
const MARK: usize = 8;

/// The part of the result that is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Most elements; no more than 1000.
    pub(crate) size: Option<usize>,
    /// The token of the page before.
    pub(crate) continuation: Option<String>,
}

/// A page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Twins, or parts of them, or one count.
    pub(crate) elements: Vec<Value>,
    /// True if the elements are whole twins.
    pub(crate) are_twins: bool,
    /// The token of the next page, if there is one.
    pub(crate) continuation: Option<String>,
}

impl Core {
    /// Answers a query.
    ///
    /// # Errors
    ///
    /// [`Error::ArgumentInvalid`] for a text or a token that is refused.
    pub(crate) fn query(&self, text: &str, wanted: &Wanted) -> Result<Page, Error> {
        let query = Query::parse(text)?;
        let size = wanted.size.unwrap_or(DEFAULT_SIZE).clamp(1, MAX_SIZE);
        let after = match &wanted.continuation {
            Some(token) => Some(last_of(token, &query)?),
            None => None,
        };
        let all = self.registry.all().into_iter();
        let devices = all
            .filter(|device| {
                device.identity.module_id.is_some() == (query.source == Source::Modules)
            })
            .map(|device| (device.identity.to_string(), device))
            .filter(|(id, _)| after.as_ref().is_none_or(|after| id > after));
        let mut twins = devices
            .map(|(id, device)| (id, self.twin_entity(&device, &self.twins.get(&device))))
            .filter(|(_, twin)| query.selects(twin));
        if let Select::Count(name) = &query.select {
            let count = twins.count();
            return Ok(Page {
                elements: vec![json!({ name.as_str(): count })],
                are_twins: false,
                continuation: None,
            });
        }
        let mut last = None;
        let mut elements = Vec::new();
        for (id, twin) in twins.by_ref().take(size) {
            elements.push(query.project(twin));
            last = Some(id);
        }
        let is_more = elements.len() == size && twins.next().is_some();
        Ok(Page {
            elements,
            are_twins: query.select == Select::All,
            continuation: last.filter(|_| is_more).map(|last| token(&last, &query)),
        })
    }
}

/// A mark of the query, and the id of the last element.
fn token(last: &str, query: &Query) -> String {
    URL_SAFE_NO_PAD.encode([&mark(query), last.as_bytes()].concat())
}

fn last_of(token: &str, query: &Query) -> Result<String, Error> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (given, last) = bytes.split_at_checked(MARK)?;
        let last = String::from_utf8(last.to_vec()).ok()?;
        (given == mark(query)).then_some(last)
    };
    read().ok_or_else(|| {
        Error::ArgumentInvalid(
            "the continuation token is not of this query; begin again without x-ms-continuation"
                .into(),
        )
    })
}

fn mark(query: &Query) -> Vec<u8> {
    let digest = digest::digest(&digest::SHA256, query.to_string().as_bytes());
    digest.as_ref().iter().take(MARK).copied().collect()
}
