//! A running hub, for blocking code: it brings its own threads.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::c2d::{Feedback, Message};
use crate::close::{Close, CloseReason};
use crate::config::Config;
use crate::core::Core;
use crate::credentials::x509;
use crate::endpoints::authority;
use crate::error::{Error, StartError};
use crate::events::Event;
use crate::page::PageToken;
use crate::registry::{Authentication, Device, Identity, Status, SymmetricKeys};
use crate::start::{self, Started};
use crate::tls::{self, DeviceAuthority};

/// Time that connections get to end when the hub stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// A running hub. Dropping it closes every connection and ends its threads.
///
/// Its methods block for short times at most, and must not be called from within an async runtime.
pub struct Hub {
    pub(crate) core: Arc<Core>,
    started: Started,
    sntp_offset: Arc<AtomicI64>,
    stop: watch::Sender<bool>,
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("endpoint", &self.started.endpoint)
            .finish_non_exhaustive()
    }
}

/// A device's X.509 credentials.
#[derive(Clone)]
pub struct DeviceCertificate {
    /// `HostName=…;DeviceId=…;x509=true`.
    pub connection_string: String,
    /// The device's certificate in PEM.
    pub certificate_pem: String,
    /// Its key in PEM (PKCS #8).
    pub key_pem: String,
}

impl DeviceCertificate {
    fn new(device: &Device, host_name: &str, made: tls::Credentials) -> Self {
        Self {
            connection_string: device.connection_string(host_name),
            certificate_pem: made.certificate_pem,
            key_pem: made.key_pem,
        }
    }
}

/// A new certificate with this common name, and what registers it.
fn self_signed(name: &str) -> Result<(Authentication, tls::Credentials), Error> {
    let made = tls::self_signed(name).map_err(Error::Server)?;
    let authentication = Authentication::X509Thumbprint {
        primary: Some(x509::sha256_thumbprint(&made.der)),
        secondary: None,
    };
    Ok((authentication, made))
}

impl std::fmt::Debug for DeviceCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceCertificate")
            .field("connection_string", &self.connection_string)
            .field("key_pem", &"[redacted]")
            .finish_non_exhaustive()
    }
}

