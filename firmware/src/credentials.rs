//! What TLS trusts and shows: root CAs, the device's certificate and its key.
//!
//! Each certificate has a tag of its own, since Zephyr keeps one credential of a kind under a tag; the key
//! shares the tag of the device's own certificate. What "azure set" brought wins over what the image
//! carries, separately for the roots and for certificate and key.

#![forbid(unsafe_code)]

use core::fmt;
use core::ops::Range;

use crate::kconfig;
use azure_device::port::StorageError;

use crate::configuration::built_in;
use crate::ffi::{self, Arena, Kind};
use crate::logger::Line;
use crate::storage;

/// How many certificates TLS can hold in all: prj.conf sizes Zephyr's tables for them.
const TAGS: usize = kconfig::CONFIG_NET_SOCKETS_TLS_MAX_CREDENTIALS.unsigned_abs();

/// The tags that are in use. The first numbers are left to other parts of an image.
const FIRST_TAG: i32 = 100;

/// How many certificates a provisioned chain, or a provisioned set of roots, may have.
pub(crate) const CHAIN: usize = 3;

/// Where a set of provisioned credentials lies in the storage: `prefix/0`, `prefix/1` ...
pub(crate) const CERTIFICATE: &str = "certificate";
/// See [`CERTIFICATE`].
pub(crate) const ROOT: &str = "root-ca";
/// See [`CERTIFICATE`]; there is one key.
pub(crate) const KEY: &str = "key";

/// The name of a stored credential.
pub(crate) fn stored_name(prefix: &str, index: usize) -> Line<32> {
    Line::of(format_args!("{prefix}/{index}"))
}

/// The tags of registered credentials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tags {
    tags: [i32; TAGS],
    count: usize,
    /// Bytes of the Certificate message that shows the device's own chain (RFC 5246, section 7.4.2).
    message: usize,
}

/// The smallest output buffer, in bytes: what a device without a certificate sends is shorter, or is split.
const LEAST_OUTPUT: usize = 1024;
/// Type and length of a handshake message, and the length of the list in it.
const MESSAGE_HEADER: usize = 4 + 3;
/// The length of each certificate in the list.
const ENTRY_HEADER: usize = 3;

impl Tags {
    /// What a TLS socket takes.
    pub(crate) fn as_slice(&self) -> &[i32] {
        self.tags.get(..self.count).unwrap_or_default()
    }

    /// Bytes of TLS's output buffer for a connection with these credentials: as many as its longest message
    /// has, `CONFIG_AZURE_TLS_OUT_CONTENT_LEN` at most. A longer one fails, and says so.
    pub(crate) fn output_length(&self) -> usize {
        const MOST: usize = kconfig::CONFIG_AZURE_TLS_OUT_CONTENT_LEN.unsigned_abs();
        const LEAST: usize = if LEAST_OUTPUT < MOST {
            LEAST_OUTPUT
        } else {
            MOST
        };
        self.message.clamp(LEAST, MOST)
    }

    fn next(&mut self) -> Result<i32, Problem> {
        let tag = range().start + i32::try_from(self.count).unwrap_or(i32::MAX);
        *self.tags.get_mut(self.count).ok_or(Problem::TooMany)? = tag;
        self.count += 1;
        Ok(tag)
    }
}

/// The tags that this module uses.
pub(crate) fn range() -> Range<i32> {
    FIRST_TAG..FIRST_TAG + i32::try_from(TAGS).unwrap_or(0)
}

/// Registers everything, as provisioned or as built in. With `identity`, certificate and key too.
#[inline(never)]
pub(crate) fn register(arena: &mut Arena, identity: bool) -> Result<Tags, Problem> {
    let mut tags = Tags {
        tags: [0; TAGS],
        count: 0,
        message: MESSAGE_HEADER,
    };
    if stored(arena, &mut tags, ROOT, Kind::Root)?.is_none() {
        for root in built_in::ROOTS {
            ffi::add_credential(tags.next()?, Kind::Root, root)
                .map_err(|_| Problem::Rejected(ROOT))?;
        }
    }
    if identity {
        register_identity(arena, &mut tags)?;
    }
    Ok(tags)
}

