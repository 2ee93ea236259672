//! Properties of the device twin.

use core::ops::RangeInclusive;
use core::time::Duration;

use super::{Context, Name, Refusal};
use crate::json::{Decimal, Slot, Value};

/// A writable property (IoT Plug and Play conventions, "Writable properties").
///
/// The kinds [`Property::integer`], [`Property::decimal`], [`Property::boolean`] and [`Property::choice`] check what the
/// operator sends, and refuse it with status 400 and a reason. [`Property::new`] is for any other.
pub struct Property<A> {
    /// Its name, as in the DTDL model. A component's is `component*property`, by analogy with commands; in
    /// the twin it lies in the component's object (IoT Plug and Play conventions, "Sample component
    /// writable property"). Component and property have at most [`MAX_NAME`](crate::json::MAX_NAME) bytes each.
    pub(crate) name: Name,
    kind: Kind<A>,
}

enum Kind<A> {
    Custom {
        apply: fn(&mut A, Value<'_>, &mut Context<'_>) -> Result<(), Refusal>,
        value: fn(&A, &Context<'_>, Slot<'_, '_>),
    },
    Indexed {
        index: usize,
        apply: fn(&mut A, usize, Value<'_>, &mut Context<'_>) -> Result<(), Refusal>,
        value: fn(&A, usize, &Context<'_>, Slot<'_, '_>),
    },
    Number {
        decimals: u8,
        least: i64,
        most: i64,
        set: fn(&mut A, Option<i64>, &mut Context<'_>),
        get: fn(&A) -> i64,
    },
    /// The interval of the stream of this name.
    Interval(&'static str),
    Boolean {
        set: fn(&mut A, Option<bool>, &mut Context<'_>),
        get: fn(&A) -> bool,
    },
    Choice {
        names: &'static [&'static str],
        set: fn(&mut A, Option<usize>, &mut Context<'_>),
        get: fn(&A) -> usize,
    },
}

impl<A> Property<A> {
    /// A property whose value is any JSON.
    ///
    /// `apply` takes the value that an operator desires; `null` when the operator deleted it: then the device's own value
    /// is in force again. A refusal is reported with status 400 and its reason. A value that does not fit
    /// [`Buffers::twin`](crate::connection::Buffers::twin) is refused with status 413, and never comes here.
    ///
    /// `value` writes the value in force. The hub merges an object into the one that was reported before: write `null`
    /// for a member that is gone.
    pub const fn new(
        name: &'static str,
        apply: fn(&mut A, Value<'_>, &mut Context<'_>) -> Result<(), Refusal>,
        value: fn(&A, &Context<'_>, Slot<'_, '_>),
    ) -> Self {
        Self {
            name: Name::Fixed(name),
            kind: Kind::Custom { apply, value },
        }
    }

    /// A whole number in a range. `set` gets `None` when the operator deleted the desired value.
    pub const fn integer(
        name: &'static str,
        range: RangeInclusive<i64>,
        set: fn(&mut A, Option<i64>, &mut Context<'_>),
        get: fn(&A) -> i64,
    ) -> Self {
        Self::decimal(name, 0, range, set, get)
    }

    /// A number with at most so many decimals, in a range, without floating point: with one decimal, `21.5` is 215, and
    /// the range is one of tenths. `set` gets `None` when the operator deleted the desired value.
    pub const fn decimal(
        name: &'static str,
        decimals: u8,
        range: RangeInclusive<i64>,
        set: fn(&mut A, Option<i64>, &mut Context<'_>),
        get: fn(&A) -> i64,
    ) -> Self {
        Self {
            name: Name::Fixed(name),
            kind: Kind::Number {
                decimals,
                least: *range.start(),
                most: *range.end(),
                set,
                get,
            },
        }
    }

    /// The interval of a stream, in seconds: 0 is on request only, 86,400 (a day) is the longest. A deleted value sets it to
    /// what the device was configured with.
    pub const fn interval(name: &'static str, stream: &'static str) -> Self {
        Self {
            name: Name::Fixed(name),
            kind: Kind::Interval(stream),
        }
    }

    /// True or false. `set` gets `None` when the operator deleted the desired value.
    pub const fn boolean(
        name: &'static str,
        set: fn(&mut A, Option<bool>, &mut Context<'_>),
        get: fn(&A) -> bool,
    ) -> Self {
        Self {
            name: Name::Fixed(name),
            kind: Kind::Boolean { set, get },
        }
    }

    /// One of these texts, by its place in the list. `set` gets `None` when the operator deleted the desired value.
    pub const fn choice(
        name: &'static str,
        names: &'static [&'static str],
        set: fn(&mut A, Option<usize>, &mut Context<'_>),
        get: fn(&A) -> usize,
    ) -> Self {
        Self {
            name: Name::Fixed(name),
            kind: Kind::Choice { names, set, get },
        }
    }

    /// A property whose name is known at run time: `name` gives it for `index`, or `None` if the application has no such
    /// property. The other functions are as with [`Property::new`], and get the index.
    pub const fn indexed(
        index: usize,
        name: fn(usize) -> Option<&'static str>,
        apply: fn(&mut A, usize, Value<'_>, &mut Context<'_>) -> Result<(), Refusal>,
        value: fn(&A, usize, &Context<'_>, Slot<'_, '_>),
    ) -> Self {
        Self {
            name: Name::Indexed(index, name),
            kind: Kind::Indexed {
                index,
                apply,
                value,
            },
        }
    }

    /// Its name; `None` if this is an entry that is not in use.
    pub fn name(&self) -> Option<&'static str> {
        self.name.get()
    }

    /// Takes the value that an operator desires; `null` when the operator deleted it.
    ///
    /// # Errors
    ///
    /// The reason why it is refused.
    pub fn apply(
        &self,
        application: &mut A,
        value: Value<'_>,
        device: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let is_deleted = value.is_null();
        match &self.kind {
            Kind::Custom { apply, .. } => return apply(application, value, device),
            Kind::Indexed { index, apply, .. } => return apply(application, *index, value, device),
            Kind::Number {
                decimals,
                least,
                most,
                set,
                ..
            } => {
                let number = value.as_decimal(*decimals);
                let number = number.filter(|number| (*least..=*most).contains(number));
                if number.is_none() && !is_deleted {
                    let text = match decimals {
                        0 => "must be a whole number from {} to {}",
                        1 => "must be a number from {} to {} with one decimal at most",
                        2 => "must be a number from {} to {} with two decimals at most",
                        _ => "must be a number from {} to {}, and not of more decimals",
                    };
                    return Err(Refusal::with(text, [*least, *most]).decimals(*decimals));
                }
                set(application, number, device);
            }
            Kind::Interval(stream) if is_deleted => device.reset_interval(stream),
            Kind::Interval(stream) => set_interval(device, stream, value)?,
            Kind::Boolean { set, .. } => {
                let boolean = value.as_bool();
                if boolean.is_none() && !is_deleted {
                    return Err(Refusal::new("must be true or false"));
                }
                set(application, boolean, device);
            }
            Kind::Choice { names, set, .. } => {
                let choice = value.as_choice(names);
                if choice.is_none() && !is_deleted {
                    return Err(Refusal::new(
                        "must be one of the values that the model lists",
                    ));
                }
                set(application, choice, device);
            }
        }
        Ok(())
    }

    /// Writes the value in force.
    pub fn write(&self, application: &A, device: &Context<'_>, value: Slot<'_, '_>) {
        match &self.kind {
            Kind::Custom { value: write, .. } => write(application, device, value),
            Kind::Indexed {
                index,
                value: write,
                ..
            } => write(application, *index, device, value),
            Kind::Number { decimals, get, .. } => {
                value.decimal(Decimal::new(get(application), *decimals));
            }
            Kind::Interval(stream) => value.thousandths(interval(device, stream)),
            Kind::Boolean { get, .. } => value.boolean(get(application)),
            Kind::Choice { names, get, .. } => match names.get(get(application)) {
                Some(name) => value.string(name),
                None => value.null(),
            },
        }
    }
}

/// The longest interval that can be set, in seconds: a day.
const MAX_INTERVAL: i64 = 24 * 3600;

/// Sets the interval of a stream to whole seconds; 0 is on request only.
///
/// # Errors
///
/// The value is no such number.
pub(super) fn set_interval(
    device: &mut Context<'_>,
    stream: &str,
    value: Value<'_>,
) -> Result<(), Refusal> {
    let seconds = value
        .as_i64()
        .filter(|seconds| (0..=MAX_INTERVAL).contains(seconds));
    let Some(seconds) = seconds else {
        let text = "must be a whole number of seconds from {} (on request only) to {}";
        return Err(Refusal::with(text, [0, MAX_INTERVAL]));
    };
    let interval = Duration::from_secs(seconds.unsigned_abs());
    device.set_interval(
        stream,
        Some(interval).filter(|interval| !interval.is_zero()),
    );
    Ok(())
}

/// The interval of a stream in thousandths of a second; 0 if there is none. A fraction may not become that.
pub(super) fn interval(device: &Context<'_>, stream: &str) -> i64 {
    let milliseconds = device
        .interval(stream)
        .map_or(0, |interval| interval.as_millis());
    i64::try_from(milliseconds).unwrap_or(i64::MAX)
}

/// A property that only the device sets.
pub struct Reported<A> {
    /// Its name, as in the DTDL model. A component's is `component*property`.
    pub(crate) name: Name,
    /// It counts dropped messages: the device reports it when an episode of dropping begins and ends.
    pub(crate) counts: bool,
    kind: ReportedKind<A>,
}

enum ReportedKind<A> {
    Constant(&'static str),
    Value(fn(&A, &Context<'_>, Slot<'_, '_>)),
    Text(fn(&Context<'_>) -> &'static str),
    Indexed(usize, fn(&A, usize, &Context<'_>, Slot<'_, '_>)),
}

impl<A> Reported<A> {
    /// A property whose value `write` writes: any JSON.
    pub const fn new(name: &'static str, write: fn(&A, &Context<'_>, Slot<'_, '_>)) -> Self {
        Self {
            name: Name::Fixed(name),
            counts: false,
            kind: ReportedKind::Value(write),
        }
    }

    /// A text that never changes, such as the product's version: `Reported::constant("firmwareVersion",
    /// env!("CARGO_PKG_VERSION"))`.
    pub const fn constant(name: &'static str, text: &'static str) -> Self {
        Self {
            name: Name::Fixed(name),
            counts: false,
            kind: ReportedKind::Constant(text),
        }
    }

    /// A text that the platform knows; nothing is reported if it is empty.
    pub const fn text(name: &'static str, text: fn(&Context<'_>) -> &'static str) -> Self {
        Self {
            name: Name::Fixed(name),
            counts: false,
            kind: ReportedKind::Text(text),
        }
    }

    /// A property whose name is known at run time: `name` gives it for `index`, or `None` if the application has no such
    /// property. `write` gets the index too.
    pub const fn indexed(
        index: usize,
        name: fn(usize) -> Option<&'static str>,
        write: fn(&A, usize, &Context<'_>, Slot<'_, '_>),
    ) -> Self {
        Self {
            name: Name::Indexed(index, name),
            counts: false,
            kind: ReportedKind::Indexed(index, write),
        }
    }

    /// Its name; `None` if this is an entry that is not in use.
    pub fn name(&self) -> Option<&'static str> {
        self.name.get()
    }

    /// The same, reported again when messages are dropped: when an episode of dropping begins and when it has ended, and
    /// every ten minutes while it goes on.
    pub const fn with_drops(mut self) -> Self {
        self.counts = true;
        self
    }

    /// True if there is something to report.
    pub(crate) fn is_present(&self, device: &Context<'_>) -> bool {
        match self.kind {
            ReportedKind::Text(text) => !text(device).is_empty(),
            ReportedKind::Constant(_) | ReportedKind::Value(_) | ReportedKind::Indexed(..) => true,
        }
    }

    /// Writes the value.
    pub fn write(&self, application: &A, device: &Context<'_>, value: Slot<'_, '_>) {
        match self.kind {
            ReportedKind::Constant(text) => value.string(text),
            ReportedKind::Text(text) => value.string(text(device)),
            ReportedKind::Value(write) => write(application, device, value),
            ReportedKind::Indexed(index, write) => write(application, index, device, value),
        }
    }
}
