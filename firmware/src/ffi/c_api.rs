//! An application in C: its description, and its callbacks as safe functions.
//!
//! Common to all calls: the description that `azure_iot_hub_start` was given stays, with all that it points to, as its
//! header demands; what a callback is given is valid during the call; a callback does not unwind.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{self, null_mut};
use core::slice;
use core::sync::atomic::{AtomicPtr, Ordering};

use azure_device::application::{CloudMessage, Message};
use azure_device::json::Value;
use azure_device::mqtt::AckToken;

use crate::kconfig;

/// The declarations of `azure_iot_hub.h`, by firmware/build.rs.
#[allow(dead_code, non_camel_case_types, unreachable_pub)] // Generated.
pub(crate) mod c {
    include!(concat!(env!("OUT_DIR"), "/azure_iot_hub.rs"));
}

/// The longest value or result of an application in C, in bytes.
const JSON_SIZE: usize = super::size(kconfig::CONFIG_AZURE_C_API_JSON_SIZE);

/// Space for a value or a result.
pub(crate) type Space = [u8; JSON_SIZE];

/// Empty space.
pub(crate) const SPACE: Space = [0; JSON_SIZE];

static APPLICATION: AtomicPtr<c::azure_iot_hub_application> = AtomicPtr::new(null_mut());

/// The application that C has registered.
#[derive(Clone, Copy)]
pub(crate) struct Registered(&'static c::azure_iot_hub_application);

/// A table of an application in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Streams,
    Properties,
    Reported,
    Methods,
    Kept,
}

impl Table {
    pub(crate) const ALL: [Self; 5] = [
        Self::Streams,
        Self::Properties,
        Self::Reported,
        Self::Methods,
        Self::Kept,
    ];

    /// Its name in the header.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Properties => "properties",
            Self::Reported => "reported",
            Self::Methods => "methods",
            Self::Kept => "kept",
        }
    }
}

/// An entry that C has not filled in as its header demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Its name is NULL or not UTF-8.
    Name,
    /// A function is NULL.
    Function,
}

/// A text of C; `None` if it is NULL or not UTF-8.
///
/// # Safety
/// It is NULL, or ends with a zero and stays for `'t`.
pub(crate) unsafe fn text<'t>(text: *const c_char) -> Option<&'t str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller vouches for it.
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

/// The elements that `first` points to; none if it is NULL.
///
/// # Safety
/// It is NULL, or points to `count` elements that stay for `'t`.
pub(crate) unsafe fn elements<'t, T>(first: *const T, count: usize) -> &'t [T] {
    if first.is_null() {
        return &[];
    }
    // SAFETY: the caller vouches for it.
    unsafe { slice::from_raw_parts(first, count) }
}

/// A checked value, for C.
pub(crate) const fn json(value: Value<'_>) -> c::azure_iot_hub_json {
    let text = value.text();
    c::azure_iot_hub_json {
        text: text.as_ptr().cast(),
        length: text.len(),
    }
}

/// The application that was registered last.
pub(crate) fn registered() -> Option<Registered> {
    // SAFETY: `Registered::register` has put it there, and it stays.
    unsafe { APPLICATION.load(Ordering::Acquire).as_ref() }.map(Registered)
}

/// Starts the device's thread, which calls `azure_rust_thread`.
pub(crate) fn start_thread() {
    // SAFETY: takes nothing; it is called once, by `c_api::start`.
    unsafe { super::c::azure_thread_start() }
}

/// A number of errno, which differs between C libraries, by its meaning.
pub(crate) fn errno_of(kind: u32) -> c_int {
    // SAFETY: takes a number, and gives one.
    unsafe { super::c::azure_errno_of(kind) }
}

impl Registered {
    /// An application for looking at, that is not registered yet.
    ///
    /// # Safety
    /// The description stays, with all that it points to.
    pub(crate) const unsafe fn new(application: &'static c::azure_iot_hub_application) -> Self {
        Self(application)
    }

    /// Makes it the device's application.
    pub(crate) fn register(self) {
        APPLICATION.store(ptr::from_ref(self.0).cast_mut(), Ordering::Release);
    }

