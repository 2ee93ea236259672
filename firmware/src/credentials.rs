//! Credentials that TLS trusts and shows: root CAs, the device's certificate and its key.
//!
//! Each certificate has a tag of its own, since Zephyr keeps one credential of a kind under a tag; the key
//! shares the tag of the device's own certificate. What "azure set" brought wins over what the image
//! carries, separately for the roots and for the pair of certificate and key. Which pair is used, an old one or a
//! new one, [`azure_device::pair`] decides at each attempt to connect.

#![forbid(unsafe_code)]

use core::fmt;
use core::ops::Range;
#[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::kconfig;
use azure_device::failure::Failure;
use azure_device::failure::{Code, ConnectError, TlsFailure};
use azure_device::logging::{error, info, warn};
#[cfg(CONFIG_AZURE_SHELL)]
use azure_device::pair::BuiltIn;
use azure_device::pair::{CHAIN, Choice, Record, Slot, Trial, Verdict};
use azure_device::port::StorageError;
use azure_device::report::Report;
use zephyr::sync::Mutex;

use crate::configuration::built_in;
use crate::ffi::{self, Arena, Kind, Refusal, Stored};
use crate::logger::Line;
use crate::mutex::with_locked;
use crate::storage::{self, Settings};
use crate::{requests, status};

/// Number of certificates that TLS can hold in all: prj.conf sizes Zephyr's tables for them.
const TAGS: usize = kconfig::CONFIG_NET_SOCKETS_TLS_MAX_CREDENTIALS.unsigned_abs();

/// The tags that are in use. The first numbers are left to other parts of an image.
const FIRST_TAG: i32 = 100;

/// Names of the certificates, the roots and the key in the storage and in messages.
const CERTIFICATE: &str = "certificate";
/// See [`CERTIFICATE`].
pub(crate) const ROOT: &str = "root-ca";
/// See [`CERTIFICATE`].
const KEY: &str = "key";

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
    const NONE: Self = Self {
        tags: [0; TAGS],
        count: 0,
        message: MESSAGE_HEADER,
    };

    /// Credentials that a TLS socket takes.
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

    /// Tags of the registered roots alone, for the server of a file. The caller has its [`ffi::Turn`].
    #[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
    pub(crate) fn of_roots() -> Self {
        let mut tags = Self::NONE;
        for _ in 0..ROOTS.load(Ordering::Acquire) {
            let _ = tags.next();
        }
        tags
    }

    fn next(&mut self) -> Result<i32, CredentialsError> {
        let tag = range().start + i32::try_from(self.count).unwrap_or(i32::MAX);
        *self
            .tags
            .get_mut(self.count)
            .ok_or(CredentialsError::TooMany)? = tag;
        self.count += 1;
        Ok(tag)
    }
}

/// Number of roots that are registered, which have the first tags.
#[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
static ROOTS: AtomicUsize = AtomicUsize::new(0);

/// Waits for this thread's turn at the credentials and at handshakes, which a download may have for one of its own.
#[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
pub(crate) fn turn() -> ffi::Turn {
    loop {
        ffi::feed_watchdog();
        if let Some(turn) = ffi::Turn::take(1000) {
            return turn;
        }
    }
}

/// The tags that this module uses.
pub(crate) fn range() -> Range<i32> {
    FIRST_TAG..FIRST_TAG + i32::try_from(TAGS).unwrap_or(0)
}

/// The pair that the image carries.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn built_in_pair() -> BuiltIn<'static> {
    BuiltIn {
        chain: built_in::CHAIN,
        key: built_in::KEY.first().copied(),
    }
}

const fn has_built_in() -> bool {
    !built_in::CHAIN.is_empty() && !built_in::KEY.is_empty()
}

/// The stored pairs have one user at a time: the shell that takes a part of one, or the device that reads it.
static PAIRS: Mutex<()> = Mutex::new(());

/// Runs `work` while no other thread uses the stored pairs.
pub(crate) fn with_pairs<T>(work: impl FnOnce(&mut Settings) -> T) -> T {
    with_locked(&PAIRS, |()| work(&mut Settings))
}

/// The registered credentials, and what was learnt of the pairs.
pub(crate) struct Credentials {
    arena: Arena,
    tags: Tags,
    is_x509: bool,
    /// Credentials that are registered: the pair's place and generation, if it is one.
    registered: Option<(Option<Slot>, u32)>,
    trial: Trial,
    connections: u32,
    failures: u32,
}

impl Credentials {
    /// Nothing registered yet. With `is_x509`, the device shows a certificate.
    pub(crate) fn new(arena: Arena, is_x509: bool) -> Self {
        Self {
            arena,
            tags: Tags::NONE,
            is_x509,
            registered: None,
            trial: Trial::default(),
            connections: 0,
            failures: 0,
        }
    }

