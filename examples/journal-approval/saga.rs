//! The saga of `saga.yaml`, written in Rust; a test holds the two equal.

use amends_sdk::JsonSchema;
use amends_sdk::saga::{Compensation, Limits, Mistakes, Plugin, Policy, Retry, Saga, Wait, cel, field, mapping, text};
use ledger::{
    ApprovalWanted, Approve, CreateEntry, Decision, Draft, Line, NoticeWanted, Post, PostingWanted, RecordReview, ReviewWanted,
    SendNotice,
};
use rehearse::Rehearsals;
use serde_json::Value;

/// What a run gets.
#[derive(JsonSchema)]
struct Entry {
    author: String,
    period: String,
    text: String,
    lines: Vec<Line>,
    /// Whether the author wants to be told.
    #[serde(default)]
    notify: bool,
    /// Failures to rehearse.
    #[serde(default)]
    rehearse: Rehearsals,
}

/// What a run gives.
#[derive(JsonSchema)]
struct Journaled {
    number: u64,
    total_cents: u64,
    approved_by: String,
}

/// The whole saga.
pub(crate) fn document() -> Result<Value, Mistakes> {
    let mut saga = Saga::<Entry>::new("journal.approval")
        .name("Journal Approval")
        .defaults(
            Policy::new()
                .retry(Retry::attempts(3).initial("100ms").max("500ms").factor(2).jitter("10ms"))
                .limits(Limits::new().fuel(100_000_000).timeout("2s").memory("16MiB")),
        )
        .compensation(Compensation::new().order_reverse().on_stuck_continue());
    let ledger = Plugin::named("ledger");
    let entry = saga.input();
    let rehearse = field!(entry.rehearse).or_default();

    let draft = mapping!(Draft {
        author: field!(entry.author),
        period: field!(entry.period),
        text: field!(entry.text),
        lines: field!(entry.lines),
        rehearse,
    });
    let drafted = saga.step("create-entry", ledger.step::<CreateEntry>().input(draft));
    let id = field!(drafted.entry);

    // What comes with a signal is what the next step gets.
    let reviewed = saga.step("await-review", Wait::signal::<Decision>("reviewed").timeout("48h").on_timeout_fail());
    let review = mapping!(ReviewWanted { entry: &id, decision: &reviewed, rehearse });
    saga.step("record-review", ledger.step::<RecordReview>().input(review));

    let decided = saga.step("await-approval", Wait::signal::<Decision>("approved").timeout("48h").on_timeout_fail());
    let approval = mapping!(ApprovalWanted { entry: &id, decision: &decided, rehearse });
    let approved = saga.step("approve", ledger.pivot::<Approve>().input(approval).compensate_none());

    // Behind the pivot nothing is given up: attempts are unlimited.
    let posting = mapping!(PostingWanted { entry: &id, rehearse });
    let posted = saga.step("post", ledger.retriable::<Post>().input(posting));

    let notify = field!(entry.notify);
    let notice =
        mapping!(NoticeWanted { to: field!(entry.author), text: text!("entry ", field!(posted.number), " is posted"), rehearse });
    let wants_notice = cel!(bool: "has({notify}) && {notify}");
    saga.step("tell-author", ledger.retriable::<SendNotice>().when(wants_notice).input(notice));

    saga.output(mapping!(Journaled {
        number: field!(posted.number),
        total_cents: field!(drafted.total_cents),
        approved_by: field!(approved.by),
    }))
    .build()
}
