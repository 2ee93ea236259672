//! The ISM43362's bus and the thread of its driver, for [`crate::ism43362`].

#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use ism43362::{Bus, BusError};

use super::StaticCell;
use crate::kconfig;

/// The declarations of `azure_ism43362.h`, by firmware/build.rs.
#[allow(dead_code, unreachable_pub)] // Generated.
pub(crate) mod c {
    include!(concat!(env!("OUT_DIR"), "/azure_ism43362.rs"));
}

/// The bus that the devicetree names. There is one module, and one of these.
pub(crate) struct ModuleBus(());

impl ModuleBus {
    /// Prepares bus and pins; `None` if Zephyr has not brought them up. Called once.
    pub(crate) fn init() -> Option<Self> {
        // SAFETY: takes nothing; no other function of the bus is called before.
        let result = unsafe { c::azure_ism43362_init() };
        (result == 0).then_some(Self(()))
    }
}

impl Bus for ModuleBus {
    fn reset(&mut self) {
        // SAFETY: takes nothing; `self` is borrowed alone, so nothing else is on the bus.
        unsafe { c::azure_ism43362_reset() }
    }

    fn exchange(
        &mut self,
        command: &[u8],
        payload: &[u8],
        answer: &mut [u8],
        timeout_ms: u32,
    ) -> Result<usize, BusError> {
        // SAFETY: each pointer goes with its length, and is used during the call only; at most `answer.len()` bytes are
        // written. `self` is borrowed alone, so nothing else is on the bus.
        let result = unsafe {
            c::azure_ism43362_exchange(
                command.as_ptr(),
                super::length(command),
                payload.as_ptr(),
                super::length(payload),
                answer.as_mut_ptr(),
                super::length(answer),
                timeout_ms,
            )
        };
        super::value(result).map_err(|error| match error {
            super::Error::TimedOut => BusError::Silent,
            _ => BusError::Failed,
        })
    }
}

/// The memory of the station.
pub(crate) type Buffers = ism43362::Buffers<{ kconfig::CONFIG_AZURE_ISM43362_SOCKETS as usize }>;

// SAFETY: what lies in this section is written as a whole before it is read, in `take_buffers`.
#[cfg_attr(CONFIG_AZURE_BUFFERS_REGION, unsafe(link_section = ".azure_buffers"))]
static BUFFERS: StaticCell<Buffers> = StaticCell(UnsafeCell::new(Buffers::new()));
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The station's memory, once.
pub(crate) fn take_buffers() -> Option<&'static mut Buffers> {
    if TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    // SAFETY: the swap gives the one reference to one caller. Zeros are a value of `Buffers`, which has arrays of bytes
    // only; a memory region of the board's does not start with them.
    Some(unsafe {
        BUFFERS.0.get().write_bytes(0, 1);
        &mut *BUFFERS.0.get()
    })
}

/// Starts the driver's thread.
pub(crate) fn start() {
    // SAFETY: takes nothing; called once, after the station is there.
    unsafe { c::azure_ism43362_start() }
}

/// Ends the sleep of the driver's thread.
pub(crate) fn wake() {
    // SAFETY: takes nothing; a semaphore can be given from every thread.
    unsafe { c::azure_ism43362_wake() }
}
