//! Requests of the holder of a [`Hub`] to devices, and faults for them: twins, direct methods,
//! provisioning, faults.

use std::time::Duration;

use serde_json::Value;

use crate::dps::Enrollment;
use crate::error::Error;
use crate::faults::Fault;
use crate::hub::Hub;
use crate::methods::{MethodCall, MethodResponse};
use crate::registry::Identity;

impl Hub {
    /// The twin of a device as IoT Hub's REST API shows it: identity, `tags`, and `properties` with
    /// `desired` and `reported`, each with `$metadata` and `$version`.
    pub fn twin(&self, id: &str) -> Result<Value, Error> {
        self.core.twin(&Identity::device(id))
    }

    /// Changes tags and desired properties: `{"tags":{…},"properties":{"desired":{…}}}`, either may be
    /// absent, `null` deletes (RFC 7396). A connected device that subscribed to it is notified. Gives the
    /// twin after the change.
    pub fn patch_twin(&self, id: &str, patch: &Value) -> Result<Value, Error> {
        self.core
            .change_twin(&Identity::device(id), None, patch, false)
    }

    /// Replaces tags and desired properties; what is absent is emptied.
    pub fn replace_twin(&self, id: &str, twin: &Value) -> Result<Value, Error> {
        self.core
            .change_twin(&Identity::device(id), None, twin, true)
    }

    /// Calls a direct method of a device and waits for the answer for `timeout` at most, which may be
    /// shorter than the 5 s that the REST API asks for at least. `Null` is no payload: the body is empty. Fails at once with
    /// [`Error::DeviceNotOnline`] if the device is not connected or has not subscribed to methods.
    pub fn invoke_method(
        &self,
        id: &str,
        name: &str,
        payload: &Value,
        timeout: Duration,
    ) -> Result<MethodResponse, Error> {
        self.invoke(&Identity::device(id), name, payload, timeout)
    }

    /// The twin of a module: see [`Self::twin`].
    pub fn module_twin(&self, device_id: &str, module_id: &str) -> Result<Value, Error> {
        self.core.twin(&Identity::module(device_id, module_id))
    }

    /// Changes the twin of a module: see [`Self::patch_twin`].
    pub fn patch_module_twin(
        &self,
        device_id: &str,
        module_id: &str,
        patch: &Value,
    ) -> Result<Value, Error> {
        let identity = Identity::module(device_id, module_id);
        self.core.change_twin(&identity, None, patch, false)
    }

    /// Calls a direct method of a module: see [`Self::invoke_method`].
    pub fn invoke_module_method(
        &self,
        device_id: &str,
        module_id: &str,
        name: &str,
        payload: &Value,
        timeout: Duration,
    ) -> Result<MethodResponse, Error> {
        let identity = Identity::module(device_id, module_id);
        self.invoke(&identity, name, payload, timeout)
    }

    fn invoke(
        &self,
        identity: &Identity,
        name: &str,
        payload: &Value,
        timeout: Duration,
    ) -> Result<MethodResponse, Error> {
        let call = MethodCall {
            name: name.to_owned(),
            payload: (!payload.is_null()).then(|| payload.clone()),
            response_timeout: timeout,
            connect_timeout: Duration::ZERO,
        };
        self.block_on(self.core.invoke_method(identity, call))
    }

    /// Id that tells this hub's Device Provisioning Service from others; kept with the state.
    pub fn id_scope(&self) -> &str {
        self.core.provisioning.id_scope()
    }

    /// Enrols one registration, or replaces its enrolment. Gives it with the keys that were made up.
    pub fn enroll(
        &self,
        registration_id: &str,
        enrollment: Enrollment,
    ) -> Result<Enrollment, Error> {
        self.core
            .provisioning
            .enroll(registration_id, false, enrollment)
    }

    /// Enrols a group, or replaces it. Gives it with the keys that were made up.
    pub fn enroll_group(&self, name: &str, enrollment: Enrollment) -> Result<Enrollment, Error> {
        self.core.provisioning.enroll(name, true, enrollment)
    }

    /// Removes the enrolment of one registration; a device that was assigned stays.
    pub fn remove_enrollment(&self, registration_id: &str) -> Result<(), Error> {
        self.core.provisioning.remove(registration_id, false)
    }

    /// Removes a group; devices that were assigned stay.
    pub fn remove_enrollment_group(&self, name: &str) -> Result<(), Error> {
        self.core.provisioning.remove(name, true)
    }

    /// Injects a fault into a device. Faults of the connection need one: [`Error::DeviceNotOnline`].
    pub fn inject(&self, id: &str, fault: Fault) -> Result<(), Error> {
        self.core.inject(&Identity::device(id), fault)
    }

    /// The same with a module.
    pub fn inject_module(
        &self,
        device_id: &str,
        module_id: &str,
        fault: Fault,
    ) -> Result<(), Error> {
        let identity = Identity::module(device_id, module_id);
        self.core.inject(&identity, fault)
    }

    /// Fails the next requests of a registration with the provisioning service: `status` is 401, 429, or 500 to
    /// 599. It need not be enrolled.
    pub fn fail_registration(
        &self,
        registration_id: &str,
        status: u16,
        times: u32,
    ) -> Result<(), Error> {
        let faults = &self.core.faults;
        faults.fail_registration(registration_id, status, times)
    }

    /// Removes the faults that [`Self::inject`] put into the device.
    pub fn clear_faults(&self, id: &str) {
        self.core.faults.clear(id);
    }

    /// Removes the faults that [`Self::inject_module`] put into the module.
    pub fn clear_module_faults(&self, device_id: &str, module_id: &str) {
        let client_id = Identity::module(device_id, module_id).to_string();
        self.core.faults.clear(&client_id);
    }

    /// Removes the faults that [`Self::fail_registration`] put into the registration.
    pub fn clear_registration_faults(&self, registration_id: &str) {
        self.core.faults.clear_registration(registration_id);
    }

    /// Messages that count towards the quota of today, and the quota; `None` without one.
    pub fn quota_usage(&self) -> Option<(u64, u64)> {
        self.core.quota.usage()
    }
}
