//! All ports of the core over Zephyr.

#![forbid(unsafe_code)]

use alloc::string::String;

#[cfg(CONFIG_NET_L2_PPP)]
use azure_device::connection::silence::Silence;
use azure_device::failure::{ClockError, ConnectError};
#[cfg(CONFIG_NET_L2_PPP)]
use azure_device::logging::warn;
#[cfg(CONFIG_AZURE_OUTLET)]
use azure_device::outlet::{Delivery, Ticket};
#[cfg(CONFIG_AZURE_QUEUE)]
use azure_device::port::Queue;
use azure_device::port::{
    Clock, Connector, Endpoint, Entropy, EntropyError, Indicator, Platform, Reading, Requests,
    Sensor, SensorError, Storage, StorageError, Wake,
};
use azure_device::report::Report;
use azure_device::report::{Condition, NetworkAddress, Status};
use azure_device::time::{Instant, UnixTime};
use zeroize::Zeroizing;

use crate::connector::{self, TlsStream};
use crate::credentials::Credentials;
use crate::ffi;
#[cfg(CONFIG_AZURE_OUTLET)]
use crate::outlet;
use crate::sensor::Sensors;
use crate::storage::DeviceValues;
use crate::{clock, indicator, requests, status};

/// Zephyr, as the device sees it.
pub(crate) struct ZephyrPlatform<'q> {
    time_servers: Zeroizing<String>,
    credentials: Credentials,
    sensors: Sensors,
    #[cfg(CONFIG_NET_L2_PPP)]
    silence: Silence,
    #[cfg(CONFIG_AZURE_QUEUE)]
    queue: Option<crate::queue::Queue<'q>>,
    #[cfg(not(CONFIG_AZURE_QUEUE))]
    queue: core::marker::PhantomData<&'q mut [u8]>,
    #[cfg(CONFIG_AZURE_UPDATE)]
    updater: crate::update::ZephyrUpdater,
}

impl<'q> ZephyrPlatform<'q> {
    /// A platform that asks these time servers and uses these credentials. `record` is the queue's buffer.
    #[cfg_attr(not(CONFIG_AZURE_QUEUE), allow(unused_variables))]
    pub(crate) fn new(
        time_servers: Zeroizing<String>,
        credentials: Credentials,
        record: &'q mut [u8],
    ) -> Self {
        Self {
            time_servers,
            credentials,
            sensors: Sensors::default(),
            #[cfg(CONFIG_NET_L2_PPP)]
            silence: Silence::default(),
            #[cfg(CONFIG_AZURE_QUEUE)]
            queue: crate::queue::open(record),
            #[cfg(not(CONFIG_AZURE_QUEUE))]
            queue: core::marker::PhantomData,
            #[cfg(CONFIG_AZURE_UPDATE)]
            updater: crate::update::ZephyrUpdater::new(),
        }
    }

    /// The credentials, when the device is not needed any more.
    pub(crate) fn into_credentials(self) -> Credentials {
        self.credentials
    }
}

/// Takes a PPP link that brings nothing down and up again, so that the other end is asked anew.
#[cfg(CONFIG_NET_L2_PPP)]
fn renew_if(silent: bool) {
    if silent {
        warn!("network: the PPP link brings nothing; it is taken down and up again");
        ffi::renew_network();
    }
}

impl Clock for ZephyrPlatform<'_> {
    fn now(&self) -> Instant {
        ffi::uptime()
    }

    fn unix(&self) -> Option<UnixTime> {
        ffi::unix_time()
    }

    fn synchronize(&mut self) -> Result<UnixTime, ClockError> {
        let result = clock::synchronize(&self.time_servers);
        #[cfg(CONFIG_NET_L2_PPP)]
        renew_if(self.silence.synchronized(ffi::uptime(), &result));
        result
    }
}

impl Entropy for ZephyrPlatform<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        ffi::random(buffer).map_err(|_| EntropyError)
    }
}

impl Connector for ZephyrPlatform<'_> {
    type Stream = TlsStream;
    /// Zephyr's handshake blocks, also on a socket that does not: an attempt is one step.
    type Opening = ();

    fn connect(
        &mut self,
        endpoint: Endpoint<'_>,
        (): &mut (),
        _until: Instant,
    ) -> Result<Option<TlsStream>, ConnectError> {
        let result = connector::connect(endpoint, &mut self.credentials);
        #[cfg(CONFIG_NET_L2_PPP)]
        renew_if(self.silence.connected(ffi::uptime(), &result));
        result.map(Some)
    }
}

impl Indicator for ZephyrPlatform<'_> {
    fn show(&mut self, status: Status) {
        indicator::show(status);
        status::show(status);
    }
}

impl Sensor for ZephyrPlatform<'_> {
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        self.sensors.sample(take)
    }
}

impl Storage for ZephyrPlatform<'_> {
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        DeviceValues.load(key, buffer)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        DeviceValues.store(key, value)
    }

    fn remove(&mut self, key: &str) -> Result<(), StorageError> {
        DeviceValues.remove(key)
    }
}

impl Platform for ZephyrPlatform<'_> {
    fn wait(&mut self, stream: Option<&mut TlsStream>, until: Instant) -> Wake {
        if requests::pending() {
            return Wake::Request;
        }
        #[cfg(CONFIG_AZURE_OUTLET)]
        if outlet::is_noticed() {
            return Wake::Request;
        }
        let timeout = until.as_millis().saturating_sub(ffi::uptime().as_millis());
        let timeout = u32::try_from(timeout).unwrap_or(u32::MAX);
        let socket = stream.map(|stream| &*stream).map(TlsStream::socket);
        match ffi::wait(socket, timeout) {
            Ok(woken) if woken.asked => Wake::Request,
            Ok(woken) if woken.readable => Wake::Readable,
            Ok(_) => Wake::Deadline,
            // The socket is broken: reading it says why.
            Err(_) => Wake::Readable,
        }
    }

    #[cfg(CONFIG_AZURE_OUTLET)]
    fn take_submission(&mut self, space: &mut [u8]) -> Option<usize> {
        outlet::take(space)
    }

    #[cfg(CONFIG_AZURE_OUTLET)]
    fn delivered(&mut self, ticket: Ticket, delivery: Delivery) {
        outlet::settle(ticket, delivery);
    }

    fn requests(&mut self) -> Requests {
        #[cfg(CONFIG_AZURE_OUTLET)]
        outlet::take_notice();
        let mut asked = requests::take();
        // A device with a token shows no certificate.
        asked.reconnect &= self.credentials.is_x509();
        asked
    }

    #[cfg(CONFIG_AZURE_QUEUE)]
    fn queue(&mut self) -> Option<&mut dyn Queue> {
        self.queue.as_mut().map(|queue| queue as &mut dyn Queue)
    }

    #[cfg(CONFIG_AZURE_UPDATE)]
    fn updater(&mut self) -> Option<&mut dyn azure_device::port::update::Updater> {
        Some(&mut self.updater)
    }

    fn condition(&mut self) -> Condition {
        let memory = ffi::memory();
        let mut text = [0; 64];
        Condition {
            network_address: ffi::network_address(&mut text).and_then(NetworkAddress::new),
            heap_peak: Some(memory.heap_peak).filter(|peak| *peak > 0),
        }
    }

    fn progress(&mut self) {
        ffi::feed_watchdog();
    }

    fn observe(&mut self, report: &Report) {
        status::report(report);
        self.credentials.observe(report);
    }
}
