//! Requests of other threads to the device: the button, the shell, the network.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};

use azure_device::port::Requests;

use crate::ffi;

static SEND_NOW: AtomicBool = AtomicBool::new(false);
static RETRY_NOW: AtomicBool = AtomicBool::new(false);
static RECONFIGURE: AtomicBool = AtomicBool::new(false);
static RECONNECT: AtomicBool = AtomicBool::new(false);
static WOKEN: AtomicBool = AtomicBool::new(false);
static CLEAR_QUEUE: AtomicBool = AtomicBool::new(false);
#[cfg(CONFIG_AZURE_UPDATE)]
static UPDATE_NEWS: AtomicBool = AtomicBool::new(false);
static CANCEL_UPDATE: AtomicBool = AtomicBool::new(false);
static ROLL_BACK: AtomicBool = AtomicBool::new(false);
static READY: AtomicBool = AtomicBool::new(false);

/// A telemetry message is wanted now.
pub(crate) fn send_now() {
    ask(&SEND_NOW);
}

/// The network came up: an attempt that waits should start.
pub(crate) fn retry_now() {
    ask(&RETRY_NOW);
}

/// The provisioning changed: the device ends, and starts with the new one.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn reconfigure() {
    ask(&RECONFIGURE);
}

/// The pair of certificate and key changed: the device connects again with the new one.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn reconnect() {
    ask(&RECONNECT);
}

/// The storage is mounted: what is provisioned can be read and kept.
pub(crate) fn set_ready() {
    READY.store(true, Ordering::Release);
}

/// True if the storage is mounted.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn is_ready() -> bool {
    READY.load(Ordering::Acquire)
}

/// The application in C has asked for something.
#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
pub(crate) fn wake_application() {
    ask(&WOKEN);
}

/// Asks the device to erase its queue of messages.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn clear_queue() {
    ask(&CLEAR_QUEUE);
}

/// A download has news: the device's thread looks at it.
#[cfg(CONFIG_AZURE_UPDATE)]
pub(crate) fn update_has_news() {
    ask(&UPDATE_NEWS);
}

/// Asks the device to end an update.
#[cfg(all(CONFIG_AZURE_UPDATE, CONFIG_AZURE_SHELL))]
pub(crate) fn cancel_update() {
    ask(&CANCEL_UPDATE);
}

/// Asks the device to start the image before.
#[cfg(all(CONFIG_AZURE_UPDATE, CONFIG_AZURE_SHELL))]
pub(crate) fn roll_back() {
    ask(&ROLL_BACK);
}

/// State of a device that C starts and stops.
#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Running,
    Paused,
}

#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
static STATE: ffi::InterruptMutex<State> = ffi::InterruptMutex::new(State::New);

/// Result of a start.
#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// The device's thread is to be started.
    First,
    /// The device was stopped, and goes on.
    Again,
    /// The device runs.
    Already,
}

/// Starts the device, once `register` has been called: it is not for a device that runs. `register` must be short: of two
/// threads that start the device, one does so, and nothing else runs meanwhile.
#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
pub(crate) fn start(register: impl FnOnce()) -> Started {
    let was = STATE.with_locked(|state| {
        if *state != State::Running {
            register();
        }
        core::mem::replace(state, State::Running)
    });
    match was {
        State::New => Started::First,
        State::Paused => {
            ask(&RECONFIGURE);
            Started::Again
        }
        State::Running => Started::Already,
    }
}

/// Stops a device that runs, until it is started again.
#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
pub(crate) fn pause() {
    let was_running = STATE.with_locked(|state| {
        let was_running = *state == State::Running;
        if was_running {
            *state = State::Paused;
        }
        was_running
    });
    if was_running {
        ask(&RECONFIGURE);
    }
}

/// True if the device was started at some time.
#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
pub(crate) fn is_started() -> bool {
    STATE.with_locked(|state| *state != State::New)
}

/// True while the device is stopped.
#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
pub(crate) fn is_paused() -> bool {
    STATE.with_locked(|state| *state == State::Paused)
}

fn ask(flag: &AtomicBool) {
    flag.store(true, Ordering::Release);
    ffi::wake();
}

/// Takes what was asked for.
pub(crate) fn take() -> Requests {
    #[cfg(CONFIG_AZURE_UPDATE)]
    UPDATE_NEWS.store(false, Ordering::Release);
    Requests {
        send_now: SEND_NOW.swap(false, Ordering::AcqRel),
        woken: WOKEN.swap(false, Ordering::AcqRel),
        clear_queue: CLEAR_QUEUE.swap(false, Ordering::AcqRel),
        cancel_update: CANCEL_UPDATE.swap(false, Ordering::AcqRel),
        roll_back: ROLL_BACK.swap(false, Ordering::AcqRel),
        ..take_news()
    }
}

/// Takes the requests that end or shorten a wait for the network or for a person. A wanted message is left for the device, which
/// measures it as soon as it runs.
pub(crate) fn take_news() -> Requests {
    Requests {
        send_now: false,
        retry_now: RETRY_NOW.swap(false, Ordering::AcqRel),
        stop: RECONFIGURE.swap(false, Ordering::AcqRel),
        reconnect: RECONNECT.swap(false, Ordering::AcqRel),
        woken: false,
        clear_queue: false,
        cancel_update: false,
        roll_back: false,
    }
}

/// True if the device is asked to end. Stays until it is taken.
pub(crate) fn wants_stop() -> bool {
    RECONFIGURE.load(Ordering::Acquire)
}

/// True if something was asked for and not taken yet.
pub(crate) fn pending() -> bool {
    [
        &SEND_NOW,
        &RETRY_NOW,
        &RECONFIGURE,
        &RECONNECT,
        &WOKEN,
        &CLEAR_QUEUE,
        &CANCEL_UPDATE,
        &ROLL_BACK,
        #[cfg(CONFIG_AZURE_UPDATE)]
        &UPDATE_NEWS,
    ]
    .iter()
    .any(|flag| flag.load(Ordering::Acquire))
}
