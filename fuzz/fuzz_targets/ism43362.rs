//! The Wi-Fi module under a script of calls and of answers: no panic, no call that goes on for long, a socket that
//! gives what the module gave for it, in order and whole, and writes that reach the socket that they are for.
//!
//! The first line has the calls: letters, of which some take the next byte as their number. The rest tells for each
//! answer what becomes of it; once it is over, the module is a good one.

#![no_main]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use ism43362::{Buffers, Bus, BusError, Event, Kind, Network, PAYLOAD, Received, SOCKETS, Station};
use libfuzzer_sys::fuzz_target;

const MAC: &[u8] = b"C4:7F:51:00:00:01";
/// The most exchanges and the longest waiting, in milliseconds, in one call. The watchdog restarts after 300 seconds.
const EXCHANGES: u32 = 250;
const WAITING: u64 = 280_000;
/// The most polls at one time before one lies ahead.
const POLLS: u32 = 32;

/// The module, and what it has done.
struct World<'d> {
    script: std::slice::Iter<'d, u8>,
    /// An answer that was said twice: the next command finds it, and is not carried out.
    stray: Option<Vec<u8>>,
    ssid: String,
    selected: usize,
    /// Bytes that were given for each socket, in one piece for each read.
    given: [VecDeque<Vec<u8>>; SOCKETS],
    /// The socket and the bytes of the write that is under way.
    sending: Option<(usize, Vec<u8>)>,
    exchanges: u32,
    waited: u64,
    counter: u8,
}

impl World<'_> {
    /// Carries out a command; gives its data.
    fn carry_out(&mut self, name: &str, value: &str, payload: &[u8]) -> Vec<u8> {
        match name {
            "Z5" => return MAC.to_vec(),
            "CS" => return b"1".to_vec(),
            "CR" => return b"-52".to_vec(),
            "D0" => return b"192.0.2.1".to_vec(),
            "C0" => return format!("[JOIN   ] {},10.0.0.7,0,0", self.ssid).into_bytes(),
            "C1" => value.clone_into(&mut self.ssid),
            "P0" => self.selected = value.parse().expect("a socket"),
            "P6" if value == "1" => return b"[TCP  RC] Connecting to it".to_vec(),
            "S3" => {
                let (socket, data) = self.sending.as_ref().expect("nothing is sent");
                assert_eq!(self.selected, *socket, "a write to another socket");
                assert!(data.starts_with(payload) && payload.len() <= PAYLOAD);
                assert_eq!(value.parse(), Ok(payload.len()));
                return payload.len().to_string().into_bytes();
            }
            "R0" => {
                let length = self.script.next().map_or(0, |&n| usize::from(n) * 6);
                self.counter = self.counter.wrapping_add(1);
                return vec![self.counter; length.min(PAYLOAD)];
            }
            "C2" | "C3" | "C4" | "CD" | "PR" | "P1" | "P2" | "P3" | "P4" | "P5" | "P6" | "R1"
            | "R2" => {}
            other => panic!("the module knows no {other}"),
        }
        Vec::new()
    }

    /// Some bytes of the script.
    fn some(&mut self) -> Vec<u8> {
        let length = self.script.next().map_or(0, |&n| usize::from(n));
        self.script.by_ref().take(length).copied().collect()
    }

    /// Says something to a command; `None` is silence.
    fn answer(&mut self, name: &str, value: &str, payload: &[u8]) -> Result<Vec<u8>, BusError> {
        if let Some(stray) = self.stray.take() {
            return Ok(stray);
        }
        let kind = self.script.next().copied().unwrap_or(b'.');
        if kind == b'e' {
            return Ok(b"\r\nERROR: no\r\nUsage: x\r\n> ".to_vec());
        }
        let data = self.carry_out(name, value, payload);
        let whole = [b"\r\n", &data[..], b"\r\nOK\r\n> "].concat();
        match kind {
            b's' => Err(BusError::Silent),
            b'f' => Err(BusError::Failed),
            b'c' => {
                let length = self.script.next().map_or(0, |&n| usize::from(n));
                Ok(whole.get(..length).unwrap_or(&whole).to_vec())
            }
            b'r' => Ok(self.some()),
            b'd' => Ok([b"\r\n", &self.some()[..], b"\r\nOK\r\n> "].concat()),
            b'p' => Ok([&[0x15, 0x15][..], &whole, &[0x15]].concat()),
            // Without data, it could not be told from the next one's own; and these two are how both get into step.
            b't' if !data.is_empty() && !matches!(name, "Z5" | "CS") => {
                self.stray = Some(whole.clone());
                Ok(whole)
            }
            _ => Ok(whole),
        }
    }
}

#[derive(Clone)]
struct Module<'d>(Rc<RefCell<World<'d>>>);

impl Bus for Module<'_> {
    fn reset(&mut self) {
        let mut world = self.0.borrow_mut();
        world.stray = None;
        world.selected = 0;
    }

    fn exchange(
        &mut self,
        command: &[u8],
        payload: &[u8],
        answer: &mut [u8],
        timeout_ms: u32,
    ) -> Result<usize, BusError> {
        let world = &mut *self.0.borrow_mut();
        world.exchanges += 1;
        let said = if command.is_empty() {
            match world.stray.take() {
                None if world.script.next() == Some(&b'>') => Ok(b"\r\n> ".to_vec()),
                None => Err(BusError::Silent),
                Some(stray) => Ok(stray),
            }
        } else {
            let text = std::str::from_utf8(command).expect("text");
            let text = text.strip_suffix('\r').expect("a carriage return");
            assert!(!text.contains(|c: char| c.is_ascii_control()), "{text:?}");
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            let said = world.answer(name, value, payload);
            if let ("R0", Ok(said)) = (name, &said) {
                world.given[world.selected].extend(data(said));
            }
            said
        };
        if said.is_err() {
            world.waited += u64::from(timeout_ms);
        }
        let said = said?;
        let length = said.len().min(answer.len());
        answer[..length].copy_from_slice(&said[..length]);
        Ok(length)
    }
}

