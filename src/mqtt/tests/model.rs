//! The outbox against a model: a plain list of messages that is obviously right.

use proptest::prelude::*;
use std::collections::VecDeque;

use super::super::outbox;
use super::*;

/// Bytes of the outbox: a few small messages.
const OUTBOX: usize = 300;
const WINDOW: usize = 3;

#[derive(Clone, Debug)]
enum Action {
    Publish(usize),
    /// The transport takes up to so many bytes.
    Transmit(usize),
    /// PUBACK for the n-th message, or for the identifier n if there is none.
    Puback(usize),
    Reconnect,
    Hold(bool),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0_usize..90).prop_map(Action::Publish),
        6 => (0_usize..60).prop_map(Action::Transmit),
        4 => (0_usize..6).prop_map(Action::Puback),
        1 => Just(Action::Reconnect),
        1 => any::<bool>().prop_map(Action::Hold),
    ]
}

#[derive(Debug)]
struct Entry {
    id: u16,
    payload: Vec<u8>,
    /// Given to a transport on any connection.
    offered: bool,
    /// Given to a transport on an earlier connection.
    repeated: bool,
    /// Bytes that this connection has taken.
    taken: usize,
}

impl Entry {
    fn packet(&self) -> Vec<u8> {
        publish(
            if self.repeated { 0x3a } else { 0x32 },
            "t",
            Some(self.id),
            &self.payload,
        )
    }

    fn cost(&self) -> usize {
        self.packet().len() + outbox::ENTRY_HEADER
    }

    fn is_sent(&self) -> bool {
        self.taken == self.packet().len()
    }

    fn is_half_sent(&self) -> bool {
        self.taken > 0 && !self.is_sent()
    }
}

struct Model {
    entries: VecDeque<Entry>,
    next_id: u16,
    hold: bool,
    overflow: OverflowPolicy,
    dropped: u32,
}

impl Model {
    fn used(&self) -> usize {
        self.entries.iter().map(Entry::cost).sum()
    }

    fn in_flight(&self) -> usize {
        self.entries.iter().filter(|entry| entry.taken > 0).count()
    }

    fn free_id(&self) -> u16 {
        let mut id = self.next_id;
        while self.entries.iter().any(|entry| entry.id == id) {
            id = if id == u16::MAX { 1 } else { id + 1 };
        }
        id
    }

    fn publish(&mut self, length: usize) -> Option<u16> {
        let id = self.free_id();
        let payload = vec![id as u8; length];
        let entry = Entry {
            id,
            payload,
            offered: false,
            repeated: false,
            taken: 0,
        };
        let kept: usize = self
            .entries
            .iter()
            .filter(|entry| entry.offered)
            .map(Entry::cost)
            .sum();
        let fits = match self.overflow {
            OverflowPolicy::DropOldest => kept + entry.cost() <= OUTBOX,
            OverflowPolicy::RefuseNewest => self.used() + entry.cost() <= OUTBOX,
        };
        if !fits {
            return None;
        }
        while self.used() + entry.cost() > OUTBOX {
            let oldest = self
                .entries
                .iter()
                .position(|entry| !entry.offered)
                .unwrap();
            self.entries.remove(oldest);
            self.dropped += 1;
        }
        self.entries.push_back(entry);
        self.next_id = if id == u16::MAX { 1 } else { id + 1 };
        Some(id)
    }

    /// Bytes that should be given to the transport now.
    fn transmit(&mut self) -> Vec<u8> {
        let in_flight = self.in_flight();
        let Some(next) = self.entries.iter_mut().find(|entry| !entry.is_sent()) else {
            return vec![];
        };
        if !next.is_half_sent() && (self.hold || in_flight >= WINDOW) {
            return vec![];
        }
        next.offered = true;
        next.packet()[next.taken..].to_vec()
    }

    fn transmitted(&mut self, n: usize) {
        if let Some(next) = self.entries.iter_mut().find(|entry| !entry.is_sent()) {
            next.taken += n;
        }
    }

    fn puback(&mut self, id: u16) -> bool {
        let found = self
            .entries
            .iter()
            .position(|entry| entry.id == id && entry.offered && !entry.is_half_sent());
        found
            .and_then(|position| self.entries.remove(position))
            .is_some()
    }

    fn reconnect(&mut self) {
        for entry in &mut self.entries {
            entry.taken = 0;
            entry.repeated = entry.offered;
        }
        self.hold = false;
    }
}

fn run(bench: &mut Bench, model: &mut Model, action: Action) {
    match action {
        Action::Publish(length) => {
            let payload = vec![model.free_id() as u8; length];
            let id = bench.session.publish("t", &payload).ok().map(PacketId::get);
            assert_eq!(id, model.publish(length));
        }
        Action::Transmit(n) => {
            let offered = bench.session.transmit().to_vec();
            assert_eq!(offered, model.transmit());
            let n = n.min(offered.len());
            bench.session.transmitted(n, bench.now);
            model.transmitted(n);
        }
        Action::Puback(n) => {
            let id = model.entries.get(n).map_or(n as u16 + 1, |entry| entry.id);
            let [high, low] = id.to_be_bytes();
            let expected = match model.puback(id) {
                true => vec![Event::Published(PacketId::new(id).unwrap())],
                false => vec![],
            };
            assert_eq!(bench.feed(&[0x40, 2, high, low]), expected);
        }
        Action::Reconnect => {
            bench.session.disconnected();
            model.reconnect();
            bench.session.connect(bench.now, &CONNECT).unwrap();
            let n = bench.session.transmit().len();
            bench.session.transmitted(n, bench.now);
            bench.feed(CONNACK);
        }
        Action::Hold(hold) => {
            bench.session.set_hold(hold);
            model.hold = hold;
        }
    }
    assert_eq!(bench.session.outbox_count(), model.entries.len());
    assert_eq!(bench.session.outbox_free(), OUTBOX - model.used());
    assert_eq!(bench.session.in_flight(), model.in_flight());
    assert_eq!(
        bench.session.unsent_count(),
        model.entries.iter().filter(|entry| !entry.offered).count()
    );
    assert_eq!(bench.session.statistics().dropped, model.dropped);
}

proptest! {
    #[test]
    fn the_outbox_does_what_a_plain_list_would(
        actions in prop::collection::vec(action(), 1..120),
        drop_oldest in any::<bool>(),
    ) {
        let overflow = if drop_oldest { OverflowPolicy::DropOldest } else { OverflowPolicy::RefuseNewest };
        let config = Config { overflow, max_in_flight: WINDOW as u16, ..Config::default() };
        let mut bench = Bench::sized(config, 64, 64, OUTBOX);
        bench.connect();
        // Close to the end, so that identifiers wrap.
        bench.session.next_packet_id = PacketId::new(65_530).unwrap();
        let mut model = Model { entries: VecDeque::new(), next_id: 65_530, hold: false, overflow, dropped: 0 };
        for action in actions {
            run(&mut bench, &mut model, action);
        }
    }
}
