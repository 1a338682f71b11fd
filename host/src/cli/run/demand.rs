//! What people ask of a run: `cancel`, `pause`, `resume`, `signal`, `retry`, `compensate`, `kill`. Whether it fits is decided below; when
//! it is durable the run is driven on here, and one line says where it stands.

use super::super::argument::{Data, JsonSource, Tenant};
use super::super::asking::{Asking, Driving};
use super::super::drive::Stay;
use super::super::error::refused;
use super::super::hosted::on;
use super::super::journal::Journal;
use super::super::output::{Exit, Format, say, say_json};
use super::super::standing::{outcome, remark_dead_letters, standing};
use crate::compose::Host;
use crate::coordinator::{Answered, Coordinator, DemandOf, Then};
use crate::view::AwaitsView;
use amends_domain::definition::Definition;
use amends_domain::event::{Demand, InFlight, Outcome};
use amends_domain::id::{RunId, SignalName, StepId, StepIndex, TenantId};
use amends_domain::payload::Payload;
use amends_domain::run::Run as SagaRun;
use clap::Args;
use serde::Serialize;

pub(super) const CANCEL_EXAMPLES: &str = "\
Examples:
  amends run cancel run_01kb0v7m4q8r5t2x9y3z6w1a0c --reason 'ordered twice' --data ./data
  amends run cancel run_01kb0v7m4q8r5t2x9y3z6w1a0c --now --data ./data

Nothing new starts; attempts that are running may end, because knowing what happened beats being quick (--now ends them); then what was
done is compensated. Refused (exit code 3): past_pivot, run_ended. Exit code 0 if it is noted, however the run ends.";

pub(super) const PAUSE_EXAMPLES: &str = "\
Example:
  amends run pause run_01kb0v7m4q8r5t2x9y3z6w1a0c --by anna --reason 'the bank is down' --data ./data

Nothing starts until `amends run resume`, in either direction; attempts that are running end. The deadline of the run goes on.";

pub(super) const RESUME_EXAMPLES: &str = "\
Example:
  amends run resume run_01kb0v7m4q8r5t2x9y3z6w1a0c --data ./data";

pub(super) const SIGNAL_EXAMPLES: &str = "\
Examples:
  amends run signal run_01kb0v7m4q8r5t2x9y3z6w1a0c approved --data ./data
  amends run signal run_01kb0v7m4q8r5t2x9y3z6w1a0c approved '{\"by\":\"anna\"}' --id mail-4711 --data ./data

A signal that comes before its step waits is kept for it. With --id (or --key) the same signal counts once, however often it is said.";

pub(super) const RETRY_EXAMPLES: &str = "\
Example:
  amends run retry run_01kb0v7m4q8r5t2x9y3z6w1a0c --data ./data";

pub(super) const COMPENSATE_EXAMPLES: &str = "\
Examples:
  amends run compensate run_01kb0v7m4q8r5t2x9y3z6w1a0c --reason 'the customer sent it back' --data ./data
  amends run compensate run_01kb0v7m4q8r5t2x9y3z6w1a0c --from create-shipment --data ./data

With --from, that step and all that was built on it are taken back; what was done before it stands.";

pub(super) const KILL_EXAMPLES: &str = "\
Example:
  amends run kill run_01kb0v7m4q8r5t2x9y3z6w1a0c --reason 'test data, nothing was sent' --data ./data

Nothing is compensated, and the run says so for ever: a reason is needed (else refused: reason_missing).";

/// A run, who asks, and what this process does then.
#[derive(Debug, Args)]
pub(in crate::cli) struct Target {
    /// The run
    run: RunId,
    #[command(flatten)]
    pub(in crate::cli) ask: Ask,
}

/// Where the run is, who asks, and what this process does then.
#[derive(Debug, Args)]
pub(in crate::cli) struct Ask {
    #[command(flatten)]
    pub(in crate::cli) data: Data,
    #[command(flatten)]
    pub(in crate::cli) tenant: Tenant,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    driving: Driving,
}

/// Arguments of `run cancel`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Cancel {
    #[command(flatten)]
    target: Target,
    /// End attempts that are running at once; what they sent until then decides
    #[arg(long)]
    now: bool,
}

/// Arguments of `run signal`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Signal {
    /// The run
    run: RunId,
    /// The signal
    name: SignalName,
    /// What the wait gives: JSON, @FILE, or @- for standard input
    #[arg(value_name = "JSON|@FILE")]
    payload: Option<JsonSource>,
    #[command(flatten)]
    ask: Ask,
}

/// Arguments of `run compensate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Compensate {
    #[command(flatten)]
    target: Target,
    /// Only this step and what was built on it
    #[arg(long, value_name = "STEP")]
    from: Option<StepId>,
}

pub(super) fn cancel(cancel: &Cancel, format: Format) -> anyhow::Result<Exit> {
    let in_flight = if cancel.now { InFlight::EndNow } else { InFlight::MayEnd };
    simple(&cancel.target, Demand::Cancel { in_flight }, format)
}

pub(super) fn pause(target: &Target, format: Format) -> anyhow::Result<Exit> {
    simple(target, Demand::Pause, format)
}

pub(super) fn resume(target: &Target, format: Format) -> anyhow::Result<Exit> {
    simple(target, Demand::Resume, format)
}

