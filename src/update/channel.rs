//! The second channel of updates: three operations on the session with the provisioning service, a preview of Azure's
//! (api-version 2026-11-02-preview, as Microsoft's device SDK for C has it).
//!
//! Requests are written here, and answers are read byte by byte, since an offer exceeds the receive buffer. Both know no
//! session. What an offer has goes to a [`Service`], as the twin's does, so the engine is the same.

use core::time::Duration;

use super::machine::{Stage, Updates};
use super::manifest::UpdateId;
use super::record::InstallResult;
use super::service::Service;
use super::settings::Channel;
use super::unescape::Unescape;
use crate::backoff::doubled;
use crate::json::{Kind, Name, Object, Reader, Sink};
use crate::label::Label;
use crate::port::update::{MAX_ADDRESS, Updater};
use crate::time::Instant;

/// Version of the service's interface that has the operations.
pub(crate) const API_VERSION: &str = "2026-11-02-preview";
/// Number of this agent's features.
const PROFILE: i64 = 1;
/// The longest wait that the service may ask for; a longer one counts as none.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);
/// The longest etag that is kept, in bytes.
const MAX_ETAG: usize = 64;
/// The longest name of an error, in bytes.
const MAX_ERROR: usize = 40;

/// Operation on a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Asks for an update before the registration.
    Onboarding,
    /// Asks for an update.
    Get,
    /// Reports what became of one.
    Report,
}

impl Operation {
    /// Its name in a topic.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Onboarding => "iotdps-get-onboarding-deviceupdate",
            Self::Get => "iotdps-get-deviceupdate",
            Self::Report => "iotdps-report-deviceupdatestatus",
        }
    }
}

/// Etags of what the service knows of this device, and this device of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Etags {
    agent: Label<MAX_ETAG>,
    configuration: Label<MAX_ETAG>,
}

/// Consequence of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is done.
    Done,
    /// It is to be asked again, without some etags.
    Again,
    /// It is to be asked again later.
    Later(Option<Duration>),
    /// It is of no use to ask again.
    GivenUp,
}

/// Member whose text is being kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    None,
    AgentEtag,
    ConfigurationEtag,
    RootKeys,
    Error,
}

/// An answer, while it is read.
#[derive(Debug)]
pub(crate) struct Reply {
    operation: Operation,
    status: u16,
    retry_after: Option<Duration>,
    reader: Reader,
    is_json: bool,
    found: Found,
}

/// Content of an answer.
#[derive(Debug)]
struct Found {
    service: Service,
    /// A value inside `updateMetadata` is being read.
    in_metadata: bool,
    in_configuration: bool,
    field: Field,
    unescape: Unescape,
    text: [u8; MAX_ADDRESS],
    length: usize,
    etags: Etags,
    root_keys: Label<MAX_ADDRESS>,
    error: Label<MAX_ERROR>,
}

impl Reply {
    /// An answer that begins. The texts of an offer may have `limit` bytes.
    pub(crate) fn new(
        operation: Operation,
        status: u16,
        retry_after: Option<Duration>,
        limit: usize,
    ) -> Self {
        Self {
            operation,
            status,
            retry_after: retry_after.filter(|wait| *wait <= RETRY_AFTER_MAX),
            reader: Reader::new(),
            is_json: true,
            found: Found {
                service: Service::new(limit),
                in_metadata: false,
                in_configuration: false,
                field: Field::None,
                unescape: Unescape::NEW,
                text: [0; MAX_ADDRESS],
                length: 0,
                etags: Etags::default(),
                root_keys: Label::EMPTY,
                error: Label::EMPTY,
            },
        }
    }

    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.is_json = self.is_json && self.reader.feed(bytes, &mut self.found).is_ok();
    }

    /// The answer is complete: what follows from it. `etags` are those to be sent with the next question.
    pub(crate) fn finish(&mut self, etags: &mut Etags) -> Verdict {
        self.is_json = self.is_json && self.reader.finish(&mut self.found).is_ok();
        let error = match self.is_json {
            true => self.found.error,
            false => Label::EMPTY,
        };
        match (self.status, error.as_str()) {
            (200..300, _) if self.operation == Operation::Report => Verdict::Done,
            (200..300, _) if self.is_json => {
                let new = &self.found.etags;
                if !new.agent.is_empty() {
                    etags.agent = new.agent;
                }
                if !new.configuration.is_empty() {
                    etags.configuration = new.configuration;
                }
                Verdict::Done
            }
            // An answer that is none.
            (200..300, _) => Verdict::Later(self.retry_after),
            (400, "OUTDATED_AGENT_INFO" | "UNKNOWN_AGENT_INFO_VERSION")
                if *etags != Etags::default() =>
            {
                *etags = Etags::default();
                Verdict::Again
            }
            (400, "OUTDATED_SERVICE_CONFIG") if !etags.configuration.is_empty() => {
                etags.configuration = Label::EMPTY;
                Verdict::Again
            }
            (429 | 500.., _) => Verdict::Later(self.retry_after),
            // Of a report: it was made before.
            (409, _) if self.operation == Operation::Report => Verdict::Done,
            _ => Verdict::GivenUp,
        }
    }

    /// Name of the error, for the log; empty if there is none.
    pub(crate) fn error(&self) -> &str {
        self.found.error.as_str()
    }

    /// The update that is offered; `None` if there is none.
    pub(crate) fn into_offer(self) -> Option<Service> {
        let mut service = self.found.service;
        if !service.is_present() || !(200..300).contains(&self.status) {
            return None;
        }
        service.complete_offer(self.found.root_keys.as_str());
        Some(service)
    }
}

