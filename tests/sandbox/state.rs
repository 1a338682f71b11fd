//! What a guest reads and writes of its tenant's state, and what becomes of it.

use super::*;

/// A state that cannot be read.
struct Broken;

impl StateAccess for Broken {
    fn get<'a>(&'a self, _: &'a str) -> Read<'a> {
        Box::pin(async { Err(StateError("the disk is gone".into())) })
    }
}

/// What `does` in `state.wat` answers, with `k` in the tenant's state, and what it wants written.
async fn check_state(
    k: Option<&'static str>,
    does: &str,
    answer: Option<&str>,
    reads: &[(&str, u64)],
    writes: &[(&str, Option<&str>)],
) {
    let state = Arc::new(State { k, ..State::default() });
    let reply = run("state", does.as_bytes(), |call| call.state = Arc::clone(&state) as Arc<dyn StateAccess>).await;
    match answer {
        Some(answer) => assert_eq!(std::str::from_utf8(output(&reply)), Ok(answer), "{does}"),
        None => assert!(!matches!(reply.ending, Ending::Ok { .. }), "{does}"),
    }
    assert!(
        reply.reads.iter().map(|(key, version)| (key.as_str(), *version)).eq(reads.iter().copied()),
        "{does}: {:?}",
        reply.reads
    );
    let wanted = writes.iter().map(|(key, value)| ((*key).to_owned(), value.map(|value| value.as_bytes().to_vec().into())));
    assert!(reply.writes.iter().cloned().eq(wanted), "{does}: {:?}", reply.writes);
    assert_eq!(state.asked.load(Ordering::Relaxed), reads.len(), "{does}: each key is asked for once");
}

#[tokio::test]
async fn an_attempt_reads_its_own_writes_and_else_always_the_same() {
    let old = Some("old");
    let set = ("k", Some("new"));
    // What is in the state, what the guest does, what it answers, what was read, what is to be written.
    check_state(old, "g", Some("old"), &[("k", 7)], &[]).await;
    check_state(None, "g", Some("-"), &[("k", 0)], &[]).await;
    check_state(old, "ggg", Some("oldoldold"), &[("k", 7)], &[]).await;
    check_state(old, "gj", Some("old-"), &[("j", 0), ("k", 7)], &[]).await;
    check_state(old, "sg", Some("new"), &[], &[set]).await;
    check_state(old, "gsg", Some("oldnew"), &[("k", 7)], &[set]).await;
    check_state(old, "rg", Some("-"), &[], &[("k", None)]).await;
    check_state(old, "srsg", Some("new"), &[], &[set]).await;
    check_state(old, "gsrg", Some("old-"), &[("k", 7)], &[("k", None)]).await;
}

#[tokio::test]
async fn writes_are_discarded_unless_the_guest_says_ok() {
    check_state(None, "s", Some(""), &[], &[("k", Some("new"))]).await;
    check_state(None, "sf", None, &[], &[]).await;
    check_state(None, "sx", None, &[], &[]).await;
}

#[tokio::test]
async fn state_has_limits_and_a_guest_over_them_traps() {
    assert_halted(&run("state", b"w", |_| {}).await, Halt::Trap, &["bytes in a value of 262145, the limit is 262144"]);
    assert_halted(&run("state", b"n", |_| {}).await, Halt::Trap, &["control characters"]);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_not_the_guests_doing() {
    let reply = run("state", b"sg", |call| call.state = Arc::new(Broken)).await;
    assert_eq!(output(&reply), b"new", "what it wrote itself needs no reading");
    let reply = run("state", b"g", |call| call.state = Arc::new(Broken)).await;
    assert_halted(&reply, Halt::Trap, &["state: cannot be read now"]);
    assert!(reply.host_error.is_some_and(|error| error.to_string().contains("the disk is gone")));
}
