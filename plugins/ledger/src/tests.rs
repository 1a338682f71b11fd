//! The steps against the test kit: forward, backward, twice, every rejection; whatever happens, debits and credits are equal, and only
//! what was posted is in them.

use amends_sdk::testing::TestHost;
use amends_sdk::{Step, json};
use proptest::prelude::*;
use serde_json::Value;

use crate::{Approve, CreateEntry, Post, RecordReview, SendNotice};

const ENTRY: &str = "entry/test-run/create-entry";

fn host() -> TestHost {
    let account = |debit_cents: u64, credit_cents: u64| json!({ "debit_cents": debit_cents, "credit_cents": credit_cents });
    TestHost::new()
        .with_state("account/cash", account(9_000, 0))
        .with_state("account/sales", account(0, 9_000))
        .with_state("account/tax", account(0, 0))
        .with_state("periods/open", json!(["p4", "p5"]))
        .with_state("journal/last-number", json!(11))
        .with_state(
            "duties",
            json!({ "ada": ["write", "review", "approve"], "bea": ["review", "approve"], "carl": ["approve"], "eve": [] }),
        )
}

fn line(account: &str, side: &str, cents: u64) -> Value {
    json!({ "account": account, "side": side, "cents": cents })
}

fn draft() -> Value {
    let lines = [line("cash", "debit", 119), line("sales", "credit", 100), line("tax", "credit", 19)];
    json!({ "author": "ada", "period": "p4", "text": "one lamp", "lines": lines })
}

fn decision(by: &str, accepted: bool) -> Value {
    json!({ "entry": ENTRY, "decision": { "by": by, "accepted": accepted } })
}

fn posting() -> Value {
    json!({ "entry": ENTRY })
}

fn drafted() -> TestHost {
    let mut host = host();
    host.execute::<CreateEntry>(draft()).unwrap();
    host
}

fn reviewed() -> TestHost {
    let mut host = drafted();
    host.execute::<RecordReview>(decision("bea", true)).unwrap();
    host
}

fn approved() -> TestHost {
    let mut host = reviewed();
    host.execute::<Approve>(decision("carl", true)).unwrap();
    host
}

fn posted() -> TestHost {
    let mut host = approved();
    host.execute::<Post>(posting()).unwrap();
    host
}

/// All of the state, to say that nothing changed.
/// All debits and all credits.
fn sums(host: &TestHost) -> (u64, u64) {
    let accounts: Vec<_> = host.image().into_iter().filter(|(key, _)| key.starts_with("account/")).collect();
    let sum = |field: &str| accounts.iter().map(|(_, account)| account[field].as_u64().unwrap()).sum();
    (sum("debit_cents"), sum("credit_cents"))
}

fn stage(host: &TestHost) -> Value {
    host.state::<Value>(ENTRY).unwrap()["stage"].clone()
}

#[test]
fn an_entry_goes_from_its_draft_to_the_balances() {
    let mut host = host();
    let drafted = host.execute::<CreateEntry>(draft()).unwrap();
    assert_eq!(json!(drafted), json!({ "entry": ENTRY, "total_cents": 119 }));
    assert_eq!(stage(&host), json!({ "name": "drafted" }));
    let review = host.execute::<RecordReview>(decision("bea", true)).unwrap();
    assert_eq!(json!(review), json!({ "by": "bea" }));
    assert_eq!(stage(&host), json!({ "name": "reviewed", "by": "bea" }));
    let approval = host.execute::<Approve>(decision("carl", true)).unwrap();
    assert_eq!(json!(approval), json!({ "by": "carl" }));
    assert_eq!(stage(&host), json!({ "name": "approved", "reviewed_by": "bea", "by": "carl" }));
    assert_eq!(sums(&host), (9_000, 9_000), "nothing is in the balances before it is posted");
    let posted = host.execute::<Post>(posting()).unwrap();
    assert_eq!(json!(posted), json!({ "entry": ENTRY, "number": 12 }));
    assert_eq!(stage(&host), json!({ "name": "posted", "number": 12, "reviewed_by": "bea", "approved_by": "carl" }));
    let account = |name: &str| host.state::<Value>(&format!("account/{name}")).unwrap();
    assert_eq!(account("cash"), json!({ "debit_cents": 9_119, "credit_cents": 0 }));
    assert_eq!(account("sales"), json!({ "debit_cents": 0, "credit_cents": 9_100 }));
    assert_eq!(account("tax"), json!({ "debit_cents": 0, "credit_cents": 19 }));
    let notice = host.execute::<SendNotice>(json!({ "to": "ada", "text": "entry 12 is posted" })).unwrap();
    assert_eq!(host.state::<Value>(&notice.notice), Some(json!({ "to": "ada", "text": "entry 12 is posted" })));
}

