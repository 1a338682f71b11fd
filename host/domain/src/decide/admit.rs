//! Whether a demand fits a run as it stands: the only place that says no to people. Each is safe to repeat: what is so already is not
//! noted twice, and what does not fit is refused with the state that it does not fit.

use crate::definition::{Definition, Step};
use crate::event::{Author, Cause, Confirmation, Demand, Demanded, Event, InFlight, Outcome, Resolution, Resolve, Resolvers};
use crate::id::{SignalName, StepIndex};
use crate::payload::PAYLOAD_LEN_MAX;
use crate::run::{DEMANDS_MAX, Phase, Run, SIGNALS_MAX, Track, TrackState};

/// Longest name of whoever demands something, and longest key of a demand, in bytes.
pub const WHO_LEN_MAX: usize = 255;
/// Longest reason in bytes.
pub const REASON_LEN_MAX: usize = 4096;

/// What becomes of a demand that is not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Note this fact; what follows from it is decided as from any other.
    Note(Event),
    /// It is so already.
    Already,
}

/// Why a demand is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unfit {
    /// The stable code for it.
    pub code: &'static str,
    /// What does not fit, and what would.
    pub message: String,
}

fn unfit<T>(code: &'static str, message: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit { code, message: message.into() })
}

/// What becomes of `demand` on `run`. `resolvers`: how many people the tenant wants for settling a dead letter.
///
/// Facts that are due by now must have been noted before: a demand is judged by how the run stands.
///
/// # Errors
/// [`Unfit`] with a stable code and the state named; nothing is to be noted.
pub fn admit(run: &Run, demand: Demand, by: Author, resolvers: Resolvers) -> Result<Admission, Unfit> {
    bounded(&by)?;
    if let Some(key) = &by.key
        && let Some(before) = run.demand_of_key(key)
    {
        let same = before == demand.digest();
        return if same {
            Ok(Admission::Already)
        } else {
            unfit("key_reused", "the key was used for another demand: use another key")
        };
    }
    let admitted = match demand {
        Demand::Cancel { in_flight } => cancel(run, in_flight)?.then_some(demand),
        Demand::Pause => open(run, &demand).map(|()| !run.wishes().paused)?.then_some(demand),
        Demand::Resume => open(run, &demand).map(|()| run.wishes().paused)?.then_some(demand),
        Demand::Signal { .. } => signal(run, &demand).map(|()| Some(demand))?,
        Demand::Retry => retry(run, &demand).map(|()| Some(demand))?,
        Demand::Compensate { from } => compensate(run, from)?.then_some(demand),
        Demand::Redrive { step, .. } => redrive(run, step)?.then_some(demand),
        Demand::Resolve(resolve) => self::resolve(run, *resolve, &by, resolvers)?.map(|resolve| Demand::Resolve(Box::new(resolve))),
        Demand::Kill => kill(run, &by)?.then_some(demand),
    };
    let Some(demand) = admitted else { return Ok(Admission::Already) };
    if run.demands() >= DEMANDS_MAX && may_loop(&demand) {
        return unfit("too_many_demands", format!("the run has had {DEMANDS_MAX} demands: cancel or kill it"));
    }
    Ok(Admission::Note(Event::Demanded(Box::new(Demanded { demand, by }))))
}

fn bounded(by: &Author) -> Result<(), Unfit> {
    if !(1..=WHO_LEN_MAX).contains(&by.who.len()) {
        return unfit(
            "who_length",
            format!("the name of whoever demands it has {} bytes: 1 to {WHO_LEN_MAX} are allowed", by.who.len()),
        );
    }
    if let Some(why) = by.why.as_ref().filter(|why| why.len() > REASON_LEN_MAX) {
        return unfit("reason_length", format!("the reason has {} bytes: {REASON_LEN_MAX} are allowed", why.len()));
    }
    match &by.key {
        Some(key) if !(1..=WHO_LEN_MAX).contains(&key.len()) => {
            unfit("key_length", format!("the key has {} bytes: 1 to {WHO_LEN_MAX} are allowed", key.len()))
        }
        _ => Ok(()),
    }
}

/// Whether somebody in a loop could fill the journal with it.
fn may_loop(demand: &Demand) -> bool {
    match demand {
        Demand::Pause | Demand::Resume | Demand::Signal { .. } | Demand::Retry => true,
        Demand::Cancel { .. } | Demand::Compensate { .. } | Demand::Redrive { .. } | Demand::Resolve(_) | Demand::Kill => false,
    }
}

fn open(run: &Run, demand: &Demand) -> Result<(), Unfit> {
    match run.phase() {
        Phase::Forward | Phase::Backward(_) => Ok(()),
        Phase::Ended(ended) => {
            unfit("run_ended", format!("the run is {}: `{}` needs one that is open", ended.outcome.word(), demand.word()))
        }
    }
}

