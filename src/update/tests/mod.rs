//! Keys and signatures of the tests, and the machine's tests.

use std::string::String;
use std::sync::LazyLock;
use std::vec::Vec;
use std::{format, vec};

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha2::{Digest as _, Sha256};

use super::jws::{TrustError, verify};
use super::key::{RootKey, Rotation, Trust};
use crate::json::write_value;
use crate::port::update::RsaKey;
use crate::text::Text;

mod bench;
mod machine;
mod rollback;
pub(crate) mod world;

/// DER of the DigestInfo of SHA-256, up to the digest (RFC 8017, section 9.2).
const SHA256_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// A key that signs, with the public numbers of its other half.
pub(crate) struct Signer {
    key: RsaPrivateKey,
    pub(crate) modulus: Vec<u8>,
}

impl Signer {
    fn new() -> Self {
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("a key");
        let modulus = key.n().to_bytes_be();
        Self { key, modulus }
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let scheme = Pkcs1v15Sign {
            hash_len: Some(32),
            prefix: SHA256_INFO.into(),
        };
        self.key
            .sign(scheme, &Sha256::digest(message))
            .expect("a signature")
    }

    pub(crate) fn public(&self) -> RsaKey<'_> {
        RsaKey {
            modulus: &self.modulus,
            exponent: 65537,
        }
    }
}

pub(crate) const ROOT_ID: &str = "ADU.260101.R.T";
pub(crate) const OTHER_ROOT_ID: &str = "ADU.260102.R.T";

pub(crate) static ROOT: LazyLock<Signer> = LazyLock::new(Signer::new);
pub(crate) static OTHER_ROOT: LazyLock<Signer> = LazyLock::new(Signer::new);
pub(crate) static SIGNING: LazyLock<Signer> = LazyLock::new(Signer::new);
pub(crate) static STRANGER: LazyLock<Signer> = LazyLock::new(Signer::new);

/// Both root keys, as a device has them.
pub(crate) fn roots() -> Vec<RootKey<'static>> {
    vec![
        RootKey {
            id: ROOT_ID,
            key: ROOT.public(),
        },
        RootKey {
            id: OTHER_ROOT_ID,
            key: OTHER_ROOT.public(),
        },
    ]
}

/// A verifier by other authors than those of the signer.
pub(crate) fn verify_rs256(key: RsaKey<'_>, message: &[u8], signature: &[u8]) -> bool {
    let exponent = key.exponent.to_be_bytes();
    let zeros = exponent.iter().take_while(|byte| **byte == 0).count();
    let components = RsaPublicKeyComponents {
        n: key.modulus,
        e: &exponent[zeros..],
    };
    components
        .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
        .is_ok()
}

/// Verifies a manifest's signature with the tests' root keys, with so many bytes for decoding.
pub(crate) fn check_in(
    space: usize,
    signature: &[u8],
    manifest: &str,
    rotation: &Rotation,
) -> Result<(), TrustError> {
    let roots = roots();
    let trust = Trust {
        roots: &roots,
        rotation: Some(rotation),
    };
    let mut signature = signature.to_vec();
    let mut space = vec![0; space];
    verify(
        manifest.as_bytes(),
        &mut signature,
        &mut space,
        &trust,
        verify_rs256,
    )
}

/// The same with as many bytes as it can take.
pub(crate) fn check(
    signature: &[u8],
    manifest: &str,
    rotation: &Rotation,
) -> Result<(), TrustError> {
    check_in(signature.len(), signature, manifest, rotation)
}

pub(crate) fn url64(bytes: impl AsRef<[u8]>) -> String {
    encoded(&URL_SAFE_NO_PAD, bytes.as_ref())
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    encoded(&STANDARD, bytes.as_ref())
}

fn encoded(engine: &GeneralPurpose, bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len() * 2 + 4];
    let length = engine.encode_slice(bytes, &mut text).expect("it fits");
    text.truncate(length);
    String::from_utf8(text).expect("ASCII")
}

/// A compact JWS.
pub(crate) fn jws(header: &str, payload: &str, signer: &Signer) -> String {
    let signed = format!("{}.{}", url64(header), url64(payload));
    let signature = signer.sign(signed.as_bytes());
    format!("{signed}.{}", url64(signature))
}

/// Parts of a manifest's signature, each of which a test may change.
pub(crate) struct Chain {
    pub(crate) algorithm: &'static str,
    pub(crate) root_algorithm: &'static str,
    pub(crate) root_id: &'static str,
    pub(crate) root: &'static Signer,
    pub(crate) jwk: String,
    pub(crate) signer: &'static Signer,
    pub(crate) payload: String,
}

impl Chain {
    /// A good one for this manifest.
    pub(crate) fn of(manifest: &str) -> Self {
        Self {
            algorithm: "RS256",
            root_algorithm: "RS256",
            root_id: ROOT_ID,
            root: &ROOT,
            jwk: jwk("RSA", "AQAB", "RS256"),
            signer: &SIGNING,
            payload: format!("{{\"sha256\":\"{}\"}}", base64(Sha256::digest(manifest))),
        }
    }

