//! The sandbox of the simulation: guests that do what the dice say, within the limits, and end when their fence is raised, as the real
//! ones do.

use crate::handlers::{Hands, Script, perform};
use crate::invariants::tenants;
use crate::plants::Plant;
use crate::scenes::Settled;
use crate::stage::{Play, Stage};
use amends::coordinator::{Guest, Guests};
use amends::sandbox::{Call, Description, HostError, Refusal, Reply};
use amends_domain::digest::Digest;
use amends_domain::event::{AttemptRef, Direction, Ending, Halt, Spent};
use amends_domain::id::RunId;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Where guests come from.
pub(crate) struct ScriptedGuests(pub(crate) Arc<Stage>);

/// One component: which does not matter, the dice say what it does.
struct Scripted(Arc<Stage>);

impl Guests for ScriptedGuests {
    fn loaded(self: Arc<Self>, digest: Digest) -> Option<Arc<dyn Guest>> {
        let ready = self.0.act(|play| play.scenes.is_ready(digest));
        ready.then(|| Arc::new(Scripted(Arc::clone(&self.0))) as Arc<dyn Guest>)
    }

    fn load(self: Arc<Self>, digest: Digest, _: Bytes) -> BoxFuture<'static, Result<Arc<dyn Guest>, Refusal>> {
        async move {
            sleep(Duration::from_millis(self.0.act(|play| play.dice.below(20)))).await;
            self.0.act(|play| play.scenes.make_ready(digest));
            Ok(Arc::new(Scripted(Arc::clone(&self.0))) as Arc<dyn Guest>)
        }
        .boxed()
    }

    fn hurry(&self) {}

    fn inspect(self: Arc<Self>, bytes: Bytes) -> BoxFuture<'static, Result<Description, Refusal>> {
        let digest = Digest::of(&bytes);
        let description = Description {
            digest,
            component_len: bytes.len(),
            code_len: 0,
            imports: Vec::new(),
            exports: Vec::new(),
            sends_requests: false,
            manifest: None,
        };
        async move { Ok(description) }.boxed()
    }
}

/// An attempt that a guest makes; over when it is dropped.
struct Scene {
    stage: Arc<Stage>,
    number: u64,
}

impl Scene {
    fn begin(stage: &Arc<Stage>, call: &Call, attempt: AttemptRef) -> Self {
        let number = stage.act(|play| {
            let (number, checked) = play.scenes.begin(&play.books, call.context.run, attempt);
            play.check(checked);
            play.sees(call);
            if play.scenes.is_repeated(call.context.run, attempt) {
                play.coverage.count("attempt repeated: conflict");
            }
            play.note(format_args!("{} {attempt:?} begins", call.context.run));
            number
        });
        Self { stage: Arc::clone(stage), number }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stage.act(|play| play.scenes.end(self.number));
    }
}

impl Play {
    /// A guest sees what it is called with.
    fn sees(&mut self, call: &Call) {
        let tenant = &call.context.tenant;
        let answers = call.effects.iter().filter_map(|effect| effect.response.as_ref());
        let payloads = answers.chain([&call.input]).chain(&call.output).map(|payload| &payload.0[..]);
        let targets = call.effects.iter().map(|effect| effect.target.as_bytes());
        let checked = payloads.chain(targets).try_for_each(|bytes| tenants::own(bytes, tenant, self.books.tenants.keys()));
        self.check(checked);
    }
}

impl Guest for Scripted {
    fn invoke(self: Arc<Self>, call: Call) -> BoxFuture<'static, Reply> {
        let stage = Arc::clone(&self.0);
        async move {
            let attempt = attempt(&call);
            let run = call.context.run;
            let begun = Instant::now();
            let scene = Scene::begin(&stage, &call, attempt);
            let script = stage.act(|play| Script::any(play, &call));
            let mut hands = Hands::new(&stage, &call, attempt);
            let ended = within(&stage, &call, perform(&mut hands, script)).await;
            let (ending, host_error) = match ended {
                Ok(ending) => (ending, None),
                Err(error) => (halted(Halt::Trap), Some(error)),
            };
            let (reads, writes) = hands.finish(&stage, &ending);
            drop(scene);
            let settled = Settled { ending: ending.clone(), reads: reads.clone(), writes: writes.clone() };
            stage.act(|play| play.answered(run, attempt, settled, host_error.is_some()));
            let micros = u64::try_from(begun.elapsed().as_micros()).expect("hours at most");
            let spent = Spent { fuel: micros, micros, conflicts: 0 };
            Reply { ending, spent, log: Vec::new(), reads, writes, host_error }
        }
        .boxed()
    }
}

impl Play {
    fn answered(&mut self, run: RunId, attempt: AttemptRef, settled: Settled, dropped: bool) {
        self.note(format_args!("{run} {attempt:?} ends: {:?}", settled.ending));
        if dropped {
            self.coverage.count("attempt dropped");
        } else {
            self.scenes.answered(run, attempt, settled);
        }
    }
}

fn attempt(call: &Call) -> AttemptRef {
    let step: String = call.context.step.as_str().chars().skip(1).collect();
    AttemptRef {
        step: amends_domain::id::StepIndex(step.parse().expect("steps are named s0, s1, …")),
        direction: call.direction,
        number: call.context.attempt,
    }
}

/// Ends the work by its time, or by its fence.
async fn within(stage: &Stage, call: &Call, work: impl Future<Output = Result<Ending, HostError>>) -> Result<Ending, HostError> {
    if stage.act(|play| play.is_planted(Plant::NeverEnds) && call.direction == Direction::Forward && play.dice.hits(10)) {
        return pending().await;
    }
    let fenced = call.fence.unless_raised(work);
    match timeout(call.limits.timeout.to_std(), fenced).await {
        Ok(Some(ended)) => ended,
        Ok(None) => Ok(halted(Halt::Cancelled)),
        Err(_) => Ok(halted(Halt::Timeout)),
    }
}

pub(crate) fn halted(halt: Halt) -> Ending {
    Ending::Halted { halt, message: format!("{halt:?}") }
}
