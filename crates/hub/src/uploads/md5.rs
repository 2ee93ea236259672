//! MD5 of what arrives, which clients promise by a header ("Put Blob", "Put Block", "Put Block List").

pub(super) use ::md5::{Digest as Hash, Md5};
use axum::http::header::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::refusal::Refusal;

/// Header with the MD5 of a request's body.
pub(super) const OF_BODY: &str = "content-md5";
/// Header with the MD5 of a blob.
pub(super) const OF_BLOB: &str = "x-ms-blob-content-md5";

/// An MD5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest([u8; 16]);

impl Digest {
    /// The digest of what `md5` was given.
    pub(super) fn of(md5: Md5) -> Self {
        Self(md5.finalize().into())
    }

    /// The digest that a header promises, if it is there.
    pub(super) fn promised(headers: &HeaderMap, name: &str) -> Result<Option<Self>, Refusal> {
        let Some(value) = headers.get(name) else {
            return Ok(None);
        };
        let bytes = STANDARD.decode(value).ok();
        let digest = bytes.and_then(|bytes| bytes.try_into().ok()).map(Self);
        digest.map(Some).ok_or_else(|| {
            Refusal::bad(
                "InvalidMd5",
                format!("{name} is no MD5: it has 128 bits, in base64"),
            )
        })
    }

    /// Refuses what has another digest than was promised.
    pub(super) fn check(self, promised: Option<Self>) -> Result<(), Refusal> {
        match promised {
            Some(promised) if promised != self => Err(Refusal::bad(
                "Md5Mismatch",
                format!(
                    "what arrived has the MD5 {}, and {} was promised",
                    self.text(),
                    promised.text()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Base64, as in headers.
    pub(super) fn text(self) -> String {
        STANDARD.encode(self.0)
    }
}
