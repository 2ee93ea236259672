//! The ISM43362 Wi-Fi module: one station, behind one lock, and what is said of it.

#![forbid(unsafe_code)]

#[cfg(CONFIG_AZURE_SHELL)]
use core::fmt::Write;
use core::net::Ipv4Addr;

use azure_device::logging::{error, info, warn};
use ism43362::{Error, Event, JoinFailure, Loss, Network, Station};
use zephyr::sync::Mutex;

use crate::ffi;
use crate::ffi::ism43362::{self as driver, ModuleBus};
#[cfg(CONFIG_AZURE_SHELL)]
use crate::logger::Line;
use crate::requests;

static STATION: Mutex<Option<Station<'static, ModuleBus>>> = Mutex::new(None);

/// Prepares the module, and starts the driver's thread. Called once.
pub(crate) fn start() {
    let Some(bus) = ModuleBus::init() else {
        return error!(
            "network: the Wi-Fi module's bus or pins are not ready; check the devicetree"
        );
    };
    let Some(buffers) = driver::take_buffers() else {
        return;
    };
    match STATION.lock() {
        Ok(mut station) => *station = Some(Station::new(bus, buffers)),
        Err(never) => match never {},
    }
    driver::start();
}

/// Works with the station at the present time, in milliseconds. Waits while another thread does.
pub(crate) fn with<T>(
    work: impl FnOnce(&mut Station<'static, ModuleBus>, u64) -> Result<T, Error>,
) -> Result<T, Error> {
    match STATION.lock() {
        Ok(mut station) => match station.as_mut() {
            Some(station) => work(station, ffi::uptime().as_millis()),
            None => Err(Error::NoNetwork),
        },
        Err(never) => match never {},
    }
}

/// Does what is due; gives the time until the next thing, in milliseconds.
pub(crate) fn poll() -> u32 {
    let Ok((wait, event)) = with(|station, now| {
        let (next, event) = station.poll(now);
        let wait = next.saturating_sub(ffi::uptime().as_millis());
        Ok((wait, event))
    }) else {
        return u32::MAX;
    };
    if let Some(event) = event {
        tell(event);
    }
    u32::try_from(wait).unwrap_or(u32::MAX)
}

fn tell(event: Event) {
    match event {
        Event::Joined(_) => {
            info!("network: joined the Wi-Fi network");
            requests::retry_now();
        }
        Event::Lost(Loss::Network) => warn!("network: the Wi-Fi network is lost; joining it again"),
        Event::Lost(Loss::Silent) => {
            warn!("network: the Wi-Fi module does not answer; it is reset");
        }
        Event::Lost(_) => info!("network: leaving the Wi-Fi network"),
        Event::NotJoined(JoinFailure::NoAddress) => {
            warn!("network: the Wi-Fi network gives no address (DHCP); it is tried again");
        }
        Event::NotJoined(_) => {
            warn!(
                "network: cannot join the Wi-Fi network; check its name and password (azure set wifi)"
            );
        }
        Event::NoModule => {
            error!(
                "network: the Wi-Fi module does not answer after a reset; it is reset again and again"
            );
        }
        _ => {}
    }
}

/// Names the network to join. The one that the module is in already is not joined anew.
///
/// # Errors
/// The reason, if the name or the password cannot be used.
pub(crate) fn join(ssid: &str, password: &str) -> Result<(), ism43362::NetworkError> {
    let network = Network::new(ssid, password)?;
    // Without a module, its absence was told.
    let _ = with(|station, now| {
        if station.network() != Some(&network) {
            info!("network: joining Wi-Fi network {ssid}");
        }
        station.set_network(network, now);
        Ok(())
    });
    driver::wake();
    Ok(())
}

/// The address, while the module is in its network.
pub(crate) fn address() -> Option<[u8; 4]> {
    with(|station, _| station.address().ok_or(Error::NoNetwork)).ok()
}

/// The network's name, the strength of its signal in dBm, and how often the module was reset: for `azure status`.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn describe(line: &mut Line<96>) {
    let _ = with(|station, _| {
        let ssid = station.network().map_or("none", Network::ssid);
        let _ = match station.signal() {
            Some(signal) => write!(line, "{ssid}, {signal} dBm"),
            None => write!(line, "{ssid}"),
        };
        let _ = write!(line, "; the module was reset {} times", station.resets());
        Ok(())
    });
}

/// Resolves a name, by the module: it got its DNS server with its address. `None` if there is no such name.
///
/// # Errors
/// As [`Error`] says.
pub(crate) fn resolve(host: &str) -> Result<Option<[u8; 4]>, Error> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(Some(address.octets()));
    }
    let result = with(|station, now| station.resolve(host, now));
    driver::wake();
    result
}
