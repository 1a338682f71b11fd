//! What guests do outside: what is noted and when, what leaves, and what a step that only reads may not do.

use super::*;
use crate::world::{Mood, Point, World};
use amends::sandbox::HostError;
use futures_util::future::poll_immediate;
use harness::{framed_guest, small_guest_text};

const INTEND: &str = "intend POST https://bank.example/charges";
const INTEND_GET: &str = "intend GET https://bank.example/charges";

/// What the world is told about a request that is sent, with the key and the number of the attempt's request.
fn sent(method: &str, call: u32) -> String {
    format!("send {method} https://bank.example/charges key-1-{call} run_00000000000000000000000001 pay Forward 3")
}

/// Runs `guest` in `world`.
async fn run_in(world: &Arc<World>, name: &str, input: &str, change: impl FnOnce(&mut Call)) -> Reply {
    let sandbox = sandbox_in(world);
    let component = load(&sandbox, guest(name)).await;
    let mut call = call_in(world, &component, input);
    change(&mut call);
    invoke(&sandbox, call).await
}

async fn send(world: &Arc<World>, input: &str) -> Reply {
    run_in(world, "send", input, |_| {}).await
}

#[tokio::test]
async fn a_request_is_noted_then_sent_then_its_answer_is_noted_then_the_guest_is_told() {
    let world = World::new(Mood::Prompt);
    assert_eq!(output(&send(&world, "pg").await), b"[201,201]");
    let (first, second) = (sent("POST", 1), sent("GET", 2));
    assert_eq!(world.told(), [INTEND, &first, "answer 1 201", INTEND_GET, &second, "answer 2 201"]);
}

#[tokio::test]
async fn however_an_attempt_ends_what_it_sent_stays_noted_and_nothing_else_is() {
    let noted = [INTEND, &sent("POST", 1), "answer 1 201"];
    let failed = |failure| move |reply: &Reply| matches!(reply.ending, Ending::Failed { failure: found, .. } if found == failure);
    let trapped = |reply: &Reply| matches!(reply.ending, Ending::Halted { halt: Halt::Trap, .. });
    let ok = |reply: &Reply| output(reply) == b"[201]";
    check_noted("p", ok, &noted).await;
    check_noted("pt", trapped, &noted).await;
    check_noted("tp", trapped, &[]).await;
    check_noted("pr", failed(Failure::Rejected), &noted).await;
    check_noted("pu", failed(Failure::Unavailable), &noted).await;
    check_noted("pc", failed(Failure::Uncertain), &noted).await;
    check_noted("u", failed(Failure::Unavailable), &[]).await;
    check_noted("", |reply| output(reply) == b"[]", &[]).await;
    // What is no request is not noted as one, and ends the attempt.
    check_noted("mp", trapped, &[]).await;
    check_noted("np", trapped, &[]).await;
    // This is attempt 3.
    check_noted("t,t,p", ok, &noted).await;
    check_noted("t,p", ok, &noted).await;
    check_noted("t,t,u,p", failed(Failure::Unavailable), &[]).await;
}

async fn check_noted(input: &str, ends: impl Fn(&Reply) -> bool, noted: &[&str]) {
    let world = World::new(Mood::Prompt);
    let reply = send(&world, input).await;
    assert!(ends(&reply), "{input}: {:?}", reply.ending);
    assert!(reply.host_error.is_none());
    assert_eq!(world.told(), noted, "{input}");
}

#[tokio::test]
async fn a_request_does_not_leave_before_its_intent_is_durable() {
    let world = World::new(Mood::SilentAt(Point::Intend));
    let sandbox = sandbox_in(&world);
    let component = load(&sandbox, guest("send")).await;
    let mut attempt = Box::pin(invoke(&sandbox, call_in(&world, &component, "p")));
    for _ in 0..100 {
        assert!(poll_immediate(&mut attempt).await.is_none());
    }
    assert_eq!(world.told(), [INTEND]);
    world.release();
    assert_eq!(output(&attempt.await), b"[201]");
    assert_eq!(world.told(), [INTEND, &sent("POST", 1), "answer 1 201"]);
}

#[tokio::test]
async fn a_request_without_an_answer_ends_with_the_time_of_its_attempt() {
    let world = World::new(Mood::SilentAt(Point::Send));
    let reply = run_in(&world, "send", "p", |call| call.limits.timeout = Span(20)).await;
    assert_halted(&reply, Halt::Timeout, &["20ms"]);
    assert_eq!(world.told(), [INTEND, &sent("POST", 1)]);
    assert_eq!(world.given_up(), 1, "it was dropped on its way");
}

