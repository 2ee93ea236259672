//! The MQTT session under a script of calls and server bytes: no panic, events that end, memory that stays
//! in bounds, and after each poll a deadline that lies ahead, or the driving loop would spin.
//!
//! Each letter is a call; `r`, `t`, `p`, `n` and `w` take the next byte as their number, and `r` so many
//! bytes after it as the server's.

#![no_main]

use azure_device::mqtt::{AckToken, Buffers, Config, Connect, Event, QoS, Session};
use azure_device::time::Instant;
use libfuzzer_sys::fuzz_target;

const CONNECT: Connect<'static> = Connect {
    client_id: "dev",
    user_name: "user",
    password: Some(b"token"),
    clean_session: false,
    will: None,
};

struct World<'b> {
    session: Session<'b>,
    now: u64,
    tokens: Vec<AckToken>,
}

impl World<'_> {
    fn now(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn run(&mut self, script: &mut std::slice::Iter<'_, u8>) -> Option<()> {
        let session = &mut self.session;
        let now = Instant::from_millis(self.now);
        match script.next()? {
            b'c' => session.connect(now, &CONNECT).expect("it fits"),
            b'r' => self.receive(script)?,
            b't' => {
                let n = session.transmit().len().min(usize::from(*script.next()?));
                session.transmitted(n, now);
            }
            b'p' => _ = session.publish("t", &vec![0; usize::from(*script.next()?)]),
            b'n' => _ = session.publish_now("n", &vec![0; usize::from(*script.next()?)]),
            b's' => _ = session.subscribe(&[("a/#", QoS::AtLeastOnce), ("b", QoS::AtMostOnce)]),
            b'u' => _ = session.unsubscribe(&["b"]),
            b'a' => self
                .tokens
                .pop()
                .into_iter()
                .for_each(|token| session.acknowledge(token)),
            b'A' => self
                .tokens
                .drain(..)
                .for_each(|token| session.acknowledge(token)),
            b'w' => self.now += 500 * u64::from(*script.next()?),
            b'h' => session.set_hold(true),
            b'H' => session.set_hold(false),
            b'd' => session.disconnect(),
            b'x' => session.disconnected(),
            _ => return Some(()),
        }
        self.poll();
        Some(())
    }

    fn receive(&mut self, script: &mut std::slice::Iter<'_, u8>) -> Option<()> {
        let (mut bytes, rest) = script
            .as_slice()
            .split_first()
            .map(|(n, rest)| rest.split_at(rest.len().min(usize::from(*n))))?;
        *script = rest.iter();
        while !bytes.is_empty() {
            let space = self.session.receive_buffer();
            let n = space.len().min(bytes.len());
            if n == 0 {
                break;
            }
            space[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            self.session.received(n, self.now());
            self.poll();
        }
        Some(())
    }

    fn poll(&mut self) {
        // An event takes at least two bytes of the receive buffer.
        for _ in 0..128 {
            match self.session.poll(self.now()) {
                Ok(None) => {
                    assert!(
                        self.session
                            .deadline()
                            .is_none_or(|deadline| deadline > self.now())
                    );
                    assert!(
                        self.session.outbox_free() <= 300 && self.session.unacknowledged() <= 16
                    );
                    return;
                }
                Ok(Some(Event::Message(message))) => self.tokens.extend(message.ack()),
                Ok(Some(_)) => {}
                Err(error) => {
                    assert!(!error.to_string().is_empty() && !self.session.is_connected())
                }
            }
        }
        panic!("events without end");
    }
}

fuzz_target!(|script: &[u8]| {
    let (mut receive, mut transmit, mut outbox) = ([0; 160], [0; 128], [0; 300]);
    let buffers = Buffers {
        receive: &mut receive,
        transmit: &mut transmit,
        outbox: &mut outbox,
    };
    let config = Config {
        max_in_flight: 2,
        ..Config::default()
    };
    let session = Session::new(config, buffers).expect("the buffers are large enough");
    let mut world = World {
        session,
        now: 0,
        tokens: Vec::new(),
    };
    let mut script = script.iter();
    while world.run(&mut script).is_some() {}
});
