//! A machine without a hub or a platform: which task follows from what it is told.

use core::time::Duration;
use std::vec::Vec;

use super::*;
use crate::failure::{ClockError, Code, ConnectError, TcpFailure};
use crate::mqtt::Event;
use crate::port::{Reading, Readings, Requests, Sensor, SensorError};
use crate::report::{Condition, Status};
use crate::time::{Moment, SANE_CLOCK, UnixTime};

/// Work that connects without a credential, and notes what it is told.
#[derive(Debug, Default)]
struct Notes {
    /// Failure that an attempt is bound to have.
    doomed: Option<Failure>,
    measurement_due: Option<Instant>,
    measured: usize,
    is_done: bool,
    ends_with_a_failure: bool,
    failures: Vec<Failure>,
    ended: usize,
}

impl Work for Notes {
    fn check(&self, _: Option<UnixTime>) -> Result<(), Failure> {
        self.doomed.map_or(Ok(()), Err)
    }

    fn connect(
        &mut self,
        connection: &mut Connection<'_>,
        at: &Moment,
    ) -> Result<Option<Instant>, Failure> {
        let connect = mqtt::Connect {
            client_id: "id",
            user_name: "user",
            password: None,
            clean_session: true,
            will: None,
        };
        connection.session.connect(at.now, &connect)?;
        Ok(Some(at.now.after(HOUR)))
    }

    fn handle(
        &mut self,
        connection: &mut Connection<'_>,
        event: Event,
        at: &Moment,
    ) -> Result<(), Failure> {
        if let Event::Connected { .. } = event {
            connection.joined(at.now);
            assert!(connection.accepted(None), "nothing is subscribed to");
        }
        Ok(())
    }

    fn poll(&mut self, _: &mut Connection<'_>, _: &Moment) -> Result<(), Failure> {
        Ok(())
    }