/// The data of a read's answer, if there is some.
fn data(answer: &[u8]) -> Option<Vec<u8>> {
    let first = answer.iter().position(|&byte| byte != 0x15)?;
    let last = answer.iter().rposition(|&byte| byte != 0x15)?;
    let data = answer[first..=last].strip_prefix(b"\r\n")?;
    let data = data.strip_suffix(b"\r\nOK\r\n> ")?;
    (!data.is_empty() && data != b"-1" && data.len() <= PAYLOAD).then(|| data.to_vec())
}

struct Bench<'b, 'd> {
    station: Station<'b, Module<'d>>,
    world: Rc<RefCell<World<'d>>>,
    kinds: [Kind; SOCKETS],
    now: u64,
    joined: bool,
}

impl Bench<'_, '_> {
    fn run(&mut self, calls: &mut std::slice::Iter<'_, u8>) -> Option<()> {
        match *calls.next()? {
            b'p' => self.poll(),
            b't' => {
                self.now += u64::from(*calls.next()?) * 50;
                self.poll();
            }
            b'n' => {
                let password = if *calls.next()? % 2 == 0 {
                    "password"
                } else {
                    ""
                };
                let network = Network::new("a, network", password).expect("it is right");
                self.station.set_network(network, self.now);
            }
            b's' | b'u' => {
                let kind = if *calls.next()? % 2 == 0 {
                    Kind::Tcp
                } else {
                    Kind::Udp
                };
                if let Ok(socket) = self.station.socket(kind) {
                    self.kinds[socket] = kind;
                }
            }
            b'o' => {
                let socket = usize::from(*calls.next()? % 5);
                if self
                    .station
                    .connect(socket, [192, 0, 2, 1], 8883, self.now)
                    .is_ok()
                {
                    self.world.borrow_mut().given[socket].clear();
                }
            }
            b'w' => {
                let (socket, length) = (
                    usize::from(*calls.next()? % 5),
                    usize::from(*calls.next()?) * 9,
                );
                self.write(socket, &vec![b'w'; length]);
            }
            b'r' => self.read(
                usize::from(*calls.next()? % 5),
                usize::from(*calls.next()?) * 8,
                false,
            ),
            b'k' => self.read(usize::from(*calls.next()? % 5), 5, true),
            b'c' => self
                .station
                .close(usize::from(*calls.next()? % 5), self.now),
            b'd' => _ = self.station.resolve("hub.example", self.now),
            _ => {}
        }
        self.check_work();
        Some(())
    }

    /// Checks that the work since the last check was bounded.
    fn check_work(&self) {
        let mut world = self.world.borrow_mut();
        assert!(
            world.exchanges <= EXCHANGES,
            "{} exchanges",
            world.exchanges
        );
        assert!(world.waited <= WAITING, "waited for {} ms", world.waited);
        (world.exchanges, world.waited) = (0, 0);
    }

    /// Does what is due now.
    fn poll(&mut self) {
        for _ in 0..POLLS {
            let (next, event) = self.station.poll(self.now);
            match event {
                Some(Event::Joined(_)) => {
                    assert!(!std::mem::replace(&mut self.joined, true), "joined twice")
                }
                Some(Event::Lost(_)) => {
                    assert!(std::mem::replace(&mut self.joined, false), "lost twice")
                }
                _ => {}
            }
            // Each step has a time of its own; the lock is free in between.
            self.check_work();
            if next > self.now {
                return;
            }
        }
        panic!("it is never done");
    }

    fn write(&mut self, socket: usize, data: &[u8]) {
        self.world.borrow_mut().sending = Some((socket, data.to_vec()));
        if let Ok(taken) = self.station.send(socket, data, self.now) {
            assert!(taken <= data.len());
        }
        self.world.borrow_mut().sending = None;
    }

    fn read(&mut self, socket: usize, length: usize, peek: bool) {
        let mut buffer = vec![0; length];
        let received = self.station.receive(socket, &mut buffer, peek);
        let mut world = self.world.borrow_mut();
        match received {
            Ok(Received::Data(length)) => {
                let given = &mut world.given[socket];
                let first = given
                    .front_mut()
                    .expect("nothing was given for this socket");
                assert!(
                    first.starts_with(&buffer[..length]),
                    "other bytes than were given"
                );
                assert_eq!(length, first.len().min(buffer.len()));
                if !peek && (self.kinds[socket] == Kind::Udp || length == first.len()) {
                    given.pop_front();
                } else if !peek {
                    first.drain(..length);
                }
            }
            Ok(Received::Nothing) => assert!(world.given[socket].is_empty(), "bytes are missing"),
            Err(_) => {}
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let end = input
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(input.len());
    let (calls, answers) = input.split_at(end);
    let world = Rc::new(RefCell::new(World {
        script: answers.get(1..).unwrap_or(&[]).iter(),
        stray: None,
        ssid: String::new(),
        selected: 0,
        given: Default::default(),
        sending: None,
        exchanges: 0,
        waited: 0,
        counter: 0,
    }));
    let mut buffers = Box::new(Buffers::<SOCKETS>::new());
    let station = Station::new(Module(world.clone()), &mut *buffers);
    let mut bench = Bench {
        station,
        world,
        kinds: [Kind::Tcp; SOCKETS],
        now: 0,
        joined: false,
    };
    let calls = &mut calls.iter();
    while bench.run(calls).is_some() {}
});