#[test]
fn an_account_may_stand_in_several_lines() {
    let mut host = host();
    let lines = [line("cash", "debit", 5), line("cash", "debit", 6), line("cash", "credit", 1), line("tax", "credit", 10)];
    host.execute::<CreateEntry>(json!({ "author": "ada", "period": "p4", "text": "", "lines": lines })).unwrap();
    host.execute::<RecordReview>(decision("bea", true)).unwrap();
    host.execute::<Approve>(decision("carl", true)).unwrap();
    host.execute::<Post>(posting()).unwrap();
    assert_eq!(host.state::<Value>("account/cash"), Some(json!({ "debit_cents": 9_011, "credit_cents": 1 })));
    assert_eq!(sums(&host), (9_011, 9_011));
}

#[test]
fn compensated_in_reverse_nothing_is_left_of_an_entry() {
    let mut host = host();
    let before = host.image();
    let drafted = host.execute::<CreateEntry>(draft()).unwrap();
    let review = host.execute::<RecordReview>(decision("bea", true)).unwrap();
    host.compensate::<RecordReview>(decision("bea", true), Some(review)).unwrap();
    assert_eq!(stage(&host), json!({ "name": "drafted" }));
    host.compensate::<CreateEntry>(draft(), Some(drafted)).unwrap();
    assert_eq!(host.image(), before);
    host.compensate::<RecordReview>(decision("bea", true), None)
        .expect("of an entry that is withdrawn nothing is left to take back");
    assert_eq!(host.image(), before);
}

#[test]
fn done_twice_is_done_once_in_both_directions() {
    host().assert_repeatable::<CreateEntry>(&draft());
    drafted().assert_repeatable::<RecordReview>(&decision("bea", true));
    reviewed().assert_repeatable::<Approve>(&decision("carl", true));
    approved().assert_repeatable::<Post>(&posting());
    posted().assert_repeatable::<SendNotice>(&json!({ "to": "ada", "text": "posted" }));
}

#[test]
fn what_was_approved_is_not_taken_back() {
    for mut host in [approved(), posted()] {
        let before = host.image();
        assert_eq!(host.compensate::<RecordReview>(decision("bea", true), None).unwrap_err().fault().code, "wrong_stage");
        assert_eq!(host.compensate::<CreateEntry>(draft(), None).unwrap_err().fault().code, "wrong_stage");
        assert_eq!(host.image(), before);
    }
}

#[test]
fn a_draft_that_cannot_become_an_entry_is_rejected() {
    let with = |field: &str, value: Value| {
        let mut draft = draft();
        draft[field] = value;
        draft
    };
    host().assert_rejected::<CreateEntry>(&with("author", json!("bea")), "not_authorised");
    host().assert_rejected::<CreateEntry>(&with("author", json!("mallory")), "not_authorised");
    host().assert_rejected::<CreateEntry>(&with("period", json!("p3")), "period_closed");
    host().assert_rejected::<CreateEntry>(&with("colour", json!("red")), "invalid_input");
    let (one, many) = (line("cash", "debit", 1), vec![line("cash", "debit", 1); 101]);
    for (lines, code) in [
        (json!([]), "invalid_lines"),
        (json!(many), "invalid_lines"),
        (json!([line("cash", "debit", 0), line("tax", "credit", 0)]), "invalid_lines"),
        (json!([one, line("magic", "credit", 1)]), "unknown_account"),
        (json!([one]), "unbalanced"),
        (json!([one, line("tax", "credit", 2)]), "unbalanced"),
        (json!([one, line("cash", "debit", u64::MAX), line("tax", "credit", 1)]), "amount_too_large"),
        (json!([{ "account": "cash", "side": "left", "cents": 1 }]), "invalid_input"),
    ] {
        host().assert_rejected::<CreateEntry>(&with("lines", lines), code);
    }
}

#[test]
fn nobody_decides_without_the_duty_or_about_what_they_had_a_hand_in() {
    for (by, code) in [("carl", "not_authorised"), ("mallory", "not_authorised"), ("ada", "four_eyes")] {
        drafted().assert_rejected::<RecordReview>(&decision(by, true), code);
        drafted().assert_rejected::<RecordReview>(&decision(by, false), code);
    }
    for (by, code) in [("eve", "not_authorised"), ("ada", "four_eyes"), ("bea", "four_eyes")] {
        reviewed().assert_rejected::<Approve>(&decision(by, true), code);
    }
}

#[test]
fn a_decision_against_the_entry_is_a_rejection_that_says_who_and_why() {
    drafted().assert_rejected::<RecordReview>(&decision("bea", false), "refused");
    reviewed().assert_rejected::<Approve>(&decision("carl", false), "refused");
    let noted = json!({ "entry": ENTRY, "decision": { "by": "bea", "accepted": false, "note": "the tax is wrong" } });
    let failure = drafted().execute::<RecordReview>(noted).unwrap_err();
    assert_eq!(failure.fault().message, "`bea` refused: the tax is wrong");
    assert_eq!(failure.fault().details, Some(json!({ "by": "bea", "duty": "review", "note": "the tax is wrong" })));
}