/// Whether there is anything to note.
fn cancel(run: &Run, in_flight: InFlight) -> Result<bool, Unfit> {
    match run.phase() {
        Phase::Ended(ended) if ended.outcome == Outcome::Compensated => return Ok(false),
        Phase::Ended(ended) if ended.outcome == Outcome::Succeeded => {
            return unfit("run_ended", "the run is succeeded: `compensate` takes it back");
        }
        Phase::Ended(_) => open(run, &Demand::Cancel { in_flight })?,
        Phase::Forward if run.is_past_pivot() => {
            return unfit(
                "past_pivot",
                format!("the run is past its pivot `{}`: it goes forward until it is done or stuck", pivot(run.definition())),
            );
        }
        Phase::Forward | Phase::Backward(_) => {}
    }
    let forward_runs = run.front().any(|(_, step)| step.forward.state == TrackState::Running);
    Ok(match run.phase() {
        // It goes back already; ending what still runs is all that is left to ask for.
        Phase::Backward(_) => in_flight == InFlight::EndNow && forward_runs && run.wishes().cancel != Some(InFlight::EndNow),
        Phase::Forward | Phase::Ended(_) => run.wishes().cancel.is_none_or(|before| before < in_flight),
    })
}

fn pivot(definition: &Definition) -> &str {
    definition.pivot.map_or("?", |pivot| definition.step(pivot).id.as_str())
}

fn signal(run: &Run, demand: &Demand) -> Result<(), Unfit> {
    let Demand::Signal { name, payload } = demand else { return Ok(()) };
    open(run, demand)?;
    if payload.len() > PAYLOAD_LEN_MAX {
        return unfit("payload_too_long", format!("the payload has {} bytes: {PAYLOAD_LEN_MAX} are allowed", payload.len()));
    }
    if let Err(error) = payload.json() {
        return unfit("payload_not_json", format!("the payload is not JSON: {error}"));
    }
    let waits: Vec<_> =
        run.definition().indexed().filter(|(_, step)| step.signal() == Some(name)).map(|(index, _)| index).collect();
    if waits.is_empty() {
        let mut known: Vec<_> = run.definition().steps.iter().filter_map(Step::signal).map(SignalName::as_str).collect();
        known.dedup();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return unfit("unknown_signal", format!("no step waits for a signal `{name}`; signals of this saga: {known}"));
    }
    let open = waits.iter().filter(|step| matches!(run.step(**step).forward.state, TrackState::Idle | TrackState::Waiting(_)));
    if matches!(run.phase(), Phase::Backward(_)) || open.count() == 0 {
        return unfit("signal_not_awaited", format!("the run is {} and waits for `{name}` no more", run.status().word()));
    }
    if run.signals_len() >= SIGNALS_MAX {
        return unfit(
            "too_many_signals",
            format!("{SIGNALS_MAX} signals wait to be taken: signal again when a step has taken one"),
        );
    }
    Ok(())
}

fn retry(run: &Run, demand: &Demand) -> Result<(), Unfit> {
    open(run, demand)?;
    let waits =
        |step: &crate::run::StepRun| [step.forward, step.backward].iter().any(|t| matches!(t.state, TrackState::Retrying(_)));
    if run.front().any(|(_, step)| waits(step)) {
        return Ok(());
    }
    unfit("nothing_to_retry", format!("the run is {} and no step of it waits for another attempt", run.status().word()))
}

fn compensate(run: &Run, from: Option<StepIndex>) -> Result<bool, Unfit> {
    if let Some(from) = from {
        known(run, from)?;
    }
    let status = run.status().word();
    let outcome = match run.phase() {
        Phase::Backward(Cause::Requested { from: Some(going) }) if !is_going_back(run, from) => {
            let going = &run.definition().step(*going).id;
            return unfit("run_open", format!("the run is {status} from step `{going}` on: ask for more when that is done"));
        }
        Phase::Backward(_) => return Ok(false),
        Phase::Forward if run.wishes().compensate == Some(from) => return Ok(false),
        Phase::Forward => {
            return unfit(
                "run_open",
                format!("the run is {status}: `compensate` needs one that succeeded; `cancel` takes it back"),
            );
        }
        Phase::Ended(ended) => ended.outcome,
    };
    match outcome {
        Outcome::Compensated if run.is_through() && is_left(run, from) => {}
        Outcome::Compensated => return Ok(false),
        Outcome::Succeeded if run.is_past_pivot() => {
            return unfit(
                "past_pivot",
                format!("the run is past its pivot `{}`: nothing is taken back any more", pivot(run.definition())),
            );
        }
        Outcome::Succeeded => {}
        Outcome::Stuck | Outcome::Killed => {
            return unfit("run_ended", format!("the run is {status}: `compensate` needs one that succeeded"));
        }
    }
    Ok(true)
}

