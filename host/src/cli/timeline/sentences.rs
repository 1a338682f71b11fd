//! What happened to a run besides its attempts, in sentences: waits, failures, the way back, and what people asked for.

use super::super::output::plain;
use super::super::text::{count, cut, span};
use super::{Mark, TEXT_COLUMNS, Timeline, fault_text, with_message};
use amends_domain::definition::Node;
use amends_domain::event::{
    Author, Cause, Confirmation, Demand, Demanded, Fault, InFlight, Omission, Resolution, Resolve, WaitEnd,
};
use amends_domain::explain::proof;
use amends_domain::id::StepIndex;
use amends_domain::payload::Payload;
use amends_domain::run::StepStatus;
use amends_domain::time::Timestamp;

/// Longest name of a person that is shown.
const WHO_COLUMNS: usize = 40;

impl Timeline {
    /// What a cause is, for people.
    pub(in crate::cli) fn because(&self, cause: &Cause) -> String {
        match cause {
            Cause::StepFailed(step) => {
                let word = if self.run.step(*step).doubt { "is in doubt" } else { "failed" };
                format!("{} {word}", self.id(*step))
            }
            Cause::DeadlinePassed => "the run's deadline passed".to_owned(),
            Cause::Cancelled => "it was cancelled".to_owned(),
            Cause::Requested { from: None } => "somebody asked for it".to_owned(),
            Cause::Requested { from: Some(step) } => format!("somebody asked for it, from {} on", self.id(*step)),
        }
    }

    /// A wait that begins.
    pub(super) fn waits(&self, at: Timestamp, step: StepIndex, due: Option<Timestamp>) -> Vec<String> {
        let text = match (self.run.definition().step(step).signal(), due) {
            (Some(name), Some(due)) => format!("waits for signal {name}, until {due}"),
            (Some(name), None) => format!("waits for signal {name}"),
            (None, Some(due)) => format!("waits {}, until {due}", span(due.since(at))),
            (None, None) => "waits".to_owned(),
        };
        vec![self.step_line(at, Mark::Later, step, &text)]
    }

    /// A wait that is over.
    pub(super) fn waited(&self, at: Timestamp, step: StepIndex, end: WaitEnd) -> Vec<String> {
        let signal =
            self.run.definition().step(step).signal().map_or_else(|| "its signal".to_owned(), |name| format!("signal {name}"));
        let text = match (end, &self.run.step(step).output) {
            (WaitEnd::Elapsed, _) => "its time came".to_owned(),
            (WaitEnd::Signalled, Some(output)) => format!("{signal} came: {}", shown(output)),
            (WaitEnd::Signalled, None) => format!("{signal} came"),
            (WaitEnd::TimedOut, _) => format!("{signal} did not come in time; the run goes on"),
        };
        vec![self.step_line(at, Mark::Completed, step, &text)]
    }

    /// A step that is given up forward.
    pub(super) fn gave_up(&self, at: Timestamp, step: StepIndex, fault: Option<&Fault>) -> Vec<String> {
        let doubt = self.run.status_of(step) == StepStatus::InDoubt;
        let word = if doubt { "in doubt" } else { "failed" };
        let waited = matches!(self.run.definition().step(step).node, Node::Wait(_));
        let text = match self.run.step(step).forward.attempts {
            0 if waited => word.to_owned(),
            0 => format!("{word} before its first attempt"),
            attempts => format!("{word} after {}", count(attempts as usize, "attempt")),
        };
        let line = match (self.run.is_dead_letter(step), doubt) {
            (false, _) => self.step_line(at, Mark::Failed, step, &text),
            (true, true) => self.step_line(at, Mark::DeadLetter, step, &format!("dead letter: {text}, a person must find out")),
            (true, false) => self.step_line(at, Mark::DeadLetter, step, &format!("dead letter: {text}, a person must decide")),
        };
        match fault {
            None => vec![line],
            Some(fault) => with_message(line, &fault_text(fault)),
        }
    }

    /// A compensation that is given up.
    pub(super) fn not_compensated(&self, at: Timestamp, step: StepIndex) -> Vec<String> {
        let text = match self.run.step(step).backward.attempts {
            0 => "dead letter: not compensated while there was time, a person must decide".to_owned(),
            attempts => format!("dead letter: not compensated after {}, a person must decide", count(attempts as usize, "attempt")),
        };
        vec![self.step_line(at, Mark::DeadLetter, step, &text)]
    }