#[tokio::test]
async fn what_the_host_cannot_note_is_not_the_guests_doing() {
    let request = sent("POST", 1);
    for (point, told) in
        [(Point::Intend, [INTEND].as_slice()), (Point::Answer, &[INTEND, &request, "answer 1 201"]), (Point::Read, &["read k"])]
    {
        let world = World::new(Mood::BrokenAt(point));
        let (name, input) = if point == Point::Read { ("state", "g") } else { ("send", "p") };
        let reply = run_in(&world, name, input, |_| {}).await;
        assert_eq!(world.told(), told);
        assert_halted(&reply, Halt::Trap, &["now"]);
        let error = reply.host_error.expect("the host's");
        assert_eq!(matches!(error, HostError::State(_)), point == Point::Read, "{error}");
        assert!(error.to_string().contains("the disk is gone"), "{error}");
    }
}

#[tokio::test]
async fn a_compensation_sees_what_was_sent_and_sends_requests_of_its_own() {
    let world = World::new(Mood::Prompt);
    let before = |call| Effect {
        direction: Direction::Forward,
        attempt: 1,
        call,
        method: "POST".into(),
        target: "https://bank.example/charges".into(),
        sent: Timestamp(5),
        answer: None,
        response: None,
    };
    let reply = run_in(&world, "send", "t/ep", |call| {
        call.direction = Direction::Backward;
        call.context.attempt = 1;
        call.context.idempotency_key = "back".into();
        call.effects = vec![before(1), before(2)];
    });
    let reply = reply.await;
    assert_eq!(output(&reply), b"");
    assert_eq!(reply.log.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["[2,201]"]);
    let request = "send POST https://bank.example/charges back-1 run_00000000000000000000000001 pay Backward 1";
    assert_eq!(world.told(), [INTEND, request, "answer 1 201"]);
}

#[tokio::test]
async fn a_step_that_only_reads_reads_and_asks_and_changes_nothing() {
    let says = "the step is declared read-only: ";
    let post = "the request POST https://bank.example/charges is refused";
    // The guest, what it does, what it answers if it may, and what it is refused if it only reads.
    for (name, input, answer, refused) in [
        ("state", "g", "-", None),
        ("state", "s", "", Some("writing `k` to the state is refused")),
        ("state", "r", "", Some("writing `k` to the state is refused")),
        ("send", "g", "[201]", None),
        ("send", "eg", "[0,201]", None),
        ("send", "p", "[201]", Some(post)),
        ("send", "gp", "[201,201]", Some(post)),
        ("send", "s", "[]", Some("writing `k` to the state is refused")),
    ] {
        for access in [Access::ReadWrite, Access::ReadOnly] {
            let world = World::new(Mood::Prompt);
            let reply = run_in(&world, name, input, |call| call.access = access).await;
            match refused {
                Some(what) if access == Access::ReadOnly => {
                    assert_halted(&reply, Halt::Trap, &[says, what]);
                    assert!(world.told().iter().all(|told| !told.contains("POST")), "{input}: {:?}", world.told());
                    assert!(reply.host_error.is_none());
                }
                Some(_) | None => assert_eq!(std::str::from_utf8(output(&reply)), Ok(answer), "{input} {access:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_world_of_the_tests_is_there_only_if_the_settings_bring_it() {
    let bytes = guest("send");
    let refused = sandbox(1).load(Digest::of(&bytes), bytes.clone().into()).await.expect_err("there is no such import");
    assert_eq!(refused.code(), "import_not_offered");
    assert!(refused.to_string().contains("amends:test/outside@0.1.0"), "{refused}");
    let refused = sandbox(1).inspect(bytes.into()).await.expect_err("there is no such import");
    assert_eq!(refused.code(), "import_not_offered");

    let sandbox = sandbox_in(&World::new(Mood::Prompt));
    load(&sandbox, guest("send")).await;
    for (import, code) in [
        (r#"(import "amends:test/outside@0.2.0" (instance))"#, "import_not_offered"),
        (r#"(import "amends:test/inside@0.1.0" (instance))"#, "import_not_offered"),
        (r#"(import "amends:test/outside@0.1.0" (instance (export "send" (func))))"#, "import_mistyped"),
        (r#"(import "amends:test/outside@0.1.0" (instance (export "receive" (func))))"#, "import_mistyped"),
    ] {
        let bytes = framed_guest(&[import, &small_guest_text("echo")].concat());
        let refused = sandbox.load(Digest::of(&bytes), bytes.into()).await.expect_err(import);
        assert_eq!(refused.code(), code, "{refused}");
    }
}
