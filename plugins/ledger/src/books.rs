//! The books: entries at `entry/<run>/<step-id>`, the sums of an account at `account/<name>`. Apart, so that what an entry is and when it
//! balances is written once.

use std::collections::BTreeMap;

use amends_sdk::{Failure, JsonSchema, state};
use serde::{Deserialize, Serialize};

/// One line of an entry: an amount on one side of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The account.
    pub account: String,
    /// On which side of it.
    pub side: Side,
    /// How much, in cents, at least 1.
    pub cents: u64,
}

/// The two sides of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What the account receives.
    Debit,
    /// What the account gives.
    Credit,
}

/// All that was ever posted to an account. Sums only grow: a mistake is corrected by another entry.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    debit_cents: u64,
    credit_cents: u64,
}

/// What is recorded of an entry.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) author: String,
    pub(crate) period: String,
    pub(crate) text: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) stage: Stage,
}

/// How far an entry has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub(crate) enum Stage {
    Drafted,
    Reviewed { by: String },
    Approved { reviewed_by: String, by: String },
    Posted { number: u64, reviewed_by: String, approved_by: String },
}

/// The entry at `key`; none if there is none.
pub(crate) fn entry(key: &str) -> Result<Option<Entry>, Failure> {
    // A key comes from the input: it must not lead to what is no entry.
    if key.starts_with("entry/") { state::get(key) } else { Ok(None) }
}

/// The entry at `key`; rejected as `unknown_entry` if there is none.
pub(crate) fn known_entry(key: &str) -> Result<Entry, Failure> {
    entry(key)?.ok_or_else(|| Failure::rejected("unknown_entry", format!("no entry `{key}` in the books")))
}

/// Brings an entry to another stage.
pub(crate) fn advance(key: &str, entry: Entry, stage: Stage) -> Result<(), Failure> {
    state::set(key, &Entry { stage, ..entry })
}

/// An account; rejected as `unknown_account` if there is none of that name.
pub(crate) fn account(name: &str) -> Result<Account, Failure> {
    state::get(&account_key(name))?.ok_or_else(|| Failure::rejected("unknown_account", format!("no account `{name}` in the books")))
}

/// The accounts of an entry by their keys, as they are once it is posted. Writes nothing.
pub(crate) fn posted(lines: &[Line]) -> Result<BTreeMap<String, Account>, Failure> {
    let mut accounts = BTreeMap::new();
    for line in lines {
        // An account may stand in several lines: each goes on from the one before.
        let key = account_key(&line.account);
        let mut account = accounts.remove(&key).map_or_else(|| account(&line.account), Ok)?;
        let sum = match line.side {
            Side::Debit => &mut account.debit_cents,
            Side::Credit => &mut account.credit_cents,
        };
        *sum = sum.checked_add(line.cents).ok_or_else(overflow)?;
        accounts.insert(key, account);
    }
    Ok(accounts)
}

fn account_key(name: &str) -> String {
    ["account", name].join("/")
}

/// Rejects what is to go into a period that is not open.
pub(crate) fn check_period(period: &str) -> Result<(), Failure> {
    let open: Vec<String> = state::get("periods/open")?.unwrap_or_default();
    if open.iter().any(|name| name == period) {
        return Ok(());
    }
    Err(Failure::rejected("period_closed", format!("period `{period}` is not open; open: {}", open.join(", "))))
}

/// What the lines of one side sum up to.
pub(crate) fn sum(lines: &[Line], side: Side) -> Result<u64, Failure> {
    let cents = lines.iter().filter(|line| line.side == side).map(|line| line.cents);
    cents.into_iter().try_fold(0_u64, u64::checked_add).ok_or_else(overflow)
}

/// Rejects a sum that no longer fits the books.
#[cold]
pub(crate) fn overflow() -> Failure {
    Failure::rejected("amount_too_large", "the sum does not fit the books")
}

impl Stage {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Drafted => "drafted",
            Self::Reviewed { .. } => "reviewed",
            Self::Approved { .. } => "approved",
            Self::Posted { .. } => "posted",
        }
    }
}

/// Rejects a step that came before or after its time.
#[cold]
pub(crate) fn wrong_stage(key: &str, stage: &Stage) -> Failure {
    Failure::rejected("wrong_stage", format!("`{key}` is {}: not what this step goes on from", stage.word()))
}