    /// A step that is not compensated, and the proof that it need not be.
    pub(super) fn omitted(&self, at: Timestamp, step: StepIndex, reason: Omission) -> Vec<String> {
        let text = match reason {
            Omission::ProvenClean => "compensation not needed: proven clean",
            Omission::NotDeclared => "not compensated: the saga says `compensate: none`",
            Omission::OnlyWaited => "compensation not needed: it only waited",
        };
        let proof = proof(&self.run, step).filter(|_| reason == Omission::ProvenClean).map(|proof| format!("({proof})"));
        let Some(proof) = proof else { return vec![self.step_line(at, Mark::Nothing, step, text)] };
        if self.id(step).len().max(self.step_columns) + 2 + text.len() + 1 + proof.len() <= TEXT_COLUMNS {
            return vec![self.step_line(at, Mark::Nothing, step, &format!("{text} {proof}"))];
        }
        with_message(self.step_line(at, Mark::Nothing, step, text), &proof)
    }

    /// What somebody asked for, who, and why.
    pub(super) fn demanded(&self, at: Timestamp, Demanded { demand, by }: &Demanded) -> Vec<String> {
        let who = cut(&plain(&by.who), WHO_COLUMNS);
        let of_run = |text: &str| self.line(at, Mark::Asked, &cut(text, TEXT_COLUMNS));
        let line = match demand {
            Demand::Cancel { in_flight: InFlight::MayEnd } => of_run(&format!("cancelled by {who}")),
            Demand::Cancel { in_flight: InFlight::EndNow } => of_run(&format!("cancelled by {who}: attempts end now")),
            Demand::Pause => of_run(&format!("paused by {who}")),
            Demand::Resume => of_run(&format!("resumed by {who}")),
            Demand::Signal { name, payload } => of_run(&format!("signal {name} by {who}: {}", shown(payload))),
            Demand::Retry => of_run(&format!("retried at once by {who}")),
            Demand::Compensate { from: None } => of_run(&format!("to be taken back, says {who}")),
            Demand::Compensate { from: Some(step) } => of_run(&format!("to be taken back from {} on, says {who}", self.id(*step))),
            Demand::Redrive { step, .. } => self.step_line(at, Mark::Asked, *step, &format!("redriven by {who}")),
            Demand::Resolve(resolve) => self.step_line(at, Mark::Asked, resolve.step, &resolved(resolve, &who)),
            Demand::Kill => of_run(&format!("killed by {who}: nothing is taken back")),
        };
        let below = below(demand, by);
        if below.is_empty() { vec![line] } else { with_message(line, &below.join(" · ")) }
    }

    fn id(&self, step: StepIndex) -> &str {
        self.run.definition().step(step).id.as_str()
    }
}

fn resolved(resolve: &Resolve, who: &str) -> String {
    let word = match resolve.resolution {
        Resolution::Done => "done",
        Resolution::Undone => "undone",
    };
    match resolve.confirmation {
        Confirmation::NotNeeded => format!("resolved as {word} by {who}"),
        Confirmation::Awaited => format!("{word}, says {who}; a second person must confirm it"),
        Confirmation::Given => format!("resolved as {word}, confirmed by {who}"),
    }
}

/// What is told below the line: the reason, the component, the evidence.
fn below(demand: &Demand, by: &Author) -> Vec<String> {
    let mut parts: Vec<String> = by.why.iter().map(|why| plain(why)).collect();
    match demand {
        Demand::Redrive { component: Some(component), .. } => parts.push(format!("with component {component}")),
        Demand::Resolve(resolve) => {
            parts.extend(resolve.evidence.iter().map(|evidence| format!("evidence {}", shown(evidence))));
        }
        Demand::Cancel { .. }
        | Demand::Pause
        | Demand::Resume
        | Demand::Signal { .. }
        | Demand::Retry
        | Demand::Compensate { .. }
        | Demand::Redrive { component: None, .. }
        | Demand::Kill => {}
    }
    parts
}

/// A payload in a line; what does not fit is cut by whoever lays it out.
fn shown(payload: &Payload) -> String {
    cut(&plain(&payload.readable().to_string()), TEXT_COLUMNS)
}
