//! From the start of the image to the device loop, and around it whenever the provisioning changes.

#![forbid(unsafe_code)]

use core::time::Duration;

use crate::kconfig;
use azure_device::app::{App, Facts};
use azure_device::device::{Buffers, Carryover};
use azure_device::lifecycle::{self, Access, End};
use azure_device::logging::{error, info, warn};
use azure_device::mqtt;
use azure_device::port::Status;
use azure_device::time::Instant;

use crate::configuration::{self, Configuration};
use crate::credentials;
use crate::ffi::{self, Arena};
use crate::platform::ZephyrPlatform;
use crate::{indicator, logger, requests, status, storage};

/// What a device without an identity says.
const IDENTITY_NEEDED: &str = if cfg!(CONFIG_AZURE_DPS) {
    "the device has no identity yet: azure set connection-string, or azure set provisioning"
} else {
    "the device has no identity yet: azure set connection-string"
};

/// How often a device that waits for something says so, and feeds the watchdog.
const REMINDER: Duration = Duration::from_secs(30);

/// The whole life of the image. Comes back only if a part of it is missing, which is said.
pub(crate) fn start() {
    logger::init();
    let facts = banner();
    if ffi::wait_init().is_err() {
        return error!(
            "start: no event descriptor (errno {}); raise CONFIG_ZVFS_EVENTFD_MAX",
            ffi::errno()
        );
    }
    ffi::init_board();
    indicator::show(Status::Starting);
    ffi::start_watchdog();
    if let Err(error) = storage::init() {
        error!(
            "storage: cannot be mounted ({error}); what is provisioned now is lost with a restart"
        );
    }
    ffi::start_network();
    join_wifi();
    let (Some(buffers), Some(mut arena)) = (ffi::take_buffers(), Arena::take(credentials::range()))
    else {
        return error!("start: the buffers are taken; rust_main ran twice");
    };
    let mut carryover = Carryover::default();
    loop {
        arena = run(buffers, arena, facts, &mut carryover);
    }
}

// These are not inlined: what they have on the stack is gone before the handshake, which needs most of it.
#[inline(never)]
fn banner() -> Facts {
    let facts = Facts {
        zephyr_version: ffi::zephyr_version(),
        reset_cause: ffi::reset_cause(),
        last_fault: ffi::last_fault(),
    };
    info!(
        "Azure IoT Hub device {} on Zephyr {} ({})",
        ffi::application_version(),
        facts.zephyr_version,
        kconfig::CONFIG_BOARD
    );
    info!("reset cause: {}", facts.reset_cause);
    if !facts.last_fault.is_empty() {
        error!(
            "the last run ended with {}; addr2line names the places (docs/faults.md)",
            facts.last_fault
        );
    }
    facts
}

#[inline(never)]
fn join_wifi() {
    #[cfg(CONFIG_AZURE_WIFI)]
    match configuration::wifi() {
        Ok(Some((ssid, password))) => {
            info!("network: joining Wi-Fi network {}", *ssid);
            if ffi::join_wifi(ssid.as_bytes(), password.as_bytes()).is_err() {
                error!("network: a Wi-Fi name has at most 32 bytes, a password at most 64");
            }
        }
        Ok(None) => warn!("network: no Wi-Fi network is known: azure set wifi <name>"),
        Err(problem) => error!("network: {problem}"),
    }
}

/// One life of the device: from its provisioning to the next.
fn run(
    buffers: &mut ffi::Buffers,
    arena: Arena,
    facts: Facts,
    carryover: &mut Carryover,
) -> Arena {
    let mut arena = arena.clear();
    status::clear();
    match Configuration::load() {
        Ok(Some(configuration)) => serve(buffers, &mut arena, &configuration, facts, carryover),
        Ok(None) => {
            forget_queue(carryover);
            cannot_go_on(&IDENTITY_NEEDED);
        }
        Err(problem) => cannot_go_on(&problem),
    }
    #[cfg(CONFIG_AZURE_WIFI)]
    join_wifi();
    arena
}

/// The identity was forgotten: whoever provisions the device next is not sent the messages of the last one.
fn forget_queue(carryover: &mut Carryover) {
    let left = carryover.leave_behind();
    if left > 0 {
        warn!("telemetry: {left} queued messages were forgotten with the identity");
    }
}

fn serve(
    buffers: &mut ffi::Buffers,
    arena: &mut Arena,
    configuration: &Configuration,
    facts: Facts,
    carryover: &mut Carryover,
) {
    let access = match configuration.access() {
        Ok(access) => access,
        Err(problem) => return cannot_go_on(&problem),
    };
    let tags = match credentials::register(arena, configuration.way.is_x509()) {
        Ok(tags) => tags,
        Err(problem) => return cannot_go_on(&problem),
    };
    let servers = match configuration::time_servers() {
        Ok(servers) => servers,
        Err(problem) => return cannot_go_on(&problem),
    };
    let mut memory = Buffers {
        mqtt: mqtt::Buffers {
            receive: &mut buffers.receive,
            transmit: &mut buffers.transmit,
            outbox: &mut buffers.outbox,
        },
        scratch: &mut buffers.scratch,
        twin: &mut buffers.twin,
    };
    status::show(Status::Starting);
    wait_for_network();
    say_who(&access);
    let mut platform = ZephyrPlatform::new(servers, tags);
    match lifecycle::run(
        &access,
        &configuration.device(),
        &mut memory,
        App::new(facts),
        &mut platform,
        carryover,
    ) {
        Ok(End::Stopped) => {}
        Ok(End::Restart) => {
            info!("restarting, as an operator asked for");
            ffi::restart();
        }
        Err(problem) => cannot_go_on(&problem),
    }
}

#[inline(never)]
fn say_who(access: &Access<'_>) {
    match access {
        Access::Hub(identity) => info!(
            "device {} of {}",
            identity.device_id().as_str(),
            identity.host_name().as_str()
        ),
        Access::Provisioning(enrollment, config) => info!(
            "registration {} in {} of {}",
            enrollment.registration_id().as_str(),
            enrollment.id_scope().as_str(),
            config.host_name
        ),
    }
}

/// Waits for an address and says it. Ends early if the provisioning changes.
#[inline(never)]
fn wait_for_network() {
    let mut text = [0; 48];
    loop {
        if let Some(address) = ffi::network_address(&mut text) {
            return info!("network: address {address}");
        }
        info!("network: waiting for an address");
        if sleep(REMINDER) {
            return;
        }
    }
}

/// Says what is missing until the provisioning changes.
fn cannot_go_on(problem: &dyn core::fmt::Display) {
    indicator::show(Status::Failed);
    loop {
        error!("{problem}");
        let mut patience = 10;
        while patience > 0 {
            if sleep(REMINDER) {
                return indicator::show(Status::Starting);
            }
            patience -= 1;
        }
    }
}

/// Sleeps, feeding the watchdog; comes back early for news, and says whether the provisioning changed.
fn sleep(duration: Duration) -> bool {
    let until = ffi::uptime().after(duration);
    loop {
        ffi::feed_watchdog();
        let asked = requests::take();
        if asked.stop {
            return true;
        }
        let now: Instant = ffi::uptime();
        if asked.retry_now || now >= until {
            return false;
        }
        let left =
            u32::try_from(until.as_millis().saturating_sub(now.as_millis())).unwrap_or(u32::MAX);
        if ffi::wait(None, left).is_err() {
            warn!("start: waiting failed ({})", ffi::errno());
            return false;
        }
    }
}
