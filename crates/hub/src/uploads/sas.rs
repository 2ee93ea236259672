//! Shared access signatures of blobs, in the form of service version 2018-03-28 ("Create a service SAS").
//!
//! The signature is the base64 of HMAC-SHA256 over a list of fields, a line each. What a request has beside them, such as
//! `comp`, is not signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::refusal::Refusal;
use super::{ACCOUNT, CONTAINER};
use crate::clock::iso_8601;
use crate::credentials::percent;

/// Version of the service whose form the signatures have.
const VERSION: &str = "2018-03-28";

/// Fields that are signed, in their order; the blob stands between the third and the fourth.
const SIGNED: [&str; 12] = [
    "sp", "st", "se", "si", "sip", "spr", "sv", "rscc", "rscd", "rsce", "rscl", "rsct",
];

fn text_to_sign(blob: &str, value: impl Fn(&str) -> String) -> String {
    let mut lines: Vec<String> = SIGNED.iter().map(|name| value(name)).collect();
    lines.insert(3, format!("/blob/{ACCOUNT}/{CONTAINER}/{blob}"));
    lines.join("\n")
}

/// The query of an address: `?sv=…&sr=b&sig=…&se=…&sp=…`, good for `blob` until `expiry` (seconds since 1970).
/// `None` if the key is not base64.
pub(super) fn sign(key: &str, blob: &str, permissions: &str, expiry: u64) -> Option<String> {
    let expiry = iso_8601(expiry.saturating_mul(1000));
    let text = text_to_sign(blob, |name| match name {
        "sp" => permissions.to_owned(),
        "se" => expiry.clone(),
        "sv" => VERSION.to_owned(),
        _ => String::new(),
    });
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key).ok()?);
    let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    Some(format!(
        "?sv={VERSION}&sr=b&sig={}&se={}&sp={permissions}",
        percent::encode(&signature),
        percent::encode(&expiry)
    ))
}

/// Parameters of a query, decoded. The first of a name counts.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes a query apart.
    pub(super) fn parse(query: &str) -> Result<Self, Refusal> {
        let decoded = |text: &str| {
            percent::decode(text).ok_or_else(|| {
                Refusal::bad(
                    "InvalidUri",
                    "the query of the address is not percent-encoded text",
                )
            })
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Checks that the address permits one of `permissions` on `blob` at `now` (seconds since 1970).
    pub(super) fn check(
        &self,
        key: &str,
        blob: &str,
        permissions: &[char],
        now: u64,
    ) -> Result<(), Refusal> {
        let Some(signature) = self.get("sig") else {
            return Err(Refusal::new(
                axum::http::StatusCode::UNAUTHORIZED,
                "NoAuthenticationInformation",
                "the address has no shared access signature; add the sasToken that the hub gave",
            ));
        };
        let text = text_to_sign(blob, |name| self.get(name).unwrap_or_default().to_owned());
        let key = STANDARD.decode(key).unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let signature = STANDARD.decode(signature).unwrap_or_default();
        if hmac::verify(&key, text.as_bytes(), &signature).is_err() || self.get("sr") != Some("b") {
            return Err(Refusal::forbidden(
                "AuthenticationFailed",
                "the signature does not match: it is another blob's, or the address was changed; use hostName, \
                 containerName, blobName and sasToken as the hub gave them",
            ));
        }
        let end = self
            .get("se")
            .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok())
            .and_then(|end| u64::try_from(end.unix_timestamp()).ok());
        if end.is_none_or(|end| end <= now) {
            return Err(Refusal::forbidden(
                "AuthenticationFailed",
                "the signature is not valid in the specified time frame: it has expired; ask the hub for another",
            ));
        }
        let granted = self.get("sp").unwrap_or_default();
        if !permissions.iter().any(|wanted| granted.contains(*wanted)) {
            return Err(Refusal::forbidden(
                "AuthorizationPermissionMismatch",
                "this request is not authorized to perform this operation using this permission",
            ));
        }
        Ok(())
    }
}

/// The name of a blob as it stands in an address.
pub(super) fn encode_path(blob: &str) -> String {
    let segments = blob.split('/').map(percent::encode);
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn check(query: &str, blob: &str, wanted: &[char], now: u64) -> Result<(), &'static str> {
        let parameters = Parameters::parse(query).map_err(|refusal| refusal.code)?;
        parameters
            .check(KEY, blob, wanted, now)
            .map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_signature_is_for_one_blob_until_its_end_and_for_its_permissions() {
        let token = sign(KEY, "d/a b.txt", "rw", 1_767_225_600).unwrap_or_default();
        // Computed by Python's hmac over the twelve fields and the resource.
        assert_eq!(
            token,
            "?sv=2018-03-28&sr=b&sig=HQ3blzbjxPuMNdpbDQuwwXNLFeu2AseSbL0fsYqCX7Y%3D&se=2026-01-01T00%3A00%3A00Z&sp=rw"
        );
        let query = &token[1..];
        let (in_time, failed) = (1_767_225_599, Err("AuthenticationFailed"));
        assert_eq!(check(query, "d/a b.txt", &['w'], in_time), Ok(()));
        assert_eq!(check(query, "d/a b.txt", &['c', 'r'], in_time), Ok(()));
        let more = format!("{query}&comp=block&blockid=AA%3D%3D");
        assert_eq!(check(&more, "d/a b.txt", &['w'], in_time), Ok(()));
        assert_eq!(check(query, "d/b.txt", &['w'], in_time), failed);
        assert_eq!(check(query, "d/a b.txt", &['w'], 1_767_225_600), failed);
        let mismatch = Err("AuthorizationPermissionMismatch");
        assert_eq!(check(query, "d/a b.txt", &['d'], in_time), mismatch);
        for changed in [
            query.replace("sp=rw", "sp=rwd"),
            query.replace("2026-01", "2027-01"),
            query.replace("sr=b", "sr=c"),
            format!("sip=127.0.0.1&{query}"),
        ] {
            assert_eq!(check(&changed, "d/a b.txt", &['w'], in_time), failed);
        }
        let none = Err("NoAuthenticationInformation");
        assert_eq!(check("comp=block", "d/a b.txt", &['w'], in_time), none);
        assert_eq!(check("%", "d/a b.txt", &['w'], in_time), Err("InvalidUri"));
    }
}
