//! The state machine, against a module that fails and a network that comes and goes.

use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use crate::network::Network;
use crate::socket::{Kind, Received};
use crate::station::{Buffers, Event, JoinFailure, Loss, Station};
use crate::virtual_module::{Fault, VirtualModule};
use crate::{Error, PAYLOAD};

struct Bench {
    station: Station<'static, VirtualModule>,
    bus: VirtualModule,
    now: u64,
    events: Vec<Event>,
}

impl Bench {
    fn new() -> Self {
        let bus = VirtualModule::new();
        Self {
            station: Station::new(bus.clone(), Box::leak(Box::new(Buffers::<4>::new()))),
            bus,
            now: 0,
            events: Vec::new(),
        }
    }

    fn joined() -> Self {
        let mut bench = Self::new();
        bench.set_network("home", "password");
        bench.run(1_000);
        assert_eq!(bench.take_events(), [Event::Joined([10, 0, 0, 7])]);
        bench
    }

    /// Names the network; true if it is another one.
    fn set_network(&mut self, ssid: &str, password: &str) -> bool {
        let network = Network::new(ssid, password).unwrap();
        self.station.set_network(network, self.now)
    }

    /// Lets time pass, as the driver's thread does.
    fn run(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        while self.now <= end {
            let (next, event) = self.station.poll(self.now);
            self.events.extend(event);
            // The clock goes on by itself while the module works.
            self.now = next.max(self.now + 1);
        }
        self.now = end;
    }

    fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    fn connected(&mut self) -> usize {
        let socket = self.station.socket(Kind::Tcp).unwrap();
        self.station
            .connect(socket, [192, 0, 2, 1], 8883, self.now)
            .unwrap();
        socket
    }

    fn receive(&mut self, socket: usize) -> Result<Vec<u8>, Error> {
        let mut buffer = [0; 4000];
        Ok(match self.station.receive(socket, &mut buffer, false)? {
            Received::Data(length) => buffer[..length].to_vec(),
            Received::Nothing => Vec::new(),
        })
    }
}

#[test]
fn it_starts_and_waits_for_a_network_and_joins_it_once() {
    let mut bench = Bench::new();
    bench.run(100_000);
    assert_eq!(bench.take_events(), []);
    assert!(bench.set_network("home", "password"));
    bench.run(100);
    assert_eq!(bench.take_events(), [Event::Joined([10, 0, 0, 7])]);
    assert!(!bench.set_network("home", "password"));
    bench.run(60_000);
    assert_eq!(bench.take_events(), []);
    let joins = bench
        .bus
        .0
        .borrow()
        .commands
        .iter()
        .filter(|command| *command == "C0")
        .count();
    assert_eq!(joins, 1);
    assert_eq!(bench.station.signal(), Some(-52));
}

#[test]
fn a_wrong_password_is_told_once_and_the_right_one_is_taken_at_once() {
    let mut bench = Bench::new();
    bench.set_network("home", "wrong password");
    bench.run(50_000);
    assert_eq!(
        bench.take_events(),
        [Event::NotJoined(JoinFailure::NotJoined)]
    );
    bench.set_network("home", "password");
    bench.run(100);
    assert_eq!(bench.take_events(), [Event::Joined([10, 0, 0, 7])]);
}

#[test]
fn a_network_that_comes_and_goes_breaks_sockets_and_is_joined_again() {
    let mut bench = Bench::joined();
    let socket = bench.connected();
    bench.bus.0.borrow_mut().arrived[socket] = b"last words".to_vec();
    bench.run(50);
    bench.bus.0.borrow_mut().in_reach = false;
    bench.bus.0.borrow_mut().lose_network();
    bench.run(11_000);
    assert_eq!(
        bench.take_events(),
        [
            Event::Lost(Loss::Network),
            Event::NotJoined(JoinFailure::NotJoined)
        ]
    );
    assert_eq!(bench.station.address(), None);
    assert_eq!(bench.receive(socket), Ok(b"last words".to_vec()));
    assert_eq!(bench.receive(socket), Err(Error::Ended));
    assert_eq!(
        bench.station.send(socket, b"x", bench.now),
        Err(Error::Ended)
    );
    assert_eq!(
        bench.station.resolve("hub", bench.now),
        Err(Error::NoNetwork)
    );
    bench.bus.0.borrow_mut().in_reach = true;
    bench.run(11_000);
    assert_eq!(bench.take_events(), [Event::Joined([10, 0, 0, 7])]);
    bench.station.close(socket, bench.now);
    assert_eq!(bench.connected(), socket);
}

