#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_bucket_lets_a_second_of_its_rate_pass_and_then_its_rate() {
    let start = Instant::now();
    let mut bucket = Bucket::new(10.0, start);
    for _ in 0..10 {
        assert_eq!(
            bucket.take(1.0, Duration::ZERO, start),
            Some(Duration::ZERO)
        );
    }
    assert_eq!(bucket.take(1.0, Duration::ZERO, start), None);
    let later = start + Duration::from_millis(101);
    assert_eq!(
        bucket.take(1.0, Duration::ZERO, later),
        Some(Duration::ZERO)
    );
    assert_eq!(bucket.take(1.0, Duration::ZERO, later), None);
}

#[test]
fn what_waits_its_turn_waits_longer_the_more_there_is() {
    let now = Instant::now();
    let mut bucket = Bucket::new(2.0, now);
    let patience = Duration::from_secs(1);
    let waits: Vec<_> = (0..5).map(|_| bucket.take(1.0, patience, now)).collect();
    let millis = |millis| Some(Duration::from_millis(millis));
    assert_eq!(
        waits,
        [millis(0), millis(0), millis(500), millis(1000), None]
    );
}

#[test]
fn a_thousand_registrations_pass_at_once_and_then_one_every_60_milliseconds() {
    let now = Instant::now();
    let mut bucket = Bucket::holding(1000.0 / 60.0, Duration::from_secs(60), now);
    for _ in 0..1000 {
        assert_eq!(bucket.take_or_wait(now), Ok(()));
    }
    let wait = bucket.take_or_wait(now).unwrap_err();
    assert!((59..=60).contains(&wait.as_millis()), "{wait:?}");
    let later = now + Duration::from_millis(61);
    assert_eq!(bucket.take_or_wait(later), Ok(()));
    assert!(bucket.take_or_wait(later).is_err());
}

#[test]
fn each_registration_may_ask_five_times_in_ten_seconds() {
    let start = Instant::now();
    let mut polls = Polls {
        limit: 5,
        asked: HashMap::new(),
    };
    let at = |seconds| start + Duration::from_secs(seconds);
    for second in 0..5 {
        assert_eq!(polls.take_or_wait("a", at(second)), Ok(()));
    }
    assert_eq!(
        polls.take_or_wait("a", at(5)),
        Err(Duration::from_secs(5)),
        "the first one counts for 10 s"
    );
    assert_eq!(polls.take_or_wait("b", at(5)), Ok(()));
    assert_eq!(polls.take_or_wait("a", at(10)), Ok(()));
    assert!(polls.take_or_wait("a", at(10)).is_err());
}

#[test]
fn nothing_is_refused_unless_it_is_switched_on() {
    let throttle = Throttle::new(None);
    for _ in 0..2000 {
        assert_eq!(throttle.take(Operation::C2d), Some(Duration::ZERO));
        assert_eq!(throttle.register(), Ok(()));
        assert_eq!(throttle.poll("a"), Ok(()));
    }
}
