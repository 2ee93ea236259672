//! From the start of the image to the device loop, and around it whenever the provisioning changes.

#![forbid(unsafe_code)]

use core::fmt::Display;
use core::time::Duration;

use crate::kconfig;
use azure_device::application::Application;
use azure_device::connection::Buffers;
use azure_device::device::{self, Carryover};
use azure_device::lifecycle::{self, Access, End};
use azure_device::logging::{error, info, warn};
use azure_device::mqtt;
use azure_device::report::{Facts, Status};
use azure_device::waiting::{News, Reminder};

use crate::configuration::{self, Configuration};
use crate::credentials::{self, Credentials};
use crate::ffi::{self, Arena};
use crate::logger::Line;
use crate::platform::ZephyrPlatform;
use crate::{indicator, logger, requests, status, storage};

/// Message of a device without an identity.
const IDENTITY_NEEDED: &str = if cfg!(CONFIG_AZURE_DPS) {
    "the device has no identity yet: azure set connection-string, or azure set provisioning"
} else {
    "the device has no identity yet: azure set connection-string"
};

/// Time between two feeds of the watchdog while the device waits, and until one that waits for the network says so for the
/// second time.
const REMINDER: Duration = Duration::from_secs(30);

/// Time after which a device that waits for a person says why again, and the longest pause of one that waits for the
/// network.
const REPETITION: Duration = Duration::from_secs(300);

/// The whole life of the image. Comes back only if a part of it is missing, which is said.
pub(crate) fn start<A: Application + Clone>(application: &A) {
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
    requests::set_ready();
    #[cfg(CONFIG_AZURE_TEST_TRIAL)]
    crate::update::misbehave();
    ffi::start_network();
    let (Some(buffers), Some(mut arena)) = (ffi::take_buffers(), Arena::take(credentials::range()))
    else {
        return error!("start: the buffers are taken; rust_main ran twice");
    };
    let mut lasting = Lasting::default();
    loop {
        #[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
        wait_while_paused();
        #[cfg(CONFIG_AZURE_WIFI)]
        join_wifi(&mut lasting.wifi);
        arena = run(buffers, arena, facts, application, &mut lasting);
    }
}

/// Waits until C starts a device again that it stopped.
#[cfg(CONFIG_AZURE_IOT_DEVICE_C_API)]
fn wait_while_paused() {
    if requests::is_paused() {
        info!("stopped by the application");
    }
    while requests::is_paused() {
        sleep_until_changed(REPETITION);
    }
}