fn register_identity(arena: &mut Arena, tags: &mut Tags) -> Result<(), Problem> {
    let own = tags.count;
    let certificate = match stored(arena, tags, CERTIFICATE, Kind::Certificate)? {
        Some(certificate) => certificate,
        None => {
            for certificate in built_in::CHAIN {
                ffi::add_credential(tags.next()?, Kind::Certificate, certificate)
                    .map_err(|_| Problem::Rejected(CERTIFICATE))?;
                tags.message += ENTRY_HEADER + certificate.len();
            }
            built_in::CHAIN.first().ok_or(Problem::NoCertificate)?
        }
    };
    let tag = *tags.tags.get(own).ok_or(Problem::TooMany)?;
    let key = match load(arena, tag, KEY, 0, Kind::Key)? {
        Some(key) => key,
        None => {
            let key = built_in::KEY.first().ok_or(Problem::NoKey)?;
            ffi::add_credential(tag, Kind::Key, key).map_err(|_| Problem::Rejected(KEY))?;
            key
        }
    };
    ffi::check_pair(certificate, key).map_err(Problem::Pair)
}

/// Registers the stored credentials of a prefix, up to the first that is absent or damaged, and gives the first.
fn stored(
    arena: &mut Arena,
    tags: &mut Tags,
    prefix: &'static str,
    kind: Kind,
) -> Result<Option<&'static [u8]>, Problem> {
    let mut first = None;
    for index in 0..CHAIN {
        if !storage::exists(stored_name(prefix, index).as_str()).map_err(Problem::Storage)? {
            break;
        }
        let Some(der) = load(arena, tags.next()?, prefix, index, kind)? else {
            // A tag without a credential is none that TLS takes.
            tags.count -= 1;
            break;
        };
        if matches!(kind, Kind::Certificate) {
            tags.message += ENTRY_HEADER + der.len();
        }
        first = first.or(Some(der));
    }
    Ok(first)
}

/// Registers one stored credential. `None` if it is absent or damaged, which is then said.
fn load(
    arena: &mut Arena,
    tag: i32,
    prefix: &'static str,
    index: usize,
    kind: Kind,
) -> Result<Option<&'static [u8]>, Problem> {
    let mut problem = Some(Problem::Rejected(prefix));
    let der = arena.add(tag, kind, |room| {
        match storage::load(stored_name(prefix, index).as_str(), room) {
            Ok(Some(length)) => return Some(length),
            Ok(None) => problem = None,
            Err(StorageError::TooLong(_)) => problem = Some(Problem::ArenaFull),
            Err(error) => problem = Some(Problem::Storage(error)),
        }
        None
    });
    match (der, problem) {
        (Ok(der), _) => Ok(Some(der)),
        (Err(_), None) => Ok(None),
        (Err(_), Some(problem)) => Err(problem),
    }
}

/// Why credentials cannot be used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Problem {
    /// More certificates than Zephyr's tables take.
    TooMany,
    /// More bytes than the arena takes.
    ArenaFull,
    /// Zephyr did not take one of this kind.
    Rejected(&'static str),
    /// The identity is X.509, and there is no certificate.
    NoCertificate,
    /// The identity is X.509, and there is no key.
    NoKey,
    /// Key and certificate do not belong together; mbedTLS's error.
    Pair(i32),
    /// The storage failed.
    Storage(StorageError),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(
                f,
                "there are more than {TAGS} certificates; leave out intermediates or roots, or raise CONFIG_NET_SOCKETS_TLS_MAX_CREDENTIALS"
            ),
            Self::ArenaFull => f.write_str(
                "the provisioned certificates and key are too long together; raise CONFIG_AZURE_CREDENTIALS_SIZE",
            ),
            Self::Rejected(kind) => write!(
                f,
                "Zephyr cannot take the {kind}; raise CONFIG_TLS_MAX_CREDENTIALS_NUMBER"
            ),
            Self::NoCertificate => {
                f.write_str("the identity is X.509, and there is no certificate: azure set certificate (an enrolment with a key: azure set symmetric-key)")
            }
            Self::NoKey => f.write_str("the identity is X.509, and there is no private key: azure set key"),
            Self::Pair(code) => write!(
                f,
                "the private key does not belong to the certificate (-0x{:04x}): provision a matching pair",
                code.unsigned_abs()
            ),
            Self::Storage(error) => write!(f, "the storage cannot be read ({error})"),
        }
    }
}
