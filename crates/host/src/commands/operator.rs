//! The operator of the demonstration's hub: watches what is stored, and sends messages to the devices, changes their
//! desired properties and calls a method of each. Each line is printed before what it leads to.

use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use anstyle::AnsiColor;
use azure_device_host::indicator::print_line;
use local_hub::{Ack, Event, Hub, Message, Outcome};
use serde_json::{Value, json};

/// The operator answers the first stored message of a device, and then each one that completes this many.
const ANSWERED: u64 = 10;

/// The longest wait between two looks at whether to end.
const LOOK: Duration = Duration::from_millis(200);

/// Time that a device gets to answer a method.
const METHOD_TIMEOUT: Duration = Duration::from_secs(5);

/// Step that an operator takes with a device next, after the one before is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Sends a message once the device has sent one, and waits until the device acknowledged it.
    Message,
    /// Changes a desired property.
    Desire,
    /// Waits until the device reported it.
    Report,
    /// Calls a method.
    Method,
    Done,
}

/// Knowledge of the operator about one device.
struct Watched {
    id: &'static str,
    /// Messages of the device that the hub has stored.
    stored: u64,
    /// Messages to the device that it has acknowledged, which it does after its application took them.
    received: u64,
    step: Step,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            stored,
            received,
            step: _,
        } = self;
        write!(f, "{id} sent {stored} and received {received}")
    }
}

/// Watches a hub.
pub(crate) struct Operator<'h> {
    hub: &'h Hub,
    devices: Vec<Watched>,
    next_sequence_number: u64,
}

impl<'h> Operator<'h> {
    /// An operator that has seen nothing yet.
    pub(crate) fn new(hub: &'h Hub, ids: impl Iterator<Item = &'static str>) -> Self {
        let watched = |id| Watched {
            id,
            stored: 0,
            received: 0,
            step: Step::Message,
        };
        Self {
            hub,
            devices: ids.map(watched).collect(),
            next_sequence_number: 0,
        }
    }

    /// Works until every device has done its part (with `messages`), or until `interrupted`.
    ///
    /// # Errors
    ///
    /// Message about what is missing when `time_limit` is over, or when it was interrupted before.
    pub(crate) fn work(
        &mut self,
        messages: Option<u64>,
        time_limit: Duration,
        interrupted: impl Fn() -> bool,
    ) -> Result<(), String> {
        let start = Instant::now();
        loop {
            self.look()?;
            let ended = interrupted();
            let Some(messages) = messages else {
                if ended {
                    return Ok(());
                }
                continue;
            };
            let has_done =
                |device: &Watched| device.stored >= messages && device.step == Step::Done;
            if self.devices.iter().all(has_done) {
                return Ok(());
            }
            if ended {
                return Err(format!("interrupted before {}", self.missing(messages)));
            }
            if start.elapsed() >= time_limit {
                let seconds = time_limit.as_secs_f64();
                return Err(format!(
                    "after {seconds} s, still without {}",
                    self.missing(messages)
                ));
            }
        }
    }

    /// One line about all devices.
    pub(crate) fn summary(&self) -> String {
        let lines: Vec<_> = self.devices.iter().map(ToString::to_string).collect();
        lines.join("; ")
    }

    fn missing(&self, messages: u64) -> String {
        format!(
            "{messages} stored messages of each device, a cloud-to-device message received, a desired property \
             reported and a method answered by each: {}; the lines above say why, -v says more",
            self.summary()
        )
    }

    /// Waits shortly for new events and feedback and deals with them.
    fn look(&mut self) -> Result<(), String> {
        let next = self.next_sequence_number;
        let is_new = |event: &Event| event.sequence_number >= next;
        let (_, events) = self
            .hub
            .wait_for_events(LOOK, |events| events.last().is_some_and(is_new));
        for event in events.iter().filter(|event| is_new(event)) {
            self.next_sequence_number = event.sequence_number + 1;
            self.stored(event)?;
        }
        let feedback = self.hub.take_feedback();
        let feedback = feedback.map_err(|error| format!("the hub gave no feedback: {error}"))?;
        for feedback in feedback {
            let device = self
                .devices
                .iter_mut()
                .find(|device| device.id == feedback.device_id);
            if let Some(device) = device.filter(|_| feedback.status_code == Outcome::Success) {
                device.received += 1;
                say(&format!(
                    "{} acknowledged {}",
                    device.id, feedback.original_message_id
                ));
                if device.step == Step::Message {
                    device.step = Step::Desire;
                }
            }
        }
        for device in &mut self.devices {
            device.go_on(self.hub)?;
        }
        Ok(())
    }

    fn stored(&mut self, event: &Event) -> Result<(), String> {
        let origin = &event.origin.device_id;
        let mut text = format!("stored from {origin}: ");
        match str::from_utf8(&event.body) {
            Ok(body) => text.push_str(body),
            Err(_) => write!(text, "{} bytes", event.body.len()).unwrap_or_default(),
        }
        say(&text);
        let Some(device) = self.devices.iter_mut().find(|device| device.id == origin) else {
            return Ok(());
        };
        device.stored += 1;
        if device.stored != 1 && device.stored % ANSWERED != 0 {
            return Ok(());
        }
        let (number, id) = (device.stored, device.id);
        let text = format!("stored so far: {number}");
        say(&format!("sends message-{number} to {id}: {text}"));
        let message = Message {
            message_id: Some(format!("message-{number}")),
            ack: Some(Ack::Full),
            properties: vec![("stored".into(), number.to_string())],
            ..Message::new(text)
        };
        self.hub
            .send_c2d(device.id, message)
            .map_err(|error| format!("the hub took no message for {}: {error}", device.id))
    }
}

impl Watched {
    /// Takes the next step if it is due.
    fn go_on(&mut self, hub: &Hub) -> Result<(), String> {
        let id = self.id;
        match self.step {
            Step::Message | Step::Done => {}
            Step::Desire => {
                let desired = json!({ "indicator": { "__t": "c", "enabled": true } });
                say(&format!("desires of {id}: {desired}"));
                let patch = json!({ "properties": { "desired": desired } });
                hub.patch_twin(id, &patch)
                    .map_err(|error| format!("the hub took no desired property: {error}"))?;
                self.step = Step::Report;
            }
            Step::Report => {
                let twin = hub
                    .twin(id)
                    .map_err(|error| format!("the hub has no twin of {id}: {error}"))?;
                let reported = &twin["properties"]["reported"]["indicator"];
                if !reported["enabled"]["ac"].is_null() {
                    say(&format!(
                        "{id} reported: {}",
                        json!({ "indicator": reported })
                    ));
                    self.step = Step::Method;
                }
            }
            Step::Method => {
                say(&format!("calls getStatus of {id}"));
                // A device that is not connected at the moment is asked again.
                match hub.invoke_method(id, "getStatus", &Value::Null, METHOD_TIMEOUT) {
                    Ok(answer) => {
                        let (status, payload) = (answer.status, answer.payload);
                        say(&format!("{id} answered with {status}: {payload}"));
                        self.step = Step::Done;
                    }
                    Err(error) => say(&format!("{id} gave no answer: {error}")),
                }
            }
        }
        Ok(())
    }
}

fn say(text: &str) {
    print_line(AnsiColor::Cyan, "hub", text);
}
