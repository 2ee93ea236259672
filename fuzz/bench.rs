//! A device, or one that is being provisioned, with a hub of a few lines: the target says what the hub sends.

use std::time::Duration;

use azure_device::connection::{Buffers, Machine, Task, Work};
use azure_device::failure::Failure;
use azure_device::mqtt;
use azure_device::report::Condition;
use azure_device::time::{Instant, Moment, UnixTime};

/// The memory of a device whose receive buffer and space for desired values have these sizes.
pub struct Memory {
    receive: Vec<u8>,
    twin: Vec<u8>,
    rest: [Vec<u8>; 3],
}

impl Memory {
    pub fn new(receive: usize, twin: usize) -> Self {
        Self {
            receive: vec![0; receive],
            twin: vec![0; twin],
            rest: [vec![0; 1024], vec![0; 1024], vec![0; 2048]],
        }
    }

    pub fn buffers(&mut self) -> Buffers<'_> {
        let [transmit, outbox, scratch] = &mut self.rest;
        Buffers {
            mqtt: mqtt::Buffers {
                receive: &mut self.receive,
                transmit,
                outbox,
            },
            scratch,
            twin: &mut self.twin,
        }
    }
}

/// A machine and its clock.
pub struct Bench<'b, W> {
    pub machine: Machine<'b, W>,
    now: u64,
}

impl<'b, W: Work> Bench<'b, W> {
    /// With an open connection that was accepted, and every filter granted.
    pub fn joined(machine: Machine<'b, W>) -> Self {
        let mut bench = Self { machine, now: 1000 };
        bench.machine.clock_set(&bench.at(), None, Ok(bench.unix()));
        bench.machine.opened(&bench.at(), Condition::default());
        bench.sent();
        bench.receive(&[0x20, 2, 0, 0]).expect("CONNACK");
        let subscribe = bench.sent();
        let filters = subscribe
            .iter()
            .filter(|(header, _, _)| header >> 4 == 8)
            .map(|(_, _, body)| filters(body))
            .next()
            .expect("a SUBSCRIBE");
        let mut suback = vec![0x90, 2 + filters as u8];
        suback.extend(&subscribe[0].2[..2]);
        suback.resize(4 + filters, 0);
        bench.receive(&suback).expect("SUBACK");
        bench
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn unix(&self) -> UnixTime {
        UnixTime::from_millis(1_780_272_000_000 + self.now)
    }

    fn at(&self) -> Moment {
        Moment {
            now: self.now(),
            unix: Some(self.unix()),
            random: 7,
        }
    }

    /// Lets time pass.
    pub fn wait(&mut self, duration: Duration) -> Result<(), Failure> {
        self.now += duration.as_millis() as u64;
        self.serve()
    }

    /// Serves, and once more if that made something due: more turns without a wait or a byte would be a spin.
    fn serve(&mut self) -> Result<(), Failure> {
        let at = self.at();
        for _ in 0..2 {
            self.machine.serve(&at)?;
            match self.machine.task(&at) {
                Task::Exchange { until }
                    if until < at.now && self.machine.connection_mut().transmit().is_empty() => {}
                _ => return Ok(()),
            }
        }
        panic!("it would spin");
    }

    /// Bytes from the hub.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let space = self.machine.connection_mut().receive_buffer();
            let n = space.len().min(bytes.len());
            assert!(
                n > 0,
                "nothing is owed here that could stop it from reading"
            );
            space[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            let now = self.now();
            self.machine.connection_mut().received(n, now);
            self.serve()?;
        }
        Ok(())
    }

    /// Packets sent since the last call: first byte, topic of a PUBLISH, and the rest of each packet.
    pub fn sent(&mut self) -> Vec<(u8, String, Vec<u8>)> {
        let mut bytes = Vec::new();
        while !self.machine.connection_mut().transmit().is_empty() {
            let part = self.machine.connection_mut().transmit().to_vec();
            bytes.extend(&part);
            let now = self.now();
            self.machine.connection_mut().transmitted(part.len(), now);
        }
        packets(&bytes)
    }

    /// The PUBLISHes of QoS 0 among them, as topic and payload: requests and responses, no telemetry.
    pub fn published(&mut self) -> Vec<(String, Vec<u8>)> {
        self.sent()
            .into_iter()
            .filter(|(header, _, _)| *header == 0x30)
            .map(|(_, topic, payload)| (topic, payload))
            .collect()
    }
}

fn packets(mut bytes: &[u8]) -> Vec<(u8, String, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(first) = bytes.first() {
        let (mut length, mut at) = (0, 1);
        loop {
            length |= usize::from(bytes[at] & 0x7f) << (7 * (at - 1));
            at += 1;
            if bytes[at - 1] & 0x80 == 0 {
                break;
            }
        }
        let (body, rest) = bytes[at..].split_at(length);
        let (topic, body) = match first >> 4 {
            3 => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let text = std::str::from_utf8(&body[2..2 + topic]).expect("UTF-8");
                (text.to_owned(), &body[2 + topic..])
            }
            _ => (String::new(), body),
        };
        all.push((*first, topic, body.to_vec()));
        bytes = rest;
    }
    all
}

/// Number of filters in a SUBSCRIBE.
fn filters(body: &[u8]) -> usize {
    let (mut rest, mut count) = (&body[2..], 0);
    while !rest.is_empty() {
        rest = &rest[3 + usize::from(u16::from_be_bytes([rest[0], rest[1]]))..];
        count += 1;
    }
    count
}

/// A PUBLISH of QoS 0.
pub fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut left = 2 + topic.len() + payload.len();
    let mut packet = vec![0x30];
    loop {
        let more = if left > 127 { 0x80 } else { 0 };
        packet.push((left % 128) as u8 | more);
        left /= 128;
        if left == 0 {
            break;
        }
    }
    packet.extend((topic.len() as u16).to_be_bytes());
    packet.extend(topic.as_bytes());
    packet.extend(payload);
    packet
}