#[test]
fn another_network_is_joined_at_once() {
    let mut bench = Bench::joined();
    let socket = bench.connected();
    bench.bus.0.borrow_mut().ssid = "other".into();
    assert!(bench.set_network("other", "password"));
    assert_eq!(bench.station.network().map(Network::ssid), Some("other"));
    assert_eq!(bench.station.address(), None);
    bench.run(100);
    assert_eq!(
        bench.take_events(),
        [Event::Lost(Loss::Changed), Event::Joined([10, 0, 0, 7])]
    );
    assert_eq!(bench.receive(socket), Err(Error::Ended));
}

#[test]
fn a_module_that_is_silent_is_reset_again_and_again_until_it_answers() {
    let mut bench = Bench::joined();
    let socket = bench.connected();
    bench.bus.0.borrow_mut().alive = false;
    bench.run(600_000);
    assert_eq!(
        bench.take_events(),
        [Event::Lost(Loss::Silent), Event::NoModule]
    );
    assert!(bench.station.is_readable(socket));
    let resets = bench.bus.0.borrow().resets;
    assert!((10..20).contains(&resets), "{resets}");
    bench.bus.0.borrow_mut().alive = true;
    bench.run(61_000);
    assert_eq!(bench.take_events(), [Event::Joined([10, 0, 0, 7])]);
    assert!(bench.station.resets() >= 10);
}

#[test]
fn one_answer_that_is_missing_resets_the_module_and_joins_again() {
    let mut bench = Bench::joined();
    let socket = bench.connected();
    bench.bus.0.borrow_mut().faults = [Some(Fault::Silent)].into();
    assert_eq!(
        bench.station.send(socket, b"x", bench.now),
        Err(Error::Silent)
    );
    bench.run(100);
    assert_eq!(
        bench.take_events(),
        [Event::Lost(Loss::Silent), Event::Joined([10, 0, 0, 7])]
    );
    assert_eq!(bench.receive(socket), Err(Error::Ended));
}

#[test]
fn a_module_that_restarts_by_itself_is_noticed() {
    let mut bench = Bench::joined();
    let socket = bench.connected();
    bench.bus.0.borrow_mut().lose_network();
    bench.run(500);
    // The socket's end is seen at once, the network's with the next look.
    assert_eq!(bench.receive(socket), Err(Error::Ended));
    bench.run(10_000);
    assert_eq!(
        bench.take_events(),
        [Event::Lost(Loss::Network), Event::Joined([10, 0, 0, 7])]
    );
}

#[test]
fn a_network_that_refuses_for_long_has_the_module_reset_too() {
    let mut bench = Bench::new();
    bench.bus.0.borrow_mut().in_reach = false;
    bench.set_network("home", "password");
    bench.run(130_000);
    assert_eq!(bench.bus.0.borrow().resets, 3);
    bench.run(300_000);
    assert_eq!(
        bench.take_events(),
        vec![Event::NotJoined(JoinFailure::NotJoined); 2]
    );
}

#[test]
fn nothing_is_read_from_the_module_that_there_is_no_room_for() {
    let mut bench = Bench::joined();
    let socket = bench.connected();
    bench.bus.0.borrow_mut().arrived[socket] = (0..5000).map(|n| n as u8).collect();
    bench.run(1_000);
    assert_eq!(bench.bus.0.borrow().arrived[socket].len(), 5000 - PAYLOAD);
    let mut all = Vec::new();
    for _ in 0..10 {
        all.extend(bench.receive(socket).unwrap());
        bench.run(200);
    }
    assert_eq!(all, (0..5000).map(|n| n as u8).collect::<Vec<_>>());
}

#[test]
fn a_small_buffer_takes_a_stream_in_parts_and_a_datagram_once() {
    let mut bench = Bench::joined();
    let stream = bench.connected();
    let datagrams = bench.station.socket(Kind::Udp).unwrap();
    bench
        .station
        .connect(datagrams, [192, 0, 2, 1], 123, bench.now)
        .unwrap();
    for socket in [stream, datagrams] {
        bench.bus.0.borrow_mut().arrived[socket] = b"abcdef".to_vec();
    }
    bench.run(200);
    let mut buffer = [0; 4];
    assert_eq!(
        bench.station.receive(stream, &mut buffer, true),
        Ok(Received::Data(4))
    );
    assert_eq!(
        bench.station.receive(stream, &mut buffer, false),
        Ok(Received::Data(4))
    );
    assert_eq!(
        bench.station.receive(stream, &mut buffer, false),
        Ok(Received::Data(2))
    );
    assert_eq!(
        bench.station.receive(datagrams, &mut buffer, false),
        Ok(Received::Data(4))
    );
    assert_eq!(
        bench.station.receive(datagrams, &mut buffer, false),
        Ok(Received::Nothing)
    );
}

