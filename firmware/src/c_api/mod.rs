//! An application in C, as the device's application: `include/azure_iot_hub.h` is its interface.
//!
//! The tables of [`CApplication`] have the largest size. Their entries get their names from what C has registered.

#![forbid(unsafe_code)]

mod check;
mod confirmations;
mod requests;

use core::ffi::{CStr, c_int};
use core::fmt::Display;
use core::time::Duration;

use azure_device::application::{
    Application, Call, CloudMessage, Context, Event, Kept, MAX_KEPT, MAX_KEPT_LEN, MAX_PROPERTIES,
    Message, Method, Outcome, Property, Rate, Receipt, Refusal, Reported, Stream, standard,
};
use azure_device::json::{Slot, Value};
use azure_device::logging::error;
use azure_device::text::Text;

pub(crate) use self::check::check;
pub(crate) use self::confirmations::{send, settle};
pub(crate) use self::requests::{
    acknowledge, find, keep, report_changed, restart, send_now, set_interval, set_timer,
};
use crate::ffi::c_api::{self, SPACE, Space, Table, c};
use crate::kconfig;

/// Properties that every application in C reports.
const STANDARD: [Reported<CApplication>; 8] = [
    standard::firmware_version(),
    standard::zephyr_version(),
    standard::reset_cause(),
    standard::last_fault(),
    standard::last_failure(),
    standard::queued(),
    standard::dropped(),
    standard::messages_rejected(),
];

/// The most streams in C.
const MAX_STREAMS: usize = kconfig::CONFIG_AZURE_C_API_STREAMS.unsigned_abs();
/// The most properties in C that only the device sets.
const MAX_REPORTED: usize = azure_device::application::MAX_REPORTED - STANDARD.len();
/// The most methods in C.
const MAX_METHODS: usize = kconfig::CONFIG_AZURE_C_API_METHODS.unsigned_abs();

/// Methods that every application in C has.
const STANDARD_METHODS: usize = 2;

/// The longest text of an event, in bytes. A longer one is left out.
const EVENT_TEXT: usize = 160;

/// The application in C.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CApplication;

impl Application for CApplication {
    const STREAMS: &'static [Stream<Self>] = &{
        let mut all = [const { Self::stream(0) }; MAX_STREAMS];
        let mut index = 0;
        while index < all.len() {
            all[index] = Self::stream(index);
            index += 1;
        }
        all
    };

    const PROPERTIES: &'static [Property<Self>] = &{
        let mut all = [const { Self::property(0) }; MAX_PROPERTIES];
        let mut index = 0;
        while index < all.len() {
            all[index] = Self::property(index);
            index += 1;
        }
        all
    };

    const REPORTED: &'static [Reported<Self>] = &{
        let mut all = [const { Self::reported(0) }; STANDARD.len() + MAX_REPORTED];
        [
            all[0], all[1], all[2], all[3], all[4], all[5], all[6], all[7],
        ] = STANDARD;
        let mut index = 0;
        while index < MAX_REPORTED {
            all[STANDARD.len() + index] = Self::reported(index);
            index += 1;
        }
        all
    };

    const METHODS: &'static [Method<Self>] = &{
        let mut all = [const { Self::method(0) }; STANDARD_METHODS + MAX_METHODS];
        [all[0], all[1]] = [standard::reboot(), standard::get_status()];
        let mut index = 0;
        while index < MAX_METHODS {
            all[STANDARD_METHODS + index] = Self::method(index);
            index += 1;
        }
        all
    };

    const KEPT: &'static [Kept<Self>] = &{
        let mut all = [const { Self::kept(0) }; MAX_KEPT];
        let mut index = 0;
        while index < all.len() {
            all[index] = Self::kept(index);
            index += 1;
        }
        all
    };

    fn receive(&mut self, message: &CloudMessage<'_>, device: &mut Context<'_>) -> Receipt {
        let taken = c_api::registered().and_then(|registered| registered.receive(message));
        requests::apply(device);
        match taken {
            None => Receipt::Rejected("this device takes no messages"),
            Some(0) => Receipt::Accepted,
            Some(TAKE_LATER) => Receipt::Later,
            Some(_) => Receipt::Rejected("the application refused it"),
        }
    }

    fn assigned(&mut self, payload: Value<'_>) {
        if let Some(registered) = c_api::registered() {
            registered.assigned(payload);
        }
    }

    fn handle(&mut self, event: Event<'_>, device: &mut Context<'_>) {
        match event {
            Event::Connected => tell(c::AZURE_IOT_HUB_CONNECTED, None, 0),
            Event::Disconnected(failure) => {
                let failure = failure.as_ref().map(|failure| failure as &dyn Display);
                tell(c::AZURE_IOT_HUB_DISCONNECTED, failure, 0);
            }
            Event::NotConnected(failure) => tell(c::AZURE_IOT_HUB_NOT_CONNECTED, Some(failure), 0),
            Event::TimeSet(_) => tell(c::AZURE_IOT_HUB_TIME_SET, None, 0),
            Event::NotMeasured { stream, messages } => {
                tell(c::AZURE_IOT_HUB_NOT_MEASURED, Some(&stream), messages);
            }
            Event::Timer => tell(c::AZURE_IOT_HUB_TIMER, None, 0),
            Event::Stopping => tell(c::AZURE_IOT_HUB_STOPPING, None, 0),
            Event::QueueFailed(error) => tell(c::AZURE_IOT_HUB_QUEUE_FAILED, Some(&error), 0),
            Event::QueueRestored => tell(c::AZURE_IOT_HUB_QUEUE_RESTORED, None, 0),
            // Its requests follow. Outcomes come by the outlet, also of messages that no life of the device sends.
            _ => {}
        }
        requests::apply(device);
    }
}

