//! Who may do what, and that no two duties of one entry fall to one person: four eyes, in fact six. Apart from the steps, because review
//! and approval ask the same.

use std::collections::BTreeMap;

use amends_sdk::{Failure, JsonSchema, json, state};
use serde::{Deserialize, Serialize};

/// What a person decided about an entry: the payload of a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Who decided.
    pub by: String,
    /// Whether the entry may go on.
    pub accepted: bool,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Duty {
    Write,
    Review,
    Approve,
}

/// Rejects as `not_authorised` who is not in the state's `duties` with that duty.
pub(crate) fn check(person: &str, duty: Duty) -> Result<(), Failure> {
    let duties: BTreeMap<String, Vec<Duty>> = state::get("duties")?.unwrap_or_default();
    if duties.get(person).is_some_and(|own| own.contains(&duty)) {
        return Ok(());
    }
    let duty = duty.word();
    Err(Failure::rejected("not_authorised", format!("`{person}` may not {duty} entries"))
        .with_details(json!({ "person": person, "duty": duty })))
}

/// Rejects a decision against the entry as `refused`, by somebody without the duty as `not_authorised`, and by one of `others`, who had a
/// hand in it before, as `four_eyes`.
pub(crate) fn check_decision(decision: &Decision, duty: Duty, others: &[&str]) -> Result<(), Failure> {
    let Decision { by, accepted, note } = decision;
    check(by, duty)?;
    if others.contains(&by.as_str()) {
        return Err(Failure::rejected("four_eyes", format!("`{by}` had a hand in the entry: somebody else must {}", duty.word())));
    }
    if *accepted {
        return Ok(());
    }
    let why = note.as_deref().unwrap_or("no reason given");
    Err(Failure::rejected("refused", format!("`{by}` refused: {why}"))
        .with_details(json!({ "by": by, "duty": duty.word(), "note": note })))
}

impl Duty {
    fn word(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Review => "review",
            Self::Approve => "approve",
        }
    }
}
