//! Backlog that one session leaves to the next, and to another server.

use proptest::prelude::*;

use super::super::outbox;
use super::*;

const OLD: &str = "devices/old/messages/events/";
const MARKER: &str = "/messages/events/";

/// Memory that several sessions use one after the other.
struct Memory {
    outbox: Vec<u8>,
    backlog: Backlog,
}

impl Memory {
    fn new(size: usize) -> Self {
        Self {
            outbox: vec![0; size],
            backlog: Backlog::default(),
        }
    }

    /// Runs `work` with a session over this memory, and keeps what it leaves. Gives what was lost, too.
    fn session<T>(&mut self, work: impl FnOnce(&mut Bench, u32) -> T) -> T {
        let outbox = self.outbox.clone().leak();
        let at = outbox.as_ptr();
        let buffers = Buffers {
            receive: vec![0; 256].leak(),
            transmit: vec![0; 1024].leak(),
            outbox,
        };
        let (session, lost) = Session::resume(Config::default(), buffers, &self.backlog).unwrap();
        let now = Instant::from_millis(1_000);
        let mut bench = Bench {
            session,
            now,
            pieces: Vec::new(),
        };
        let result = work(&mut bench, lost);
        self.outbox = bench.session.outbox.bytes().to_vec();
        assert_eq!(bench.session.outbox.bytes().as_ptr(), at);
        self.backlog = bench.session.into_backlog();
        result
    }
}

/// The messages among the packets of `sent`: DUP flag, topic and payload.
fn published(mut sent: &[u8]) -> Vec<(bool, String, Vec<u8>)> {
    let mut all = Vec::new();
    while !sent.is_empty() {
        let (mut length, mut header) = (0, 1);
        loop {
            let byte = usize::from(sent[header]);
            length |= (byte & 0x7f) << (7 * (header - 1));
            header += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (packet, rest) = sent.split_at(header + length);
        assert_eq!(packet[0] & !8, 0x32, "QoS 1");
        let body = &packet[header..];
        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let text = String::from_utf8(body[2..2 + topic].to_vec()).unwrap();
        all.push((packet[0] & 8 != 0, text, body[4 + topic..].to_vec()));
        sent = rest;
    }
    all
}

#[test]
fn the_next_session_sends_what_the_last_one_left_and_marks_what_that_had_sent() {
    let mut memory = Memory::new(512);
    memory.session(|bench, _| {
        bench.connect();
        for payload in 1..=5 {
            bench.session.publish("t", &[payload]).unwrap();
        }
        assert_eq!(published(&bench.sent()).len(), 4, "the window");
        assert_eq!(bench.feed(&[0x40, 2, 0, 2]).len(), 1);
    });
    memory.session(|bench, lost| {
        assert_eq!((lost, bench.session.outbox_count()), (0, 4));
        assert_eq!(bench.session.unsent_count(), 1);
        assert_eq!(bench.session.statistics().queued, 5);
        assert_eq!(bench.session.publish("t", &[6]).unwrap().get(), 6);
        bench.connect();
        let sent: Vec<_> = published(&bench.sent())
            .into_iter()
            .map(|(dup, _, payload)| (dup, payload[0]))
            .collect();
        assert_eq!(sent, [(true, 1), (true, 3), (true, 4), (false, 5)]);
    });
}

#[test]
fn for_another_server_nothing_is_a_duplicate() {
    let mut memory = Memory::new(512);
    memory.session(|bench, _| {
        bench.connect();
        for payload in 1..=2 {
            bench.session.publish("t", &[payload]).unwrap();
        }
        bench.sent();
        bench.session.publish("t", &[3]).unwrap();
    });
    memory.session(|bench, _| {
        assert_eq!(bench.session.move_outbox(MARKER, OLD), 0);
        assert_eq!(bench.session.unsent_count(), 3);
        bench.connect();
        let sent = published(&bench.sent());
        assert!(sent.iter().all(|(dup, topic, _)| !dup && topic == "t"));
        assert_eq!(sent.len(), 3);
    });
}

#[test]
fn memory_that_is_not_what_it_was_is_not_sent_and_its_messages_are_counted() {
    for damage in [0_u8, 0x55, 0xff] {
        let mut memory = Memory::new(128);
        memory.session(|bench, _| {
            for _ in 0..3 {
                bench.session.publish("t", b"x").unwrap();
            }
        });
        memory.outbox.fill(damage);
        memory.session(|bench, lost| {
            assert_eq!((lost, bench.session.outbox_count()), (3, 0));
            bench.connect();
            assert_eq!(published(&bench.sent()), []);
        });
    }
    // Or shorter than it was.
    let mut memory = Memory::new(128);
    memory.session(|bench, _| bench.session.publish("t", b"x").map(drop).unwrap());
    memory.outbox.truncate(10);
    memory.session(|_, lost| assert_eq!(lost, 1));
}

proptest! {
    /// Ids that are shorter, longer and as long; lengths around those at which the header grows; any place in
    /// the memory; with and without the room that longer topics take.
    #[test]
    fn messages_move_to_another_id_whole_and_in_order_and_the_oldest_make_room(
        payloads in prop::collection::vec(0_usize..140, 0..12),
        acknowledged in 0_usize..4,
        id in "[a-z]{1,60}",
        spare in 0_usize..300,
    ) {
        let packets = |topic: usize| payloads.iter().map(move |payload| {
            let remaining = 2 + topic + 2 + payload;
            outbox::ENTRY_HEADER + 1 + if remaining < 128 { 1 } else { 2 } + remaining
        });
        let bag = "k=v";
        let mut memory = Memory::new(packets(OLD.len() + bag.len()).sum::<usize>() + spare);
        let topic = format!("{OLD}{bag}");
        let message = |index: usize, payload: usize| vec![index as u8; payload];
        memory.session(|bench, _| {
            for (index, payload) in payloads.iter().enumerate() {
                bench.session.publish(&topic, &message(index, *payload)).unwrap();
            }
            bench.connect();
            bench.sent();
            for id in 1..=acknowledged.min(payloads.len()) {
                bench.feed(&[0x40, 2, 0, id as u8]);
            }
        });
        let start = format!("devices/{id}/messages/events/");
        let left: Vec<usize> = (acknowledged.min(payloads.len())..payloads.len()).collect();
        let sizes: Vec<usize> = packets(start.len() + bag.len()).collect();
        let room = memory.outbox.len();
        let mut kept = left.clone();
        while kept.iter().map(|index| sizes[*index]).sum::<usize>() > room {
            kept.remove(0);
        }
        memory.session(|bench, lost| {
            assert_eq!(lost, 0);
            let dropped = bench.session.move_outbox(MARKER, &start);
            assert_eq!(dropped as usize, left.len() - kept.len());
            assert_eq!(bench.session.outbox_count(), kept.len());
            assert_eq!(bench.session.unsent_count(), kept.len());
            bench.connect();
            let mut arrived = Vec::new();
            loop {
                let sent = published(&bench.sent());
                if sent.is_empty() {
                    break;
                }
                arrived.extend(sent);
                let ids: Vec<u16> = bench.session.outbox.ids().collect();
                for id in ids {
                    let [high, low] = id.to_be_bytes();
                    bench.feed(&[0x40, 2, high, low]);
                }
            }
            let expected: Vec<_> = kept
                .iter()
                .map(|index| (false, format!("{start}{bag}"), message(*index, payloads[*index])))
                .collect();
            assert_eq!(arrived, expected);
            assert_eq!(bench.session.outbox_count(), 0);
        });
    }
}
