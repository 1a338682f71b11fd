//! Ending attempts from outside, at any point of their life: by dropping them, and by raising their fence. Whoever does so must be able
//! to rely on it that nothing of the attempt happens afterwards.

use super::*;
use crate::world::{Mood, Point, World};
use amends_domain::event::Spent;
use futures_util::future::poll_immediate;

/// What a fenced attempt is halted by.
const FENCED: Halt = Halt::Cancelled;

/// An attempt that does not end by itself.
struct Case {
    mood: Mood,
    guest: &'static str,
    input: &'static str,
    /// How many things the world is told until the attempt is where it stays.
    told: usize,
}

/// All places where an attempt can be. Each has written to the state before; those in `send.wat` have also logged a line.
const CASES: [Case; 5] = [
    Case { mood: Mood::SilentAt(Point::Read), guest: "state", input: "sj", told: 1 },
    Case { mood: Mood::SilentAt(Point::Intend), guest: "send", input: "wsp", told: 1 },
    Case { mood: Mood::SilentAt(Point::Send), guest: "send", input: "wsp", told: 2 },
    Case { mood: Mood::SilentAt(Point::Answer), guest: "send", input: "wsp", told: 3 },
    // Computes.
    Case { mood: Mood::Prompt, guest: "send", input: "wspl", told: 3 },
];

impl Case {
    /// A sandbox with room for one attempt, and the call.
    async fn begin(&self) -> (Arc<World>, Sandbox, Ready) {
        let world = World::new(self.mood);
        let sandbox = sandbox_in(&world);
        let component = load(&sandbox, guest(self.guest)).await;
        let mut call = call_in(&world, &component, self.input);
        // A guest that computes would use it up after a minute, and that is not what is meant to end it.
        call.limits = Limits { fuel: 100_000_000_000, timeout: Span(120_000), ..LIMITS };
        (world, sandbox, call)
    }

    /// Whether the attempt waits for the world.
    fn waits(&self) -> bool {
        self.mood != Mood::Prompt
    }
}

