//! What to do about a dead letter, from how its last attempt ended and what it sent. The host has seen every request and knows what a
//! failure means; whoever is called at night should not have to work it out again.

use crate::definition::Step;
use crate::event::{AttemptEnded, Direction, Ending, Failure, Fault, Halt};
use crate::id::StepIndex;
use crate::run::Run;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most places that are named to be looked at.
const TARGETS_MAX: usize = 3;

/// What may be done about a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// What to do.
    pub action: Action,
    /// Why, and what to look at first. One or two sentences.
    pub text: String,
}

/// What to do about a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Have it tried again when the other side is back.
    Redrive,
    /// Have it tried again with a corrected plugin.
    RedriveCorrected,
    /// Find out whether it still stands, take it back by hand and say so.
    ResolveUndone,
    /// Do it by hand and say so.
    ResolveDone,
    /// Find out whether it happened, and say which.
    FindOut,
}

/// How the attempts ended, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The handler refuses.
    Refused,
    /// The other side was not there, or answered too late.
    OtherSide,
    /// The handler does not know what happened.
    Unknown,
    /// The handler is wrong, or its limits are.
    Plugin,
    /// The host was in the way, not the handler: it went away, or the time for all of it was over.
    Host,
    /// No attempt was made, because the document is wrong about the data.
    Mapping,
}

pub(super) fn advice(
    run: &Run,
    index: StepIndex,
    direction: Direction,
    last: Option<&AttemptEnded>,
    fault: Option<&Fault>,
) -> Advice {
    let case = Case { run, index, step: run.definition().step(index), last };
    let reason = reason(last, fault);
    let is_pivot = direction == Direction::Forward && run.is_doubtful_pivot(index);
    let (action, text) = match direction {
        Direction::Forward if is_pivot => case.of_pivot(),
        Direction::Forward => case.forward(reason),
        Direction::Backward => case.backward(reason),
    };
    Advice { action, text }
}

fn reason(last: Option<&AttemptEnded>, fault: Option<&Fault>) -> Reason {
    match last.map(|ended| &ended.ending) {
        _ if fault.is_some() => Reason::Mapping,
        None | Some(Ending::Ok { .. }) => Reason::Host,
        Some(Ending::Failed { failure: Failure::Rejected, .. }) => Reason::Refused,
        Some(Ending::Failed { failure: Failure::Unavailable, .. }) => Reason::OtherSide,
        Some(Ending::Failed { failure: Failure::Uncertain, .. }) => Reason::Unknown,
        Some(Ending::Halted { halt, .. }) => match halt {
            Halt::Trap | Halt::OutOfFuel | Halt::OutOfMemory | Halt::Oversized => Reason::Plugin,
            Halt::Timeout => Reason::OtherSide,
            Halt::Lost | Halt::Cancelled => Reason::Host,
        },
    }
}

/// A dead letter to be advised on.
struct Case<'a> {
    run: &'a Run,
    index: StepIndex,
    step: &'a Step,
    last: Option<&'a AttemptEnded>,
}

