//! `create-entry`: an entry that balances becomes a draft. The balances know nothing of it.

use amends_sdk::{Failure, JsonSchema, Step, invocation, json, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::books::{self, Entry, Line, Side, Stage};
use crate::duties::{self, Duty};

/// Most lines of an entry: it is posted in one attempt, which has its limits.
const LINES_MAX: usize = 100;

/// What is to be entered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// Who writes it.
    pub author: String,
    /// Into which period it goes, such as `p4`.
    pub period: String,
    /// What it is about, for people.
    pub text: String,
    /// 1 to 100 lines; their debits and their credits sum up to the same.
    pub lines: Vec<Line>,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was drafted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drafted {
    /// The id of the entry: the key of its record in the state.
    pub entry: String,
    /// What each side sums up to, in cents.
    pub total_cents: u64,
}

/// Drafts an entry that balances; withdraws the draft when the run fails.
#[derive(Debug)]
pub struct CreateEntry;

impl Step for CreateEntry {
    const NAME: &'static str = "create-entry";
    const DOC: &'static str = "Drafts an entry that balances; withdraws the draft when the run fails.";
    type Input = Draft;
    type Output = Drafted;

    fn execute(draft: Draft) -> Result<Drafted, Failure> {
        let Draft { author, period, text, lines, rehearse } = draft;
        let mut drafted = create(&Entry { author, period, text, lines, stage: Stage::Drafted })?;
        rehearse::forward(&rehearse, &mut drafted.entry)?;
        Ok(drafted)
    }

    fn compensate(draft: Draft, _drafted: Option<Drafted>) -> Result<(), Failure> {
        withdraw()?;
        rehearse::backward(&draft.rehearse)
    }
}

fn own_key() -> String {
    ["entry", &invocation::run(), &invocation::step_id()].join("/")
}

fn create(entry: &Entry) -> Result<Drafted, Failure> {
    let key = own_key();
    if let Some(Entry { lines, .. }) = books::entry(&key)? {
        return Ok(Drafted { entry: key, total_cents: books::sum(&lines, Side::Debit)? });
    }
    duties::check(&entry.author, Duty::Write)?;
    books::check_period(&entry.period)?;
    let total_cents = check_lines(&entry.lines)?;
    state::set(&key, entry)?;
    Ok(Drafted { entry: key, total_cents })
}

fn withdraw() -> Result<(), Failure> {
    let key = own_key();
    let Some(entry) = books::entry(&key)? else { return Ok(()) };
    match entry.stage {
        Stage::Drafted | Stage::Reviewed { .. } => {
            state::remove(&key);
            Ok(())
        }
        Stage::Approved { .. } | Stage::Posted { .. } => Err(books::wrong_stage(&key, &entry.stage)),
    }
}

/// What each side sums up to.
fn check_lines(lines: &[Line]) -> Result<u64, Failure> {
    if !(1..=LINES_MAX).contains(&lines.len()) {
        return Err(Failure::rejected("invalid_lines", format!("{} lines: an entry has 1 to {LINES_MAX}", lines.len())));
    }
    for line in lines {
        if line.cents == 0 {
            return Err(Failure::rejected("invalid_lines", format!("a line of `{}` has no amount", line.account)));
        }
        books::account(&line.account)?;
    }
    let (debit_cents, credit_cents) = (books::sum(lines, Side::Debit)?, books::sum(lines, Side::Credit)?);
    if debit_cents == credit_cents {
        return Ok(debit_cents);
    }
    Err(Failure::rejected("unbalanced", format!("{debit_cents} cents of debit, {credit_cents} of credit"))
        .with_details(json!({ "debit_cents": debit_cents, "credit_cents": credit_cents })))
}
