//! From a configuration to listening sockets.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::c2d::CloudToDevice;
use crate::clock::Clock;
use crate::close::CloseLog;
use crate::config::Config;
use crate::core::Core;
use crate::dps::Provisioning;
use crate::endpoints::{Endpoints, authority};
use crate::error::StartError;
use crate::events::EventLog;
use crate::faults::Faults;
use crate::lanes::Lanes;
use crate::methods::Methods;
use crate::mqtt::Service;
use crate::policy::Policies;
use crate::quota::Quota;
use crate::registry::Registry;
use crate::sessions::Sessions;
use crate::store::files::refuse_to_replace;
use crate::store::{self, DirectoryLock, Store, StoreError, write_atomically};
use crate::story::{Bounds, Stories};
use crate::throttle::Throttle;
use crate::tls::{Hierarchy, server_config};
use crate::twin::Twins;
use crate::update::{self, Updates};
use crate::uploads::Uploads;
use crate::{kinds, mqtt, page, rest, sntp};

/// Interval at which locks and expiries of messages are looked at.
const TICK: Duration = Duration::from_millis(200);
/// Bounds of the stories of clients: more clients than a hub of this kind has.
const STORIES: Bounds = Bounds {
    subjects: 100_000,
    packets: 48,
    others: 32,
};
/// Bounds of the stories of registrations, which are in the journal: 10 MB at most.
const REGISTRATION_STORIES: Bounds = Bounds {
    subjects: 1000,
    packets: 16,
    others: 16,
};
/// Ticks from one sync of the medium to the next.
const TICKS_PER_SYNC: u32 = 5;

/// Directory of the state; a temporary one vanishes when this is dropped.
pub(crate) enum StateDirectory {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl StateDirectory {
    fn open(state: Option<&Path>) -> Result<Self, StartError> {
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |source| StartError::State { path, source }
        };
        match state {
            Some(path) => {
                std::fs::create_dir_all(path).map_err(unusable(path))?;
                keep_out_of_git(path).map_err(unusable(path))?;
                Ok(Self::Kept(path.to_owned()))
            }
            None => tempfile::Builder::new()
                .prefix("local-hub-")
                .tempdir()
                .map(Self::Temporary)
                .map_err(unusable(&std::env::temp_dir())),
        }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }
}