// These are not inlined: what they have on the stack is gone before the handshake, which needs most of it.
#[inline(never)]
fn banner() -> Facts {
    let facts = Facts {
        firmware_version: ffi::application_version(),
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

/// Network that the driver of the Wi-Fi network was told, and the text that was told of it.
#[cfg(CONFIG_AZURE_WIFI)]
#[derive(Default)]
struct Wifi {
    /// Network that Zephyr's driver was told. The ISM43362's station knows its own.
    #[cfg(CONFIG_WIFI)]
    network: Option<configuration::Network>,
    told: Told,
}

/// Names the network of the configuration to the driver. The one that it was told already is not joined again.
#[cfg(CONFIG_AZURE_WIFI)]
#[inline(never)]
fn join_wifi(wifi: &mut Wifi) {
    match configuration::wifi() {
        Ok(Some(network)) => {
            #[cfg(CONFIG_AZURE_ISM43362)]
            join_by_module(wifi, &network);
            #[cfg(CONFIG_WIFI)]
            join_by_zephyr(wifi, network);
        }
        Ok(None) => {
            const UNKNOWN: &str = "network: no Wi-Fi network is known: azure set wifi <name>";
            if wifi.told.is_news(&UNKNOWN) {
                warn!("{UNKNOWN}");
            }
        }
        Err(problem) => error!("network: {problem}"),
    }
}

#[cfg(CONFIG_AZURE_ISM43362)]
fn join_by_module(wifi: &mut Wifi, (ssid, password): &configuration::Network) {
    match crate::ism43362::join(ssid, password) {
        Ok(()) => wifi.told = Told::default(),
        Err(problem) if wifi.told.is_news(&problem) => {
            error!("network: {problem} (azure set wifi)");
        }
        Err(_) => {}
    }
}

#[cfg(CONFIG_WIFI)]
fn join_by_zephyr(wifi: &mut Wifi, network: configuration::Network) {
    if wifi.network.as_ref() == Some(&network) {
        return;
    }
    let (ssid, password) = &network;
    info!("network: joining Wi-Fi network {}", **ssid);
    if ffi::join_wifi(ssid.as_bytes(), password.as_bytes()).is_err() {
        error!("network: a Wi-Fi name has at most 32 bytes, a password at most 64");
    }
    wifi.told = Told::default();
    wifi.network = Some(network);
}

/// State that outlives each provisioning.
#[derive(Default)]
struct Lasting {
    /// Messages that wait for the hub.
    carryover: Carryover,
    told: Told,
    #[cfg(CONFIG_AZURE_WIFI)]
    wifi: Wifi,
}

/// Texts that say what is missing: told once, and again after some minutes, not after each step of a provisioning.
#[derive(Default)]
struct Told(Option<Line<TOLD>>);

/// The part of a text, in bytes, that tells it from others.
const TOLD: usize = 64;

impl Told {
    /// True if the text is another one than that which was told last.
    fn is_news(&mut self, text: &dyn Display) -> bool {
        let line = Line::of(format_args!("{text}"));
        let news = self
            .0
            .as_ref()
            .is_none_or(|told| told.as_str() != line.as_str());
        self.0 = Some(line);
        news
    }
}

/// One life of the device: from its provisioning to the next.
fn run<A: Application + Clone>(
    buffers: &mut ffi::Buffers,
    mut arena: Arena,
    facts: Facts,
    application: &A,
    lasting: &mut Lasting,
) -> Arena {
    arena.clear();
    status::clear();
    match Configuration::load() {
        Ok(Some(configuration)) => {
            arena = serve(buffers, arena, &configuration, facts, application, lasting);
        }
        Ok(None) => {
            forget_queue(&mut lasting.carryover);
            wait_for_more(&IDENTITY_NEEDED, &mut lasting.told);
        }
        Err(problem) => cannot_go_on(&problem),
    }
    arena
}

/// The identity was forgotten: the messages of the last one are not sent under the next.
fn forget_queue(carryover: &mut Carryover) {
    let left = carryover.leave_behind();
    #[cfg(CONFIG_AZURE_OUTLET)]
    while let Some((ticket, delivery)) = carryover.take_outcome() {
        crate::outlet::settle(ticket, delivery);
    }
    if left > 0 {
        warn!("telemetry: {left} queued messages were forgotten with the identity");
    }
}

/// Runs the device, and gives the arena back.
fn serve<A: Application + Clone>(
    buffers: &mut ffi::Buffers,
    arena: Arena,
    configuration: &Configuration,
    facts: Facts,
    application: &A,
    lasting: &mut Lasting,
) -> Arena {
    let mut credentials = Credentials::new(arena, configuration.access.is_x509());
    match credentials.prepare() {
        Ok(_) => {
            credentials = operate(
                buffers,
                credentials,
                configuration,
                facts,
                application,
                lasting,
            )
        }
        Err(problem) if problem.is_missing_part() => wait_for_more(&problem, &mut lasting.told),
        Err(problem) => cannot_go_on(&problem),
    }
    credentials.into_arena()
}

fn operate<A: Application + Clone>(
    buffers: &mut ffi::Buffers,
    credentials: Credentials,
    configuration: &Configuration,
    facts: Facts,
    application: &A,
    lasting: &mut Lasting,
) -> Credentials {
    let (access, servers) = match (configuration.access(), configuration::time_servers()) {
        (Ok(access), Ok(servers)) => (access, servers),
        (Err(problem), _) | (_, Err(problem)) => {
            cannot_go_on(&problem);
            return credentials;
        }
    };
    lasting.told = Told::default();
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
    if wait_for_network() {
        return credentials;
    }
    say_who(&access);
    let mut platform = ZephyrPlatform::new(servers, credentials, &mut buffers.record);
    match lifecycle::run(
        &access,
        &device::Config {
            facts,
            #[cfg(CONFIG_AZURE_UPDATE)]
            update: crate::update::settings(),
            ..configuration.device()
        },
        &mut memory,
        application.clone(),
        &mut platform,
        &mut lasting.carryover,
    ) {
        Ok(End::Stopped) => {}
        Ok(End::Restart) => {
            info!("restarting, as an operator asked for");
            ffi::restart();
        }
        Err(problem) => cannot_go_on(&problem),
    }
    platform.into_credentials()
}

#[inline(never)]
fn say_who(access: &Access<'_>) {
    match access {
        Access::Hub(identity) => info!(
            "{} {} of {}",
            identity.kind(),
            identity.client_id(),
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

/// Waits for an address and says it. Ends early if the configuration changes, and says whether it did.
#[inline(never)]
fn wait_for_network() -> bool {
    let mut text = [0; 64];
    let mut reminder = Reminder::new(ffi::uptime(), REMINDER, REPETITION);
    loop {
        if let Some(address) = ffi::network_address(&mut text) {
            info!("network: address {address}");
            return false;
        }
        if reminder.is_due(ffi::uptime()) {
            info!("network: waiting for an address");
            // The other end may have missed what it was asked, and not ask by itself.
            #[cfg(CONFIG_NET_L2_PPP)]
            ffi::renew_network();
        }
        if sleep(reminder.next().since(ffi::uptime())) == News::Changed {
            return true;
        }
    }
}

/// Waits for a part of the provisioning, and says which; a person may be bringing one part after the other.
fn wait_for_more(missing: &dyn Display, told: &mut Told) {
    indicator::show(Status::Failed);
    if told.is_news(missing) {
        warn!("{missing}");
    }
    while !sleep_until_changed(REPETITION) {
        warn!("{missing}");
    }
    indicator::show(Status::Starting);
}

/// Says what is wrong until the provisioning changes.
fn cannot_go_on(problem: &dyn Display) {
    indicator::show(Status::Failed);
    loop {
        error!("{problem}");
        if sleep_until_changed(REPETITION) {
            return indicator::show(Status::Starting);
        }
    }
}

/// Sleeps, and says whether the configuration changed; no other news ends it.
fn sleep_until_changed(duration: Duration) -> bool {
    let until = ffi::uptime().after(duration);
    loop {
        let left = until.since(ffi::uptime());
        if left.is_zero() {
            return false;
        }
        if sleep(left) == News::Changed {
            return true;
        }
    }
}

/// Sleeps, feeding the watchdog; comes back early for news.
fn sleep(duration: Duration) -> News {
    let until = ffi::uptime().after(duration);
    loop {
        ffi::feed_watchdog();
        let news = News::of(requests::take_news());
        let left = until.since(ffi::uptime());
        if news != News::None || left.is_zero() {
            return news;
        }
        let left = left.min(REMINDER).as_millis().max(1);
        if ffi::wait(None, u32::try_from(left).unwrap_or(u32::MAX)).is_err() {
            warn!("start: waiting failed ({})", ffi::errno());
            ffi::sleep_ms(1000);
        }
    }
}
