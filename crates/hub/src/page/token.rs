//! The token that opens the page.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::endpoints::POLICY;
use crate::policy::Policies;

/// The text that is signed: no other token of the hub has this form.
const LABEL: &[u8] = b"the page of a local hub";

/// A secret that follows from the key of the owner's policy. So it outlives the hub as that key does, a page finds
/// its way back after a restart, and whoever may read the state directory can compute it.
pub(crate) struct PageToken(hmac::Key);

impl PageToken {
    /// The token of the hub with these policies.
    pub(crate) fn of(policies: &Policies) -> Self {
        Self::from_key(policies.key(POLICY).unwrap_or_default())
    }

    /// The token that follows from the primary key of the owner's policy.
    pub(crate) fn from_key(key: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))
    }

    /// The token as text, for an address.
    pub(crate) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, LABEL))
    }

    /// The address of the page at `endpoint` with the token, which a browser keeps to itself.
    pub(crate) fn address(&self, endpoint: SocketAddr) -> String {
        format!("http://{endpoint}/#token={}", self.text())
    }

    /// True if this text is the token; takes the same time for every wrong one of its length.
    pub(super) fn is(&self, text: &str) -> bool {
        URL_SAFE_NO_PAD
            .decode(text)
            .is_ok_and(|tag| hmac::verify(&self.0, LABEL, &tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_of_the_same_key_is_the_token() {
        let token = PageToken::from_key("a key");
        assert!(token.is(&token.text()));
        assert!(!token.is(&PageToken::from_key("another key").text()));
        assert!(!token.is(""));
        assert!(!token.is(&token.text()[1..]));
    }
}
