//! Application of a product on its connection: the one interface that an application's author implements.
//!
//! An application is five tables and two functions. A table's entry gives a name and its functions, and the device does
//! the rest: intervals, versions, Plug and Play acknowledgements, retries, status codes, order and bounds.
//!
//! - [`Application::STREAMS`]: telemetry, at intervals or on request ([`Stream`], [`Message`]).
//! - [`Application::PROPERTIES`]: twin properties that an operator may set ([`Property`]).
//! - [`Application::REPORTED`]: twin properties that only the device sets ([`Reported`]).
//! - [`Application::METHODS`]: direct methods that an operator may call ([`Method`]).
//! - [`Application::KEPT`]: values that survive a restart ([`Kept`]).
//! - [`Application::receive`]: cloud-to-device messages ([`CloudMessage`]).
//! - [`Application::handle`]: everything else that happens ([`Event`]).
//!
//! [`standard`] has entries that most devices need, one line each. [`Context`] is what a function may ask of the device.
//!
//! The tables are constants. An entry whose name is known at run time only, such as of an application that is written in
//! another language, is an `indexed` one: its functions get its index, and its table ends at the first without a name.
//!
//! Two entries of a table with one name do not compile, nor do a writable and a reported property with one name.
//!
//! All functions run in the device's thread, one at a time. They must not block for long: the keep-alive waits.

mod context;
mod event;
mod kept;
mod message;
mod method;
mod name;
mod property;
mod refusal;
pub mod standard;
mod stream;
#[cfg(feature = "update")]
mod update;

pub use self::context::Context;
pub(crate) use self::context::{Control, property_names};
pub use self::event::{CloudMessage, Event, Receipt};
pub use self::kept::{Kept, MAX_KEPT_LEN, MAX_KEPT_NAME_LEN};
pub use self::message::{Message, MessageError};
pub use self::method::{Call, Method, Outcome};
pub(crate) use self::name::Name;
pub use self::name::is_property_name;
pub use self::property::{Property, Reported};
pub use self::refusal::Refusal;
pub(crate) use self::stream::Schedule;
pub use self::stream::{Rate, Stream};
#[cfg(feature = "update")]
pub use self::update::{
    MAX_REASON, MAX_VERSION, Permission, Rollback, UpdateEvent, UpdateStatus, UpdateStep,
};

use crate::json::Value;

/// The application on top of the device loop. See the [module](self).
pub trait Application: Sized + 'static {
    /// Telemetry streams. The first is the one that a button or `azure send` asks for.
    const STREAMS: &'static [Stream<Self>] = &[];

    /// Properties of the device twin that an operator may set. At most [`MAX_PROPERTIES`].
    const PROPERTIES: &'static [Property<Self>] = &[];

    /// Properties of the device twin that only the device sets. At most [`MAX_REPORTED`]. All are reported after each
    /// connect, and one by one when [`Context::report_changed`] says so.
    const REPORTED: &'static [Reported<Self>] = &[];

    /// Direct methods that an operator may call.
    const METHODS: &'static [Method<Self>] = &[];

    /// Values that survive a restart. At most [`MAX_KEPT`].
    const KEPT: &'static [Kept<Self>] = &[];

    /// Takes a cloud-to-device message. Modules get none.
    fn receive(&mut self, _message: &CloudMessage<'_>, _device: &mut Context<'_>) -> Receipt {
        Receipt::Rejected("this device takes no messages")
    }

    /// Takes what a custom allocation policy of the provisioning service gave this device with its hub: JSON
    /// of the operator's own. Called before the device joins, also with a kept assignment.
    fn assigned(&mut self, _payload: Value<'_>) {}

    /// Allows a step of an update, or holds it up. The default allows each at once.
    #[cfg(feature = "update")]
    fn permit_update(&mut self, _step: UpdateStep<'_>, _device: &mut Context<'_>) -> Permission {
        Permission::Granted
    }

    /// Takes what happened.
    fn handle(&mut self, _event: Event<'_>, _device: &mut Context<'_>) {}
}

/// The most entries of [`Application::PROPERTIES`]. A device with more does not compile.
pub const MAX_PROPERTIES: usize = 16;

/// The most entries of [`Application::REPORTED`]. A device with more does not compile.
pub const MAX_REPORTED: usize = 32;

/// The most entries of [`Application::KEPT`]. A device with more does not compile.
pub const MAX_KEPT: usize = 16;

/// A table of an application, to find an entry by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Streams,
    Properties,
    Reported,
    Kept,
}

impl Table {
    /// Kind of its entries, for a log line.
    const fn entry(self) -> &'static str {
        match self {
            Self::Streams => "stream",
            Self::Properties | Self::Reported => "property",
            Self::Kept => "kept value",
        }
    }
}

/// The name of an entry of an application's table; `None` from its end on.
pub(crate) fn name_of<A: Application>(table: Table, index: usize) -> Option<&'static str> {
    match table {
        Table::Streams => A::STREAMS.get(index)?.name(),
        Table::Properties => A::PROPERTIES.get(index)?.name(),
        Table::Reported => A::REPORTED.get(index)?.name(),
        Table::Kept => A::KEPT.get(index)?.name(),
    }
}

/// Gives the name of an entry, of whichever application.
pub(crate) type NameOf = fn(Table, usize) -> Option<&'static str>;

/// The component, if an entry of a table is of one, and the name there.
pub(crate) fn path(name: &'static str) -> (Option<&'static str>, &'static str) {
    match name.split_once('*') {
        Some((component, name)) => (Some(component), name),
        None => (None, name),
    }
}

/// Stops the compilation if an entry of a table has the name of an earlier one, or of one of another table. Names that are
/// known at run time only are not looked at.
macro_rules! assert_distinct {
    ($table:expr, $message:literal) => {
        assert_distinct!($table, $table, index, index, $message)
    };
    ($table:expr, $other:expr, $message:literal) => {
        assert_distinct!($table, $other, index, $other.len(), $message)
    };
    ($table:expr, $other:expr, $index:ident, $end:expr, $message:literal) => {{
        let mut $index = 0;
        while $index < $table.len() {
            let mut at = 0;
            while at < $end {
                assert!(!$table[$index].name.equals($other[at].name), $message);
                at += 1;
            }
            $index += 1;
        }
    }};
}

/// Stops the compilation of a device for an application whose tables it cannot serve.
pub(crate) const fn check<A: Application>() {
    assert!(
        A::PROPERTIES.len() <= MAX_PROPERTIES,
        "an application has 16 writable properties at most"
    );
    assert!(
        A::REPORTED.len() <= MAX_REPORTED,
        "an application has 32 reported properties at most"
    );
    assert!(
        A::KEPT.len() <= MAX_KEPT,
        "an application has 16 kept values at most"
    );
    let mut index = 0;
    while index < A::PROPERTIES.len() {
        assert!(
            A::PROPERTIES[index].name.fits(),
            "the name of a property has 1 to 64 bytes"
        );
        index += 1;
    }
    index = 0;
    while index < A::REPORTED.len() {
        assert!(
            A::REPORTED[index].name.fits(),
            "the name of a property has 1 to 64 bytes"
        );
        index += 1;
    }
    assert_distinct!(A::STREAMS, "two streams have one name");
    assert_distinct!(A::METHODS, "two methods have one name");
    assert_distinct!(A::KEPT, "two kept values have one name");
    assert_distinct!(A::PROPERTIES, "two properties have one name");
    assert_distinct!(A::REPORTED, "two properties have one name");
    // Both kinds lie in one object of the twin.
    assert_distinct!(A::PROPERTIES, A::REPORTED, "two properties have one name");
}