/// Makes git ignore the directory, wherever it is: it will hold private keys. A directory that holds something
/// already may be somebody's whole repository, and is left as it is.
fn keep_out_of_git(directory: &Path) -> std::io::Result<()> {
    if std::fs::read_dir(directory)?.next().is_some() {
        return Ok(());
    }
    let file = store::options(true)
        .write(true)
        .create_new(true)
        .open(directory.join(".gitignore"));
    match file {
        Ok(mut file) => file.write_all(b"# Keys of a local IoT Hub.\n*\n"),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Sockets that a hub listens on and keeps open.
pub(crate) struct Started {
    pub(crate) endpoint: SocketAddr,
    pub(crate) operator_endpoint: SocketAddr,
    pub(crate) provisioning_endpoint: Option<SocketAddr>,
    pub(crate) sntp_endpoint: Option<SocketAddr>,
    pub(crate) page_endpoint: Option<SocketAddr>,
    pub(crate) updates_endpoint: Option<SocketAddr>,
    pub(crate) ca_pem: String,
    pub(crate) certificate_message_size: usize,
    pub(crate) directory: StateDirectory,
    pub(crate) lanes: Lanes,
    _lock: DirectoryLock,
}

/// Starts all parts of a hub on the current runtime.
pub(crate) async fn start(
    config: Config,
    sntp_offset: Arc<AtomicI64>,
    stop: watch::Receiver<bool>,
) -> Result<(Arc<Core>, Started), StartError> {
    check(&config)?;
    let directory = StateDirectory::open(config.state.as_deref())?;
    let path = directory.path().to_owned();
    let lock = DirectoryLock::take(&path)?;
    let temporary = config.state.is_none();
    let ca_path = path.join("ca.pem");
    Endpoints::check_replaceable(&path)?;
    refuse_to_replace(&ca_path, Hierarchy::is_root)?;
    // First of all files: a state that is refused stays as it is.
    let core = open_core(&config, &path)?;

    let hierarchy = Hierarchy::open(&path, config.certificate.chain, temporary)?;
    let chain = hierarchy.issue(&config.host_name, &config.certificate)?;
    let ecc = hierarchy.issue_ecc(&config.host_name, &config.certificate)?;
    let certificate_message_size = chain.message_size();
    let shown_certificates = page::certificates(&hierarchy, &chain, ecc.as_ref(), &path);
    let tls = server_config(chain, ecc, config.tls_record_size)?;
    let ca_pem = hierarchy.root_pem().to_owned();
    // Of all files, devices of other users need this one.
    write_atomically(&ca_path, ca_pem.as_bytes(), false).map_err(|source| StartError::State {
        path: ca_path,
        source,
    })?;

    let (mqtt_listener, endpoint) = listen("MQTT", config.listen).await?;
    let (operator_listener, operator_endpoint) =
        listen("operators", config.operator_listen).await?;
    let provisioning = match config.provisioning_listen {
        Some(address) => Some(listen("provisioning", address).await?),
        None => None,
    };
    let sntp_socket = match config.sntp {
        Some(address) => Some(bind_udp(address).await?),
        None => None,
    };
    let updates = match config.updates {
        Some(address) => Some(listen("files of updates", address).await?),
        None => None,
    };
    let page = match config.page {
        Some(address) => Some(listen_for_page(address, Endpoints::last_page(&path)).await?),
        None => None,
    };
    let core = Arc::new(core);
    let page_endpoint = page.map(|(listener, page_endpoint)| {
        let facts = page::Facts {
            mqtt: endpoint,
            operator: operator_endpoint,
            provisioning: provisioning.as_ref().map(|(_, endpoint)| *endpoint),
            sntp: sntp_socket.as_ref().map(|(_, endpoint)| *endpoint),
            page: page_endpoint,
            directory: path.clone(),
            models: config.models.clone(),
            throttling: config.throttling.clone(),
            certificates: shown_certificates,
        };
        tokio::spawn(page::serve(Arc::clone(&core), listener, facts));
        page_endpoint
    });
    let sntp_endpoint = sntp_socket.map(|(socket, endpoint)| {
        tokio::spawn(sntp::serve(socket, Arc::clone(&core.clock), sntp_offset));
        endpoint
    });
    core.uploads
        .served_at(authority(&core.host_name, operator_endpoint.port()));
    let acceptor = TlsAcceptor::from(Arc::clone(&tls));
    let updates_endpoint = updates.map(|(listener, endpoint)| {
        let tls = config.updates_tls.then(|| acceptor.clone());
        let name = config.updates_tls.then(|| core.host_name.clone());
        let host = config.updates_host.clone().or(name);
        core.updates.served_at(endpoint, host, config.updates_tls);
        tokio::spawn(update::serve(Arc::clone(&core), listener, tls));
        endpoint
    });
    tokio::spawn(rest::serve(
        Arc::clone(&core),
        operator_listener,
        acceptor.clone(),
        stop.clone(),
    ));
    let provisioning_endpoint = provisioning.map(|(listener, endpoint)| {
        tokio::spawn(mqtt::serve(
            Arc::clone(&core),
            Service::Provisioning,
            listener,
            Arc::clone(&tls),
            stop.clone(),
        ));
        endpoint
    });
    let for_lanes = Arc::clone(&core);
    let serve = move |listener| {
        let (core, tls, stop) = (Arc::clone(&for_lanes), Arc::clone(&tls), stop.clone());
        mqtt::serve(core, Service::Both, listener, tls, stop)
    };
    let lanes = mqtt_listener
        .into_std()
        .and_then(|listener| Lanes::start(&listener, serve))
        .map_err(StartError::Runtime)?;
    tokio::spawn(maintain(Arc::clone(&core)));
    let endpoints = Endpoints {
        host_name: core.host_name.clone(),
        mqtt: endpoint,
        operator: operator_endpoint,
        sntp: sntp_endpoint,
        page: page_endpoint,
    };
    endpoints.publish(&core, &path)?;
    let started = Started {
        endpoint,
        operator_endpoint,
        provisioning_endpoint,
        sntp_endpoint,
        page_endpoint,
        updates_endpoint,
        ca_pem,
        certificate_message_size,
        directory,
        lanes,
        _lock: lock,
    };
    Ok((core, started))
}

fn check(config: &Config) -> Result<(), StartError> {
    let addresses = [
        Some(config.listen),
        Some(config.operator_listen),
        config.provisioning_listen,
        config.sntp,
        config.updates,
    ];
    for address in addresses.into_iter().flatten() {
        if !address.ip().is_loopback() && !config.allow_remote {
            return Err(StartError::Remote(address));
        }
    }
    if let Some(address) = config.page.filter(|page| !page.ip().is_loopback()) {
        return Err(StartError::RemotePage(address));
    }
    let name = &config.host_name;
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(StartError::HostName(name.clone()));
    }
    Ok(())
}

/// Everything that a state directory holds, without sockets.
pub(crate) fn open_core(config: &Config, directory: &Path) -> Result<Core, StartError> {
    let store = Arc::new(Store::open(directory, kinds::check)?);
    let clock = Arc::new(Clock::new(config.clock_offset));
    let unusable = |error: StoreError| StartError::State {
        path: directory.to_owned(),
        source: std::io::Error::other(error.to_string()),
    };
    let policies = Policies::open(&store).map_err(unusable)?;
    let provisioning =
        Provisioning::open(Arc::clone(&store), Arc::clone(&clock)).map_err(unusable)?;
    Ok(Core {
        host_name: config.host_name.clone(),
        lenient_subscriptions: config.lenient_subscriptions,
        registry: Registry::open(Arc::clone(&store)),
        sessions: Sessions::new(Arc::clone(&store)),
        c2d: CloudToDevice::open(Arc::clone(&store), Arc::clone(&clock), &config.limits),
        twins: Twins::new(Arc::clone(&store), Arc::clone(&clock)),
        methods: Methods::default(),
        faults: Faults::default(),
        updates: Updates::open(directory, config.state.is_none()),
        uploads: Uploads::open(
            directory,
            Arc::clone(&store),
            Arc::clone(&clock),
            &config.limits,
        )?,
        provisioning,
        throttle: Throttle::new(config.throttling.as_ref()),
        quota: Quota::open(config.daily_quota, Arc::clone(&store), Arc::clone(&clock)),
        events: EventLog::open(directory, config.limits.event_bytes)?,
        limits: config.limits.clone(),
        policies,
        closes: CloseLog::default(),
        stories: Stories::new(config.page.is_some(), STORIES),
        registration_stories: Stories::kept(
            config.page.is_some(),
            REGISTRATION_STORIES,
            Arc::clone(&store),
        ),
        clock,
        store,
    })
}

async fn listen(
    purpose: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen {
        purpose,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Listens where the page was served last if any port will do: a browser's page finds the hub again.
async fn listen_for_page(
    address: SocketAddr,
    last: Option<SocketAddr>,
) -> Result<(TcpListener, SocketAddr), StartError> {
    if address.port() == 0
        && let Some(last) = last.filter(|last| last.ip() == address.ip())
        && let Ok(listening) = listen("the page", last).await
    {
        return Ok(listening);
    }
    listen("the page", address).await
}

async fn bind_udp(address: SocketAddr) -> Result<(UdpSocket, SocketAddr), StartError> {
    let failed = |source| StartError::Listen {
        purpose: "SNTP",
        address,
        source,
    };
    let socket = UdpSocket::bind(address).await.map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    Ok((socket, address))
}

async fn maintain(core: Arc<Core>) {
    let mut ticks = 0_u32;
    let mut interval = tokio::time::interval(TICK);
    loop {
        interval.tick().await;
        core.tick();
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(TICKS_PER_SYNC) {
            let core = Arc::clone(&core);
            // Waits for the medium.
            let _ = tokio::task::spawn_blocking(move || core.sync()).await;
        }
    }
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
