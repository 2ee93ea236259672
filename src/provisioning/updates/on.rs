//! Talk of updates on a session with the provisioning service.
//!
//! Before a registration, the service is asked for an update. That holds the registration up for a minute at most, and no
//! answer refuses it. A provisioned device has sessions of their own: it makes its report, which is never given up because
//! the service is busy, and asks for an update.

use alloc::boxed::Box;
use core::time::Duration;

use crate::json::{Object, TooLong};
use crate::logging::{info, warn};
use crate::provisioning::enrollment::API_VERSION;
use crate::text::Text;
use crate::time::Instant;
use crate::update::channel::{self, Etags, Operation, Reply, Verdict};
use crate::update::{Service, Updates};

/// The longest time that a registration is held up, as in Microsoft's device SDK for C.
const HOLD: Duration = Duration::from_secs(60);
/// Wait before a question is asked again, if the service names none.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Purpose of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A registration, before which the service is asked for an update.
    Registration,
    /// A report, if one is due, and a question for an update.
    Update {
        /// A report is due.
        report: bool,
    },
}

/// Result of a talk.
#[derive(Debug, Default)]
pub(crate) struct Talked {
    /// The update that is offered.
    pub(crate) offer: Option<Service>,
    /// The report was made, or it is of no use to make it again.
    pub(crate) is_reported: bool,
    /// The service answered the last question.
    pub(crate) is_answered: bool,
    /// The service is busy: it is to be asked again after this time, or after a usual one.
    pub(crate) later: Option<Option<Duration>>,
}

/// A talk of updates; its default is none.
#[derive(Debug, Default)]
pub(crate) struct Talk<'b>(Option<Box<Talking<'b>>>);

#[derive(Debug)]
struct Talking<'b> {
    updates: &'b Updates<'b>,
    purpose: Purpose,
    etags: Etags,
    /// The operation that is next, or that waits for its answer.
    next: Option<Operation>,
    is_asked: bool,
    hold: Instant,
    reply: Option<Reply>,
    talked: Talked,
}

impl<'b> Talk<'b> {
    pub(crate) fn new(updates: &'b Updates<'b>, purpose: Purpose, etags: Etags) -> Self {
        Self(Some(Box::new(Talking {
            updates,
            purpose,
            etags,
            next: None,
            is_asked: false,
            hold: Instant::default(),
            reply: None,
            talked: Talked::default(),
        })))
    }

    /// Its result, and the etags for the next one.
    pub(crate) fn take(&mut self) -> Option<(Talked, Etags)> {
        let talking = self.0.take()?;
        Some((talking.talked, talking.etags))
    }

    pub(in crate::provisioning) const fn api_version(&self) -> &'static str {
        match self.0 {
            Some(_) => channel::API_VERSION,
            None => API_VERSION,
        }
    }

    /// The session can be used.
    pub(in crate::provisioning) fn begin(&mut self, now: Instant) {
        let Some(talking) = &mut self.0 else {
            return;
        };
        talking.is_asked = false;
        talking.reply = None;
        talking.hold = now.after(HOLD);
        talking.next = match talking.purpose {
            // One that an earlier connection of this registration has answered is not asked for again.
            Purpose::Registration if talking.talked.is_answered => None,
            Purpose::Registration => Some(Operation::Onboarding),
            Purpose::Update { report: true } if !talking.talked.is_reported => {
                Some(Operation::Report)
            }
            Purpose::Update { .. } => Some(Operation::Get),
        };
    }

    /// True if an operation is to be asked for now.
    pub(in crate::provisioning) fn is_due(&self, now: Instant) -> bool {
        match &self.0 {
            Some(talking) if talking.purpose == Purpose::Registration => {
                talking.next.is_some() && now < talking.hold
            }
            Some(talking) => talking.next.is_some(),
            None => false,
        }
    }

    /// True if nobody wants to be registered.
    pub(in crate::provisioning) fn is_only_purpose(&self) -> bool {
        let talking = self.0.as_ref();
        talking.is_some_and(|talking| talking.purpose != Purpose::Registration)
    }

    pub(in crate::provisioning) fn is_asking(&self) -> bool {
        self.0.as_ref().is_some_and(|talking| talking.is_asked)
    }

    /// Writes the operation that is due. Gives its name, its body's length, and the end of the wait for its answer.
    pub(in crate::provisioning) fn ask(
        &mut self,
        space: &mut [u8],
        now: Instant,
        patience: Duration,
    ) -> Result<(&'static str, usize, Instant), TooLong> {
        let talking = self.0.as_mut().ok_or(TooLong)?;
        let operation = talking.next.ok_or(TooLong)?;
        let mut text = Text::new(space);
        let mut body = Object::new(&mut text);
        talking
            .updates
            .write_request(operation, &talking.etags, &mut body);
        body.finish()?;
        talking.is_asked = true;
        talking.reply = None;
        let until = now.after(patience);
        let until = match talking.purpose {
            Purpose::Registration => until.min(talking.hold),
            Purpose::Update { .. } => until,
        };
        Ok((operation.name(), text.len(), until))
    }

    /// There was no answer. True if the session goes on without it.
    pub(in crate::provisioning) fn timed_out(&mut self) -> bool {
        match &mut self.0 {
            Some(talking) if talking.is_asked => {
                talking.is_asked = false;
                let goes_on = talking.purpose == Purpose::Registration;
                if goes_on {
                    warn!("update: the service does not answer; registering without");
                    talking.next = None;
                }
                goes_on
            }
            _ => false,
        }
    }

    /// An answer begins.
    pub(in crate::provisioning) fn begin_answer(&mut self, status: u16, wait: Option<Duration>) {
        if let Some(talking) = &mut self.0
            && let Some(operation) = talking.next
        {
            let limit = talking.updates.text_size();
            talking.reply = Some(Reply::new(operation, status, wait, limit));
        }
    }

    pub(in crate::provisioning) fn feed(&mut self, bytes: &[u8]) {
        if let Some(Talking {
            reply: Some(reply), ..
        }) = self.0.as_deref_mut()
        {
            reply.feed(bytes);
        }
    }

    /// The answer is complete. Gives the time of the next question.
    pub(in crate::provisioning) fn end_answer(&mut self, now: Instant) -> Instant {
        let Some(talking) = &mut self.0 else {
            return now;
        };
        talking.is_asked = false;
        let (Some(mut reply), Some(operation)) = (talking.reply.take(), talking.next) else {
            return now;
        };
        let verdict = reply.finish(&mut talking.etags);
        match verdict {
            Verdict::Done => {}
            Verdict::Again => info!("update: the service wants to be told all again"),
            Verdict::Later(_) | Verdict::GivenUp => {
                warn!(
                    "update: the service refused {}: {}",
                    operation.name(),
                    reply.error()
                );
            }
        }
        match (verdict, operation) {
            (Verdict::Again, _) => now,
            (Verdict::Later(wait), Operation::Onboarding) => {
                now.after(wait.unwrap_or(RETRY_AFTER)).min(talking.hold)
            }
            (Verdict::Later(wait), _) => {
                talking.talked.later = Some(wait);
                talking.next = None;
                now
            }
            (Verdict::Done | Verdict::GivenUp, Operation::Report) => {
                talking.talked.is_reported = true;
                talking.next = Some(Operation::Get);
                now
            }
            (Verdict::Done | Verdict::GivenUp, _) => {
                talking.talked.is_answered = true;
                talking.talked.offer = reply.into_offer();
                talking.next = None;
                now
            }
        }
    }
}
