#![allow(clippy::unwrap_used)]

use super::*;

const LIMITS: QueueLimits = QueueLimits {
    depth: 3,
    lock: 60_000,
    max_deliveries: 2,
};

fn queue(messages: &[&str]) -> Queue {
    let mut queue = Queue::default();
    for message in messages {
        let entry = queue
            .prepare(Message::new(*message), 1_000_000, 0, LIMITS)
            .unwrap();
        queue.push(entry);
    }
    queue
}

fn deliver(queue: &mut Queue, connection: ConnectionId, now: u64) -> Option<String> {
    let entry = queue.deliver(connection, now, LIMITS)?;
    Some(String::from_utf8(entry.message.body.clone()).unwrap())
}

fn bodies(settled: &[Settled]) -> Vec<(String, Outcome)> {
    settled
        .iter()
        .map(|s| {
            (
                String::from_utf8(s.entry.message.body.clone()).unwrap(),
                s.outcome,
            )
        })
        .collect()
}

#[test]
fn messages_are_delivered_in_order_and_each_once() {
    let mut queue = queue(&["a", "b"]);
    assert_eq!(deliver(&mut queue, 1, 0).unwrap(), "a");
    assert_eq!(deliver(&mut queue, 1, 0).unwrap(), "b");
    assert_eq!(deliver(&mut queue, 1, 0), None);
}

#[test]
fn the_message_beyond_the_depth_is_refused_until_one_is_completed() {
    let mut queue = queue(&["a", "b", "c"]);
    assert_eq!(queue.prepare(Message::new("d"), 1, 0, LIMITS), None);
    deliver(&mut queue, 1, 0);
    assert_eq!(queue.prepare(Message::new("d"), 1, 0, LIMITS), None);
    assert!(matches!(
        queue.acknowledge(1, 1),
        Acknowledged::Completed(_)
    ));
    assert!(queue.prepare(Message::new("d"), 1, 0, LIMITS).is_some());
}

#[test]
fn only_the_oldest_delivery_can_be_acknowledged() {
    let mut queue = queue(&["a", "b"]);
    deliver(&mut queue, 1, 0);
    deliver(&mut queue, 1, 0);
    assert_eq!(queue.acknowledge(1, 2), Acknowledged::OutOfOrder(1));
    assert_eq!(queue.len(), 2);
    assert!(matches!(
        queue.acknowledge(1, 1),
        Acknowledged::Completed(_)
    ));
    assert!(matches!(
        queue.acknowledge(1, 2),
        Acknowledged::Completed(_)
    ));
    assert_eq!(queue.acknowledge(1, 2), Acknowledged::Nothing);
}

#[test]
fn a_connection_cannot_acknowledge_what_another_got() {
    let mut queue = queue(&["a"]);
    deliver(&mut queue, 1, 0);
    assert_eq!(queue.acknowledge(2, 1), Acknowledged::Nothing);
}

#[test]
fn a_message_that_was_not_acknowledged_is_delivered_again_with_the_same_packet_identifier() {
    let mut queue = queue(&["a", "b"]);
    let first = queue.deliver(1, 0, LIMITS).unwrap().packet_id();
    assert!(queue.release(1, LIMITS).is_empty());
    let again = queue.deliver(2, 0, LIMITS).unwrap();
    assert_eq!((again.packet_id(), again.deliveries), (first, 2));
}

#[test]
fn a_lock_times_out_after_its_time_and_not_before() {
    let mut queue = queue(&["a"]);
    deliver(&mut queue, 1, 1000);
    assert_eq!(queue.next_deadline(), Some(61_000));
    assert!(queue.tick(60_999, LIMITS).is_empty());
    assert_eq!(deliver(&mut queue, 1, 60_999), None);
    assert!(queue.tick(61_000, LIMITS).is_empty());
    assert_eq!(deliver(&mut queue, 1, 61_000).unwrap(), "a");
}

#[test]
fn after_a_redelivery_the_order_of_acknowledgement_is_that_of_deliveries() {
    let mut queue = queue(&["a", "b"]);
    deliver(&mut queue, 1, 0);
    deliver(&mut queue, 1, 1000);
    queue.tick(60_000, LIMITS);
    assert_eq!(deliver(&mut queue, 1, 60_000).unwrap(), "a");
    assert_eq!(queue.acknowledge(1, 1), Acknowledged::OutOfOrder(2));
    assert!(matches!(
        queue.acknowledge(1, 2),
        Acknowledged::Completed(_)
    ));
    assert!(matches!(
        queue.acknowledge(1, 1),
        Acknowledged::Completed(_)
    ));
}

#[test]
fn deliveries_run_out() {
    let mut queue = queue(&["a", "b"]);
    for _ in 0..2 {
        deliver(&mut queue, 1, 0);
        deliver(&mut queue, 1, 0);
        assert!(matches!(queue.acknowledge(9, 1), Acknowledged::Nothing));
        let settled = queue.release(1, LIMITS);
        if queue.len() == 0 {
            let gone = Outcome::DeliveryCountExceeded;
            assert_eq!(bodies(&settled), [("a".into(), gone), ("b".into(), gone)]);
            return;
        }
        assert!(settled.is_empty());
    }
    panic!("the messages are still there");
}

#[test]
fn messages_expire_unless_they_are_being_delivered() {
    let mut queue = queue(&["a", "b"]);
    deliver(&mut queue, 1, 990_000);
    let settled = queue.tick(1_000_000, LIMITS);
    assert_eq!(bodies(&settled), [("b".into(), Outcome::Expired)]);
    let settled = queue.tick(1_050_000, LIMITS);
    assert_eq!(bodies(&settled), [("a".into(), Outcome::Expired)]);
}

#[test]
fn an_expired_message_is_not_delivered_even_before_a_tick() {
    let mut queue = queue(&["a"]);
    assert_eq!(deliver(&mut queue, 1, 1_000_000), None);
}

#[test]
fn a_purge_leaves_nothing() {
    let mut queue = queue(&["a", "b"]);
    deliver(&mut queue, 1, 0);
    assert_eq!(queue.purge().len(), 2);
    assert_eq!(queue.len(), 0);
    assert_eq!(queue.acknowledge(1, 1), Acknowledged::Nothing);
}

#[test]
fn packet_identifiers_are_never_zero_and_wrap() {
    for sequence in [0, 1, 0x7ffd, 0x7ffe, 0x7fff, 0x8000, u64::MAX] {
        let entry = Entry {
            sequence,
            message: Message::new(""),
            expiry: 0,
            enqueued: 0,
            deliveries: 0,
            lock: None,
        };
        assert!((1..=0x7fff).contains(&entry.packet_id()), "{sequence}");
    }
}