impl Case<'_> {
    fn backward(&self, reason: Reason) -> (Action, String) {
        let (handler, places) = (self.handler(), self.places(Direction::Forward));
        match reason {
            Reason::Refused => (
                Action::ResolveUndone,
                format!(
                    "{handler} refuses to take it back. Find out {places} whether what the step did still stands; if it does, take it \
                     back by hand; then resolve it as undone. Or redrive it with a corrected plugin."
                ),
            ),
            Reason::Unknown => (
                Action::ResolveUndone,
                format!(
                    "Nobody knows whether it was taken back. Redrive it: a compensation may be repeated. Or find out {} and resolve it \
                     as undone when it is.",
                    self.places(Direction::Backward)
                ),
            ),
            Reason::OtherSide => (Action::Redrive, format!("{} Redrive it when the other side is back.", self.not_there())),
            Reason::Plugin => (Action::RedriveCorrected, self.wrong_plugin()),
            Reason::Host | Reason::Mapping => (
                Action::Redrive,
                format!(
                    "The time for the way back was over, or the host was away, before {handler} could take it back. Redrive it, which gives it new time."
                ),
            ),
        }
    }

    fn forward(&self, reason: Reason) -> (Action, String) {
        let handler = self.handler();
        let behind = "The run is past its pivot, so it can only go forward.";
        match reason {
            Reason::Refused => (
                Action::ResolveDone,
                format!(
                    "{handler} refuses to do it. {behind} Redrive it when the reason is gone, or with a corrected plugin; or do by hand \
                     what the step should do and resolve it as done, with the output that later steps need."
                ),
            ),
            Reason::Mapping => (
                Action::ResolveDone,
                format!(
                    "The saga's own mapping fails, and will again. {behind} Do by hand what the step should do and resolve it as done, \
                     with the output that later steps need."
                ),
            ),
            Reason::Unknown => (
                Action::Redrive,
                format!(
                    "Nobody knows whether it was done. {behind} Redrive it, if it may be repeated with the same idempotency key; or find \
                     out {} and resolve it as done.",
                    self.places(Direction::Forward)
                ),
            ),
            Reason::OtherSide => {
                (Action::Redrive, format!("{} {behind} Redrive it when the other side is back.", self.not_there()))
            }
            Reason::Plugin => (Action::RedriveCorrected, format!("{} {behind}", self.wrong_plugin())),
            Reason::Host => {
                (Action::Redrive, format!("The host was away, or time was over, before {handler} was done. {behind} Redrive it."))
            }
        }
    }

    fn of_pivot(&self) -> (Action, String) {
        let places = self.places(Direction::Forward);
        let text = format!(
            "The pivot may have happened, and cannot be taken back: nothing goes on until somebody knows. Find out {places} whether it \
             happened. If it did, resolve it as done, with its output, and the run goes forward; if not, resolve it as undone, and what \
             was done before it is compensated. Redrive it only if it may be repeated with the same idempotency key."
        );
        (Action::FindOut, text)
    }

    fn wrong_plugin(&self) -> String {
        let (handler, ended) = (self.handler(), self.halted());
        let component = self.run.component(self.index).map_or_else(String::new, |digest| format!(" of component {digest}"));
        format!(
            "{handler}{component} {ended}: it will do so again. Redrive it with a corrected plugin, which takes the place of that component for this step."
        )
    }

    fn halted(&self) -> &'static str {
        match self.last.map(|ended| &ended.ending) {
            Some(Ending::Halted { halt: Halt::OutOfFuel, .. }) => "uses up its fuel",
            Some(Ending::Halted { halt: Halt::OutOfMemory, .. }) => "wants more memory than it may have",
            Some(Ending::Halted { halt: Halt::Oversized, .. }) => "answers more than it may",
            Some(
                Ending::Halted { halt: Halt::Trap | Halt::Timeout | Halt::Lost | Halt::Cancelled, .. }
                | Ending::Failed { .. }
                | Ending::Ok { .. },
            )
            | None => "traps",
        }
    }

    fn not_there(&self) -> String {
        let handler = self.handler();
        match self.last.map(|ended| &ended.ending) {
            Some(Ending::Halted { .. }) => format!("{handler} was not done in time: whoever it asks may be slow or away."),
            Some(Ending::Failed { fault, .. }) => format!("{handler} says that somebody it needs is away ({}).", fault.code),
            Some(Ending::Ok { .. }) | None => format!("{handler} was not tried to its end."),
        }
    }

    fn handler(&self) -> String {
        self.step.uses().map_or_else(|| format!("Step `{}`", self.step.id), |uses| format!("`{}`", uses.handler))
    }

    /// Where to look: what was sent there may have changed something.
    fn places(&self, direction: Direction) -> String {
        let mut places: Vec<String> = Vec::new();
        let effects =
            self.run.step(self.index).effects.iter().filter(|effect| effect.direction == direction && effect.raises_doubt());
        for place in effects.map(|effect| format!("{} {}", effect.method, effect.target)) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let more = places.len().saturating_sub(TARGETS_MAX);
        places.truncate(TARGETS_MAX);
        match (places.is_empty(), more) {
            (true, _) => format!("from whoever {} speaks to", self.handler()),
            (false, 0) => format!("at {}", places.join(", ")),
            (false, more) => format!("at {} and {more} more", places.join(", ")),
        }
    }
}
