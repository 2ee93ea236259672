use std::collections::VecDeque;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn taken<S: AsRef<[u8]> + AsMut<[u8]>>(ring: &mut Ring<S>) -> Option<(Vec<String>, Vec<u8>)> {
    let mut space = [0; 512];
    let length = ring.pop(&mut space)?;
    let record = Record::parse(&space[..length])?;
    let (mut parts, mut body) = (Vec::new(), Vec::new());
    for part in record.parts() {
        match part {
            Part::Body(bytes) => body = bytes.to_vec(),
            other => parts.push(std::format!("{other:?}")),
        }
    }
    Some((parts, body))
}

#[test]
fn a_message_comes_out_with_all_its_parts() {
    let mut ring = Ring::new([0; 256], 256, 1);
    let message = Submission::json("{}")
        .properties(&[("alert", "true"), ("empty", "")])
        .of_component("door")
        .correlation_id("c")
        .message_id("m")
        .confirmed();
    let ticket = ring.push(&message, Instant::from_millis(7)).unwrap();
    assert_eq!(ticket.map(Ticket::number), Some(1));
    let (parts, body) = taken(&mut ring).unwrap();
    assert_eq!(
        parts,
        [
            "Component(\"door\")",
            "ContentType(\"application/json\")",
            "ContentEncoding(\"utf-8\")",
            "CorrelationId(\"c\")",
            "MessageId(\"m\")",
            "Key(\"alert\")",
            "Value(\"true\")",
            "Key(\"empty\")",
            "Value(\"\")",
        ]
    );
    assert_eq!(body, b"{}");
    assert!(ring.is_empty());
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_reason_and_changes_nothing() {
    let mut ring = Ring::new([0; 72], 52, 1);
    let now = Instant::default();
    let push = |ring: &mut Ring<[u8; 72]>, message: Submission<'_>| ring.push(&message, now);
    assert_eq!(
        push(&mut ring, Submission::bytes(&[0; 31])),
        Err(SendError::TooLarge {
            needed: 53,
            size: 52
        })
    );
    for key in ["", "$.mid"] {
        let properties = [(key, "1")];
        let bad = Submission::bytes(b"").properties(&properties).confirmed();
        assert_eq!(push(&mut ring, bad), Err(SendError::BadKey));
    }
    assert!(ring.is_empty());
    assert!(
        push(&mut ring, Submission::bytes(&[1; 20]).confirmed())
            .unwrap()
            .is_some()
    );
    let another = Submission::bytes(b"").confirmed();
    assert_eq!(push(&mut ring, another), Err(SendError::TooManyTickets));
    assert_eq!(
        push(&mut ring, Submission::bytes(&[2; 20])),
        Err(SendError::Full)
    );
    ring.settle();
    assert!(push(&mut ring, another).unwrap().is_some());
}

#[test]
fn a_record_that_is_longer_than_the_space_is_passed_over_and_keeps_its_ticket() {
    let mut ring = Ring::new([0; 128], 128, 1);
    ring.push(&Submission::bytes(&[1; 40]).confirmed(), Instant::default())
        .unwrap();
    ring.push(&Submission::bytes(b"next"), Instant::default())
        .unwrap();
    let mut space = [0; 20];
    let length = ring.pop(&mut space).unwrap();
    assert!(length > space.len());
    assert_eq!(Record::parse(&space).unwrap().ticket, Some(Ticket(1)));
    assert_eq!(taken(&mut ring).unwrap().1, b"next");
}

proptest! {
    #[test]
    fn messages_come_out_whole_and_in_order_whatever_comes_and_goes(
        size in 1_usize..200,
        steps in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..60), ".{0,8}"), 1..80),
    ) {
        let mut ring = Ring::new(std::vec![0; size], 512, 4);
        let mut model = VecDeque::new();
        for (is_push, body, value) in steps {
            if is_push {
                let properties = [("key", value.as_str())];
                let message = Submission::bytes(&body).properties(&properties);
                if ring.push(&message, Instant::default()).is_ok() {
                    model.push_back((body.clone(), value.clone()));
                }
            } else {
                let expected = model.pop_front().map(|(body, value)| {
                    let parts = std::vec![std::format!("{:?}", Part::Key("key")), std::format!("{:?}", Part::Value(&value))];
                    (parts, body)
                });
                prop_assert_eq!(taken(&mut ring), expected);
            }
        }
    }

    #[test]
    fn no_bytes_make_a_record_that_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(record) = Record::parse(&bytes) {
            prop_assert!(record.parts().count() <= bytes.len());
        }
    }
}
