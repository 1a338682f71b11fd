//! `screen-candidate`: a name is looked up in a list. Reads only, so a saga may say `kind: read-only`.

use amends_sdk::{Failure, JsonSchema, Step, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

/// Who would be hired.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// First and last name.
    pub name: String,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What the screening found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Screening {
    /// The name as it was compared: one space between its parts, nothing around it.
    pub name: String,
    /// How many names it was compared with.
    pub compared: u64,
}

/// Compares a candidate's name with those that may not be hired; changes nothing.
#[derive(Debug)]
pub struct ScreenCandidate;

impl Step for ScreenCandidate {
    const NAME: &'static str = "screen-candidate";
    const DOC: &'static str = "Compares a candidate's name with those that may not be hired; changes nothing.";
    const COMPENSATES: bool = false;
    type Input = Candidate;
    type Output = Screening;

    fn execute(candidate: Candidate) -> Result<Screening, Failure> {
        let mut screening = screen(&candidate.name)?;
        rehearse::forward(&candidate.rehearse, &mut screening.name)?;
        Ok(screening)
    }
}

fn screen(name: &str) -> Result<Screening, Failure> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        return Err(Failure::rejected("invalid_name", "the candidate has no name"));
    }
    // Without a list nobody was screened: that must not look like a candidate who passed.
    let Some(blocked) = state::get::<Vec<String>>("screening/blocked")? else {
        return Err(Failure::rejected("no_screening_list", "there is no list `screening/blocked` to compare with"));
    };
    let folded = name.to_lowercase();
    if blocked.iter().any(|entry| entry.to_lowercase() == folded) {
        return Err(Failure::rejected("candidate_blocked", format!("`{name}` is among those who may not be hired")));
    }
    Ok(Screening { name, compared: blocked.len() as u64 })
}