/// The entries of the tables, by their places in C's.
impl CApplication {
    const fn stream(index: usize) -> Stream<Self> {
        Stream::indexed(index, name::<STREAMS>, rate, |_, index, message, _| {
            sample(index, message);
        })
    }

    const fn property(index: usize) -> Property<Self> {
        Property::indexed(
            index,
            name::<PROPERTIES>,
            |_, index, value, _| apply(index, value),
            |_, index, _, slot| write(Table::Properties, index, slot),
        )
    }

    const fn reported(index: usize) -> Reported<Self> {
        Reported::indexed(index, name::<REPORTED>, |_, index, _, slot| {
            write(Table::Reported, index, slot);
        })
    }

    const fn method(index: usize) -> Method<Self> {
        Method::indexed(index, name::<METHODS>, |_, index, call, device, result| {
            run(index, &call, device, result)
        })
    }

    const fn kept(index: usize) -> Kept<Self> {
        Kept::indexed(
            index,
            name::<KEPT>,
            |_, index, space| save(index, space),
            |_, index, value| {
                if let Some(registered) = c_api::registered() {
                    registered.restore(index, value);
                }
            },
        )
    }
}

/// Result of `receive`, as C has it.
const TAKE_LATER: c_int = c::AZURE_IOT_HUB_TAKE_LATER as c_int;

const _: () = assert!(
    c::AZURE_IOT_HUB_KEPT_SIZE as usize == MAX_KEPT_LEN,
    "the header has another length"
);

const STREAMS: u8 = Table::Streams as u8;
const PROPERTIES: u8 = Table::Properties as u8;
const REPORTED: u8 = Table::Reported as u8;
const METHODS: u8 = Table::Methods as u8;
const KEPT: u8 = Table::Kept as u8;

/// Name of an entry of the table of this number.
fn name<const TABLE: u8>(index: usize) -> Option<&'static str> {
    let table = Table::ALL.into_iter().find(|table| *table as u8 == TABLE)?;
    c_api::registered()?.name(table, index)
}

