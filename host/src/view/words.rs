//! The words that stand for states in what is shown, as lists: programs that read a schema see all of them. The words themselves belong to
//! the rules; a test holds the lists to them.

/// How a run may stand.
pub(super) const RUN_STATUSES: [&str; 8] =
    ["running", "waiting", "paused", "compensating", "succeeded", "compensated", "stuck", "killed"];
/// What a step may be.
pub(super) const STEP_KINDS: [&str; 5] = ["compensatable", "pivot", "retriable", "read-only", "wait"];
/// How an attempt may end, or that it has not.
pub(super) const ATTEMPT_RESULTS: [&str; 13] = [
    "running",
    "completed",
    "compensated",
    "rejected",
    "unavailable",
    "uncertain",
    "trap",
    "out-of-fuel",
    "timeout",
    "out-of-memory",
    "oversized",
    "lost",
    "cancelled",
];
/// What may be asked of a run.
pub(super) const DEMANDS: [&str; 9] = ["cancel", "pause", "resume", "signal", "retry", "compensate", "redrive", "resolve", "kill"];

#[cfg(test)]
mod tests {
    use super::*;
    use amends_domain::definition::Kind;
    use amends_domain::event::{Demand, Failure, Halt, InFlight, Outcome};
    use amends_domain::run::RunStatus;

    /// The next of its kind: a new variant stops the compiler here, and has to be put into a list above.
    fn next(halt: Halt) -> Option<Halt> {
        match halt {
            Halt::Trap => Some(Halt::OutOfFuel),
            Halt::OutOfFuel => Some(Halt::Timeout),
            Halt::Timeout => Some(Halt::OutOfMemory),
            Halt::OutOfMemory => Some(Halt::Oversized),
            Halt::Oversized => Some(Halt::Lost),
            Halt::Lost => Some(Halt::Cancelled),
            Halt::Cancelled => None,
        }
    }

    #[test]
    fn the_lists_have_every_word() {
        let outcomes = [Outcome::Succeeded, Outcome::Compensated, Outcome::Stuck, Outcome::Killed].map(RunStatus::Ended);
        let open = [RunStatus::Running, RunStatus::Waiting, RunStatus::Paused, RunStatus::Compensating];
        let statuses: Vec<_> = open.into_iter().chain(outcomes).map(RunStatus::word).collect();
        assert_eq!(statuses, RUN_STATUSES);
        let kinds = [Kind::Compensatable, Kind::Pivot, Kind::Retriable, Kind::ReadOnly].map(Kind::word);
        assert_eq!(kinds, STEP_KINDS[..4]);
        let failures = [Failure::Rejected, Failure::Unavailable, Failure::Uncertain].map(Failure::word);
        let halts = std::iter::successors(Some(Halt::Trap), |halt| next(*halt)).map(Halt::word);
        assert_eq!(failures.into_iter().chain(halts).collect::<Vec<_>>(), ATTEMPT_RESULTS[3..]);
        let some = [Demand::Cancel { in_flight: InFlight::MayEnd }, Demand::Pause, Demand::Resume, Demand::Retry, Demand::Kill];
        assert!(some.iter().all(|demand| DEMANDS.contains(&demand.word())));
    }
}