impl Hub {
    /// Starts a hub; when this returns, it listens.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("local-hub")
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        let stop = watch::Sender::new(false);
        let sntp_offset = Arc::new(AtomicI64::new(config.sntp_offset));
        let (core, started) = runtime.block_on(start::start(
            config,
            Arc::clone(&sntp_offset),
            stop.subscribe(),
        ))?;
        Ok(Self {
            core,
            started,
            sntp_offset,
            stop,
            runtime: Some(runtime),
        })
    }

    /// Sockets.
    pub(crate) const fn started(&self) -> &Started {
        &self.started
    }

    /// Address at which MQTT over TLS is served.
    pub const fn endpoint(&self) -> SocketAddr {
        self.started.endpoint
    }

    /// Address at which the operator's REST interface is served.
    pub const fn operator_endpoint(&self) -> SocketAddr {
        self.started.operator_endpoint
    }

    /// Address at which only the Device Provisioning Service is served, if it is; [`Self::endpoint`] serves it too.
    pub const fn provisioning_endpoint(&self) -> Option<SocketAddr> {
        self.started.provisioning_endpoint
    }

    /// Address at which SNTP is answered, if it is.
    pub const fn sntp_endpoint(&self) -> Option<SocketAddr> {
        self.started.sntp_endpoint
    }

    /// Address of the page for a browser, if it is served: `http://…/#token=…`. Whoever has it may do everything.
    pub fn page_address(&self) -> Option<String> {
        let endpoint = self.started.page_endpoint?;
        Some(PageToken::of(&self.core.policies).address(endpoint))
    }

    /// The directory that holds the state.
    pub fn state_directory(&self) -> &Path {
        self.started.directory.path()
    }

    /// The name that the certificate, connection strings and tokens carry.
    pub fn host_name(&self) -> &str {
        &self.core.host_name
    }

    /// The root certificate that a client must trust, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.started.ca_pem
    }

    /// Bytes of the Certificate message in the TLS handshake (RFC 5246, section 7.4.2).
    pub const fn certificate_message_size(&self) -> usize {
        self.started.certificate_message_size
    }

    /// Registers a device with symmetric keys and gives its connection string.
    pub fn create_sas_device(&self, id: &str) -> Result<String, Error> {
        let device = self.create_device(id, Authentication::Sas(SymmetricKeys::generated()))?;
        Ok(device.connection_string(self.host_name()))
    }

    /// Registers a device by the thumbprint of a self-signed certificate, which this makes.
    pub fn create_x509_device(&self, id: &str) -> Result<DeviceCertificate, Error> {
        let (authentication, made) = self_signed(id)?;
        self.create_with(id, authentication, made)
    }

    /// Registers a device by CA, and makes a certificate under the hub's own device CA.
    pub fn create_x509_ca_device(&self, id: &str) -> Result<DeviceCertificate, Error> {
        let authority = DeviceAuthority::open(self.state_directory())
            .map_err(|e| Error::Server(e.to_string()))?;
        self.core
            .registry
            .upload_authority(DeviceAuthority::NAME, authority.certificate_pem())?;
        let made = authority.issue(id).map_err(Error::Server)?;
        self.create_with(id, Authentication::X509Ca, made)
    }

    /// Waits for a part of the hub that runs on its threads.
    pub(crate) fn block_on<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            None => Err(Error::Server("the hub stops".into())),
        }
    }

    fn create_with(
        &self,
        id: &str,
        authentication: Authentication,
        made: tls::Credentials,
    ) -> Result<DeviceCertificate, Error> {
        let device = self.create_device(id, authentication)?;
        Ok(DeviceCertificate::new(&device, self.host_name(), made))
    }

    /// Registers a device with credentials of the caller's.
    pub fn create_device(&self, id: &str, authentication: Authentication) -> Result<Device, Error> {
        self.core
            .registry
            .create(Identity::device(id), authentication, Status::Enabled)
    }

    /// Registers a module of a device with symmetric keys and gives its connection string.
    pub fn create_sas_module(&self, device_id: &str, module_id: &str) -> Result<String, Error> {
        let identity = Identity::module(device_id, module_id);
        let keys = Authentication::Sas(SymmetricKeys::generated());
        let module = self.core.registry.create(identity, keys, Status::Enabled)?;
        Ok(module.connection_string(self.host_name()))
    }

    /// Registers a module of a device by the thumbprint of a self-signed certificate, which this makes.
    pub fn create_x509_module(
        &self,
        device_id: &str,
        module_id: &str,
    ) -> Result<DeviceCertificate, Error> {
        let identity = Identity::module(device_id, module_id);
        let (authentication, made) = self_signed(&identity.to_string())?;
        let module = self
            .core
            .registry
            .create(identity, authentication, Status::Enabled)?;
        Ok(DeviceCertificate::new(&module, self.host_name(), made))
    }

    /// Accepts certificates under this CA (PEM) for devices that are registered as `X509Ca`.
    pub fn upload_ca(&self, name: &str, ca_pem: &str) -> Result<(), Error> {
        self.core.registry.upload_authority(name, ca_pem)
    }

    /// The registry's entry of a device.
    pub fn device(&self, id: &str) -> Result<Device, Error> {
        self.core.registry.get(&Identity::device(id))
    }

    /// Every device and module, by id.
    pub fn devices(&self) -> Vec<Device> {
        self.core.registry.all()
    }

    /// Enables or disables a device; a disabled one's connection is closed.
    pub fn set_status(&self, id: &str, status: Status) -> Result<(), Error> {
        self.core
            .update_device(&Identity::device(id), None, |device| device.status = status)?;
        Ok(())
    }

    /// Deletes a device and all that the hub keeps for it.
    pub fn delete_device(&self, id: &str) -> Result<(), Error> {
        self.core.delete_device(&Identity::device(id), None)
    }

    /// True if the device has an authenticated connection now.
    pub fn is_connected(&self, id: &str) -> bool {
        self.core.sessions.get(id).is_some()
    }

    /// Waits until the device is connected, or no longer; false when `timeout` passed before.
    pub fn wait_connected(&self, id: &str, connected: bool, timeout: Duration) -> bool {
        self.core.sessions.wait(id, connected, timeout)
    }

    /// Number of devices and modules that are connected.
    pub fn connection_count(&self) -> usize {
        self.core.sessions.count()
    }

    /// Closes the device's connection; false if it has none.
    pub fn disconnect(&self, id: &str) -> bool {
        self.core.sessions.cut(id, CloseReason::Operator)
    }

    /// Every stored event that is still kept, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.core.events.since(0)
    }

    /// Waits until `enough` says true of the events stored so far; gives them in either case, and whether
    /// it was enough before `timeout` passed.
    pub fn wait_for_events(
        &self,
        timeout: Duration,
        enough: impl FnMut(&[Event]) -> bool,
    ) -> (bool, Vec<Event>) {
        self.core.events.wait(timeout, enough)
    }

    /// Queues a cloud-to-device message.
    pub fn send_c2d(&self, id: &str, message: Message) -> Result<(), Error> {
        self.core.send_c2d(&Identity::device(id), message)
    }

    /// Queues a message to a module, which it gets under `devices/{d}/modules/{m}/messages/devicebound/`.
    pub fn send_to_module(
        &self,
        device_id: &str,
        module_id: &str,
        message: Message,
    ) -> Result<(), Error> {
        let identity = Identity::module(device_id, module_id);
        self.core.send_c2d(&identity, message)
    }

    /// Cloud-to-device messages that wait for the device or for its acknowledgement.
    pub fn pending_c2d(&self, id: &str) -> usize {
        self.core.c2d.pending(id)
    }

    /// Discards the cloud-to-device messages that wait for the device; gives their number.
    pub fn purge_c2d(&self, id: &str) -> Result<usize, Error> {
        Ok(self.core.c2d.purge(&self.device(id)?)?)
    }

    /// Takes the feedback records that came up since the last call, without batching.
    pub fn take_feedback(&self) -> Result<Vec<Feedback>, Error> {
        let (numbers, records): (Vec<_>, Vec<_>) = self.core.c2d.feedback(true).into_iter().unzip();
        self.core.c2d.remove_feedback(&numbers)?;
        Ok(records)
    }

    /// Path of the contents of a file that a device uploaded. `name` is `DEVICE/NAME`.
    pub fn uploaded_file(&self, name: &str) -> Result<PathBuf, Error> {
        self.core.uploads.file(name)
    }

    /// The last thousand closed connections and why, oldest first.
    pub fn closes(&self) -> Vec<Close> {
        self.core.closes.all()
    }

    /// Waits for a closed connection of which `wanted` says true, those from before the call included.
    pub fn wait_for_close(
        &self,
        timeout: Duration,
        wanted: impl FnMut(&Close) -> bool,
    ) -> Option<Close> {
        self.core.closes.wait(timeout, wanted)
    }

    /// Moves the hub's clock by this many seconds, ahead or back, from where it is.
    pub fn shift_clock(&self, seconds: i64) {
        self.core.clock.shift(seconds);
    }

    /// The hub's time in milliseconds since 1970.
    pub fn unix_millis(&self) -> u64 {
        self.core.clock.unix_millis()
    }

    /// Moves what SNTP answers away from the hub's clock by this many seconds.
    pub fn set_sntp_offset(&self, seconds: i64) {
        self.sntp_offset.store(seconds, Ordering::Relaxed);
    }

    /// Connection string of an operator's tool: `HostName=…[:port];SharedAccessKeyName=…;SharedAccessKey=…`,
    /// without the port if it is 443.
    pub fn service_connection_string(&self, policy: &str) -> Result<String, Error> {
        let host = authority(self.host_name(), self.operator_endpoint().port());
        self.core.policies.connection_string(&host, policy)
    }

    /// Closes every connection, writes the state out and ends the threads: what dropping does too.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let deadline = std::time::Instant::now() + STOP_TIMEOUT;
        while self.core.sessions.count() > 0 && std::time::Instant::now() < deadline {
            // Again and again: a CONNECT may be under way.
            self.core.sessions.cut_all(&CloseReason::ShuttingDown);
            std::thread::sleep(Duration::from_millis(2));
        }
        self.started.lanes.stop();
        self.core.sync();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(STOP_TIMEOUT);
        }
    }
}
