//! Heap use of the MQTT session, in size and time: the codec allocates, the session keeps nothing.
//!
//! The figures are bytes asked of the allocator on a 64-bit host (`cargo test --test mqtt_heap --
//! --nocapture` prints them); on a 32-bit device, the codec's own bookkeeping takes half of its part.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use allocation_counter::{AllocationInfo, measure};
use azure_device::mqtt::{Buffers, Config, Connect, Event, Session};
use azure_device::time::Instant;

const NOW: Instant = Instant::from_millis(0);
/// A telemetry topic of 94 bytes, with content type, encoding and message id.
const TOPIC: &str = "devices/MyDevice01/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8&%24.mid=0123456789ab";

/// Prints what `work` took at its peak and returns that, after making sure that all was given back.
fn peak(what: &str, work: impl FnOnce()) -> usize {
    let taken: AllocationInfo = measure(work);
    assert_eq!(taken.bytes_current, 0, "{what} kept something");
    println!(
        "{what}: {} bytes at the peak, {} allocations",
        taken.bytes_max, taken.count_total
    );
    usize::try_from(taken.bytes_max).unwrap()
}

/// Hands everything that is due to a transport that takes it all.
fn flush(session: &mut Session<'_>) {
    loop {
        let n = session.transmit().len();
        if n == 0 {
            return;
        }
        session.transmitted(n, NOW);
    }
}

fn receive(session: &mut Session<'_>, bytes: &[u8]) {
    session.receive_buffer()[..bytes.len()].copy_from_slice(bytes);
    session.received(bytes.len(), NOW);
}

/// A cloud-to-device message: QoS 1, identifier 1, a body of 2 KB; 2113 bytes in all.
fn cloud_to_device() -> Vec<u8> {
    let topic = "devices/MyDevice01/messages/devicebound/%24.mid=m1&k=a%2Bb";
    let length = 2 + topic.len() + 2 + 2048;
    let mut packet = vec![
        0x32,
        (length % 128) as u8 | 0x80,
        (length / 128) as u8,
        0,
        topic.len() as u8,
    ];
    packet.extend_from_slice(topic.as_bytes());
    packet.extend_from_slice(&[0, 1]);
    packet.resize(packet.len() + 2048, 0x55);
    packet
}

#[test]
fn the_heap_is_used_for_moments_and_in_proportion_to_the_packet() {
    let (mut receive_buffer, mut transmit, mut outbox) = ([0; 4096], [0; 1024], [0; 4096]);
    let buffers = Buffers {
        receive: &mut receive_buffer,
        transmit: &mut transmit,
        outbox: &mut outbox,
    };
    let mut session = Session::new(Config::default(), buffers).unwrap();

    let token = [b'x'; 300];
    let connect = Connect {
        client_id: "MyDevice01",
        user_name: "contoso.azure-devices.net/MyDevice01/?api-version=2021-04-12",
        password: Some(&token),
        clean_session: false,
        will: None,
    };
    // The packet (389 bytes) and its three strings (370).
    let taken = peak("CONNECT with a 300-byte token", || {
        session.connect(NOW, &connect).unwrap();
        flush(&mut session);
    });
    assert!(taken <= 389 + 370, "{taken}");

    let taken = peak("CONNACK", || {
        receive(&mut session, &[0x20, 2, 0, 0]);
        assert!(matches!(
            session.poll(NOW),
            Ok(Some(Event::Connected { .. }))
        ));
    });
    assert_eq!(taken, 0);

    // The packet (613), its topic (94) and its payload (512).
    let payload = [7; 512];
    let taken = peak("a publish of 512 bytes", || {
        session.publish(TOPIC, &payload).unwrap();
    });
    assert!(taken <= 613 + 94 + 512 + 64, "{taken}");
    let taken = peak("sending it", || flush(&mut session));
    assert_eq!(taken, 0, "it goes out from where it lies");
    let taken = peak("its PUBACK", || {
        receive(&mut session, &[0x40, 2, 0, 1]);
        assert!(matches!(session.poll(NOW), Ok(Some(Event::Published(_)))));
    });
    assert!(taken <= 64, "{taken}");

    let packet = cloud_to_device();
    let taken = peak("a cloud-to-device message of 2 KB", || {
        receive(&mut session, &packet);
        let Ok(Some(Event::Message(message))) = session.poll(NOW) else {
            panic!("no message")
        };
        session.acknowledge(message.ack().unwrap());
        drop(message);
        flush(&mut session);
    });
    // The packet, its topic twice while it is checked, and bookkeeping.
    assert!(taken <= packet.len() + 2 * 58 + 64, "{taken}");
}

#[test]
fn a_message_that_does_not_fit_takes_its_topic_from_the_heap_and_nothing_of_its_payload() {
    let (mut receive_buffer, mut transmit, mut outbox) = ([0; 1024], [0; 1024], [0; 1024]);
    let buffers = Buffers {
        receive: &mut receive_buffer,
        transmit: &mut transmit,
        outbox: &mut outbox,
    };
    let mut session = Session::new(Config::default(), buffers).unwrap();
    let connect = Connect {
        client_id: "MyDevice01",
        user_name: "contoso.azure-devices.net/MyDevice01/?api-version=2021-04-12",
        password: None,
        clean_session: false,
        will: None,
    };
    session.connect(NOW, &connect).unwrap();
    flush(&mut session);
    receive(&mut session, &[0x20, 2, 0, 0]);
    assert!(matches!(
        session.poll(NOW),
        Ok(Some(Event::Connected { .. }))
    ));

    let packet = cloud_to_device();
    let mut payload = 0;
    let taken = peak("a cloud-to-device message of 2 KB in pieces", || {
        for piece in packet.chunks(500) {
            receive(&mut session, piece);
            while let Some(event) = session.poll(NOW).unwrap() {
                match event {
                    Event::LargeMessage { message, .. } => assert_eq!(message.topic().len(), 58),
                    Event::Piece => payload += session.piece().len(),
                    Event::LargeMessageEnd { ack } => session.acknowledge(ack.unwrap()),
                    other => panic!("{other:?}"),
                }
            }
        }
        flush(&mut session);
    });
    assert_eq!(payload, 2048);
    // The start of the packet, its topic twice while it is checked, and bookkeeping.
    assert!(taken <= 65 + 2 * 58 + 64, "{taken}");
}
