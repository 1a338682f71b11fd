//! Demands on runs through coordinator, sandbox and store: whether the run is driven, rests or has ended; and whichever way a run is
//! sent back, it goes back the same way.

use amends::coordinator::{Answered, DemandError, Rest, StartRun, StartedRun};
use amends::sandbox::{Outside, OutsideRequest};
use amends::store::memory::MemoryStore;
use amends_domain::event::{Author, Confirmation};
use amends_domain::event::{Demand, Direction, Event, InFlight, Outcome, Resolution, Resolve, Resolvers};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run, RunStatus, StepStatus};
use amends_domain::time::{Span, Timestamp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use harness::{Host, PATIENCE, small_guest};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// A world that answers a POST when it is let, and anything else at once; and counts who comes.
#[derive(Debug)]
struct World {
    asked: Semaphore,
    let_go: Semaphore,
    given_up: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self { asked: Semaphore::new(0), let_go: Semaphore::new(0), given_up: AtomicUsize::new(0) })
    }

    /// Waits until a request is on its way.
    async fn asked(&self) {
        self.asked.acquire().await.expect("never closed").forget();
    }
}

/// Notes that nobody waits for the answer any more.
struct GivenUp<'a>(&'a World);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.0.given_up.fetch_add(1, Ordering::Relaxed);
    }
}

impl Outside for World {
    fn send(&self, request: OutsideRequest) -> BoxFuture<'_, u16> {
        async move {
            if request.method == "POST" && request.direction == Direction::Forward {
                self.asked.add_permits(1);
                let waiting = GivenUp(self);
                self.let_go.acquire().await.expect("never closed").forget();
                std::mem::forget(waiting);
            }
            200
        }
        .boxed()
    }
}

const RETRY: &str = r#""retry":{"attempts":2,"initial":"1ms","jitter":"0s"},"limits":{"timeout":"30s"}"#;