impl Found {
    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        match self.text.get_mut(self.length..end) {
            Some(space) => {
                space.copy_from_slice(bytes);
                self.length = end;
            }
            // Longer than any: it is none.
            None => self.field = Field::None,
        }
    }

    fn end_field(&mut self, field: Field) {
        let text = self.text.get(..self.length).unwrap_or_default();
        let text = core::str::from_utf8(text).unwrap_or_default();
        match field {
            Field::None => {}
            Field::AgentEtag => self.etags.agent = Label::new(text).unwrap_or_default(),
            Field::ConfigurationEtag => {
                self.etags.configuration = Label::new(text).unwrap_or_default();
            }
            Field::RootKeys => self.root_keys = Label::new(text).unwrap_or_default(),
            Field::Error => self.error = Label::cut(text),
        }
    }
}

impl Sink for Found {
    fn begin(&mut self, depth: u32, name: Option<&Name>, kind: Kind) {
        if self.in_metadata {
            return self.service.begin(depth, name, kind);
        }
        let Some(name) = name else {
            return;
        };
        if depth == 1 {
            self.in_configuration = kind == Kind::Object && name.is("serviceConfiguration");
            if name.is("updateMetadata") {
                self.in_metadata = true;
                return self.service.begin(depth, Some(name), kind);
            }
        }
        self.field = match (depth, kind) {
            (1, Kind::String) if name.is("agentInfoEtag") => Field::AgentEtag,
            (1, Kind::String) if name.is("serviceConfigEtag") => Field::ConfigurationEtag,
            (1, Kind::String) if name.is("message") => Field::Error,
            (2, Kind::String) if self.in_configuration && name.is("rootKeyDownloadUrl") => {
                Field::RootKeys
            }
            _ => Field::None,
        };
        self.length = 0;
        self.unescape = Unescape::NEW;
    }

    fn byte(&mut self, byte: u8) {
        if self.in_metadata {
            return self.service.byte(byte);
        }
        if self.field != Field::None {
            let mut unescape = self.unescape;
            unescape.take(byte, &mut |bytes| self.push(bytes));
            self.unescape = unescape;
        }
    }

    fn end(&mut self, depth: u32) {
        if self.in_metadata {
            self.service.end(depth);
            self.in_metadata = depth > 1;
            return;
        }
        let field = core::mem::replace(&mut self.field, Field::None);
        self.end_field(field);
    }
}

/// Time after which an operation that failed is tried again, if the service names none. It doubles.
const TRY_AGAIN: Duration = Duration::from_secs(300);
/// The longest such time.
const TRY_AGAIN_MAX: Duration = Duration::from_secs(6 * 3600);
/// Time from the start to the first session.
const FIRST: Duration = Duration::from_secs(10);

/// State that a device shares with its sessions with the provisioning service.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    pub(crate) etags: Etags,
    /// The earliest time of the next session; the time of the next question for an update, if nothing else is due.
    not_before: Instant,
    next: Instant,
    failures: u32,
}

impl Sessions {
    /// The device starts.
    pub(crate) fn start(&mut self, now: Instant) {
        self.not_before = now.after(FIRST);
        self.next = self.not_before;
    }

    /// Time of the next session, of a device that has something to tell, or to ask, or neither.
    pub(crate) const fn due(&self) -> SessionsDue {
        SessionsDue {
            hurried: self.not_before,
            planned: self.next,
        }
    }

