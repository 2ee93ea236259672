//! The subscriptions of a connection.

use core::fmt;

use crate::connection::Scratch;
use crate::identity::Identity;
use crate::mqtt::QoS;
use crate::text::Overflow;
use crate::topic::Filter;

/// A subscription of a device, or of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subscription {
    /// Not for modules: IoT Hub sends them no messages over MQTT (Microsoft, "Understand and use module twins
    /// in IoT Hub"; "Communicate with an IoT hub using the MQTT protocol").
    CloudToDevice,
    TwinResponses,
    DesiredUpdates,
    Methods,
}

impl Subscription {
    pub(super) const ALL: [Self; 4] = [
        Self::CloudToDevice,
        Self::TwinResponses,
        Self::DesiredUpdates,
        Self::Methods,
    ];

    /// Those that an identity has, in the order of its SUBSCRIBE.
    pub(super) fn wanted(identity: &Identity, twin: bool) -> impl Iterator<Item = Self> {
        let is_module = identity.module_id().is_some();
        Self::ALL
            .into_iter()
            .filter(move |subscription| match subscription {
                Self::CloudToDevice => !is_module,
                _ => twin,
            })
    }

    /// The topic filter, written into the scratch buffer, and the quality of service.
    pub(super) fn filter<'s>(
        self,
        identity: &Identity,
        space: &mut Scratch<'s>,
    ) -> Result<(&'s str, QoS), Overflow> {
        Ok(match self {
            Self::CloudToDevice => (
                space.render(Filter::CloudToDevice(identity))?,
                QoS::AtLeastOnce,
            ),
            Self::TwinResponses => (space.render(Filter::TwinResponses)?, QoS::AtMostOnce),
            Self::DesiredUpdates => (space.render(Filter::DesiredUpdates)?, QoS::AtMostOnce),
            Self::Methods => (space.render(Filter::Methods)?, QoS::AtMostOnce),
        })
    }
}

/// Displays what is subscribed to.
impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CloudToDevice => {
                "cloud-to-device messages (another broker than IoT Hub may not have them)"
            }
            Self::TwinResponses => "the device twin (the basic tier has none)",
            Self::DesiredUpdates => "changes of desired properties (the basic tier has none)",
            Self::Methods => "direct methods (the basic tier has none)",
        })
    }
}