/// A host with one saga `s` of `steps`, whose guests do what the letters of their input say (`tests/guests/send.wat`).
fn host(world: &Arc<World>, more: &str, steps: &str) -> Host {
    let host = Host::beside(Some(world.clone()), Arc::new(MemoryStore::new()), 2).expect("a host");
    host.install_bytes("p", small_guest("send")).expect("the guest is right");
    host.apply(&format!(r#"{{"saga":"s","defaults":{{{RETRY}}}{more},"steps":[{steps}]}}"#)).expect("the document is right");
    host
}

fn step(id: &str, letters: &str, more: &str) -> String {
    format!(r#"{{"id":"{id}","uses":"p/p","input":"{letters}"{more}}}"#)
}

async fn rest(driven: amends::coordinator::Driven) -> Rest {
    tokio::time::timeout(PATIENCE, driven.rests()).await.expect("in time").expect("it is driven")
}

fn outcome(run: &Run) -> Option<Outcome> {
    if let Phase::Ended(ended) = run.phase() { Some(ended.outcome) } else { None }
}

/// The run when it has ended.
async fn ended(driven: amends::coordinator::Driven) -> Run {
    match rest(driven).await {
        Rest::Ended(run) => run,
        Rest::Waiting(run) => panic!("{} waits: {:?}", run.id(), run.status()),
    }
}

/// The run when it rests.
async fn waiting(driven: amends::coordinator::Driven) -> Run {
    match rest(driven).await {
        Rest::Waiting(run) => run,
        Rest::Ended(run) => panic!("{} has ended: {:?}", run.id(), outcome(&run)),
    }
}

fn statuses(run: &Run) -> Vec<StepStatus> {
    run.steps().map(|(_, step)| step.status()).collect()
}

fn signal(name: &str, payload: &Value) -> Demand {
    Demand::Signal { name: name.parse().expect("a name"), payload: Payload::from(payload) }
}

/// What a demand leaves driven.
fn driven(answered: Answered) -> amends::coordinator::Driven {
    match answered {
        Answered::Noted(Some(driven)) | Answered::Already(Some(driven)) => driven,
        Answered::Noted(None) | Answered::Already(None) => panic!("nobody drives it"),
    }
}

fn refused(error: DemandError) -> (&'static str, String) {
    match error {
        DemandError::Unfit(unfit) => (unfit.code, unfit.message),
        other => panic!("{other}"),
    }
}

/// What happened backward, without the cause.
fn way_back(events: &[Event]) -> Vec<String> {
    let begin = events.iter().position(|event| matches!(event, Event::CompensationStarted { .. })).expect("it went back");
    let told = events[begin + 1..].iter().filter_map(|event| match event {
        Event::AttemptStarted { attempt, .. } => Some(format!("start {} {:?}", attempt.step.0, attempt.direction)),
        Event::AttemptEnded(ended) => Some(format!("end {} {:?}", ended.attempt.step.0, ended.attempt.direction)),
        Event::CompensationOmitted { step, reason } => Some(format!("omit {} {reason:?}", step.0)),
        Event::Ended { outcome, .. } => Some(format!("{outcome:?}")),
        _ => None,
    });
    told.collect()
}

fn events(host: &Host, run: RunId) -> Vec<Event> {
    host.journal(run).expect("it is stored").into_iter().map(|entry| entry.event).collect()
}

#[test]
fn failure_deadline_cancel_and_demand_all_go_the_same_way_back() {
    let two = || format!("{},{}", step("a", "s/p", ""), step("b", "s/p", ""));
    let with = |third: &str, more: &str| host(&World::new(), more, &format!("{},{third}", two()));
    let back = ["start 1 Backward", "end 1 Backward", "start 0 Backward", "end 0 Backward", "Compensated"];
    let wait = r#"{"id":"c","wait":{"signal":"go"}}"#;

    let failed = with(&step("c", "r", ""), "");
    let run = failed.run("s", &json!(null)).expect("it runs").id();
    let cleaned = way_back(&events(&failed, run));
    assert_eq!((&cleaned[0][..], &cleaned[1..]), ("omit 2 ProvenClean", &back.map(str::to_owned)[..]));

    let waited = |host: &Host| host.block_on(async { waiting(host.start("s", &json!(null)).await.expect("it starts")).await.id() });
    let cancelled = with(wait, "");
    let run = waited(&cancelled);
    let cancel = Demand::Cancel { in_flight: InFlight::MayEnd };
    cancelled.block_on(async { ended(driven(cancelled.demand(run, cancel).await.expect("it fits"))).await });
    let by_cancel = way_back(&events(&cancelled, run));

    let late = with(wait, r#","deadline":"300ms""#);
    let run = late.block_on(async { ended(late.start("s", &json!(null)).await.expect("it starts")).await.id() });
    let by_deadline = way_back(&events(&late, run));

    let done = with(&step("c", "r", r#","when":"${false}""#), "");
    let run = done.run("s", &json!(null)).expect("it runs").id();
    let compensate = Demand::Compensate { from: None };
    done.block_on(async { ended(driven(done.demand(run, compensate).await.expect("it fits"))).await });
    let by_demand = way_back(&events(&done, run));

    assert_eq!((&by_cancel[0][..], &by_cancel[1..]), ("omit 2 OnlyWaited", &back.map(str::to_owned)[..]));
    assert_eq!(by_deadline, by_cancel);
    assert_eq!(by_demand, back);
}

#[test]
fn a_cancel_lets_what_runs_end_and_at_once_means_at_once() {
    for (in_flight, given_up) in [(InFlight::MayEnd, 0), (InFlight::EndNow, 1)] {
        let world = World::new();
        let host = host(&world, "", &step("a", "p/ep", ""));
        let run = host.block_on(async {
            let started = host.start("s", &json!(null)).await.expect("it starts");
            world.asked().await;
            host.demand(started.run, Demand::Cancel { in_flight }).await.expect("it fits");
            if in_flight == InFlight::MayEnd {
                assert_eq!(world.given_up.load(Ordering::Relaxed), 0, "it is waited for");
                world.let_go.add_permits(1);
            }
            ended(started).await
        });
        assert_eq!((outcome(&run), statuses(&run)), (Some(Outcome::Compensated), vec![StepStatus::Compensated]), "{in_flight:?}");
        assert_eq!(world.given_up.load(Ordering::Relaxed), given_up, "{in_flight:?}");
        // It knew of the request, answered or not.
        assert_eq!(run.step(StepIndex(0)).effects[0].answer, (in_flight == InFlight::MayEnd).then_some(200));
    }
}

#[test]
fn a_run_that_rests_is_signalled_paused_resumed_and_goes_on() {
    let wait = r#"{"id":"w","wait":{"signal":"go"}}"#;
    let host = host(&World::new(), r#","output":{"said":"${steps['w'].output}"}"#, &format!("{wait},{}", step("a", "g", "")));
    let run = host.block_on(async {
        let run = waiting(host.start("s", &json!(null)).await.expect("it starts")).await;
        assert_eq!((run.status(), run.head().due), (RunStatus::Waiting, Some(Timestamp(u64::MAX))));
        let id = run.id();
        let paused = waiting(driven(host.demand(id, Demand::Pause).await.expect("it fits"))).await;
        assert_eq!(paused.status(), RunStatus::Paused);
        assert!(matches!(host.demand(id, Demand::Pause).await, Ok(Answered::Already(_))));
        let signalled = waiting(driven(host.demand(id, signal("go", &json!({"by": "ada"}))).await.expect("it fits"))).await;
        assert_eq!(signalled.status(), RunStatus::Paused, "nothing moves");
        ended(driven(host.demand(id, Demand::Resume).await.expect("it fits"))).await
    });
    let Phase::Ended(end) = run.phase() else { panic!("it has ended") };
    assert_eq!(end.output.as_ref().map(harness::payload), Some(json!({"said": {"by": "ada"}})));
    let adopted = events(&host, run.id()).iter().filter(|event| matches!(event, Event::Adopted)).count();
    assert_eq!(adopted, 0, "a run that this process put aside was never lost");
}

#[test]
fn a_demand_that_does_not_fit_names_the_state_and_leaves_no_trace() {
    let host = host(&World::new(), "", &step("a", "g", ""));
    let run = host.run("s", &json!(null)).expect("it runs").id();
    let before = events(&host, run);
    for (demand, code, says) in [
        (Demand::Pause, "run_ended", "succeeded"),
        (Demand::Cancel { in_flight: InFlight::MayEnd }, "run_ended", "compensate"),
        (Demand::Retry, "run_ended", "succeeded"),
        (Demand::Kill, "run_ended", "succeeded"),
        (signal("go", &json!(1)), "run_ended", "succeeded"),
        (Demand::Redrive { step: StepIndex(0), component: None }, "not_a_dead_letter", "completed"),
    ] {
        let (found, message) = refused(host.block_on(host.demand(run, demand)).expect_err(code));
        assert!(found == code && message.contains(says), "{found}: {message}");
    }
    assert_eq!(events(&host, run), before);
    let nobody = host.block_on(host.demand(RunId(7), Demand::Pause)).expect_err("there is none");
    assert!(matches!(nobody, DemandError::UnknownRun(RunId(7))));
}

#[test]
fn a_killed_run_is_not_taken_back_and_its_attempts_are_ended() {
    let world = World::new();
    let host = host(&world, "", &format!("{},{}", step("a", "s/p", ""), step("b", "p/p", "")));
    let run = host.block_on(async {
        let started = host.start("s", &json!(null)).await.expect("it starts");
        world.asked().await;
        host.demand(started.run, Demand::Kill).await.expect("it fits");
        ended(started).await
    });
    assert_eq!(outcome(&run), Some(Outcome::Killed));
    assert_eq!((world.given_up.load(Ordering::Relaxed), run.step(StepIndex(0)).backward.attempts), (1, 0));
    assert!(matches!(host.block_on(host.demand(run.id(), Demand::Kill)), Ok(Answered::Already(None))));
}

/// A run that is stuck because the compensation of its first step is rejected.
fn stuck(host: &Host) -> Run {
    let run = host.run("s", &json!(null)).expect("it runs");
    assert_eq!(
        (outcome(&run), statuses(&run)[..2].to_vec()),
        (Some(Outcome::Stuck), vec![StepStatus::CompensationFailed, StepStatus::Compensated])
    );
    run
}

fn three(first: &str) -> String {
    format!("{},{},{}", step("a", first, ""), step("b", "s/p", ""), step("c", "r", ""))
}

#[test]
fn a_dead_letter_is_redriven_with_a_corrected_component_and_the_run_is_compensated() {
    let host = host(&World::new(), "", &three("g/t"));
    let run = stuck(&host).id();
    let store = host.coordinator.store();
    assert_eq!(store.runs_with_dead_letters(&host.tenant, None, 10).expect("it reads"), [run]);
    let again = Demand::Redrive { step: StepIndex(0), component: None };
    let still = host.block_on(async { ended(driven(host.demand(run, again).await.expect("it fits"))).await });
    assert_eq!((outcome(&still), still.step(StepIndex(0)).backward.attempts), (Some(Outcome::Stuck), 4), "two more attempts");
    let (other, plugin) = ("other".parse().expect("a name"), "p".parse().expect("a name"));
    let theirs =
        host.block_on(host.coordinator.install(&other, &plugin, small_guest("echo").into())).expect("the guest is right").digest;
    let stolen = host.block_on(host.demand(run, Demand::Redrive { step: StepIndex(0), component: Some(theirs) }));
    assert!(matches!(stolen, Err(DemandError::Unfit(unfit)) if unfit.code == "component_not_installed"), "another tenant's");
    let corrected = host.install_bytes("p", small_guest("echo")).expect("the guest is right");
    assert_eq!(corrected, theirs);
    let again = Demand::Redrive { step: StepIndex(0), component: Some(corrected) };
    let after = host.block_on(async { ended(driven(host.demand(run, again).await.expect("it fits"))).await });
    assert_eq!((outcome(&after), statuses(&after)[0]), (Some(Outcome::Compensated), StepStatus::Compensated));
    assert_eq!(store.runs_with_dead_letters(&host.tenant, None, 10).expect("it reads"), []);
    assert_eq!(host.stored(run).expect("it is stored"), after, "a replay of what is stored is the run");
}

#[test]
fn a_dead_letter_is_settled_by_hand_by_as_many_people_as_the_tenant_wants() {
    let resolve = || {
        let resolve = Resolve {
            step: StepIndex(0),
            resolution: Resolution::Undone,
            evidence: Some(Payload::from(r#"{"ticket":17}"#)),
            output: None,
            confirmation: Confirmation::NotNeeded,
        };
        Demand::Resolve(Box::new(resolve))
    };
    let host = host(&World::new(), "", &three("g/r"));
    let demand = |run, who: &str, demand| {
        let by = Author { who: who.to_owned(), why: Some("refunded by hand".to_owned()), key: None };
        let of =
            amends::coordinator::DemandOf { tenant: host.tenant.clone(), run, demand, by, then: amends::coordinator::Then::Drive };
        host.block_on(host.coordinator.demand(of))
    };
    let one = stuck(&host).id();
    demand(one, "ada", resolve()).expect("it fits");
    let settled = host.stored(one).expect("it is stored");
    assert_eq!((outcome(&settled), statuses(&settled)[0]), (Some(Outcome::Compensated), StepStatus::Resolved));

    host.block_on(host.coordinator.set_resolvers(&host.tenant, Resolvers::Two, "op".to_owned())).expect("it is noted");
    let two = stuck(&host).id();
    demand(two, "ada", resolve()).expect("it fits");
    assert_eq!(outcome(&host.stored(two).expect("it is stored")), Some(Outcome::Stuck), "a second person is awaited");
    assert_eq!(refused(demand(two, "ada", resolve()).expect_err("the same person")).0, "second_person_needed");
    demand(two, "bea", resolve()).expect("it fits");
    assert_eq!(outcome(&host.stored(two).expect("it is stored")), Some(Outcome::Compensated));
}

#[test]
fn a_demand_with_a_key_is_one_demand_however_often_it_is_made() {
    let host = host(&World::new(), "", r#"{"id":"w","wait":{"signal":"go"}},{"id":"v","wait":{"signal":"go"}}"#);
    let run = host.block_on(async { waiting(host.start("s", &json!(null)).await.expect("it starts")).await.id() });
    let go = |payload: i32| {
        let by = Author { who: "ada".to_owned(), why: None, key: Some("message-17".to_owned()) };
        let demand = signal("go", &json!(payload));
        let of =
            amends::coordinator::DemandOf { tenant: host.tenant.clone(), run, demand, by, then: amends::coordinator::Then::Drive };
        host.block_on(host.coordinator.demand(of))
    };
    assert!(matches!(go(1), Ok(Answered::Noted(_))));
    assert!(matches!(go(1), Ok(Answered::Already(_))));
    assert_eq!(refused(go(2).expect_err("another payload")).0, "key_reused");
    assert_eq!(statuses(&host.stored(run).expect("it is stored")), [StepStatus::Completed, StepStatus::Waiting]);
}

#[test]
fn a_run_can_be_started_to_begin_later() {
    let host = host(&World::new(), r#","deadline":"1s""#, &step("a", "g", ""));
    let now = Timestamp(u64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("it fits"));
    let start = |span: u64| StartRun {
        version: None,
        tenant: host.tenant.clone(),
        saga: "s".parse().expect("a name"),
        input: Payload::from("null"),
        key: None,
        begin: Some(now.plus(Span(span))),
        parent: None,
    };
    let begin = |span| match host.block_on(host.coordinator.start(start(span))).expect("it starts") {
        StartedRun::New(driven) => driven,
        StartedRun::Existing(run) => panic!("{run} exists"),
    };
    let later = begin(3_600_000);
    let run = host.block_on(waiting(later));
    assert_eq!((run.status(), run.head().due), (RunStatus::Waiting, Some(now.plus(Span(3_600_000)))));
    let soon = host.block_on(ended(begin(500)));
    let first = host.journal(soon.id()).expect("it is stored")[2].clone();
    assert!(matches!(first.event, Event::AttemptStarted { .. }) && first.at >= now.plus(Span(500)), "{first:?}");
}
