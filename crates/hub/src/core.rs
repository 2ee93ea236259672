//! All parts of one hub, and what an operator can do with them.

use std::sync::Arc;

use crate::c2d::{CloudToDevice, Message};
use crate::clock::Clock;
use crate::close::{CloseLog, CloseReason};
use crate::config::Limits;
use crate::dps::Provisioning;
use crate::error::Error;
use crate::events::EventLog;
use crate::faults::Faults;
use crate::methods::Methods;
use crate::policy::Policies;
use crate::quota::Quota;
use crate::registry::{Device, Identity, Registry, Status};
use crate::sessions::Sessions;
use crate::store::Store;
use crate::story::{Detail, Stories, What};
use crate::throttle::{Operation, Throttle};
use crate::twin::Twins;
use crate::update::Updates;
use crate::uploads::Uploads;

/// The hub without its sockets.
#[derive(Debug)]
pub(crate) struct Core {
    /// The name that connection strings and tokens carry.
    pub(crate) host_name: String,
    /// Times and sizes.
    pub(crate) limits: Limits,
    /// Answer SUBSCRIBE to unknown filters.
    pub(crate) lenient_subscriptions: bool,
    /// The hub's time.
    pub(crate) clock: Arc<Clock>,
    /// State that outlives the process.
    pub(crate) store: Arc<Store>,
    /// Devices, modules, CAs.
    pub(crate) registry: Registry,
    /// Connected clients, and stored sessions.
    pub(crate) sessions: Sessions,
    /// Cloud-to-device messages.
    pub(crate) c2d: CloudToDevice,
    /// Device twins.
    pub(crate) twins: Twins,
    /// Direct methods that wait for their answers.
    pub(crate) methods: Methods,
    /// The Device Provisioning Service.
    pub(crate) provisioning: Provisioning,
    /// Meters of what a tier limits.
    pub(crate) throttle: Throttle,
    /// The messages of the day, as far as they are limited.
    pub(crate) quota: Quota,
    /// Faults that an operator wants.
    pub(crate) faults: Faults,
    /// Software updates.
    pub(crate) updates: Updates,
    /// Files that devices upload.
    pub(crate) uploads: Uploads,
    /// Device-to-cloud messages.
    pub(crate) events: EventLog,
    /// The hub's own shared access policies.
    pub(crate) policies: Policies,
    /// Reason why connections ended.
    pub(crate) closes: CloseLog,
    /// Story of each client.
    pub(crate) stories: Stories,
    /// Story of each registration with the provisioning service.
    pub(crate) registration_stories: Stories,
}

impl Core {
    /// Adds what happened to a client to its story.
    pub(crate) fn tell<D: Into<Detail>>(
        &self,
        client_id: &str,
        what: What,
        label: &'static str,
        detail: impl FnOnce() -> D,
    ) {
        self.stories
            .tell(client_id, &self.clock, what, label, detail);
    }

    /// Queues a message to a device or module.
    pub(crate) fn send_c2d(&self, identity: &Identity, message: Message) -> Result<(), Error> {
        let device = self.registry.get(identity)?;
        let size = message.checked_size()?;
        self.meter(Operation::C2d)?;
        self.quota.spend(size)?;
        self.c2d.send(&device, message)?;
        log::debug!(
            "a message of {size} bytes waits for {:?}",
            identity.to_string()
        );
        if let Some(link) = self.sessions.get(&identity.to_string()) {
            link.wake.notify_one();
        }
        Ok(())
    }

    /// Counts an operation that does not wait its turn; refuses it if there are too many.
    pub(crate) fn meter(&self, operation: Operation) -> Result<(), Error> {
        match self.throttle.take(operation) {
            Some(_) => Ok(()),
            None => Err(Error::Throttled(
                "too many of these operations for the hub's tier; try again later".into(),
            )),
        }
    }

    /// Changes a device or module; its connection ends if it may no longer be connected.
    pub(crate) fn update_device(
        &self,
        identity: &Identity,
        etag: Option<&str>,
        change: impl FnOnce(&mut Device),
    ) -> Result<Device, Error> {
        let before = self.registry.get(identity)?;
        let now = self.clock.unix_millis();
        let after = self.registry.update(identity, etag, |device| {
            let status = device.status;
            change(device);
            if device.status != status {
                device.status_changed = now;
            }
        })?;
        if after.status == Status::Disabled {
            self.sessions
                .cut(&identity.to_string(), CloseReason::Disabled);
        } else if after.authentication != before.authentication {
            self.sessions
                .cut(&identity.to_string(), CloseReason::CredentialsChanged);
        }
        Ok(after)
    }

    /// Deletes a device or module and all that is kept for it.
    pub(crate) fn delete_device(
        &self,
        identity: &Identity,
        etag: Option<&str>,
    ) -> Result<(), Error> {
        for gone in self.registry.delete(identity, etag)? {
            let client_id = gone.identity.to_string();
            self.sessions.cut(&client_id, CloseReason::Deleted);
            self.sessions.forget(&client_id)?;
            self.sessions.forget_activity(&client_id)?;
            self.twins.forget(&client_id)?;
            self.faults.clear(&client_id);
            self.c2d.forget(&client_id)?;
            self.stories.forget(&client_id);
        }
        if identity.module_id.is_none() {
            self.uploads.forget(&identity.device_id)?;
        }
        Ok(())
    }

    /// Does what is due as time passes: locks of messages time out, messages and uploads expire.
    pub(crate) fn tick(&self) {
        self.uploads.tick();
        for client_id in self.c2d.due() {
            let result = match self.registry.get(&Identity::of_client(&client_id)) {
                Ok(device) => self.c2d.tick(&device).map(drop),
                Err(_) => self.c2d.forget(&client_id),
            };
            if let Err(error) = result {
                log::error!("{error}");
            }
            if let Some(link) = self.sessions.get(&client_id) {
                link.wake.notify_one();
            }
        }
    }

    /// Waits until the medium has everything that changed.
    pub(crate) fn sync(&self) {
        for result in [self.store.sync(), self.events.sync()] {
            if let Err(error) = result {
                log::error!("cannot sync the state: {error}");
            }
        }
    }
}