#[test]
fn each_step_goes_on_from_one_stage_only() {
    for host in [reviewed(), approved(), posted()] {
        let again = json!({ "entry": ENTRY, "decision": { "by": "carl", "accepted": true } });
        host.assert_rejected::<RecordReview>(&again, "wrong_stage");
    }
    reviewed().assert_rejected::<RecordReview>(&decision("bea", false), "wrong_stage");
    for host in [drafted(), posted()] {
        host.assert_rejected::<Approve>(&decision("carl", true), "wrong_stage");
    }
    approved().assert_rejected::<Approve>(&decision("bea", true), "wrong_stage");
    approved().assert_rejected::<Approve>(&decision("carl", false), "wrong_stage");
    for host in [drafted(), reviewed()] {
        host.assert_rejected::<Post>(&posting(), "wrong_stage");
    }
    for key in ["entry/another/create-entry", "account/cash"] {
        approved().assert_rejected::<Post>(&json!({ "entry": key }), "unknown_entry");
        let decision = json!({ "entry": key, "decision": { "by": "bea", "accepted": true } });
        drafted().assert_rejected::<RecordReview>(&decision, "unknown_entry");
        reviewed().assert_rejected::<Approve>(&decision, "unknown_entry");
    }
}

#[test]
fn what_could_not_be_posted_is_refused_while_it_still_can_be() {
    reviewed().with_state("periods/open", json!(["p5"])).assert_rejected::<Approve>(&decision("carl", true), "period_closed");
    let full = reviewed().with_state("account/cash", json!({ "debit_cents": u64::MAX, "credit_cents": 0 }));
    full.assert_rejected::<Approve>(&decision("carl", true), "amount_too_large");
    let closed = approved().with_state("periods/open", json!([])).execute::<Post>(posting());
    assert_eq!(closed.expect("what was approved in time is posted").number, 12);
}

#[test]
fn each_step_can_rehearse_a_failure_in_both_directions() {
    fn check<S: Step<Output: std::fmt::Debug>>(host: &TestHost, mut input: Value) {
        input["rehearse"] = json!({ S::NAME: { "compensate": "reject" } });
        let mut done = host.clone();
        done.execute::<S>(&input).unwrap();
        let after = done.image();
        let backward = done.compensate::<S>(&input, None).err().map(|failure| failure.fault().code.clone().into_owned());
        assert_eq!(backward, S::COMPENSATES.then(|| "rehearsed".to_owned()));
        assert_eq!(done.image(), after, "a dead letter leaves what was done");
        input["rehearse"] = json!({ S::NAME: { "execute": "reject" } });
        host.clone().assert_rejected::<S>(&input, "rehearsed");
    }
    check::<CreateEntry>(&host(), draft());
    check::<RecordReview>(&drafted(), decision("bea", true));
    check::<Approve>(&reviewed(), decision("carl", true));
    check::<Post>(&approved(), posting());
    check::<SendNotice>(&posted(), json!({ "to": "ada", "text": "posted" }));
}

/// One call of a sequence: which step, whether forward, in which run, by whom, how much.
#[derive(Debug, Clone)]
struct Call {
    step: u8,
    forward: bool,
    run: u8,
    by: &'static str,
    cents: u64,
}

fn call() -> impl Strategy<Value = Call> {
    let people = prop_oneof![Just("ada"), Just("bea"), Just("carl")];
    (0..4_u8, prop::bool::weighted(0.8), 0..2_u8, people, 0..5_u64).prop_map(|(step, forward, run, by, cents)| Call {
        step,
        forward,
        run,
        by,
        cents,
    })
}

proptest! {
    #[test]
    fn the_books_balance_and_hold_what_was_posted_whatever_is_called(calls in prop::collection::vec(call(), 0..120)) {
        /// Many of these are rejected; what counts is what they leave.
        fn go<S: Step>(host: &mut TestHost, forward: bool, input: &Value) {
            if forward { drop(host.execute::<S>(input)) } else { drop(host.compensate::<S>(input, None)) }
        }
        let mut host = host();
        for Call { step, forward, run, by, cents } in calls {
            host = host.run(&format!("run-{run}"));
            let entry = format!("entry/run-{run}/create-entry");
            let decision = json!({ "entry": entry, "decision": { "by": by, "accepted": cents > 0 } });
            // Of 0 and of 4 cents it is no entry: it has no amount, or does not balance.
            let sales = line("sales", "credit", cents.clamp(2, 3) - 1);
            let lines = [line("cash", "debit", cents), line("tax", "credit", cents.min(1)), sales];
            let lines = if cents == 1 { &lines[..2] } else { &lines };
            match step {
                0 => go::<CreateEntry>(&mut host, forward, &json!({ "author": "ada", "period": "p4", "text": "", "lines": lines })),
                1 => go::<RecordReview>(&mut host, forward, &decision),
                2 => go::<Approve>(&mut host, forward, &decision),
                _ => go::<Post>(&mut host, forward, &json!({ "entry": entry })),
            }
            let posted: Vec<_> = host.image().into_iter().filter(|(_, value)| value["stage"]["name"] == "posted").collect();
            let cents = |(_, entry): &(String, Value)| entry["lines"][0]["cents"].as_u64().unwrap();
            let debits = 9_000 + posted.iter().map(cents).sum::<u64>();
            prop_assert_eq!(sums(&host), (debits, debits));
            prop_assert_eq!(host.state("journal/last-number"), Some(11 + posted.len() as u64), "numbers have no gaps");
        }
    }
}
