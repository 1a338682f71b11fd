//! Waits: when one begins, until when it lasts, and what ends it. Timers are facts with an instant in them: a host that slept through
//! some of them finds them all, and they are over in the order of their instants.

use super::Command;
use crate::definition::{Node, OnTimeout, Step, Wait};
use crate::event::{Event, Fault, WaitEnd};
use crate::expression::MAPPING_FAILED;
use crate::id::StepIndex;
use crate::run::{Run, StepRun, TrackState};
use crate::time::Timestamp;

/// The code of the fault with which a wait fails whose signal did not come.
pub(super) const TIMED_OUT: &str = "timed_out";

/// The fact that a wait begins, or that it cannot.
pub(super) fn begin(run: &Run, step: StepIndex, wait: &Wait, now: Timestamp) -> Event {
    let due = match wait {
        Wait::For(span) => Some(now.plus(*span)),
        Wait::Signal { timeout, .. } => timeout.map(|span| now.plus(span)),
        Wait::Until(mapping) => match run.evaluate(mapping).and_then(|given| instant(&given.text())) {
            Ok(due) => Some(due),
            Err(fault) => return Event::StepFailed { step, fault: Some(fault) },
        },
    };
    Event::WaitStarted { step, due }
}

fn instant(given: &str) -> Result<Timestamp, Fault> {
    let text = given.trim_matches('"');
    let refuse = || Fault::new(MAPPING_FAILED, &format!("`{text}` is not an instant: give RFC 3339, such as 2026-01-31T09:00:00Z"));
    text.parse().map_err(|_| refuse())
}

/// The facts that waits of the front are over, up to `now` and not behind `limit`, in the order of their instants; a signal counts from
/// when it came.
pub(super) fn over(run: &Run, now: Timestamp, limit: Option<Timestamp>) -> Vec<Command> {
    let mut over: Vec<(Timestamp, StepIndex, Event)> = run.front().filter_map(|(index, step)| end(run, index, step, now)).collect();
    over.retain(|(at, ..)| limit.is_none_or(|limit| *at <= limit));
    over.sort_by_key(|(at, step, _)| (*at, *step));
    // Two waits for one signal: the first takes it, the second and what is due behind it are asked about again.
    let mut taken = Vec::new();
    let alone = |(_, step, event): &(Timestamp, StepIndex, Event)| {
        let signal =
            run.definition().step(*step).signal().filter(|_| matches!(event, Event::WaitEnded { end: WaitEnd::Signalled, .. }));
        signal.is_none_or(|name| {
            !taken.contains(&name) && {
                taken.push(name);
                true
            }
        })
    };
    over.into_iter().take_while(alone).map(|(_, _, event)| Command::Record(event)).collect()
}

fn end(run: &Run, index: StepIndex, state: &StepRun, now: Timestamp) -> Option<(Timestamp, StepIndex, Event)> {
    let TrackState::Waiting(due) = state.forward.state else { return None };
    let step = run.definition().step(index);
    if let Some(signal) = step.signal().and_then(|name| run.signal(name, due)) {
        return Some((signal.at, index, Event::WaitEnded { step: index, end: WaitEnd::Signalled }));
    }
    let due = due.filter(|due| *due <= now)?;
    Some((due, index, expired(index, step)))
}

fn expired(index: StepIndex, step: &Step) -> Event {
    match &step.node {
        Node::Wait(Wait::Signal { name, on_timeout: OnTimeout::Fail, .. }) => {
            let fault = Fault::new(TIMED_OUT, &format!("signal `{name}` did not come in time"));
            Event::StepFailed { step: index, fault: Some(fault) }
        }
        Node::Wait(Wait::Signal { on_timeout: OnTimeout::Continue, .. }) => {
            Event::WaitEnded { step: index, end: WaitEnd::TimedOut }
        }
        Node::Wait(Wait::For(_) | Wait::Until(_)) | Node::Uses(_) => Event::WaitEnded { step: index, end: WaitEnd::Elapsed },
    }
}
