//! Requests of an application to its device.

use alloc::boxed::Box;
use core::time::Duration;

use super::{Application, NameOf, Rate, Schedule, Table, check, name_of};
#[cfg(feature = "update")]
use super::{Rollback, UpdateStatus};
use crate::logging::warn;
use crate::mqtt::AckToken;
use crate::report::{Facts, Report};
use crate::time::{Instant, UnixTime};

/// Cloud-to-device messages that may be acknowledged at a time, until the device looks.
const ACKNOWLEDGED: usize = 4;

/// Handle on the device, for the application's functions.
#[derive(Debug)]
pub struct Context<'d> {
    control: &'d mut Control,
    report: &'d Report,
    now: Instant,
    unix: Option<UnixTime>,
}

impl<'d> Context<'d> {
    pub(crate) const fn new(
        control: &'d mut Control,
        report: &'d Report,
        now: Instant,
        unix: Option<UnixTime>,
    ) -> Self {
        Self {
            control,
            report,
            now,
            unix,
        }
    }

    /// Now, on the clock that deadlines are counted on.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Now, as people count it; `None` until the clock has been set.
    pub const fn unix(&self) -> Option<UnixTime> {
        self.unix
    }

    /// Counters and the last failure of the device.
    pub const fn report(&self) -> &Report {
        self.report
    }

    /// Facts that the platform knows about the device.
    pub const fn facts(&self) -> &Facts {
        &self.control.facts
    }

    /// Sends a message of the stream of this name now, besides those at its interval. Its function is called soon, not
    /// within this call. Several requests before that are one message.
    pub fn send(&mut self, stream: &str) {
        if let Some(index) = self.control.find(Table::Streams, stream) {
            self.control.send(index, self.now);
        }
    }

    /// Time between the messages of a stream; `None` for on request only.
    pub fn interval(&self, stream: &str) -> Option<Duration> {
        let index = self.control.find(Table::Streams, stream)?;
        self.control.schedules.get(index)?.wanted
    }

    /// Sets the time between the messages of a stream, from the next one on; `None` for on request only.
    pub fn set_interval(&mut self, stream: &str, interval: Option<Duration>) {
        self.change_interval(stream, |schedule| schedule.wanted = interval);
    }

    /// Sets the time between the messages of a stream to what the device was configured with.
    pub fn reset_interval(&mut self, stream: &str) {
        self.change_interval(stream, |schedule| schedule.wanted = schedule.own);
    }

    fn change_interval(&mut self, stream: &str, change: impl FnOnce(&mut Schedule)) {
        let index = self.control.find(Table::Streams, stream);
        let Some(schedule) = index.and_then(|index| self.control.schedules.get_mut(index)) else {
            return;
        };
        change(schedule);
        schedule.apply(self.now, false);
        self.control.settings_changed = true;
    }

    /// Reports the property of this name soon: its value has changed. Several changes before that are one report. Without
    /// a connection it is part of the report after the next connect, as all properties are.
    pub fn report_changed(&mut self, property: &str) {
        let found = self.control.names().find(|(_, name)| *name == property);
        match found {
            Some((index, _)) => self.control.changed |= 1 << index,
            None => warn!("application: it has no property {property}"),
        }
    }

    /// Saves the value of this name of [`Application::KEPT`] soon. Several requests before that are one. A value that
    /// cannot be stored is named in the log.
    pub fn keep(&mut self, name: &str) {
        if let Some(index) = self.control.find(Table::Kept, name) {
            self.control.kept |= 1 << index;
        }
    }

    /// Erases all messages that wait and were not sent yet, in RAM and in flash ([`crate::queue`]).
    pub fn clear_queue(&mut self) {
        self.control.clear_queue = true;
    }

    /// Restarts the device with a clean goodbye, once the response to this call has been sent.
    pub const fn restart(&mut self) {
        self.control.restart = true;
    }

    /// Status of software updates; `None` if this device takes none.
    #[cfg(feature = "update")]
    pub fn update(&self) -> Option<&UpdateStatus> {
        Some(&*self.control.update).filter(|status| status.is_served)
    }

    /// Asks for a rollback: the start of the image before the one that runs. It is judged soon, not within this call;
    /// [`UpdateStatus::rollback`] tells the result, such as to a method that answers
    /// [`Outcome::Later`](super::Outcome::Later). The image is on trial, as a new one is: if it does not join its hub,
    /// the one that runs now comes back. False if this device takes no updates.
    #[cfg(feature = "update")]
    pub fn roll_back(&mut self) -> bool {
        self.control.roll_back()
    }

    /// Calls [`Application::handle`] with [`Event::Timer`](super::Event::Timer) then. There is one timer: this replaces
    /// the time that was set before; `None` stops it.
    pub const fn set_timer(&mut self, time: Option<Instant>) {
        self.control.timer = time;
    }

    /// Acknowledges a cloud-to-device message that was answered with [`Receipt::Later`](super::Receipt::Later). Without
    /// effect if the connection that brought it has ended: the hub sends it again.
    ///
    /// False if four acknowledgements wait already, such as in one call: then try again later.
    pub fn acknowledge(&mut self, token: AckToken) -> bool {
        let place = self
            .control
            .acknowledged
            .iter_mut()
            .find(|place| place.is_none());
        match place {
            Some(place) => {
                *place = Some(token);
                true
            }
            None => false,
        }
    }

