//! Enrolments in the shape of Azure's service API, from and to those that this hub judges by.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use crate::clock::iso_8601;
use crate::credentials::x509;
use crate::dps::{Attestation, Details, Enrollment};
use crate::error::Error;
use crate::registry::{Status, SymmetricKeys};

/// Members that are given back as they came. `dps::policy` judges them.
const KEPT: [&str; 11] = [
    "allocationPolicy",
    "capabilities",
    "credentialPolicyName",
    "customAllocationDefinition",
    "initialTwin",
    "iotHubHostName",
    "iotHubs",
    "optionalDeviceInformation",
    "clientCertificateIssuancePolicy",
    "credentialPolicy",
    "reprovisionPolicy",
];
/// Members that the service sets itself.
const OWN: [&str; 4] = [
    "createdDateTimeUtc",
    "lastUpdatedDateTimeUtc",
    "etag",
    "registrationState",
];

fn refused<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::ArgumentInvalid(text.into()))
}

/// Reads an enrolment. `old` is the one that it replaces; `authority` gives the PEM of an uploaded CA by its name.
pub(super) fn from_azure(
    id: &str,
    group: bool,
    body: Value,
    old: Option<Enrollment>,
    authority: impl Fn(&str) -> Option<String>,
) -> Result<(Enrollment, Map<String, Value>), Error> {
    let Value::Object(mut body) = body else {
        return refused("the enrolment is not a JSON object");
    };
    let id_member = if group {
        "enrollmentGroupId"
    } else {
        "registrationId"
    };
    // What an operator asked of this hub only stays.
    let mut enrollment = match &old {
        Some(old) => old.clone(),
        None => Enrollment::new(Attestation::SymmetricKey(SymmetricKeys::generated())),
    };
    let (mut more, mut attested) = (Map::new(), false);
    enrollment.status = Status::Enabled;
    enrollment.device_id = None;
    for (name, value) in std::mem::take(&mut body) {
        match name.as_str() {
            _ if OWN.contains(&name.as_str()) || value.is_null() => {}
            _ if name == id_member => {
                if value
                    .as_str()
                    .is_none_or(|named| !named.eq_ignore_ascii_case(id))
                {
                    return refused(format!("{id_member} is not the one of the path"));
                }
            }
            "deviceId" if !group => enrollment.device_id = value.as_str().map(str::to_owned),
            "provisioningStatus" => {
                enrollment.status = match value.as_str() {
                    Some("enabled") => Status::Enabled,
                    Some("disabled") => Status::Disabled,
                    _ => return refused("provisioningStatus is enabled or disabled"),
                }
            }
            "attestation" => {
                let previous = old.as_ref().map(|old| &old.attestation);
                let (attestation, shown) = read_attestation(&value, group, previous, &authority)?;
                enrollment.attestation = attestation;
                attested = true;
                if let Some(shown) = shown {
                    more.insert("x509".into(), shown);
                }
            }
            _ if KEPT.contains(&name.as_str()) => {
                more.insert(name, value);
            }
            _ => {
                return refused(format!(
                    "an enrolment has no member {name:?} here; leave it out"
                ));
            }
        }
    }
    if !attested {
        return refused("the enrolment has no attestation; give symmetricKey or x509");
    }
    Ok((enrollment, more))
}

fn read_attestation(
    value: &Value,
    group: bool,
    old: Option<&Attestation>,
    authority: &impl Fn(&str) -> Option<String>,
) -> Result<(Attestation, Option<Value>), Error> {
    match value["type"].as_str().unwrap_or_default() {
        "symmetricKey" => {
            let key = |name: &str| {
                let key = value["symmetricKey"][name].as_str();
                key.unwrap_or_default().to_owned()
            };
            let keys = SymmetricKeys {
                primary_key: key("primaryKey"),
                secondary_key: key("secondaryKey"),
            };
            Ok((Attestation::SymmetricKey(keys), None))
        }
        "x509" => read_x509(&value["x509"], group, old, authority),
        "tpm" => refused("attestation by TPM is not served, since devices over MQTT cannot use it"),
        other => refused(format!(
            "attestation.type is {other:?}; it is symmetricKey or x509"
        )),
    }
}

