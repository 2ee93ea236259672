//! Direct methods.

use super::{Context, Name, Refusal, property};
use crate::json::{Slot, Value};
use crate::time::Instant;

/// A direct method.
pub struct Method<A> {
    /// Its name, as in the DTDL model. A component's is `component*command`.
    pub(crate) name: Name,
    run: Run<A>,
}

enum Run<A> {
    Function(fn(&mut A, Call<'_>, &mut Context<'_>, Slot<'_, '_>) -> Outcome),
    Indexed(
        usize,
        fn(&mut A, usize, Call<'_>, &mut Context<'_>, Slot<'_, '_>) -> Outcome,
    ),
    /// Sets the interval of the stream of this name.
    SetInterval(&'static str),
}

impl<A> Method<A> {
    /// A method of this name. `run` runs it, and writes its result: any JSON value.
    pub const fn new(
        name: &'static str,
        run: fn(&mut A, Call<'_>, &mut Context<'_>, Slot<'_, '_>) -> Outcome,
    ) -> Self {
        Self {
            name: Name::Fixed(name),
            run: Run::Function(run),
        }
    }

    /// A method that sets the interval of a stream: `{"seconds": 30}`, or 30 alone. It answers with the seconds that are
    /// in force.
    pub const fn set_interval(name: &'static str, stream: &'static str) -> Self {
        Self {
            name: Name::Fixed(name),
            run: Run::SetInterval(stream),
        }
    }

    /// A method whose name is known at run time: `name` gives it for `index`, or `None` if the application has no such
    /// method. `run` gets the index too.
    pub const fn indexed(
        index: usize,
        name: fn(usize) -> Option<&'static str>,
        run: fn(&mut A, usize, Call<'_>, &mut Context<'_>, Slot<'_, '_>) -> Outcome,
    ) -> Self {
        Self {
            name: Name::Indexed(index, name),
            run: Run::Indexed(index, run),
        }
    }

    /// Its name; `None` if this is an entry that is not in use.
    pub fn name(&self) -> Option<&'static str> {
        self.name.get()
    }

    /// Runs it.
    pub fn call(
        &self,
        application: &mut A,
        call: Call<'_>,
        device: &mut Context<'_>,
        result: Slot<'_, '_>,
    ) -> Outcome {
        match self.run {
            Run::Function(run) => run(application, call, device, result),
            Run::Indexed(index, run) => run(application, index, call, device, result),
            Run::SetInterval(stream) => set_interval(stream, &call, device, result),
        }
    }
}

fn set_interval(
    stream: &str,
    call: &Call<'_>,
    device: &mut Context<'_>,
    result: Slot<'_, '_>,
) -> Outcome {
    let Some(seconds) = call.argument("seconds") else {
        return Outcome::bad_payload("pass the seconds, such as {\"seconds\": 30}");
    };
    if let Err(refusal) = property::set_interval(device, stream, seconds) {
        return Outcome::bad_payload(refusal);
    }
    let seconds = property::interval(device, stream);
    result.object(|result| {
        result.thousandths("seconds", seconds);
    });
    Outcome::Done(200)
}

/// One call of a direct method.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Payload of the operator. `None` for a call without a payload, and when a method that answered
    /// [`Outcome::Later`] is asked again.
    pub payload: Option<Value<'a>>,
    /// False on the first call, true when a method that answered [`Outcome::Later`] is asked again.
    pub again: bool,
}

impl<'a> Call<'a> {
    /// The payload's member of this name; the payload itself if it is no object. `null` counts as absent.
    pub fn argument(&self, name: &str) -> Option<Value<'a>> {
        let payload = self.payload?;
        let value = match payload.kind() {
            crate::json::Kind::Object => payload.get(name)?,
            _ => payload,
        };
        Some(value).filter(|value| !value.is_null())
    }
}

/// Outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, with this status and what was written. A method that wrote nothing answers without a body.
    Done(i32),
    /// Refused with this status and this reason; what was written is dropped.
    Refused(i32, Refusal),
    /// Not done yet: ask again then. The connection goes on meanwhile.
    Later(Instant),
}

impl Outcome {
    /// A payload that makes no sense: status 400.
    pub fn bad_payload(reason: impl Into<Refusal>) -> Self {
        Self::Refused(400, reason.into())
    }
}