    /// A session has ended: the service was asked, or it is to be asked again after this time.
    pub(crate) fn ended(&mut self, now: Instant, later: Option<Option<Duration>>, poll: Duration) {
        let usual = doubled(TRY_AGAIN, self.failures, TRY_AGAIN_MAX);
        let wait = later.map(|wait| wait.unwrap_or(usual));
        self.failures = match later {
            Some(_) => self.failures.saturating_add(1),
            None => 0,
        };
        self.not_before = now.after(wait.unwrap_or(Duration::ZERO));
        self.next = now.after(wait.unwrap_or(poll));
    }
}

/// Times at which a device ends for a session with the provisioning service.
#[derive(Clone, Copy, Debug)]
pub struct SessionsDue {
    hurried: Instant,
    planned: Instant,
}

impl Updates<'_> {
    /// True if updates come by sessions with the provisioning service.
    pub(crate) fn is_offered(&self) -> bool {
        self.settings.channel != Channel::Twin
    }

    /// True if a result waits to be reported.
    pub(crate) const fn is_unreported(&self) -> bool {
        self.record.is_unreported
    }

    /// Takes an offer, as if the twin had it.
    pub(crate) fn take_offer(&mut self, offer: Service) {
        self.service = offer;
        self.read = Some(true);
    }

    /// Bytes that the texts of an offer may have.
    pub(crate) const fn text_size(&self) -> usize {
        self.settings.text_size
    }

    /// Time of a session: at once for a report, or for more of a deployment, and otherwise as planned. None while an update
    /// is under way.
    pub(crate) fn session_due(&self, due: &SessionsDue) -> Option<Instant> {
        let is_busy = self.stage != Stage::Idle || self.read.is_some();
        match () {
            () if is_busy => None,
            () if self.record.is_unreported || self.wants_twin => Some(due.hurried),
            () => Some(due.planned),
        }
    }

    /// Reads the record, without a device.
    pub(crate) fn load_record(&mut self, updater: &mut dyn Updater) {
        self.load(updater);
    }

    /// The result was reported.
    pub(crate) fn result_is_reported(&mut self, updater: &mut dyn Updater) {
        self.record.is_unreported = false;
        self.store_record(updater);
    }

    /// Writes the body of a request.
    pub(crate) fn write_request(
        &self,
        operation: Operation,
        etags: &Etags,
        body: &mut Object<'_, '_>,
    ) {
        if operation == Operation::Report {
            return self.write_report(body);
        }
        let version = concat!("azure-device/", env!("CARGO_PKG_VERSION"));
        body.object("agentInfo", |agent| {
            agent
                .string("agentSdkVersion", version)
                .integer("agentProfile", PROFILE)
                .object("compatibilityProperties", |properties| {
                    properties
                        .string("manufacturer", self.settings.manufacturer)
                        .string("model", self.settings.model);
                });
        });
        if operation == Operation::Get {
            self.write_installed(body);
        }
        for (name, etag) in [
            ("agentInfoEtag", &etags.agent),
            ("serviceConfigEtag", &etags.configuration),
        ] {
            if !etag.is_empty() {
                body.string(name, etag);
            }
        }
    }

    fn write_installed(&self, body: &mut Object<'_, '_>) {
        let (
            UpdateId {
                provider,
                name,
                version,
            },
            _,
        ) = self.installed_or_own();
        body.object("installedUpdateId", |id| {
            id.string("provider", provider)
                .string("name", name)
                .string("version", version);
        });
    }

    fn write_report(&self, body: &mut Object<'_, '_>) {
        let result = self.record.result.unwrap_or_default();
        body.string("workflowId", self.record.workflow.id);
        self.write_installed(body);
        body.object("installResult", |object| {
            write_outcome(object, &result);
            object.string("resultDetails", result.details);
            object.object("stepResults", |steps| {
                steps.object("step_0", |step| write_outcome(step, &result));
            });
        });
    }
}

/// The party that a failure is of. The preview's contract has the names only; which kind is whose is this device's reading.
fn failure_origin(extended: u32) -> &'static str {
    match extended >> 16 {
        // The deployment, the package of root keys, the signature, the manifest.
        1..=4 => "ADU_CLOUD_SERVICE",
        // The download.
        6 => "ADU_MANAGED_RESOURCE",
        _ => "DEVICE",
    }
}

fn write_outcome(object: &mut Object<'_, '_>, result: &InstallResult) {
    let (outcome, origin) = match result.code {
        code if code > 0 => ("SUCCEEDED", "NOT_APPLICABLE"),
        0 => ("FAILED", failure_origin(result.extended)),
        _ => ("CANCELED", "NOT_APPLICABLE"),
    };
    object
        .string("outcome", outcome)
        .string("failureOrigin", origin)
        .integer("resultCode", result.code.into())
        .string("extendedResultCodes", format_args!("{:X}", result.extended));
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;
