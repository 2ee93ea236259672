//! What the product does with its connection: the one interface that an application's author implements.

use crate::json::Object;
use crate::port::Sensor;
use crate::properties::Bag;

/// A cloud-to-device message.
#[derive(Clone, Copy, Debug)]
pub struct CloudMessage<'a> {
    /// The body, as the operator sent it.
    pub body: &'a [u8],
    /// System and application properties.
    pub properties: Bag<'a>,
    /// Whether the hub has sent it before: the first copy may have been taken already.
    pub redelivered: bool,
}

/// The application on top of the device loop. Calls must not block for long: the keepalive waits.
pub trait Application {
    /// Writes the members of one telemetry message. Nothing is sent if it writes none.
    fn telemetry(&mut self, sensor: &mut dyn Sensor, message: &mut Object<'_, '_>);

    /// Takes a cloud-to-device message. It is acknowledged when this returns.
    fn cloud_message(&mut self, message: &CloudMessage<'_>);
}