    fn deadline(&self, _: &Connection<'_>, _: Instant) -> Option<Instant> {
        None
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn failed(&mut self, _: &mut Connection<'_>, _: &Moment, failure: &Failure) -> bool {
        self.failures.push(*failure);
        self.ends_with_a_failure
    }

    fn ended(&mut self, _: &mut Connection<'_>) {
        self.ended += 1;
    }

    fn requested(&mut self, connection: &mut Connection<'_>, at: &Moment, requests: Requests) {
        if requests.reconnect {
            connection.reconnect(at.now);
        }
    }

    fn measurement_due(&self) -> Option<Instant> {
        self.measurement_due
    }

    fn measured(&mut self, _: &mut Connection<'_>, at: &Moment, readings: &Readings) {
        self.measured += readings.iter().count();
        self.measurement_due = Some(at.now.after(MINUTE));
    }

    fn status(&self, connection: &Connection<'_>, _: Instant) -> Status {
        match connection.is_offline() {
            true => Status::Failed,
            false => Status::Connected,
        }
    }
}

/// Gives one reading.
struct One;

impl Sensor for One {
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        take(Reading {
            name: "level",
            thousandths: 1,
        });
        Ok(())
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const STOP: Requests = Requests {
    stop: true,
    send_now: false,
    retry_now: false,
    reconnect: false,
    woken: false,
    clear_queue: false,
    cancel_update: false,
    roll_back: false,
};
const DNS: ConnectError = ConnectError::Dns(Code(-2));

/// Runs `test` with a machine whose clock is set.
fn with_machine(test: impl FnOnce(&mut Machine<'_, Notes>)) {
    let (mut receive, mut transmit, mut outbox, mut scratch) = ([0; 64], [0; 64], [0; 64], [0; 64]);
    let buffers = mqtt::Buffers {
        receive: &mut receive,
        transmit: &mut transmit,
        outbox: &mut outbox,
    };
    let config = mqtt::Config {
        keepalive: Duration::from_secs(9 * 3600),
        ..mqtt::Config::default()
    };
    let settings = Settings {
        endpoint: Endpoint {
            host_name: "hub",
            address: "gateway",
            port: 8883,
        },
        credential: CredentialKind::X509,
        stop_timeout: MINUTE,
    };
    let session = mqtt::Session::new(config, buffers).expect("good sizes");
    let backoff = backoff::Config::default();
    let mut machine = Machine {
        connection: Connection::new(settings, backoff, session, &mut scratch),
        work: Notes::default(),
    };
    assert_eq!(machine.task(&at(0)), Task::SetClock);
    machine.clock_set(&at(0), None, Ok(at(0).unix.expect("it is set")));
    test(&mut machine);
}

/// The moment of this second, with the longest waits.
fn at(second: u64) -> Moment {
    let now = Instant::from_millis(second * 1000);
    Moment {
        now,
        unix: Some(SANE_CLOCK.after(Duration::from_secs(second))),
        random: u64::MAX,
    }
}

/// Gives the machine an open connection that was accepted.
fn join(machine: &mut Machine<'_, Notes>, second: u64) {
    let at = at(second);
    assert!(matches!(machine.task(&at), Task::OpenConnection { .. }));
    machine.opened(&at, Condition::default());
    send(machine, &at);
    let connack = [0x20, 2, 0, 0];
    let connection = machine.connection_mut();
    connection.receive_buffer()[..4].copy_from_slice(&connack);
    connection.received(4, at.now);
    machine.serve(&at).expect("CONNACK 0");
    assert!(machine.report().joined);
}

/// Sends what is to be sent; gives its first byte.
fn send(machine: &mut Machine<'_, Notes>, at: &Moment) -> Option<u8> {
    let connection = machine.connection_mut();
    let first = connection.transmit().first().copied();
    while !connection.transmit().is_empty() {
        let count = connection.transmit().len();
        connection.transmitted(count, at.now);
    }
    first
}

#[test]
fn a_measurement_comes_before_a_connection_is_opened_and_bounds_how_long_that_may_take() {
    with_machine(|machine| {
        machine.work.measurement_due = Some(at(10).now);
        let until = at(10).now;
        assert_eq!(machine.task(&at(9)), Task::OpenConnection { until });
        assert_eq!(machine.task(&at(10)), Task::Measure);
        machine.measured(&at(10), &Readings::of(&mut One));
        assert_eq!(machine.work.measured, 1);
        let until = at(70).now;
        assert_eq!(machine.task(&at(10)), Task::OpenConnection { until });
    });
}

#[test]
fn a_measurement_is_asked_for_in_a_wait_and_on_a_connection_and_not_after_a_stop() {
    with_machine(|machine| {
        machine.not_opened(&at(0), DNS);
        machine.work.measurement_due = Some(at(0).now);
        assert_eq!(machine.task(&at(0)), Task::Measure);
        machine.work.measurement_due = None;
        join(machine, 1);
        machine.work.measurement_due = Some(at(20).now);
        let until = at(20).now;
        assert_eq!(machine.task(&at(5)), Task::Exchange { until });
        assert_eq!(machine.task(&at(20)), Task::Measure);
        machine.requested(&at(20), STOP);
        assert!(matches!(machine.task(&at(20)), Task::Exchange { .. }));
    });
}

#[test]
fn an_attempt_that_is_bound_to_fail_is_a_failure_without_a_connection() {
    with_machine(|machine| {
        machine.work.doomed = Some(Failure::TokenExpired);
        assert_eq!(machine.task(&at(1)), Task::Sleep { until: at(1).now });
        assert_eq!(machine.work.failures, [Failure::TokenExpired]);
        assert_eq!(machine.report().last_failure, Some(Failure::TokenExpired));
        // It makes the clock suspect.
        assert_eq!(machine.task(&at(1)), Task::SetClock);
    });
}

#[test]
fn failures_are_waited_for_unless_the_work_ends_with_one() {
    with_machine(|machine| {
        machine.not_opened(&at(0), ConnectError::Cancelled);
        assert_eq!(machine.report().failures, 0, "a stop is no failure");
        machine.not_opened(&at(0), DNS);
        assert!(matches!(machine.task(&at(0)), Task::Sleep { until } if until > at(0).now));
        machine.requested(
            &at(0),
            Requests {
                retry_now: true,
                ..Requests::default()
            },
        );
        assert!(matches!(machine.task(&at(0)), Task::OpenConnection { .. }));
        machine.work.ends_with_a_failure = true;
        let refused = ConnectError::Tcp(TcpFailure::Refused, Code(111));
        machine.not_opened(&at(0), refused);
        assert_eq!(machine.task(&at(0)), Task::End);
        assert_eq!(machine.report().failures, 2);
        assert_eq!(machine.work.ended, 0, "it knows");
    });
}

#[test]
fn a_clock_that_was_never_set_is_a_failure_and_one_that_was_set_is_used() {
    with_machine(|machine| {
        let no_answer = Err(ClockError::NoAnswer);
        machine.clock_set(&at(0), Some(SANE_CLOCK), no_answer);
        assert_eq!(machine.work.failures, []);
        machine.clock_set(&at(0), None, no_answer);
        assert_eq!(
            machine.work.failures,
            [Failure::Clock(ClockError::NoAnswer)]
        );
    });
}

#[test]
fn work_that_is_done_says_goodbye_and_ends() {
    with_machine(|machine| {
        join(machine, 1);
        machine.work.is_done = true;
        machine.serve(&at(2)).expect("a connection");
        let until = at(2).now;
        assert_eq!(machine.task(&at(2)), Task::Exchange { until });
        machine.serve(&at(2)).expect("a connection");
        assert_eq!(send(machine, &at(2)), Some(0xe0), "DISCONNECT");
        assert_eq!(machine.task(&at(2)), Task::CloseConnection);
        machine.closed_cleanly(&at(2));
        assert_eq!((machine.task(&at(2)), machine.work.ended), (Task::End, 1));
        assert_eq!(machine.report().failures, 0);
    });
}

#[test]
fn a_connection_that_is_lost_when_the_work_is_done_or_stopping_is_no_failure() {
    for stopping in [false, true] {
        with_machine(|machine| {
            join(machine, 1);
            machine.work.is_done = !stopping;
            if stopping {
                machine.requested(&at(2), STOP);
            }
            machine.lost(&at(2), Failure::Closed);
            assert_eq!((machine.task(&at(2)), machine.work.ended), (Task::End, 1));
            assert_eq!(machine.report().failures, 0);
        });
    }
}

#[test]
fn a_planned_reconnect_is_counted_and_starts_at_once_and_a_loss_is_waited_for() {
    with_machine(|machine| {
        join(machine, 1);
        // The token is to be renewed.
        machine.serve(&at(3601)).expect("a connection");
        machine.serve(&at(3601)).expect("a connection");
        assert_eq!(send(machine, &at(3601)), Some(0xe0), "DISCONNECT");
        assert_eq!(machine.task(&at(3601)), Task::CloseConnection);
        machine.closed_cleanly(&at(3601));
        assert_eq!(
            (machine.report().renewals, machine.report().failures),
            (1, 0)
        );
        assert!(!machine.report().joined);
        join(machine, 3601);
        machine.lost(&at(3602), Failure::Io);
        assert!(matches!(machine.task(&at(3602)), Task::Sleep { .. }));
        assert_eq!(
            (machine.report().renewals, machine.report().failures),
            (1, 1)
        );
        assert_eq!(machine.status(at(3602).now), Status::Failed);
    });
}

#[test]
fn a_stop_without_a_connection_ends_at_once_and_is_remembered() {
    with_machine(|machine| {
        assert!(!machine.was_stopped());
        machine.requested(&at(0), STOP);
        assert_eq!((machine.task(&at(0)), machine.work.ended), (Task::End, 1));
        assert!(machine.was_stopped());
        machine.requested(&at(0), STOP);
        assert_eq!(machine.work.ended, 1, "once");
    });
}
