//! What people ask of a run: `cancel`, `pause`, `resume`, `signal`, `retry`, `compensate`, `kill`; and `follow`, which asks nothing. Whether it
//! fits is decided below; when it is durable the run is driven on, and one line says where it stands.

use super::super::argument::JsonSource;
use super::super::asking::{Asking, Driving};
use super::super::desk::{Asked, At, Wish};
use super::super::error::misuse;
use super::super::events;
use super::super::output::{Exit, Format};
use super::super::standing::Standing;
use amends_domain::event::InFlight;
use amends_domain::id::{RunId, SignalName, StepId};
use amends_domain::payload::Payload;
use clap::Args;

pub(super) const CANCEL_EXAMPLES: &str = "\
Examples:
  amends run cancel run_01kb0v7m4q8r5t2x9y3z6w1a0c --reason 'ordered twice' --follow
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

pub(super) const FOLLOW_EXAMPLES: &str = "\
Examples:
  amends run follow run_01kb0v7m4q8r5t2x9y3z6w1a0c
  amends run follow run_01kb0v7m4q8r5t2x9y3z6w1a0c --data ./data

Prints the timeline from the beginning and each line that comes, until the run has ended; Ctrl-C stops looking, the run goes on. With --json
each event as the server sends it. Exit code 0 if the run succeeded, 1 if it ended otherwise; with --json 0 when it has ended. With --data
nobody else drives the run, so this command does, until it ends or waits for somebody.";

/// A run, who asks, and what the command does then.
#[derive(Debug, Args)]
pub(in crate::cli) struct Target {
    /// The run
    run: RunId,
    #[command(flatten)]
    ask: Ask,
}

/// Where the run is, who asks, and what the command does then.
#[derive(Debug, Args)]
pub(in crate::cli) struct Ask {
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    driving: Driving,
    #[command(flatten)]
    at: At,
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

/// Arguments of `run follow`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Follow {
    /// The run
    run: RunId,
    #[command(flatten)]
    at: At,
}

pub(super) fn cancel(cancel: &Cancel, format: Format) -> anyhow::Result<Exit> {
    let in_flight = if cancel.now { InFlight::EndNow } else { InFlight::MayEnd };
    simple(&cancel.target, Wish::Cancel { in_flight }, format)
}

pub(super) fn signal(signal: &Signal, format: Format) -> anyhow::Result<Exit> {
    let payload = signal.payload.as_ref().map(|source| source.read("the payload")).transpose()?;
    let wish = Wish::Signal { name: signal.name.clone(), payload: payload.unwrap_or_else(Payload::null) };
    demand(signal.run, &signal.ask, About { wish, step: None }, format)
}

pub(super) fn compensate(compensate: &Compensate, format: Format) -> anyhow::Result<Exit> {
    simple(&compensate.target, Wish::Compensate { from: compensate.from.clone() }, format)
}

/// Asks something that a run needs no more words for.
pub(super) fn simple(target: &Target, wish: Wish, format: Format) -> anyhow::Result<Exit> {
    demand(target.run, &target.ask, About { wish, step: None }, format)
}

pub(super) fn follow(follow: &Follow, format: Format) -> anyhow::Result<Exit> {
    match (format, follow.at.here()) {
        (Format::Json, None) => return events::of_run(&follow.at.there()?, follow.run),
        (Format::Json, Some(_)) => {
            return Err(misuse("only_for_servers", "--json is for servers, which send events: see `amends run show --json`"));
        }
        (Format::Text, _) => {}
    }
    let desk = follow.at.desk()?;
    desk.follow(follow.run, &|stood| Standing { desk: &*desk, step: None, format }.tell_followed(stood))
}

/// What is asked for.
pub(in crate::cli) struct About {
    pub(in crate::cli) wish: Wish,
    /// The dead letter that it is about.
    pub(in crate::cli) step: Option<StepId>,
}

/// Asks for it, goes on with the run, and says where it stands.
pub(in crate::cli) fn demand(run: RunId, ask: &Ask, about: About, format: Format) -> anyhow::Result<Exit> {
    let desk = ask.at.desk()?;
    let standing = Standing { desk: &*desk, step: about.step, format };
    let asked = Asked { run, wish: about.wish, asking: &ask.asking, driving: &ask.driving };
    desk.demand(asked, &|stood| standing.tell(stood))
}