#[test]
fn sockets_run_out_and_come_back() {
    let mut bench = Bench::joined();
    let taken: Vec<_> = (0..4)
        .map(|_| bench.station.socket(Kind::Tcp).unwrap())
        .collect();
    assert_eq!(bench.station.socket(Kind::Tcp), Err(Error::NoSocket));
    for _ in 0..20 {
        bench.station.close(taken[2], bench.now);
        assert_eq!(bench.station.socket(Kind::Udp), Ok(2));
        // Refused by the module, which leaks nothing.
        bench.bus.0.borrow_mut().joined = false;
        assert_eq!(
            bench.station.connect(2, [192, 0, 2, 1], 1, bench.now),
            Err(Error::Refused)
        );
    }
}

#[test]
fn a_write_that_fails_breaks_the_stream() {
    let mut bench = Bench::joined();
    let socket = bench.connected();
    bench.bus.0.borrow_mut().faults = [Some(Fault::Instead(b"\r\n-1\r\nOK\r\n> ".to_vec()))].into();
    assert_eq!(
        bench.station.send(socket, b"x", bench.now),
        Err(Error::Ended)
    );
    assert_eq!(
        bench.station.send(socket, b"x", bench.now),
        Err(Error::Ended)
    );
    assert!(bench.station.is_readable(socket));
}

#[test]
fn a_module_that_never_answers_a_join_is_told_of_and_reset_at_intervals() {
    let mut bench = Bench::new();
    bench.bus.0.borrow_mut().never = Some("C0".into());
    bench.set_network("home", "password");
    bench.run(100_000);
    assert_eq!(bench.take_events(), [Event::NotJoined(JoinFailure::Silent)]);
    let resets = bench.bus.0.borrow().resets;
    assert!((5..=12).contains(&resets), "{resets}");
    bench.bus.0.borrow_mut().never = None;
    bench.run(10_000);
    assert_eq!(bench.take_events(), [Event::Joined([10, 0, 0, 7])]);
}

#[test]
fn a_pause_is_counted_from_the_end_of_an_attempt() {
    let mut bench = Bench::new();
    bench.bus.0.borrow_mut().in_reach = false;
    bench.set_network("home", "password");
    bench.run(100);
    let joins = |bench: &Bench| {
        let world = bench.bus.0.borrow();
        world
            .commands
            .iter()
            .filter(|command| *command == "C0")
            .count()
    };
    assert_eq!(joins(&bench), 1);
    // The next attempt takes fifteen seconds by the clock, as a real one may.
    bench.run(9_500);
    while joins(&bench) == 1 {
        bench.now += 1;
        bench.station.poll(bench.now);
    }
    bench.now += 15_000;
    bench.run(9_000);
    assert_eq!(joins(&bench), 2);
    bench.run(1_100);
    assert_eq!(joins(&bench), 3);
}

#[test]
fn sockets_are_read_in_turn() {
    let mut bench = Bench::joined();
    let [first, second] = [bench.connected(), bench.connected()];
    bench.bus.0.borrow_mut().arrived[first] = vec![1; 100 * PAYLOAD];
    bench.bus.0.borrow_mut().arrived[second] = b"time".to_vec();
    let mut taken = 0;
    while bench.receive(second).unwrap().is_empty() {
        bench.station.poll(bench.now);
        taken += usize::from(!bench.receive(first).unwrap().is_empty());
    }
    assert!(taken <= 2, "{taken}");
}

#[test]
fn a_refusal_has_the_network_looked_at_at_once() {
    let mut bench = Bench::joined();
    let socket = bench.connected();
    bench.bus.0.borrow_mut().lose_network();
    assert_eq!(
        bench.station.send(socket, b"x", bench.now),
        Err(Error::Ended)
    );
    bench.run(10);
    assert_eq!(
        bench.take_events(),
        [Event::Lost(Loss::Network), Event::Joined([10, 0, 0, 7])]
    );
}
