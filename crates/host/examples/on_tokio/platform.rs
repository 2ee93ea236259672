//! A device's platform over tokio: TCP, TLS, timers, and requests of other tasks.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use azure_device::failure::{ClockError, Code, ConnectError};
use azure_device::port::{
    AsyncPlatform, AsyncStream, Clock as _, Endpoint, Entropy, EntropyError, Immediate, Indicator,
    Queue, Reading, Requests, Sensor as _, SensorError,
};
use azure_device::report::{Report, Status};
use azure_device::sensor::SimulatedSensor;
use azure_device::time::{Instant, UnixTime};
use azure_device_host::SetupError;
use azure_device_host::clock::{HostClock, Source};
use azure_device_host::queue::FileQueue;
use azure_device_host::tls::{client_config, tcp_failure, tls_failure};
use embedded_io::ErrorType;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The longest time for an attempt to connect, and for the other end to take bytes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An open connection.
pub(crate) struct Stream(TlsStream<TcpStream>);

impl ErrorType for Stream {
    type Error = io::Error;
}

impl embedded_io_async::Read for Stream {
    /// tokio's `read` takes no byte if it is dropped before it is complete.
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).await
    }
}

impl embedded_io_async::Write for Stream {
    async fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        timeout(TIMEOUT, self.0.write(buffer)).await?
    }

    async fn flush(&mut self) -> io::Result<()> {
        timeout(TIMEOUT, self.0.flush()).await?
    }
}

impl AsyncStream for Stream {}

/// An attempt to connect, with all that it needs.
type Attempt = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>>>>;

/// A connection that is being opened: the attempt goes on where it was when the device has measured.
#[derive(Default)]
pub(crate) struct Opening(Option<Attempt>);

/// Asks a device for something from another task of its thread.
#[derive(Clone, Default)]
pub(crate) struct Remote(Rc<Asked>);

#[derive(Default)]
struct Asked {
    requests: Cell<Requests>,
    news: Notify,
}

impl Remote {
    /// Asks the device to say goodbye and end.
    pub(crate) fn stop(&self) {
        let mut requests = self.0.requests.get();
        requests.stop = true;
        self.0.requests.set(requests);
        self.0.news.notify_one();
    }

    /// Waits until something is asked for that the device has not seen yet.
    async fn asked(&self) {
        while self.0.requests.get() == Requests::default() {
            self.0.news.notified().await;
        }
    }
}

/// Everything that a device needs.
pub(crate) struct Platform {
    clock: HostClock,
    tls: Arc<ClientConfig>,
    sensor: SimulatedSensor,
    remote: Remote,
    /// Messages that outlive a restart. Its calls block, for some milliseconds.
    pub(crate) queue: Option<FileQueue>,
    /// Counters, for whoever is interested.
    pub(crate) report: Report,
}

impl Platform {
    /// A platform whose device believes `roots`.
    pub(crate) fn new(roots: RootCertStore) -> Result<Self, SetupError> {
        let clock = HostClock::new(Source::System);
        Ok(Self {
            tls: client_config(roots, None, clock.clone())?,
            clock,
            sensor: SimulatedSensor::default(),
            remote: Remote::default(),
            queue: None,
            report: Report::default(),
        })
    }

    /// The remote control of this device.
    pub(crate) fn remote(&self) -> Remote {
        self.remote.clone()
    }
}

impl Entropy for Platform {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(buffer).map_err(|_| EntropyError)
    }
}

impl Indicator for Platform {
    fn show(&mut self, status: Status) {
        log::debug!("status: {status:?}");
    }
}

impl Immediate for Platform {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn unix(&self) -> Option<UnixTime> {
        self.clock.unix()
    }

    fn requests(&mut self) -> Requests {
        self.remote.0.requests.take()
    }

    fn queue(&mut self) -> Option<&mut dyn Queue> {
        let queue = self.queue.as_mut()?;
        Some(queue)
    }

    fn observe(&mut self, report: &Report) {
        self.report = *report;
    }
}

impl AsyncPlatform for Platform {
    type Stream = Stream;
    type Opening = Opening;

    async fn synchronize(&mut self) -> Result<UnixTime, ClockError> {
        // The system's clock: it does not wait.
        self.clock.synchronize()
    }

    async fn connect(
        &mut self,
        endpoint: Endpoint<'_>,
        opening: &mut Opening,
        until: Instant,
    ) -> Result<Option<Stream>, ConnectError> {
        let attempt = opening
            .0
            .get_or_insert_with(|| Box::pin(open(self.tls.clone(), Address::of(endpoint))));
        let due = until.since(self.clock.now());
        tokio::select! {
            biased;
            stream = attempt => stream.map(Some),
            () = sleep(due) => Ok(None),
            () = self.remote.asked() => Ok(None),
        }
    }

    async fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        // Where a real sensor is awaited.
        self.sensor.sample(take)
    }

    async fn wait(&mut self, until: Instant) {
        let time = until.since(self.clock.now());
        tokio::select! {
            () = sleep(time) => {}
            () = self.remote.asked() => {}
        }
    }
}

/// An endpoint, owned.
struct Address {
    host_name: String,
    address: String,
    port: u16,
}

impl Address {
    fn of(endpoint: Endpoint<'_>) -> Self {
        Self {
            host_name: endpoint.host_name.to_owned(),
            address: endpoint.address.to_owned(),
            port: endpoint.port,
        }
    }
}

async fn open(tls: Arc<ClientConfig>, address: Address) -> Result<Stream, ConnectError> {
    let stream = timeout(TIMEOUT, secure(tls, address)).await;
    stream.unwrap_or_else(|_| Err(tcp_failure(&io::ErrorKind::TimedOut.into())))
}

async fn secure(tls: Arc<ClientConfig>, address: Address) -> Result<Stream, ConnectError> {
    let name = ServerName::try_from(address.host_name).map_err(|_| ConnectError::Dns(Code(0)))?;
    let tcp = TcpStream::connect((address.address, address.port)).await;
    let tcp = tcp.map_err(|error| tcp_failure(&error))?;
    let stream = TlsConnector::from(tls).connect(name, tcp).await;
    stream.map(Stream).map_err(|error| tls_failure(&error))
}
