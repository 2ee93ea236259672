//! The ISM43362 Wi-Fi module: one station, behind one lock, and what is said of it.

#![forbid(unsafe_code)]

#[cfg(CONFIG_AZURE_SHELL)]
use core::fmt::Write;
use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicU32, Ordering};

use azure_device::logging::{error, info, warn};
use ism43362::{Error, Event, JoinFailure, Loss, Network, Station};
use zephyr::sync::Mutex;

use crate::ffi;
use crate::ffi::ism43362::{self as driver, ModuleBus};
use crate::logger::Line;
use crate::mutex::with_locked;
use crate::requests;

static STATION: Mutex<Option<Station<'static, ModuleBus>>> = Mutex::new(None);

/// The network to join next, until the driver's thread takes it. Apart from the station, which is locked for as long as
/// the module takes to join.
static WANTED: Mutex<Option<Network>> = Mutex::new(None);

/// Room for the name of a network, in bytes, with the zero that ends a [`Line`].
const SSID: usize = 33;

/// State of the station that others see, as it was after the last step.
#[derive(Default)]
struct View {
    address: Option<[u8; 4]>,
    signal: Option<i32>,
    resets: u32,
    ssid: Option<Line<SSID>>,
}

static VIEW: Mutex<View> = Mutex::new(View {
    address: None,
    signal: None,
    resets: 0,
    ssid: None,
});

/// Sockets that were closed while the module was not in its network, a bit for each. [`with`] gives them back.
static CLOSED: AtomicU32 = AtomicU32::new(0);

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
    with_locked(&STATION, |station| {
        *station = Some(Station::new(bus, buffers));
    });
    driver::start();
}

/// Works with the station at the present time, in milliseconds. Waits while another thread does.
pub(crate) fn with<T>(
    work: impl FnOnce(&mut Station<'static, ModuleBus>, u64) -> Result<T, Error>,
) -> Result<T, Error> {
    with_locked(&STATION, |station| {
        let station = station.as_mut().ok_or(Error::NoNetwork)?;
        let now = ffi::uptime().as_millis();
        let closed = CLOSED.swap(0, Ordering::AcqRel);
        for socket in (0..ism43362::SOCKETS).filter(|socket| closed & (1 << socket) != 0) {
            station.close(socket, now);
        }
        let result = work(station, now);
        with_locked(&VIEW, |view| {
            view.address = station.address();
            view.signal = station.signal();
            view.resets = station.resets();
        });
        result
    })
}

/// The same for what needs the network. Without one it fails at once: the driver's thread has the lock for as long as the
/// module takes to join, and the device must not wait for that.
pub(crate) fn online<T>(
    work: impl FnOnce(&mut Station<'static, ModuleBus>, u64) -> Result<T, Error>,
) -> Result<T, Error> {
    address().ok_or(Error::NoNetwork)?;
    with(work)
}

/// True if a socket has something to read, or has ended; each has without a network.
pub(crate) fn is_readable(socket: usize) -> bool {
    online(|station, _| Ok(station.is_readable(socket))).unwrap_or(true)
}

/// Gives a socket back: at once, or without a network once the driver's thread gets to it.
pub(crate) fn close(socket: usize) {
    if socket < ism43362::SOCKETS {
        CLOSED.fetch_or(1 << socket, Ordering::AcqRel);
    }
    let _ = online(|_, _| Ok(()));
}

/// Does what is due; gives the time until the next thing, in milliseconds.
pub(crate) fn poll() -> u32 {
    if let Some(network) = with_locked(&WANTED, Option::take) {
        change_network(network);
    }
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

/// Hands a network to the station, which joins it if it is another one than before.
fn change_network(network: Network) {
    let changed = with(|station, now| {
        if !station.set_network(network, now) {
            return Ok(None);
        }
        let ssid = |network: &Network| Line::of(format_args!("{}", network.ssid()));
        Ok(station.network().map(ssid))
    });
    if let Ok(Some(ssid)) = changed {
        info!("network: joining Wi-Fi network {}", ssid.as_str());
        with_locked(&VIEW, |view| view.ssid = Some(ssid));
    }
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
        Event::NotJoined(JoinFailure::Silent | JoinFailure::Garbled) => {
            warn!("network: the Wi-Fi module fails while it joins the network; it is tried again");
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

/// Names the network to join, to the driver's thread. The one that the module is in already is not joined again.
///
/// # Errors
/// The reason, if the name or the password cannot be used.
pub(crate) fn join(ssid: &str, password: &str) -> Result<(), ism43362::NetworkError> {
    let network = Network::new(ssid, password)?;
    with_locked(&WANTED, |wanted| *wanted = Some(network));
    driver::wake();
    Ok(())
}

/// The address, while the module is in its network.
pub(crate) fn address() -> Option<[u8; 4]> {
    with_locked(&VIEW, |view| view.address)
}

/// The network's name, the strength of its signal, and how often the module was reset: for `azure status`.
#[cfg(CONFIG_AZURE_SHELL)]
pub(crate) fn describe(line: &mut Line<96>) {
    let _ = with_locked(&VIEW, |view| {
        let ssid = view.ssid.as_ref().map_or("no network", Line::as_str);
        write!(line, "{ssid}")?;
        if let Some(signal) = view.signal {
            write!(line, ", {signal} dBm")?;
        }
        write!(line, "; the module was reset {} times", view.resets)
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
    let result = online(|station, now| station.resolve(host, now));
    driver::wake();
    result
}