/// Time between the messages of a stream, as C says it.
fn rate(index: usize) -> Rate {
    let interval = c_api::registered().and_then(|registered| registered.interval(index));
    match interval {
        None | Some(0) => Rate::Configured,
        Some(u32::MAX) => Rate::OnRequest,
        Some(milliseconds) => Rate::Every(Duration::from_millis(milliseconds.into())),
    }
}

fn sample(index: usize, message: &mut Message<'_>) {
    if let Some(registered) = c_api::registered() {
        registered.sample(index, message);
    }
}

fn apply(index: usize, value: Value<'_>) -> Result<(), Refusal> {
    match c_api::registered() {
        Some(registered) => registered
            .apply(index, value)
            .map_err(|reason| reason.unwrap_or("the device refuses the value").into()),
        None => Ok(()),
    }
}

/// Has C write a property. A value that is no JSON is told, and reported as `null`.
fn write(table: Table, index: usize, slot: Slot<'_, '_>) {
    let Some(registered) = c_api::registered() else {
        return;
    };
    let mut space = SPACE;
    let length = registered.value(table, index, &mut space);
    let name = registered.name(table, index).unwrap_or_default();
    match usize::try_from(length) {
        Err(_) => error!("property {name}: its function gave error {length}; reported as null"),
        Ok(length) if length >= space.len() => error!(
            "property {name}: its value of {length} bytes does not fit CONFIG_AZURE_C_API_JSON_SIZE; reported as null"
        ),
        Ok(length) => match Value::parse(space.get(..length).unwrap_or_default()) {
            Ok(value) => slot.raw(value),
            Err(error) => {
                error!("property {name}: its value is no JSON ({error}); reported as null")
            }
        },
    }
}

/// Has C write a value that is kept. One that C does not give is told, and not stored.
fn save(index: usize, space: &mut [u8]) -> Option<usize> {
    let registered = c_api::registered()?;
    let length = registered.save(index, space);
    let fits = usize::try_from(length)
        .ok()
        .filter(|fits| *fits <= space.len());
    if fits.is_none() {
        let name = registered.name(Table::Kept, index).unwrap_or_default();
        error!("kept value {name}: its function gave {length}; it is not stored");
    }
    fits
}

/// Has C run a method. A result that is no JSON is told, and answered with status 500.
fn run(index: usize, call: &Call<'_>, device: &mut Context<'_>, result: Slot<'_, '_>) -> Outcome {
    let Some(registered) = c_api::registered() else {
        return Outcome::Done(500);
    };
    let mut space = SPACE;
    let status = registered.run(index, call.payload, call.again, &mut space);
    requests::apply(device);
    if status < 0 {
        let pause = Duration::from_millis(status.unsigned_abs().into());
        return Outcome::Later(device.now().after(pause));
    }
    match written(&space) {
        [] => Outcome::Done(status),
        text => match Value::parse(text) {
            Ok(value) => {
                result.raw(value);
                Outcome::Done(status)
            }
            Err(error) => {
                let name = registered.name(Table::Methods, index).unwrap_or_default();
                error!(
                    "method {name}: its result is no JSON ({error}); CONFIG_AZURE_C_API_JSON_SIZE limits it"
                );
                Outcome::Refused(500, "the device's result is no JSON".into())
            }
        },
    }
}

/// The bytes before the first zero.
fn written(space: &Space) -> &[u8] {
    space.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Tells C what happened.
fn tell(kind: u32, text: Option<&dyn Display>, number: u32) {
    let Some(registered) = c_api::registered() else {
        return;
    };
    let mut space = [0; EVENT_TEXT];
    let text = text.map(|text| terminated(&mut space, text));
    registered.handle(kind, text, number);
}

/// The text with a zero behind it; empty if it does not fit or has a zero in it.
fn terminated<'s>(space: &'s mut [u8], value: &dyn Display) -> &'s CStr {
    let mut text = Text::new(space);
    let fits = text.append(value).is_ok() && text.append('\0').is_ok();
    let text = if fits { text.into_str() } else { "" };
    CStr::from_bytes_with_nul(text.as_bytes()).unwrap_or(c"")
}