    fn streams(self) -> &'static [c::azure_iot_hub_stream] {
        // SAFETY: the description and its tables stay.
        unsafe { elements(self.0.streams, self.0.stream_count) }
    }

    fn properties(self) -> &'static [c::azure_iot_hub_property] {
        // SAFETY: the description and its tables stay.
        unsafe { elements(self.0.properties, self.0.property_count) }
    }

    fn reported(self) -> &'static [c::azure_iot_hub_reported] {
        // SAFETY: the description and its tables stay.
        unsafe { elements(self.0.reported, self.0.reported_count) }
    }

    fn methods(self) -> &'static [c::azure_iot_hub_method] {
        // SAFETY: the description and its tables stay.
        unsafe { elements(self.0.methods, self.0.method_count) }
    }

    fn kept(self) -> &'static [c::azure_iot_hub_kept] {
        // SAFETY: the description and its tables stay.
        unsafe { elements(self.0.kept, self.0.kept_count) }
    }

    /// Number of entries of a table.
    pub(crate) fn count(self, table: Table) -> usize {
        match table {
            Table::Streams => self.streams().len(),
            Table::Properties => self.properties().len(),
            Table::Reported => self.reported().len(),
            Table::Methods => self.methods().len(),
            Table::Kept => self.kept().len(),
        }
    }

    /// Name of an entry.
    pub(crate) fn name(self, table: Table, index: usize) -> Option<&'static str> {
        let name = match table {
            Table::Streams => self.streams().get(index)?.name,
            Table::Properties => self.properties().get(index)?.name,
            Table::Reported => self.reported().get(index)?.name,
            Table::Methods => self.methods().get(index)?.name,
            Table::Kept => self.kept().get(index)?.name,
        };
        // SAFETY: it stays with its table.
        unsafe { text(name) }
    }

    /// The defect of an entry, if it has one.
    pub(crate) fn defect(self, table: Table, index: usize) -> Option<Defect> {
        let is_whole = match table {
            Table::Streams => self.streams().get(index)?.sample.is_some(),
            Table::Properties => {
                let property = self.properties().get(index)?;
                property.apply.is_some() && property.value.is_some()
            }
            Table::Reported => self.reported().get(index)?.value.is_some(),
            Table::Methods => self.methods().get(index)?.run.is_some(),
            Table::Kept => {
                let kept = self.kept().get(index)?;
                kept.save.is_some() && kept.restore.is_some()
            }
        };
        if self.name(table, index).is_none() {
            return Some(Defect::Name);
        }
        (!is_whole).then_some(Defect::Function)
    }

    /// The interval of a stream, as its table says it.
    pub(crate) fn interval(self, index: usize) -> Option<u32> {
        Some(self.streams().get(index)?.interval_ms)
    }

    /// Has C write a message of a stream.
    pub(crate) fn sample(self, index: usize, message: &mut Message<'_>) {
        if let Some(sample) = self.streams().get(index).and_then(|stream| stream.sample) {
            // SAFETY: see the module. C only hands the pointer to functions of `entry::c_api::message`, which take it
            // for what it is.
            unsafe { sample(ptr::from_mut(message).cast(), self.0.user_data) };
        }
    }

    /// Has C apply a desired value.
    ///
    /// # Errors
    ///
    /// C's reason of a refusal, if it gives one.
    pub(crate) fn apply(self, index: usize, value: Value<'_>) -> Result<(), Option<&'static str>> {
        let property = self.properties().get(index);
        let Some(apply) = property.and_then(|property| property.apply) else {
            return Ok(());
        };
        let mut reason = ptr::null();
        // SAFETY: see the module.
        let result = unsafe { apply(&json(value), &raw mut reason, self.0.user_data) };
        match result {
            0 => Ok(()),
            // SAFETY: the header demands a text that stays.
            _ => Err(unsafe { text(reason) }),
        }
    }

    /// Has C write the value in force of a property. Gives C's result.
    pub(crate) fn value(self, table: Table, index: usize, space: &mut Space) -> c_int {
        let value = match table {
            Table::Properties => self
                .properties()
                .get(index)
                .and_then(|property| property.value),
            Table::Reported => self
                .reported()
                .get(index)
                .and_then(|property| property.value),
            Table::Streams | Table::Methods | Table::Kept => None,
        };
        // SAFETY: see the module.
        value.map_or(0, |value| unsafe {
            value(space.as_mut_ptr().cast(), space.len(), self.0.user_data)
        })
    }

    /// Has C run a method. Gives C's result.
    pub(crate) fn run(
        self,
        index: usize,
        payload: Option<Value<'_>>,
        again: bool,
        space: &mut Space,
    ) -> c_int {
        let Some(run) = self.methods().get(index).and_then(|method| method.run) else {
            return 500;
        };
        let payload = payload.map(json);
        let call = c::azure_iot_hub_call {
            payload: payload.as_ref().map_or(ptr::null(), ptr::from_ref),
            again,
        };
        // SAFETY: see the module.
        unsafe {
            run(
                &call,
                space.as_mut_ptr().cast(),
                space.len(),
                self.0.user_data,
            )
        }
    }

    /// Has C write a value that is kept. Gives C's result.
    pub(crate) fn save(self, index: usize, space: &mut [u8]) -> c_int {
        let save = self.kept().get(index).and_then(|kept| kept.save);
        // SAFETY: see the module.
        save.map_or(0, |save| unsafe {
            save(space.as_mut_ptr(), space.len(), self.0.user_data)
        })
    }

    /// Gives C a value that was kept.
    pub(crate) fn restore(self, index: usize, value: &[u8]) {
        if let Some(restore) = self.kept().get(index).and_then(|kept| kept.restore) {
            // SAFETY: see the module.
            unsafe { restore(value.as_ptr(), value.len(), self.0.user_data) };
        }
    }

    /// Has C take a cloud-to-device message. Gives C's result; `None` if C takes none.
    pub(crate) fn receive(self, message: &CloudMessage<'_>) -> Option<c_int> {
        let receive = self.0.receive?;
        let properties = message.properties.raw();
        let message = c::azure_iot_hub_cloud_message {
            body: message.body.as_ptr(),
            length: message.body.len(),
            again: message.redelivered,
            properties: c::azure_iot_hub_json {
                text: properties.as_ptr().cast(),
                length: properties.len(),
            },
            token: message.token.map_or(0, AckToken::to_bits),
        };
        // SAFETY: see the module.
        Some(unsafe { receive(&message, self.0.user_data) })
    }

    /// Tells C what happened.
    pub(crate) fn handle(self, kind: u32, text: Option<&CStr>, number: u32) {
        if let Some(handle) = self.0.handle {
            let event = c::azure_iot_hub_event {
                kind,
                text: text.map_or(ptr::null(), CStr::as_ptr),
                number,
            };
            // SAFETY: see the module.
            unsafe { handle(&event, self.0.user_data) };
        }
    }

    /// Gives C the payload of its allocation.
    pub(crate) fn assigned(self, payload: Value<'_>) {
        if let Some(assigned) = self.0.assigned {
            // SAFETY: see the module.
            unsafe { assigned(&json(payload), self.0.user_data) };
        }
    }
}

/// Function of C to be called with the outcome of a message.
#[derive(Clone, Copy)]
pub(crate) struct Done {
    function: unsafe extern "C" fn(c_int, *mut c_void),
    user_data: *mut c_void,
}

// SAFETY: the header says that the device's thread calls the function, with what the sender gave for it.
unsafe impl Send for Done {}

impl Done {
    /// The callback of a message, if it has one.
    pub(crate) fn of(message: &c::azure_iot_hub_telemetry) -> Option<Self> {
        message.done.map(|function| Self {
            function,
            user_data: message.user_data,
        })
    }

    /// Calls it.
    pub(crate) fn call(self, result: c_int) {
        // SAFETY: see the module.
        unsafe { (self.function)(result, self.user_data) };
    }
}