fn read_x509(
    x509: &Value,
    group: bool,
    old: Option<&Attestation>,
    authority: &impl Fn(&str) -> Option<String>,
) -> Result<(Attestation, Option<Value>), Error> {
    let kind = if group {
        "signingCertificates"
    } else {
        "clientCertificates"
    };
    if let (true, Some(name)) = (group, x509["caReferences"]["primary"].as_str()) {
        let Some(certificate) = authority(name) else {
            return refused(format!("there is no uploaded CA {name:?}; upload it first"));
        };
        let shown = json!({ "caReferences": { "primary": name, "secondary": null } });
        return Ok((Attestation::X509Ca { certificate }, Some(shown)));
    }
    if !x509[kind]["secondary"].is_null() {
        return refused(format!("{kind}.secondary is not served; leave it out"));
    }
    let primary = &x509[kind]["primary"];
    let Some(text) = primary["certificate"]
        .as_str()
        .filter(|text| !text.is_empty())
    else {
        // Read and sent back: the service does not tell certificates, only about them.
        let thumbprint = |name: &str| primary["info"][name].as_str().unwrap_or_default();
        return match old {
            Some(Attestation::X509Thumbprint { thumbprint: kept })
                if kept.eq_ignore_ascii_case(thumbprint("sha256Thumbprint"))
                    || kept.eq_ignore_ascii_case(thumbprint("sha1Thumbprint")) =>
            {
                let kept = Attestation::X509Thumbprint {
                    thumbprint: kept.clone(),
                };
                Ok((kept, Some(x509.clone())))
            }
            Some(Attestation::X509Ca { certificate })
                if !thumbprint("sha256Thumbprint").is_empty() =>
            {
                let kept = Attestation::X509Ca {
                    certificate: certificate.clone(),
                };
                Ok((kept, Some(x509.clone())))
            }
            _ => refused(format!("x509.{kind}.primary has no certificate")),
        };
    };
    let Some(der) = certificate(text) else {
        return refused(format!(
            "x509.{kind}.primary.certificate is neither PEM nor base64 of a certificate"
        ));
    };
    let Some(info) = info(&der) else {
        return refused(format!("x509.{kind}.primary.certificate is no certificate"));
    };
    let shown = json!({ kind: { "primary": { "info": info }, "secondary": null } });
    let attestation = if group {
        Attestation::X509Ca {
            certificate: pem(&der),
        }
    } else {
        Attestation::X509Thumbprint {
            thumbprint: x509::sha256_thumbprint(&der),
        }
    };
    Ok((attestation, Some(shown)))
}

/// PEM, PEM in base64 (as `az` sends it), or base64 of the DER form.
fn certificate(text: &str) -> Option<Vec<u8>> {
    let of_pem = |text: &[u8]| CertificateDer::from_pem_slice(text).ok();
    if let Some(der) = of_pem(text.as_bytes()) {
        return Some(der.to_vec());
    }
    let bytes: String = text.split_whitespace().collect();
    let bytes = STANDARD.decode(bytes).ok()?;
    Some(of_pem(&bytes).map_or(bytes, |der| der.to_vec()))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
}

fn info(der: &[u8]) -> Option<Value> {
    let summary = x509::summary(der)?;
    let time = |millis: i64| iso_8601(u64::try_from(millis).unwrap_or_default());
    Some(json!({
        "subjectName": format!("CN={}", summary.subject),
        "sha1Thumbprint": x509::sha1_thumbprint(der),
        "sha256Thumbprint": summary.thumbprint,
        "issuerName": format!("CN={}", summary.issuer),
        "notBeforeUtc": time(summary.not_before),
        "notAfterUtc": time(summary.not_after),
        "version": 3,
    }))
}

/// An attestation in Azure's shape; symmetric keys are in it only on demand.
pub(super) fn attestation(enrollment: &Enrollment, details: &Details, keys: bool) -> Value {
    let of_details = || details.more.get("x509").cloned();
    match &enrollment.attestation {
        Attestation::SymmetricKey(pair) => {
            let shown = keys.then(
                || json!({ "primaryKey": pair.primary_key, "secondaryKey": pair.secondary_key }),
            );
            json!({ "type": "symmetricKey", "symmetricKey": shown })
        }
        Attestation::X509Thumbprint { thumbprint } => {
            let name = if thumbprint.len() == 40 {
                "sha1Thumbprint"
            } else {
                "sha256Thumbprint"
            };
            let shown = json!({
                "clientCertificates": { "primary": { "info": { name: thumbprint } }, "secondary": null }
            });
            json!({ "type": "x509", "x509": of_details().unwrap_or(shown) })
        }
        Attestation::X509Ca { certificate: pem } => {
            let info = certificate(pem).and_then(|der| info(&der));
            let shown = json!({
                "signingCertificates": { "primary": { "info": info }, "secondary": null }
            });
            json!({ "type": "x509", "x509": of_details().unwrap_or(shown) })
        }
    }
}

/// An enrolment in Azure's shape, without symmetric keys.
pub(super) fn to_azure(id: &str, group: bool, enrollment: &Enrollment, details: &Details) -> Value {
    let id_member = if group {
        "enrollmentGroupId"
    } else {
        "registrationId"
    };
    let mut shown = json!({
        id_member: id,
        "attestation": attestation(enrollment, details, false),
        "capabilities": { "iotEdge": false },
        "provisioningStatus": enrollment.status,
        "reprovisionPolicy": { "updateHubAssignment": true, "migrateDeviceData": true },
        "allocationPolicy": "hashed",
        "createdDateTimeUtc": details.created,
        "lastUpdatedDateTimeUtc": details.updated,
        "etag": format!("\"{}\"", details.etag),
    });
    if let Some(device_id) = &enrollment.device_id {
        shown["deviceId"] = device_id.as_str().into();
    }
    for (name, value) in details.more.iter().filter(|(name, _)| *name != "x509") {
        shown[name] = value.clone();
    }
    shown
}
