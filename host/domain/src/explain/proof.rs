//! What shows that a step needs no compensation. A host that says "nothing to take back" owes its evidence: how often the step was tried,
//! what it sent, and why none of that counts.

use crate::definition::Kind;
use crate::event::{Direction, Omission};
use crate::id::StepIndex;
use crate::run::Run;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// The evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Proof {
    /// Why it is not compensated.
    pub reason: Omission,
    /// Whether it declares that it changes nothing, which the host holds it to.
    pub read_only: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// How many requests that sent.
    pub requests: usize,
    /// How many of these change nothing by their method (RFC 9110 §9.2.1).
    pub safe_requests: usize,
}

/// The evidence for a step that is not compensated; none if it is, or that is not decided.
pub fn proof(run: &Run, step: StepIndex) -> Option<Proof> {
    let state = run.step(step);
    let reason = state.omitted?;
    let sent = || state.effects.iter().filter(|effect| effect.direction == Direction::Forward);
    Some(Proof {
        reason,
        read_only: run.definition().step(step).uses().is_some_and(|uses| uses.kind == Kind::ReadOnly),
        attempts: state.forward.attempts,
        requests: sent().count(),
        safe_requests: sent().filter(|effect| !effect.raises_doubt()).count(),
    })
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Omission::NotDeclared => f.write_str("the saga says `compensate: none`"),
            Omission::OnlyWaited => f.write_str("it only waited"),
            Omission::ProvenClean if self.attempts == 0 => f.write_str("no attempt of it was made"),
            Omission::ProvenClean => {
                let tried = counted(self.attempts as usize, "attempt");
                match (self.requests, self.requests - self.safe_requests) {
                    (0, _) => write!(f, "{tried}, no request sent")?,
                    (all, 0) => write!(f, "{tried}, {} with safe methods only", counted(all, "request"))?,
                    (all, others) => write!(
                        f,
                        "{tried}, {}; of {others} with other methods each was answered and the handler says that nothing happened",
                        counted(all, "request")
                    )?,
                }
                if self.read_only { f.write_str("; it is read-only") } else { Ok(()) }
            }
        }
    }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
