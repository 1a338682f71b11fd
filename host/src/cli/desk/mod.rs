//! Where commands go: to a data directory in this process, or to a server. Apart, so that no verb is written twice: a command reads its
//! arguments, asks the desk, and tells the answer, whoever gave it.

mod here;
mod place;
mod profiles;
mod there;

pub(super) use place::{At, Server, token_of};
pub(super) use profiles::{Profile, Profiles};
pub(super) use there::There;

use super::asking::{Asking, Begin, Driving};
use super::error::misuse;
use super::journal::Journal;
use super::output::{Exit, Format};
use crate::view::{DeadLetterView, RunFilter, RunRow, RunView};
use amends_domain::definition::{Definition, Step};
use amends_domain::event::{Direction, InFlight, Resolution};
use amends_domain::explain::dead_letters;
use amends_domain::id::{PluginName, RunId, SagaName, SignalName, StepId, StepIndex, TenantId};
use amends_domain::payload::Payload;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A tenant's things, wherever they are.
pub(super) trait Desk {
    /// Whose they are.
    fn tenant(&self) -> anyhow::Result<TenantId>;
    /// What commands say to come to this desk again: empty, or with a space before it.
    fn place(&self) -> String;
    /// Runs that fit, newest first.
    fn runs(&self, filter: &RunFilter, limit: usize) -> anyhow::Result<Found<RunRow>>;
    /// A run as programs see it.
    fn run(&self, run: RunId) -> anyhow::Result<Shown>;
    /// The facts of a run.
    fn journal(&self, run: RunId) -> anyhow::Result<Journal>;
    /// Dead letters, those of the newest runs first.
    fn letters(&self, limit: usize) -> anyhow::Result<Found<DeadLetterView>>;
    /// The state, in the order of its keys.
    fn values(&self, prefix: &str, limit: usize) -> anyhow::Result<Found<StateValue>>;
    /// The value of a key.
    fn value(&self, key: &str) -> anyhow::Result<Option<StateValue>>;
    /// Writes keys, or removes them; `told` says what was done when all of it is.
    fn write(&self, values: Vec<(String, Option<Payload>)>, told: &dyn Fn() -> anyhow::Result<Exit>) -> anyhow::Result<Exit>;
    /// Starts a run.
    fn start(&self, start: Start<'_>, told: Told<'_>) -> anyhow::Result<Exit>;
    /// Asks something of a run.
    fn demand(&self, demand: Asked<'_>, told: Told<'_>) -> anyhow::Result<Exit>;
    /// Shows the timeline of a run while it comes, until its end.
    fn follow(&self, run: RunId, told: Told<'_>) -> anyhow::Result<Exit>;
}

/// Says how a run stands.
pub(super) type Told<'a> = &'a dyn Fn(&Stood) -> anyhow::Result<Exit>;

/// So many of them, and whether there are more.
pub(super) struct Found<T> {
    pub(super) items: Vec<T>,
    pub(super) more: bool,
}

impl<T> Found<T> {
    /// At most `limit` of them.
    pub(super) fn of(mut items: Vec<T>, limit: usize) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        Self { items, more }
    }
}

/// A run as programs see it: what is read here, or what a server said, as it said it.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Shown {
    View(Box<RunView>),
    Said(Box<RawValue>),
}

/// A key and its value.
#[derive(Deserialize)]
pub(super) struct StateValue {
    pub(super) key: String,
    pub(super) value: Payload,
    /// Grows with each write.
    pub(super) version: u64,
}

/// How a run stands after a command.
pub(super) struct Stood {
    pub(super) journal: Journal,
    /// Whether what was asked was new; else it was so already.
    pub(super) noted: bool,
}

/// A run that is to be started.
pub(super) struct Start<'a> {
    pub(super) saga: Saga,
    /// Plugins that are installed first.
    pub(super) components: &'a BTreeMap<PluginName, Bytes>,
    pub(super) input: Payload,
    pub(super) key: Option<String>,
    pub(super) begin: &'a Begin,
    pub(super) driving: &'a Driving,
    pub(super) format: Format,
}

/// Which saga.
pub(super) enum Saga {
    /// One that was applied before.
    Name(SagaName),
    /// One that is applied first.
    Document(Arc<Definition>),
}

/// Something that is asked of a run.
pub(super) struct Asked<'a> {
    pub(super) run: RunId,
    pub(super) wish: Wish,
    pub(super) asking: &'a Asking,
    pub(super) driving: &'a Driving,
}

/// What is asked of a run, in the words of whoever asks: steps have names.
pub(super) enum Wish {
    Cancel { in_flight: InFlight },
    Pause,
    Resume,
    Signal { name: SignalName, payload: Payload },
    Retry,
    Compensate { from: Option<StepId> },
    Kill,
    Redrive { step: StepId, with: With },
    Resolve { step: StepId, resolution: Option<Resolution>, evidence: Option<Payload>, output: Option<Payload> },
}

/// With which component a dead letter is tried again.
pub(super) enum With {
    /// The one that its run pins.
    Pinned,
    /// What the name of its plugin means now.
    Latest,
    /// One that is installed for this plugin first.
    Component { plugin: PluginName, bytes: Bytes },
}

/// The step with this name.
pub(super) fn step_of(definition: &Definition, step: &StepId) -> anyhow::Result<StepIndex> {
    definition.index_of(step.as_str()).ok_or_else(|| {
        let known: Vec<_> = definition.steps.iter().take(10).map(|step: &Step| step.id.as_str()).collect();
        let known = known.join(", ");
        super::error::refused("unknown_step", format!("saga `{}` has no step `{step}`; its steps: {known}", definition.saga))
    })
}

/// How a dead letter stands where that was not said. A compensation that failed can be settled one way only, so it need not be said; of anything
/// else nobody may guess.
fn resolution(journal: &Journal, step: StepIndex) -> anyhow::Result<Resolution> {
    let run = journal.replay()?;
    let letter = dead_letters(&run, &journal.entries).into_iter().find(|letter| letter.step == step);
    match letter.map(|letter| letter.direction) {
        Some(Direction::Forward) => {
            Err(misuse("resolution_missing", "the step went forward: say --done if what it should do is done, --undone if not"))
        }
        Some(Direction::Backward) | None => Ok(Resolution::Undone),
    }
}