/// Polls an attempt until the world was told so many things. It must not end before.
async fn until_told(world: &World, len: usize, attempt: &mut (impl Future<Output = Reply> + Unpin)) {
    let polls = async {
        loop {
            assert!(poll_immediate(&mut *attempt).await.is_none(), "it ended");
            if world.told().len() == len {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, polls).await.expect("it comes so far");
}

/// That the sandbox has its one place free, and that nobody asks the world for anything any more.
async fn check_over(world: &World, told: &[String], sandbox: &Sandbox) {
    let echo = load(sandbox, guest("echo")).await;
    assert_eq!(output(&invoke(sandbox, call(&echo, b"next")).await), b"next");
    world.release();
    tokio::task::yield_now().await;
    assert_eq!(world.told(), told);
}

#[tokio::test]
async fn a_dropped_attempt_is_gone_wherever_it_was() {
    for case in CASES {
        let (world, sandbox, call) = case.begin().await;
        let held = Arc::strong_count(&world);
        let mut attempt = Box::pin(call.invoke(&sandbox));
        until_told(&world, case.told, &mut attempt).await;
        let told = world.told();
        drop(attempt);
        // The data of its store held two handles of this world: they are gone, so it is.
        assert_eq!(Arc::strong_count(&world), held - 2, "{} in {:?}", case.input, case.mood);
        assert_eq!(world.given_up(), usize::from(case.waits()), "{} in {:?}", case.input, case.mood);
        check_over(&world, &told, &sandbox).await;
    }
}

#[tokio::test]
async fn a_fenced_attempt_is_gone_before_its_reply_says_so_and_what_it_cost() {
    for case in CASES {
        let (world, sandbox, call) = case.begin().await;
        let fence = call.fence.clone();
        let held = Arc::strong_count(&world);
        let mut attempt = Box::pin(invoke(&sandbox, call));
        until_told(&world, case.told, &mut attempt).await;
        let told = world.told();
        fence.raise();
        let reply = attempt.await;
        assert_eq!(Arc::strong_count(&world), held - 2, "{} in {:?}", case.input, case.mood);
        assert_eq!(world.given_up(), usize::from(case.waits()), "{} in {:?}", case.input, case.mood);
        assert_halted(&reply, FENCED, &["ended from outside while it was running"]);
        assert!(reply.spent.fuel > 0 && reply.spent.micros > 0, "{:?}", reply.spent);
        let logged = if case.guest == "send" { ["as told"].as_slice() } else { &[] };
        assert!(reply.log.iter().map(|line| line.message.as_str()).eq(logged.iter().copied()), "{:?}", reply.log);
        assert!(reply.host_error.is_none());
        // Among it the intent of its request, which now stays without an answer.
        check_over(&world, &told, &sandbox).await;
    }
}

#[tokio::test]
async fn behind_a_fence_that_stays_down_attempts_end_as_ever() {
    for case in CASES.iter().filter(|case| case.waits()) {
        let (world, sandbox, call) = case.begin().await;
        let other = call.fence.clone();
        let mut attempt = Box::pin(invoke(&sandbox, call));
        until_told(&world, case.told, &mut attempt).await;
        Fence::default().raise();
        assert!(poll_immediate(&mut attempt).await.is_none(), "that was the fence of another attempt");
        world.release();
        let reply = attempt.await;
        assert_eq!(reply.writes, [("k".to_owned(), Some("new".into()))]);
        // It has answered. Its fence no longer matters to it.
        other.raise();
        assert!(matches!(reply.ending, Ending::Ok { .. }), "{:?}", reply.ending);
        assert_eq!(world.given_up(), 0);
    }
}

#[tokio::test]
async fn an_attempt_that_waits_for_its_turn_can_be_dropped_and_fenced() {
    let (world, sandbox, running) = CASES[0].begin().await;
    let component = Arc::clone(&running.component);
    let mut running = Box::pin(invoke(&sandbox, running));
    until_told(&world, 1, &mut running).await;

    let never = World::new(Mood::Prompt);
    let mut dropped = Box::pin(call_in(&never, &component, "sj").invoke(&sandbox));
    let call = call_in(&never, &component, "sj");
    let fence = call.fence.clone();
    let mut fenced = Box::pin(invoke(&sandbox, call));
    let mut last = Box::pin(invoke(&sandbox, call_in(&World::new(Mood::Prompt), &component, "sj")));
    assert!(poll_immediate(&mut dropped).await.is_none());
    assert!(poll_immediate(&mut fenced).await.is_none());
    assert!(poll_immediate(&mut last).await.is_none());
    drop(dropped);
    fence.raise();
    let reply = fenced.await;
    assert_halted(&reply, FENCED, &["ended from outside before it began"]);
    assert_eq!(reply.spent, Spent::default());
    assert_eq!((never.told().len(), Arc::strong_count(&never)), (0, 1), "neither of them began");

    assert!(poll_immediate(&mut last).await.is_none(), "there is still no room");
    world.release();
    assert_eq!(output(&running.await), b"-");
    assert_eq!(output(&last.await), b"-");
}

#[tokio::test]
async fn behind_a_raised_fence_no_attempt_begins() {
    let world = World::new(Mood::Prompt);
    let sandbox = sandbox_in(&world);
    let component = load(&sandbox, guest("send")).await;
    let fence = Fence::default();
    let behind = |fence: &Fence| {
        let mut call = call_in(&world, &component, "p");
        call.fence = fence.clone();
        invoke(&sandbox, call)
    };
    assert_eq!(output(&behind(&fence).await), b"[201]");
    assert_eq!(world.told().len(), 3);
    fence.raise();
    for _ in 0..3 {
        assert_halted(&behind(&fence).await, FENCED, &["before it began"]);
    }
    assert_eq!(world.told().len(), 3);
    assert_eq!(output(&behind(&Fence::default()).await), b"[201]");
}

#[test]
fn a_fence_is_raised_from_another_thread() {
    // The timers are as good as never looked at.
    let mut guests = tokio::runtime::Builder::new_multi_thread();
    let guests = guests.worker_threads(1).enable_all().event_interval(1_000_000).build().expect("a runtime");
    for case in CASES {
        let (world, sandbox, call) = guests.block_on(case.begin());
        let fence = call.fence.clone();
        let attempt = guests.spawn(async move { call.invoke(&sandbox).await });
        let begun = Instant::now();
        while world.told().len() < case.told {
            assert!(begun.elapsed() < PATIENCE, "it comes so far");
            std::thread::yield_now();
        }
        fence.raise();
        let reply = guests.block_on(async { tokio::time::timeout(PATIENCE, attempt).await });
        assert_halted(&reply.expect("it ends").expect("no attempt panics"), FENCED, &["ended from outside"]);
        assert_eq!(world.told().len(), case.told, "{} in {:?}", case.input, case.mood);
    }
}
