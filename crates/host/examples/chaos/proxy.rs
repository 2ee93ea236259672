//! A TCP proxy between a device and its hub that disturbs what passes through it.
//!
//! It sees TLS records only, so that it disturbs what a network can disturb: bytes, their time, and connections.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Longest sleep before a thread looks at its orders again.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes that are moved at a time.
const CHUNK: usize = 4096;

/// Treatment of the bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flow {
    /// They pass.
    #[default]
    Pass,
    /// They vanish, and the connection stays open.
    Swallow,
    /// They pass one at a time, each in a TCP segment of its own.
    ByteByByte,
    /// Each chunk waits for this long.
    Delay(Duration),
    /// So many pass in a second.
    Rate(u32),
    /// So many pass, and then the connection is reset.
    CutAfter(u32),
    /// So many pass, the next one is changed, and the rest passes.
    CorruptAfter(u32),
}

/// Treatment of a connection attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Door {
    /// It is connected to the hub.
    #[default]
    Open,
    /// It is reset at once.
    Reset,
    /// It is accepted, and nothing ever answers.
    Silent,
}

/// Treatment of connections and bytes, as ordered at present.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    /// New connections.
    pub(crate) door: Door,
    /// From the device to the hub.
    pub(crate) up: Flow,
    /// From the hub to the device.
    pub(crate) down: Flow,
}

#[derive(Debug)]
struct Shared {
    orders: Mutex<Orders>,
    hub: Mutex<SocketAddr>,
    /// Counts up; connections of an earlier number are ended.
    generation: AtomicU64,
    /// End by FIN rather than by RST.
    politely: AtomicBool,
    /// Chunks and connections that were not simply passed on.
    affected: AtomicU64,
    ended: AtomicBool,
}

/// A running proxy; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Proxy {
    /// Listens on loopback, for a hub at `hub`.
    pub(crate) fn start(hub: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            orders: Mutex::default(),
            hub: Mutex::new(hub),
            generation: AtomicU64::new(0),
            politely: AtomicBool::new(false),
            affected: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let for_thread = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &for_thread));
        Ok(Self { shared, address })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The hub is elsewhere from now on.
    pub(crate) fn set_hub(&self, hub: SocketAddr) {
        *lock(&self.shared.hub) = hub;
    }

    /// Treats what passes from now on like this.
    pub(crate) fn order(&self, orders: Orders) {
        *lock(&self.shared.orders) = orders;
    }

    /// Ends all connections: by FIN, or by RST.
    pub(crate) fn cut(&self, politely: bool) {
        self.shared.politely.store(politely, Ordering::Release);
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts chunks and connections that were disturbed.
    pub(crate) fn affected(&self) -> u64 {
        self.shared.affected.load(Ordering::Acquire)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.cut(false);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn orders(&self) -> Orders {
        *lock(&self.orders)
    }

    fn affect(&self) {
        self.affected.fetch_add(1, Ordering::AcqRel);
    }

    fn is_over(&self, generation: u64) -> bool {
        self.ended.load(Ordering::Acquire) || self.generation.load(Ordering::Acquire) != generation
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.ended.load(Ordering::Acquire) {
        let Ok((device, _)) = listener.accept() else {
            thread::sleep(LOOK);
            continue;
        };
        let door = shared.orders().door;
        if door != Door::Open {
            shared.affect();
        }
        let shared = Arc::clone(shared);
        match door {
            Door::Open => drop(thread::spawn(move || connect(device, &shared))),
            Door::Reset => reset(&device),
            Door::Silent => drop(thread::spawn(move || hold(&device, &shared))),
        }
    }
}

/// Keeps a connection open without a word until all are cut.
fn hold(device: &TcpStream, shared: &Shared) {
    let generation = shared.generation.load(Ordering::Acquire);
    while !shared.is_over(generation) && shared.orders().door == Door::Silent {
        thread::sleep(LOOK);
    }
    reset(device);
}

fn connect(device: TcpStream, shared: &Arc<Shared>) {
    let generation = shared.generation.load(Ordering::Acquire);
    let address = *lock(&shared.hub);
    let Ok(hub) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) else {
        return reset(&device);
    };
    let prepared = [&device, &hub].into_iter().all(|socket| {
        socket.set_nonblocking(false).is_ok()
            && socket.set_nodelay(true).is_ok()
            && socket.set_read_timeout(Some(LOOK)).is_ok()
            && socket
                .set_write_timeout(Some(Duration::from_secs(2)))
                .is_ok()
    });
    let (Ok(device_2), Ok(hub_2)) = (device.try_clone(), hub.try_clone()) else {
        return;
    };
    if !prepared {
        return;
    }
    let up = Arc::clone(shared);
    thread::spawn(move || pump(&device_2, &hub_2, &up, generation, |orders| orders.up));
    pump(&hub, &device, shared, generation, |orders| orders.down);
}

/// Moves the bytes of one direction until either end is closed or all connections are cut.
fn pump(
    from: &TcpStream,
    to: &TcpStream,
    shared: &Shared,
    generation: u64,
    flow: impl Fn(Orders) -> Flow,
) {
    let mut buffer = [0; CHUNK];
    // Bytes since this treatment was ordered.
    let (mut treated, mut last) = (0_u32, Flow::Pass);
    while !shared.is_over(generation) {
        let count = match (&*from).read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => break,
        };
        let now = flow(shared.orders());
        if now != last {
            (treated, last) = (0, now);
        }
        let bytes = buffer.get_mut(..count).unwrap_or_default();
        if !treat(bytes, to, now, treated, shared) {
            return end(&[from, to], false);
        }
        treated = treated.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }
    end(&[from, to], shared.politely.load(Ordering::Acquire));
}

/// Passes a chunk on in the way that was ordered; false ends the connection.
fn treat(bytes: &mut [u8], mut to: &TcpStream, flow: Flow, treated: u32, shared: &Shared) -> bool {
    if flow != Flow::Pass {
        shared.affect();
    }
    let position = |at: u32| at.checked_sub(treated).map(|at| at as usize);
    match flow {
        Flow::Pass => {}
        Flow::Swallow => return true,
        Flow::ByteByByte => {
            return bytes.iter().all(|byte| {
                let sent = to.write_all(&[*byte]).is_ok();
                thread::yield_now();
                sent
            });
        }
        Flow::Delay(time) => thread::sleep(time),
        Flow::Rate(rate) => {
            let share = bytes.len() as f64 / f64::from(rate.max(1));
            thread::sleep(Duration::from_secs_f64(share.min(5.0)));
        }
        Flow::CutAfter(limit) => {
            let passing = position(limit).unwrap_or(0);
            if passing < bytes.len() {
                let _ = to.write_all(bytes.get(..passing).unwrap_or_default());
                return false;
            }
        }
        Flow::CorruptAfter(limit) => {
            if let Some(byte) = position(limit).and_then(|at| bytes.get_mut(at)) {
                *byte ^= 0x20;
            }
        }
    }
    to.write_all(bytes).is_ok()
}

fn end(sockets: &[&TcpStream], politely: bool) {
    for socket in sockets {
        if politely {
            let _ = socket.shutdown(Shutdown::Both);
        } else {
            reset(socket);
        }
    }
}

/// Makes the close of `socket` send RST instead of FIN.
fn reset(socket: &TcpStream) {
    let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
    // The other direction's thread has a handle of its own: it must come back from its read.
    let _ = socket.shutdown(Shutdown::Read);
}