    /// True if the device shows a certificate.
    pub(crate) const fn is_x509(&self) -> bool {
        self.is_x509
    }

    /// The arena, with what is registered in it.
    pub(crate) fn into_arena(self) -> Arena {
        self.arena
    }

    /// Registers what the next connection is to have, if that is not registered already.
    ///
    /// A new pair that cannot be registered gives way to the old one, as one that the hub refuses.
    #[inline(never)]
    pub(crate) fn prepare(&mut self) -> Result<&Tags, CredentialsError> {
        #[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
        let _turn = turn();
        let mut result = self.prepare_choice();
        if let Err(problem) = result
            && self.is_x509
        {
            let unusable = ConnectError::Tls(TlsFailure::ClientCredential, Code(0));
            if self.judge(Failure::Connect(unusable)) != Verdict::Stay {
                warn!("certificate: {problem}");
                result = self.prepare_choice();
            }
        }
        result.map(|()| &self.tags)
    }

    fn prepare_choice(&mut self) -> Result<(), CredentialsError> {
        with_pairs(|settings| {
            let choice = match self.is_x509 {
                true => {
                    let choice = self.trial.choose(settings, has_built_in());
                    Some(
                        choice
                            .map_err(CredentialsError::Storage)?
                            .ok_or_else(missing)?,
                    )
                }
                false => None,
            };
            let wanted = (choice.and_then(Choice::slot), self.trial.generation());
            if self.registered == Some(wanted) {
                return Ok(());
            }
            self.registered = None;
            self.arena.clear();
            self.tags = register(&mut self.arena, choice)?;
            self.registered = Some(wanted);
            status::show_pair(choice, self.trial.failure());
            Ok(())
        })
    }

    /// Notes what the counters say of the pair in use.
    pub(crate) fn observe(&mut self, report: &Report) {
        if !self.is_x509 {
            return;
        }
        if core::mem::replace(&mut self.connections, report.connections) != report.connections
            && report.joined
        {
            self.connected();
        }
        if core::mem::replace(&mut self.failures, report.failures) != report.failures
            && let Some(failure) = report.last_failure
            && self.judge(failure) == Verdict::SwitchNow
        {
            requests::retry_now();
        }
    }

    fn connected(&mut self) {
        match with_pairs(|settings| self.trial.connected(settings)) {
            Ok(Verdict::Adopted) => {
                info!("certificate: the new pair has connected and is the one in use");
                self.registered = self
                    .registered
                    .map(|(slot, _)| (slot, self.trial.generation()));
            }
            Ok(Verdict::Refused) => warn!(
                "certificate: the new pair was refused, and the old one stays in use; azure status says why"
            ),
            Ok(_) => {}
            Err(error) => error!("certificate: the pair in use could not be noted ({error})"),
        }
        let choice = self.trial.choice();
        status::show_pair(choice, self.trial.failure());
    }

    fn judge(&mut self, failure: Failure) -> Verdict {
        let verdict = with_pairs(|settings| self.trial.failed(settings, failure, has_built_in()));
        verdict.unwrap_or_else(|error| {
            error!("certificate: the pairs cannot be read ({error})");
            Verdict::Stay
        })
    }
}

/// Names the part of a pair that is still to come.
fn missing() -> CredentialsError {
    match Record::load(&mut Settings) {
        Ok(record) if record.has_certificate => CredentialsError::NoKey,
        Ok(_) => CredentialsError::NoCertificate,
        Err(error) => CredentialsError::Storage(error),
    }
}

/// Registers the roots, as provisioned or as built in, and the chosen pair.
#[inline(never)]
fn register(arena: &mut Arena, choice: Option<Choice>) -> Result<Tags, CredentialsError> {
    let mut tags = Tags::NONE;
    #[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
    ROOTS.store(0, Ordering::Release);
    let roots = |index| (index < CHAIN).then(|| stored_name(ROOT, index));
    if stored(arena, &mut tags, roots, Kind::Root)?.is_none() {
        for root in built_in::ROOTS {
            ffi::add_credential(tags.next()?, Kind::Root, root)
                .map_err(|refusal| CredentialsError::Refused(ROOT, refusal))?;
        }
    }
    #[cfg(CONFIG_AZURE_UPDATE_HTTPS)]
    ROOTS.store(tags.count, Ordering::Release);
    match choice {
        None => {}
        Some(Choice::BuiltIn) => register_built_in(&mut tags)?,
        Some(Choice::New(slot) | Choice::InUse(slot)) => register_pair(arena, &mut tags, slot)?,
    }
    Ok(tags)
}