/// Whether all that `from` on would be taken back is taken back.
fn is_going_back(run: &Run, from: Option<StepIndex>) -> bool {
    run.steps().all(|(index, step)| !step.stands || from.is_some_and(|from| from != index))
}

/// Whether something stands that `from` on would be taken back.
fn is_left(run: &Run, from: Option<StepIndex>) -> bool {
    run.steps().any(|(index, step)| step.stands && from.is_none_or(|from| from == index))
}

fn known(run: &Run, step: StepIndex) -> Result<(), Unfit> {
    if step.at() < run.definition().steps.len() {
        return Ok(());
    }
    unfit("unknown_step", format!("the saga has {} steps, and not step {}", run.definition().steps.len(), step.0))
}

fn redrive(run: &Run, step: StepIndex) -> Result<bool, Unfit> {
    known(run, step)?;
    if run.is_dead_letter(step) {
        return dead_letter(run, step).map(|()| true);
    }
    let state = run.step(step);
    // Redriven: its attempts are counted from the beginning again.
    let redriven =
        |track: &Track| matches!(track.state, TrackState::Retrying(_) | TrackState::Running) && track.attempts > track.counted;
    if [state.forward, state.backward].iter().any(redriven) && !matches!(run.phase(), Phase::Ended(_)) {
        return Ok(false);
    }
    dead_letter(run, step).map(|()| false)
}

fn dead_letter(run: &Run, step: StepIndex) -> Result<(), Unfit> {
    let id = &run.definition().step(step).id;
    if matches!(run.phase(), Phase::Ended(ended) if ended.outcome == Outcome::Killed) {
        return unfit("run_ended", "the run is killed: nothing of it is tried again");
    }
    if run.is_dead_letter(step) {
        return Ok(());
    }
    let status = run.status_of(step);
    unfit("not_a_dead_letter", format!("step `{id}` is {status} and no dead letter (the run is {})", run.status().word()))
}

fn resolve(run: &Run, mut resolve: Resolve, by: &Author, resolvers: Resolvers) -> Result<Option<Resolve>, Unfit> {
    known(run, resolve.step)?;
    let step = run.step(resolve.step);
    if step.settled.as_ref().is_some_and(|settled| settled.resolve.resolution == resolve.resolution) {
        return Ok(None);
    }
    dead_letter(run, resolve.step)?;
    if by.why.as_ref().is_none_or(|why| why.trim().is_empty()) {
        return unfit("reason_missing", "say what was done by hand, and why: a resolution is on record for ever");
    }
    for (name, payload) in [("evidence", &resolve.evidence), ("output", &resolve.output)] {
        if payload.as_ref().is_some_and(|payload| payload.len() > PAYLOAD_LEN_MAX || payload.json().is_err()) {
            return unfit("payload_not_json", format!("the {name} is not JSON of at most {PAYLOAD_LEN_MAX} bytes"));
        }
    }
    fits(run, &resolve)?;
    resolve.confirmation = match (resolvers, &step.proposed) {
        (Resolvers::One, _) => Confirmation::NotNeeded,
        (Resolvers::Two, None) => Confirmation::Awaited,
        (Resolvers::Two, Some(first)) if first.resolve.resolution != resolve.resolution => Confirmation::Awaited,
        (Resolvers::Two, Some(first)) if first.by.who == by.who => {
            return unfit("second_person_needed", format!("`{}` said so already: another person must confirm it", by.who));
        }
        (Resolvers::Two, Some(_)) => Confirmation::Given,
    };
    Ok(Some(resolve))
}

/// Whether the step can stand as the resolution says.
fn fits(run: &Run, resolve: &Resolve) -> Result<(), Unfit> {
    let backward = run.step(resolve.step).backward.state == TrackState::GivenUp;
    match resolve.resolution {
        Resolution::Done if backward => unfit(
            "resolution_unfit",
            "the run goes back: a step of it can be resolved as undone only; take back by hand what it did",
        ),
        Resolution::Undone if !backward && run.is_past_pivot() => unfit(
            "resolution_unfit",
            format!("the run is past its pivot `{}`: a step of it can be resolved as done only", pivot(run.definition())),
        ),
        Resolution::Done | Resolution::Undone => Ok(()),
    }
}

fn kill(run: &Run, by: &Author) -> Result<bool, Unfit> {
    match run.phase() {
        Phase::Ended(ended) if ended.outcome == Outcome::Killed => return Ok(false),
        Phase::Ended(ended) if ended.outcome == Outcome::Stuck => {}
        Phase::Forward | Phase::Backward(_) if run.wishes().kill => return Ok(false),
        Phase::Forward | Phase::Backward(_) | Phase::Ended(_) => open(run, &Demand::Kill)?,
    }
    if by.why.as_ref().is_none_or(|why| why.trim().is_empty()) {
        return unfit("reason_missing", "give a reason: a killed run is not compensated, and says so for ever");
    }
    Ok(true)
}
