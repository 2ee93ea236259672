//! A running hub, for blocking code: it brings its own threads.

use std::net::SocketAddr;
use std::time::Duration;

use crate::c2d::{Feedback, Message};
use crate::config::Config;
use crate::error::{Error, StartError};
use crate::events::Event;
use crate::registry::{Authentication, Device, Status};

/// A running hub. Dropping it closes every connection and ends its threads.
///
/// Its methods block for short times at most, and must not be called from within an async runtime.
#[derive(Debug)]
pub struct Hub {}

/// A device's X.509 credentials.
#[derive(Clone)]
pub struct DeviceCertificate {
    /// `HostName=…;DeviceId=…;x509=true`.
    pub connection_string: String,
    /// The device's certificate in PEM, followed by intermediates if there are any.
    pub certificate_pem: String,
    /// Its key in PEM (PKCS #8).
    pub key_pem: String,
}

/// Why and whose connection the hub closed, which Azure never tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The client id, if CONNECT came that far.
    pub client_id: Option<String>,
    /// One sentence.
    pub reason: String,
}

impl Hub {
    /// Starts a hub; when this returns, it listens.
    pub fn start(_config: Config) -> Result<Self, StartError> {
        unimplemented!("follows shortly")
    }

    /// Where MQTT over TLS is served.
    pub fn endpoint(&self) -> SocketAddr {
        unimplemented!()
    }

    /// Where the operator's REST interface is served.
    pub fn operator_endpoint(&self) -> SocketAddr {
        unimplemented!()
    }

    /// Where SNTP is answered, if it is.
    pub fn sntp_endpoint(&self) -> Option<SocketAddr> {
        unimplemented!()
    }

    /// The name that the certificate, connection strings and tokens carry.
    pub fn host_name(&self) -> &str {
        unimplemented!()
    }

    /// The root certificate that a client must trust, in PEM.
    pub fn ca_pem(&self) -> &str {
        unimplemented!()
    }

    /// Registers a device with symmetric keys and gives its connection string.
    pub fn create_sas_device(&self, _id: &str) -> Result<String, Error> {
        unimplemented!()
    }

    /// Registers a device by the thumbprint of a self-signed certificate, which this makes.
    pub fn create_x509_device(&self, _id: &str) -> Result<DeviceCertificate, Error> {
        unimplemented!()
    }

    /// Registers a device by CA, and makes a certificate under the hub's own device CA.
    pub fn create_x509_ca_device(&self, _id: &str) -> Result<DeviceCertificate, Error> {
        unimplemented!()
    }

    /// Registers a device with credentials of the caller's.
    pub fn create_device(
        &self,
        _id: &str,
        _authentication: Authentication,
    ) -> Result<Device, Error> {
        unimplemented!()
    }

    /// Lets certificates under this CA (PEM) authenticate devices that are registered as `X509Ca`.
    pub fn upload_ca(&self, _name: &str, _ca_pem: &str) -> Result<(), Error> {
        unimplemented!()
    }

    /// The registry's entry of a device.
    pub fn device(&self, _id: &str) -> Result<Device, Error> {
        unimplemented!()
    }

    /// Every device, by id.
    pub fn devices(&self) -> Vec<Device> {
        unimplemented!()
    }

    /// Enables or disables a device; a disabled one's connection is closed.
    pub fn set_status(&self, _id: &str, _status: Status) -> Result<(), Error> {
        unimplemented!()
    }

    /// Deletes a device and all that the hub keeps for it.
    pub fn delete_device(&self, _id: &str) -> Result<(), Error> {
        unimplemented!()
    }

    /// Whether the device has an authenticated connection now.
    pub fn is_connected(&self, _id: &str) -> bool {
        unimplemented!()
    }

    /// Waits until the device is connected, or no longer; false when `timeout` passed before.
    pub fn wait_connected(&self, _id: &str, _connected: bool, _timeout: Duration) -> bool {
        unimplemented!()
    }

    /// Closes the device's connection; false if it has none.
    pub fn disconnect(&self, _id: &str) -> bool {
        unimplemented!()
    }

    /// Every stored event that is still kept, oldest first.
    pub fn events(&self) -> Vec<Event> {
        unimplemented!()
    }

    /// Waits until `enough` says true of the events stored so far; gives them in either case, and whether
    /// it was enough before `timeout` passed.
    pub fn wait_for_events(
        &self,
        _timeout: Duration,
        _enough: impl FnMut(&[Event]) -> bool,
    ) -> (bool, Vec<Event>) {
        unimplemented!()
    }

    /// Queues a cloud-to-device message.
    pub fn send_c2d(&self, _id: &str, _message: Message) -> Result<(), Error> {
        unimplemented!()
    }

    /// Cloud-to-device messages that wait for the device or for its acknowledgement.
    pub fn pending_c2d(&self, _id: &str) -> usize {
        unimplemented!()
    }

    /// Takes the feedback records that came up since the last call, without batching.
    pub fn take_feedback(&self) -> Vec<Feedback> {
        unimplemented!()
    }

    /// The last thousand closed connections and why, oldest first.
    pub fn closes(&self) -> Vec<Close> {
        unimplemented!()
    }

    /// Waits for a closed connection of which `wanted` says true, those from before the call included.
    pub fn wait_for_close(
        &self,
        _timeout: Duration,
        _wanted: impl FnMut(&Close) -> bool,
    ) -> Option<Close> {
        unimplemented!()
    }

    /// Moves the hub's clock by this many seconds, ahead or back, from where it is.
    pub fn shift_clock(&self, _seconds: i64) {
        unimplemented!()
    }

    /// The hub's time in milliseconds since 1970.
    pub fn unix_millis(&self) -> u64 {
        unimplemented!()
    }

    /// Moves what SNTP answers away from the hub's clock by this many seconds.
    pub fn set_sntp_offset(&self, _seconds: i64) {
        unimplemented!()
    }

    /// Closes every connection, writes the state out and ends the threads.
    pub fn shutdown(self) {}
}