fn register_built_in(tags: &mut Tags) -> Result<(), CredentialsError> {
    let own = tags.count;
    for certificate in built_in::CHAIN {
        ffi::add_credential(tags.next()?, Kind::Certificate, certificate)
            .map_err(|refusal| CredentialsError::Refused(CERTIFICATE, refusal))?;
        tags.message += ENTRY_HEADER + certificate.len();
    }
    let certificate = built_in::CHAIN
        .first()
        .ok_or(CredentialsError::NoCertificate)?;
    let key = built_in::KEY.first().ok_or(CredentialsError::NoKey)?;
    let tag = *tags.tags.get(own).ok_or(CredentialsError::TooMany)?;
    ffi::add_credential(tag, Kind::Key, key)
        .map_err(|refusal| CredentialsError::Refused(KEY, refusal))?;
    ffi::check_pair(certificate, key).map_err(CredentialsError::Pair)
}

fn register_pair(arena: &mut Arena, tags: &mut Tags, slot: Slot) -> Result<(), CredentialsError> {
    let own = tags.count;
    let names = |index| Some(Line::of(format_args!("{}", slot.certificate(index)?)));
    let certificate = stored(arena, tags, names, Kind::Certificate)?;
    let certificate = certificate.ok_or(CredentialsError::NoCertificate)?;
    let tag = *tags.tags.get(own).ok_or(CredentialsError::TooMany)?;
    let key = load(arena, tag, slot.key(), Kind::Key)?.ok_or(CredentialsError::NoKey)?;
    ffi::check_pair(arena.get(certificate), arena.get(key)).map_err(CredentialsError::Pair)
}

/// Registers the stored credentials of these names, up to the first that is absent or damaged, and gives the first.
fn stored(
    arena: &mut Arena,
    tags: &mut Tags,
    names: impl Fn(usize) -> Option<Line<32>>,
    kind: Kind,
) -> Result<Option<Stored>, CredentialsError> {
    let mut first = None;
    for name in (0..).map_while(names) {
        if !storage::exists(name.as_str()).map_err(CredentialsError::Storage)? {
            break;
        }
        let Some(der) = load(arena, tags.next()?, name.as_str(), kind)? else {
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
    name: &str,
    kind: Kind,
) -> Result<Option<Stored>, CredentialsError> {
    let what = match kind {
        Kind::Root => ROOT,
        Kind::Certificate => CERTIFICATE,
        Kind::Key => KEY,
    };
    let mut problem = None;
    let der = arena.add(tag, kind, |room| {
        match storage::load(name, room) {
            Ok(Some(length)) => return Some(length),
            Ok(None) => {}
            Err(StorageError::TooLong(_)) => problem = Some(CredentialsError::ArenaFull),
            Err(error) => problem = Some(CredentialsError::Storage(error)),
        }
        None
    });
    match (der, problem) {
        (Ok(der), _) => Ok(Some(der)),
        (Err(_), Some(problem)) => Err(problem),
        (Err(Refusal::NotRead), None) => Ok(None),
        (Err(refusal), None) => Err(CredentialsError::Refused(what, refusal)),
    }
}

/// Reason why credentials cannot be used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CredentialsError {
    /// More certificates than Zephyr's tables take.
    TooMany,
    /// More bytes than the arena takes.
    ArenaFull,
    /// One of this kind could not be registered.
    Refused(&'static str, Refusal),
    /// The identity is X.509, and there is no certificate.
    NoCertificate,
    /// The identity is X.509, and there is no key.
    NoKey,
    /// Key and certificate do not belong together; mbedTLS's error.
    Pair(i32),
    /// The storage failed.
    Storage(StorageError),
}

impl CredentialsError {
    /// True if a part of the provisioning is still to come, and nothing is wrong.
    pub(crate) const fn is_missing_part(&self) -> bool {
        matches!(self, Self::NoCertificate | Self::NoKey)
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(
                f,
                "there are more than {TAGS} certificates; leave out intermediates or roots, or raise CONFIG_NET_SOCKETS_TLS_MAX_CREDENTIALS"
            ),
            Self::ArenaFull => f.write_str(
                "the provisioned certificates and key are too long together; raise CONFIG_AZURE_CREDENTIALS_SIZE",
            ),
            Self::Refused(kind, Refusal::Unusable(code)) => write!(
                f,
                "the {kind} cannot be parsed (-0x{:04x}): provision it again, or raise CONFIG_AZURE_HEAP_SIZE if memory ran out",
                code.unsigned_abs()
            ),
            Self::Refused(kind, _) => write!(
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