    pub(crate) fn sjwk(&self) -> String {
        let header = format!(
            "{{\"alg\":\"{}\",\"kid\":\"{}\"}}",
            self.root_algorithm, self.root_id
        );
        jws(&header, &self.jwk, self.root)
    }

    pub(crate) fn text(&self) -> String {
        let header = format!(
            "{{\"alg\":\"{}\",\"sjwk\":\"{}\"}}",
            self.algorithm,
            self.sjwk()
        );
        jws(&header, &self.payload, self.signer)
    }
}

/// The signing key as a JWK.
pub(crate) fn jwk(kind: &str, exponent: &str, algorithm: &str) -> String {
    format!(
        "{{\"kty\":\"{kind}\",\"n\":\"{}\",\"e\":\"{exponent}\",\"alg\":\"{algorithm}\",\"kid\":\"ADU.260103.R.S\"}}",
        base64(&SIGNING.modulus)
    )
}

/// A manifest of one file, for Contoso's Toaster.
pub(crate) fn manifest(version: &str, image: &[u8]) -> String {
    format!(
        "{{\"manifestVersion\":\"5\",\"updateId\":{{\"provider\":\"Contoso\",\"name\":\"Toaster\",\"version\":\"{version}\"}},\
         \"compatibility\":[{{\"deviceManufacturer\":\"contoso\",\"deviceModel\":\"toaster\"}}],\
         \"instructions\":{{\"steps\":[{{\"handler\":\"microsoft/swupdate:1\",\"files\":[\"f1\"],\
         \"handlerProperties\":{{\"installedCriteria\":\"{version}\"}}}}]}},\
         \"files\":{{\"f1\":{{\"fileName\":\"image.bin\",\"sizeInBytes\":{},\"hashes\":{{\"sha256\":\"{}\"}}}}}},\
         \"createdDateTime\":\"2026-11-26T12:00:00Z\"}}",
        image.len(),
        base64(Sha256::digest(image))
    )
}

/// Parts of a root key package, each of which a test may change.
pub(crate) struct PackageText {
    pub(crate) is_test: bool,
    pub(crate) version: u64,
    pub(crate) disabled_roots: Vec<String>,
    pub(crate) disabled_signing: Vec<[u8; 32]>,
    pub(crate) keys: Vec<(&'static str, &'static Signer)>,
    pub(crate) signers: Vec<&'static Signer>,
}

impl Default for PackageText {
    fn default() -> Self {
        Self {
            is_test: true,
            version: 2,
            disabled_roots: vec![],
            disabled_signing: vec![],
            keys: vec![(ROOT_ID, &ROOT), (OTHER_ROOT_ID, &OTHER_ROOT)],
            signers: vec![&ROOT, &OTHER_ROOT],
        }
    }
}

impl PackageText {
    pub(crate) fn protected(&self) -> String {
        let key = |(id, signer): &(&str, &Signer)| {
            let number = [&[0][..], &signer.modulus].concat();
            format!(
                "\"{id}\":{{\"keyType\":\"RSA\",\"n\":\"{}\",\"e\":65537}}",
                url64(number)
            )
        };
        let keys: Vec<String> = self.keys.iter().map(key).collect();
        let roots: Vec<String> = self
            .disabled_roots
            .iter()
            .map(|id| format!("\"{id}\""))
            .collect();
        let digest =
            |digest: &[u8; 32]| format!("{{\"alg\":\"SHA256\",\"hash\":\"{}\"}}", url64(digest));
        let signing: Vec<String> = self.disabled_signing.iter().map(digest).collect();
        format!(
            "{{\"isTest\":{},\"version\":{},\"published\":1764158400,\"disabledRootKeys\":[{}],\
             \"disabledSigningKeys\":[{}],\"rootKeys\":{{{}}}}}",
            self.is_test,
            self.version,
            roots.join(","),
            signing.join(","),
            keys.join(",")
        )
    }

    pub(crate) fn text(&self) -> String {
        let protected = self.protected();
        let sign = |signer: &&Signer| {
            let signature = signer.sign(protected.as_bytes());
            format!("{{\"alg\":\"RS256\",\"sig\":\"{}\"}}", url64(signature))
        };
        let signatures: Vec<String> = self.signers.iter().map(sign).collect();
        format!(
            "{{\"protected\":{protected},\"signatures\":[{}]}}",
            signatures.join(",")
        )
    }
}

/// The value of `deviceUpdate*service` for this manifest.
pub(crate) fn service(id: &str, manifest: &str, signature: &str, address: &str) -> String {
    let mut space = vec![0; 8192];
    let mut text = Text::new(&mut space);
    let written = write_value(&mut text, |slot| {
        slot.object(|service| {
            service
                .object("workflow", |workflow| {
                    workflow.integer("action", 3).string("id", id);
                })
                .string("updateManifest", manifest)
                .string("updateManifestSignature", signature)
                .object("fileUrls", |files| {
                    files.string("f1", address);
                });
        });
    });
    written.expect("it fits");
    text.as_str().into()
}