    /// True if the indicator shows the device's state.
    pub const fn indicator_enabled(&self) -> bool {
        !self.control.dark
    }

    /// Shows the device's state on the indicator, or keeps it dark. [`Context::blink_until`] works in both cases.
    pub const fn enable_indicator(&mut self, enabled: bool) {
        self.control.dark = !enabled;
        self.control.settings_changed = true;
    }

    /// Makes the indicator blink until then.
    pub const fn blink_until(&mut self, end: Instant) {
        self.control.blink_until = Some(end);
    }

    /// Changes that were made just now are reported in any case.
    pub(crate) const fn settings_are_reported(&mut self) {
        self.control.settings_changed = false;
    }

    /// The end of the blinking, if the indicator blinks.
    pub fn blinks_until(&self) -> Option<Instant> {
        self.control.blink_until.filter(|end| *end > self.now)
    }
}

/// Requests of an application.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    name_of: NameOf,
    pub(crate) facts: Facts,
    /// One for each stream.
    pub(crate) schedules: Box<[Schedule]>,
    pub(crate) restart: bool,
    /// The queue is to be erased.
    pub(crate) clear_queue: bool,
    pub(crate) blink_until: Option<Instant>,
    pub(crate) dark: bool,
    pub(crate) timer: Option<Instant>,
    pub(crate) acknowledged: [Option<AckToken>; ACKNOWLEDGED],
    /// Properties whose values have changed, one bit each, numbered as in [`Control::names`].
    pub(crate) changed: u64,
    /// A value of a writable property has changed: an interval, or the indicator.
    pub(crate) settings_changed: bool,
    /// Values that are to be saved, one bit each.
    pub(crate) kept: u16,
    /// In a box: a device is moved several times.
    #[cfg(feature = "update")]
    pub(crate) update: Box<UpdateStatus>,
}

impl Control {
    pub(crate) fn new<A: Application>(configured: Option<Duration>, facts: Facts) -> Self {
        const { check::<A>() };
        let schedule = |rate: Rate| Schedule::new(rate, configured);
        Self {
            name_of: name_of::<A>,
            facts,
            schedules: A::STREAMS
                .iter()
                .take_while(|stream| stream.name().is_some())
                .map(|stream| schedule(stream.rate()))
                .collect(),
            restart: false,
            clear_queue: false,
            blink_until: None,
            dark: false,
            timer: None,
            acknowledged: [None; ACKNOWLEDGED],
            changed: 0,
            settings_changed: false,
            kept: 0,
            #[cfg(feature = "update")]
            update: Box::default(),
        }
    }

    /// The number of an entry. One that does not exist is a fault of the application, and logged.
    fn find(&self, table: Table, name: &str) -> Option<usize> {
        let mut index = 0;
        while let Some(found) = (self.name_of)(table, index) {
            if found == name {
                return Some(index);
            }
            index += 1;
        }
        warn!("application: it has no {} {name}", table.entry());
        None
    }

    /// All properties with their numbers: see [`property_names`].
    fn names(&self) -> impl Iterator<Item = (usize, &'static str)> + Clone + use<> {
        let name_of = self.name_of;
        property_names(
            move |index| name_of(Table::Properties, index),
            move |index| name_of(Table::Reported, index),
        )
    }

    /// Asks for a rollback. False if this device takes no updates.
    #[cfg(feature = "update")]
    pub(crate) fn roll_back(&mut self) -> bool {
        let update = &mut self.update;
        if update.is_served && !matches!(update.rollback, Rollback::Ready(_)) {
            update.rollback = Rollback::Asked;
        }
        update.is_served
    }

    /// Has the property of this name reported soon, if the application has it.
    #[cfg(feature = "update")]
    pub(crate) fn mark(&mut self, property: &str) {
        if let Some((index, _)) = self.names().find(|(_, name)| *name == property) {
            self.changed |= 1 << index;
        }
    }

    pub(crate) fn send(&mut self, stream: usize, now: Instant) {
        if let Some(schedule) = self.schedules.get_mut(stream) {
            schedule.send(now);
        }
    }
}

/// All properties of an application with their numbers: those that only the device sets, from
/// [`MAX_PROPERTIES`](super::MAX_PROPERTIES) on, and then the writable ones, from 0 on. Each function gives the names of
/// one kind, up to its end.
pub(crate) fn property_names(
    writable: impl Fn(usize) -> Option<&'static str> + Clone,
    reported: impl Fn(usize) -> Option<&'static str> + Clone,
) -> impl Iterator<Item = (usize, &'static str)> + Clone {
    let writable =
        (0..super::MAX_PROPERTIES).map_while(move |index| Some((index, writable(index)?)));
    let reported = (0..super::MAX_REPORTED)
        .map_while(move |index| Some((super::MAX_PROPERTIES + index, reported(index)?)));
    reported.chain(writable)
}
