//! Facts about the hub that hold from its start on, and those that change, for the page's view of the hub.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use serde_json::{Value, json};

use crate::core::Core;
use crate::credentials::x509::{self, Summary};
use crate::throttle::Throttling;
use crate::tls::{Hierarchy, ServerChain};

/// Addresses of a hub, and the settings that it was started with.
#[derive(Debug)]
pub(crate) struct Facts {
    /// MQTT.
    pub(crate) mqtt: SocketAddr,
    /// The operator's interface.
    pub(crate) operator: SocketAddr,
    /// The provisioning service on a port of its own.
    pub(crate) provisioning: Option<SocketAddr>,
    /// SNTP.
    pub(crate) sntp: Option<SocketAddr>,
    /// The page.
    pub(crate) page: SocketAddr,
    /// The state directory.
    pub(crate) directory: PathBuf,
    /// Models of devices.
    pub(crate) models: Option<PathBuf>,
    /// The rates of a tier.
    pub(crate) throttling: Option<Throttling>,
    /// Certificates that the hub presents, and those that it is trusted by.
    pub(crate) certificates: Vec<Certificate>,
}

/// A certificate of the hub's.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Certificate {
    purpose: &'static str,
    #[serde(flatten)]
    summary: Summary,
}

/// The certificates of a hub: root, what it presents, and the CA for devices if there is one.
pub(crate) fn certificates(
    hierarchy: &Hierarchy,
    chain: &ServerChain,
    ecc: Option<&ServerChain>,
    directory: &Path,
) -> Vec<Certificate> {
    let pem = |text: &str| CertificateDer::from_pem_slice(text.as_bytes()).ok();
    let device_authority = std::fs::read_to_string(directory.join("device-ca.pem")).ok();
    let mut all = Vec::new();
    all.extend(pem(hierarchy.root_pem()).map(|der| ("Root that devices trust (ca.pem)", der)));
    let purposes = ["Server", "Issuer of the server's"];
    all.extend(purposes.into_iter().zip(chain.certificates.iter().cloned()));
    let leaf = ecc.and_then(|chain| chain.certificates.first().cloned());
    all.extend(leaf.map(|der| ("Server, for clients with ECDSA only", der)));
    let authority = device_authority.as_deref().and_then(pem);
    all.extend(authority.map(|der| ("Issuer of devices' (device-ca.pem)", der)));
    let shown = |(purpose, der): (&'static str, CertificateDer<'_>)| {
        x509::summary(&der).map(|summary| Certificate { purpose, summary })
    };
    all.into_iter().filter_map(shown).collect()
}

impl Facts {
    /// Everything about the hub, as of now.
    pub(super) fn of(&self, core: &Core) -> Value {
        let (registered, _) = core.registry.select(0, |_| true);
        let (disabled, _) = core.registry.select(0, |device| !device.is_enabled());
        let authorities = core.registry.authorities();
        let authorities: Vec<_> = authorities
            .iter()
            .filter_map(|der| x509::summary(der))
            .collect();
        json!({
            "hostName": core.host_name,
            "version": env!("CARGO_PKG_VERSION"),
            "endpoints": {
                "mqtt": self.mqtt,
                "operator": self.operator,
                "provisioning": self.provisioning.unwrap_or(self.mqtt),
                "sntp": self.sntp,
                "page": self.page,
            },
            "idScope": core.provisioning.id_scope(),
            "stateDirectory": self.directory.display().to_string(),
            "models": self.models.as_ref().map(|models| models.display().to_string()),
            "certificates": self.certificates,
            "uploadedAuthorities": authorities,
            "devices": { "registered": registered, "disabled": disabled },
            "connected": core.sessions.count(),
            "quota": core.quota.usage().map(|(used, limit)| json!({ "used": used, "limit": limit })),
            "throttling": self.throttling.as_ref().map(rates),
            "limits": {
                "c2dQueueDepth": core.limits.c2d_queue_depth,
                "c2dMaxDeliveryCount": core.limits.c2d_max_delivery_count,
                "c2dTimeToLiveSeconds": core.limits.c2d_time_to_live.as_secs(),
                "sasSkewSeconds": core.limits.sas_skew.as_secs(),
                "eventBytes": core.limits.event_bytes,
            },
        })
    }
}

fn rates(throttling: &Throttling) -> Value {
    json!([
        [
            "Telemetry messages a second",
            throttling.telemetry_per_second
        ],
        [
            "New connections a second",
            throttling.connections_per_second
        ],
        ["Reads of twins a second", throttling.twin_reads_per_second],
        [
            "Changes of twins a second",
            throttling.twin_updates_per_second
        ],
        [
            "Method calls, KB a second",
            throttling.method_kilobytes_per_second
        ],
        ["Messages to devices a minute", throttling.c2d_per_minute],
        ["Uploads of files a minute", throttling.uploads_per_minute],
        [
            "Registrations a minute",
            throttling.registrations_per_minute
        ],
        [
            "Questions of a registration in 10 s",
            throttling.registration_polls
        ],
    ])
}

/// Every fault that is injected now.
pub(super) fn faults(core: &Core) -> Value {
    let mut clients = core.faults.waiting();
    for frozen in core.sessions.frozen() {
        match clients.iter_mut().find(|(id, _)| *id == frozen) {
            Some((_, faults)) => faults.push(crate::faults::Fault::HalfOpen),
            None => clients.push((frozen, vec![crate::faults::Fault::HalfOpen])),
        }
    }
    let clients: Vec<_> = clients
        .into_iter()
        .map(|(id, faults)| json!({ "id": id, "faults": faults }))
        .collect();
    let registrations: Vec<_> = core
        .faults
        .failing_registrations()
        .into_iter()
        .map(|(id, status, times)| json!({ "id": id, "status": status, "times": times }))
        .collect();
    json!({ "clients": clients, "registrations": registrations })
}

/// Registrations with the provisioning service that are shown at most.
const MAX_REGISTRATIONS: usize = 200;

/// Registrations that were assigned, or that asked, with what happened to them.
pub(super) fn registrations(core: &Core) -> Value {
    let assigned = core.provisioning.registrations();
    let assigned: std::collections::BTreeMap<_, _> = assigned.into_iter().collect();
    let mut ids: Vec<String> = core.registration_stories.subjects();
    ids.extend(assigned.keys().cloned());
    ids.sort();
    ids.dedup();
    let count = ids.len();
    ids.truncate(MAX_REGISTRATIONS);
    let shown: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let (story, _) = core.registration_stories.since(&id, 0);
            json!({ "id": id, "assigned": assigned.get(&id), "story": story })
        })
        .collect();
    json!({ "count": count, "registrations": shown })
}
