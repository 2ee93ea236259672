//! Anything in any order: nothing panics, nothing spins, and what goes out is always well-formed.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Action {
    Connect,
    /// Connects and is accepted.
    Join,
    /// The n-th answer that the server owes.
    Answer(usize),
    /// Bytes from the server.
    Receive(Vec<u8>),
    Transmit(usize),
    Publish(usize),
    PublishNow(usize),
    Subscribe(usize),
    Unsubscribe,
    /// Acknowledges the n-th message, counted from the newest.
    Acknowledge(usize),
    Wait(u64),
    Hold(bool),
    Disconnect,
    Disconnected,
}

/// A packet that a server sends; a few are wrong, by a byte or by the time.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec![0x30, 0x31, 0x32, 0x33, 0x3a, 0x3b]);
    let small =
        (first, "[a-z/]{1,12}", 1..4_u16, 0..120_usize).prop_map(|(first, topic, id, length)| {
            publish(
                first,
                &topic,
                (first & 0b110 == 2).then_some(id),
                &vec![first; length],
            )
        });
    let large = (200..9_000_usize, 1..4_u16)
        .prop_map(|(length, id)| publish(0x32, "large", Some(id), &vec![0; length]));
    let answer = (0..6_u8).prop_map(|id| vec![0x40, 2, 0, id]);
    let unasked = prop::sample::select(vec![CONNACK.to_vec(), vec![0xd0, 0], vec![0xb0, 2, 0, 1]]);
    let right = prop_oneof![80 => small, 20 => large, 5 => answer, 1 => unasked];
    let wrong = prop::option::weighted(0.02, (any::<prop::sample::Index>(), any::<u8>()));
    (right, wrong).prop_map(|(mut bytes, wrong)| {
        if let Some((index, value)) = wrong {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        bytes
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => Just(Action::Connect),
        8 => Just(Action::Join),
        30 => (0..8_usize).prop_map(Action::Answer),
        24 => prop::collection::vec(packet(), 1..3).prop_map(|packets| Action::Receive(packets.concat())),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Action::Receive),
        40 => (0..200_usize).prop_map(Action::Transmit),
        15 => (0..100_usize).prop_map(Action::Publish),
        8 => (0..60_usize).prop_map(Action::PublishNow),
        5 => (0..5_usize).prop_map(Action::Subscribe),
        3 => Just(Action::Unsubscribe),
        20 => (0..20_usize).prop_map(Action::Acknowledge),
        10 => (0..30_000_u64).prop_map(Action::Wait),
        4 => any::<bool>().prop_map(Action::Hold),
        1 => Just(Action::Disconnect),
        2 => Just(Action::Disconnected),
    ]
}

/// Reader of the server: cuts the stream into packets and judges each.
#[derive(Default)]
struct Reader {
    bytes: Vec<u8>,
    packets: usize,
    accepted: bool,
    left: bool,
    /// Packets that the server has to answer with.
    owed: Vec<Vec<u8>>,
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while let Some((header, length)) = remaining_length(&self.bytes) {
            if self.bytes.len() < header + length {
                return;
            }
            let packet: Vec<u8> = self.bytes.drain(..header + length).collect();
            self.judge(packet[0], &packet[header..]);
        }
    }

    fn judge(&mut self, first: u8, body: &[u8]) {
        assert!(!self.left, "something follows DISCONNECT");
        assert_eq!(
            first == 0x10,
            self.packets == 0,
            "CONNECT is the first packet and no other"
        );
        assert!(
            matches!(first, 0x10 | 0xe0) || self.accepted,
            "{first:#04x} before CONNACK"
        );
        self.packets += 1;
        match first {
            0x10 => {
                assert_eq!(&body[..7], b"\x00\x04MQTT\x04");
                self.owed.push(CONNACK.to_vec());
            }
            0x30 => assert_eq!(&body[..3], b"\x00\x01n"),
            0x32 | 0x3a => {
                assert_eq!(&body[..3], b"\x00\x01t");
                self.owe(&[0x40, 2], &body[3..], &[]);
            }
            0x40 => assert!(body.len() == 2 && body != [0, 0]),
            0x82 => {
                let filters = (body.len() - 2) / 6;
                self.owe(
                    &[0x90, 2 + filters as u8],
                    body,
                    &[1, 0, 0x80, 1][..filters],
                );
            }
            0xa2 => self.owe(&[0xb0, 2], body, &[]),
            0xc0 => {
                assert!(body.is_empty());
                self.owed.push(vec![0xd0, 0]);
            }
            0xe0 => {
                assert!(body.is_empty());
                self.left = true;
            }
            _ => panic!("a client does not send {first:#04x}"),
        }
    }

    /// An answer to the packet whose identifier starts `body`.
    fn owe(&mut self, header: &[u8], body: &[u8], codes: &[u8]) {
        assert_ne!(body[..2], [0, 0], "packet identifier 0");
        self.owed.push([header, &body[..2], codes].concat());
    }
}