pub(super) fn signal(signal: &Signal, format: Format) -> anyhow::Result<Exit> {
    let payload = signal.payload.as_ref().map(|source| source.read("the payload")).transpose()?;
    let name = signal.name.clone();
    let told = Demand::Signal { name, payload: payload.unwrap_or_else(Payload::null) };
    demand(signal.run, &signal.ask, async |_| Ok(Wanted { demand: told, step: None }), format)
}

pub(super) fn retry(target: &Target, format: Format) -> anyhow::Result<Exit> {
    simple(target, Demand::Retry, format)
}

pub(super) fn compensate(compensate: &Compensate, format: Format) -> anyhow::Result<Exit> {
    let Target { run, ask } = &compensate.target;
    let wanted = async |coordinator: &Coordinator| {
        let journal = Journal::read(&**coordinator.store(), &ask.tenant.id, *run)?;
        let from = compensate.from.as_ref().map(|step| step_of(&journal.definition, step)).transpose()?;
        Ok(Wanted { demand: Demand::Compensate { from }, step: None })
    };
    demand(*run, ask, wanted, format)
}

pub(super) fn kill(target: &Target, format: Format) -> anyhow::Result<Exit> {
    simple(target, Demand::Kill, format)
}

fn simple(target: &Target, what: Demand, format: Format) -> anyhow::Result<Exit> {
    demand(target.run, &target.ask, async |_| Ok(Wanted { demand: what, step: None }), format)
}

/// The step with this id.
pub(in crate::cli) fn step_of(definition: &Definition, step: &StepId) -> anyhow::Result<StepIndex> {
    definition.index_of(step.as_str()).ok_or_else(|| {
        let known: Vec<_> = definition.steps.iter().take(10).map(|step| step.id.as_str()).collect();
        refused("unknown_step", format!("saga `{}` has no step `{step}`; its steps: {}", definition.saga, known.join(", ")))
    })
}

/// What is asked for.
pub(in crate::cli) struct Wanted {
    pub(in crate::cli) demand: Demand,
    /// The dead letter that it is about.
    pub(in crate::cli) step: Option<StepIndex>,
}

/// Asks for what `wanted` gives, goes on with the run, and says where it stands.
pub(in crate::cli) fn demand(
    run: RunId,
    ask: &Ask,
    wanted: impl AsyncFnOnce(&Coordinator) -> anyhow::Result<Wanted>,
    format: Format,
) -> anyhow::Result<Exit> {
    let host = Host::open_existing(&ask.data.dir)?;
    on(host, Some(&ask.data.dir), async |coordinator| {
        let coordinator = ask.driving.patience.over(&coordinator);
        let Wanted { demand, step } = wanted(&coordinator).await?;
        let then = if ask.driving.no_drive { Then::Leave } else { Then::Drive };
        let of = DemandOf { tenant: ask.tenant.id.clone(), run, demand, by: ask.asking.author(), then };
        let (noted, driven) = match coordinator.demand(of).await? {
            Answered::Noted(driven) => (true, driven),
            Answered::Already(driven) => (false, driven),
        };
        let stay = Stay { coordinator: &coordinator, tenant: &ask.tenant.id, patience: ask.driving.patience };
        if ask.driving.follow {
            stay.followed(run, driven).await?
        } else {
            stay.to_its_rest(run, driven).await?
        };
        Stands { noted, step, ask_data: &ask.data.dir, tenant: &ask.tenant.id }.tell(&stay.stored(run)?, format)
    })
}

/// How a run stands after something was asked of it.
pub(super) struct Stands<'a> {
    /// Whether it was new.
    pub(super) noted: bool,
    /// The dead letter that it was about.
    pub(super) step: Option<StepIndex>,
    pub(super) ask_data: &'a std::path::Path,
    pub(super) tenant: &'a TenantId,
}

/// The same as JSON.
#[derive(Debug, Serialize)]
struct StandsView<'a> {
    run: RunId,
    tenant: &'a TenantId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    noted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    awaits: Option<AwaitsView>,
    /// What was said counts when a second person says the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    second_person: Option<&'static str>,
}

impl Stands<'_> {
    pub(super) fn tell(&self, journal: &Journal, format: Format) -> anyhow::Result<Exit> {
        let run = journal.replay()?;
        match format {
            Format::Json => say_json(&self.view(&run))?,
            Format::Text => {
                remark_dead_letters(&run, &journal.entries, self.ask_data)?;
                say(self.text(&run))?;
            }
        }
        Ok(Exit::Done)
    }

    fn view(&self, run: &SagaRun) -> StandsView<'_> {
        StandsView {
            run: run.id(),
            tenant: self.tenant,
            status: run.status().word(),
            outcome: outcome(run),
            noted: self.noted,
            awaits: AwaitsView::of(run),
            second_person: self.awaits_second(run).then_some("awaited"),
        }
    }

    fn text(&self, run: &SagaRun) -> String {
        let already = if self.noted { "" } else { " (it was so already)" };
        let second = match self.step.filter(|_| self.awaits_second(run)) {
            Some(step) => format!(": {}.{} awaits a second person", run.id(), run.definition().step(step).id),
            None => String::new(),
        };
        format!("run {} {}{already}{second}", run.id(), standing(run))
    }

    fn awaits_second(&self, run: &SagaRun) -> bool {
        self.step.is_some_and(|step| run.is_dead_letter(step) && run.step(step).proposed.is_some())
    }
}