/// Length of the fixed header and of the rest.
fn remaining_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (place, byte) in bytes.get(1..)?.iter().enumerate() {
        assert!(place < 4);
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((place + 2, length));
        }
    }
    None
}

struct World {
    bench: Bench,
    reader: Reader,
    tokens: Vec<AckToken>,
}

impl World {
    fn run(&mut self, action: Action) {
        let session = &mut self.bench.session;
        match action {
            Action::Connect => {
                session.connect(self.bench.now, &CONNECT).unwrap();
                self.reader = Reader::default();
            }
            Action::Join => {
                self.run(Action::Connect);
                self.transmit(usize::MAX);
                self.run(Action::Answer(0));
            }
            Action::Answer(n) => {
                if n < self.reader.owed.len() {
                    let answer = self.reader.owed.remove(n);
                    self.receive(&answer);
                }
            }
            Action::Receive(bytes) => self.receive(&bytes),
            Action::Transmit(n) => self.transmit(n),
            // Whether it is possible now is no concern here.
            Action::Publish(length) => _ = session.publish("t", &vec![7; length]),
            Action::PublishNow(length) => _ = session.publish_now("n", &vec![7; length]),
            Action::Subscribe(n) => _ = session.subscribe(&vec![("a/#", QoS::AtLeastOnce); n]),
            Action::Unsubscribe => _ = session.unsubscribe(&["a/#"]),
            Action::Acknowledge(n) => {
                if let Some(token) = self.tokens.iter().rev().nth(n) {
                    session.acknowledge(*token);
                }
            }
            Action::Wait(milliseconds) => self.bench.wait(Duration::from_millis(milliseconds)),
            Action::Hold(hold) => session.set_hold(hold),
            Action::Disconnect => session.disconnect(),
            Action::Disconnected => session.disconnected(),
        }
        self.poll();
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.bench.session.receive_buffer();
            let n = space.len().min(bytes.len());
            if n == 0 {
                return;
            }
            space[..n].copy_from_slice(&bytes[..n]);
            self.bench.session.received(n, self.bench.now);
            bytes = &bytes[n..];
            self.poll();
        }
    }

    fn transmit(&mut self, n: usize) {
        let bytes = self.bench.session.transmit();
        let n = n.min(bytes.len());
        self.reader.read(&bytes[..n]);
        self.bench.session.transmitted(n, self.bench.now);
    }

    fn poll(&mut self) {
        for _ in 0..200 {
            match self.bench.session.poll(self.bench.now) {
                Ok(None) => return self.check_deadline(),
                Ok(Some(Event::Connected { .. })) => self.reader.accepted = true,
                Ok(Some(Event::Message(message))) => {
                    assert!(!message.topic().is_empty());
                    self.tokens.extend(message.ack());
                }
                Ok(Some(_)) => {}
                Err(error) => {
                    assert!(!format!("{error} {error:?}").is_empty());
                    assert!(!self.bench.session.is_connected());
                }
            }
        }
        panic!("events without end");
    }

    /// Once everything was told and sent, a deadline lies ahead: else the driving loop would spin.
    fn check_deadline(&mut self) {
        let deadline = self.bench.session.deadline();
        let ahead = deadline.is_none_or(|deadline| deadline > self.bench.now);
        assert!(ahead, "{deadline:?}");
    }
}

proptest! {

    #[test]
    fn nothing_that_can_happen_breaks_the_session(actions in prop::collection::vec(action(), 1..150)) {
        let config = Config { max_in_flight: 2, ..Config::default() };
        let mut world = World { bench: Bench::sized(config, 160, 128, 300), reader: Reader::default(), tokens: vec![] };
        for action in actions {
            world.run(action);
        }
    }

    #[test]
    fn random_bytes_after_connack_end_in_events_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        piece in 1_usize..100,
    ) {
        let mut bench = Bench::connected(Config::default());
        let mut outcome: Result<usize, Error> = Ok(0);
        for piece in bytes.chunks(piece) {
            outcome = outcome.and_then(|events| Ok(events + bench.try_feed(piece)?.len()));
        }
        prop_assert!(outcome.is_err() || outcome.is_ok_and(|events| events <= bytes.len() / 2));
    }
}
