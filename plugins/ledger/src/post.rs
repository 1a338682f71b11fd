//! `post`: an approved entry becomes part of the balances: all its accounts, its number and its stage in one attempt, so that no reader
//! ever sees half of it. It comes after the pivot and is tried until it is done.

use amends_sdk::{Failure, JsonSchema, Step, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::books::{self, Stage};

/// The key of the number of the entry that was posted last. Numbers have no gaps: they are given here, and nothing is taken back.
const LAST_NUMBER: &str = "journal/last-number";

/// Which entry is to be posted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostingWanted {
    /// The id of the entry.
    pub entry: String,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Posted {
    /// The id of the entry.
    pub entry: String,
    /// Its number in the journal.
    pub number: u64,
}

/// Posts an approved entry to its accounts, all at once.
#[derive(Debug)]
pub struct Post;

impl Step for Post {
    const NAME: &'static str = "post";
    const DOC: &'static str =
        "Posts an approved entry to its accounts, all at once; what was posted is corrected by another entry.";
    const COMPENSATES: bool = false;
    type Input = PostingWanted;
    type Output = Posted;

    fn execute(wanted: PostingWanted) -> Result<Posted, Failure> {
        let mut posted = post(wanted.entry)?;
        rehearse::forward(&wanted.rehearse, &mut posted.entry)?;
        Ok(posted)
    }
}

fn post(key: String) -> Result<Posted, Failure> {
    let entry = books::known_entry(&key)?;
    match &entry.stage {
        Stage::Posted { number, .. } => Ok(Posted { number: *number, entry: key }),
        Stage::Approved { reviewed_by, by } => {
            books::posted(&entry.lines)?.iter().try_for_each(|(key, account)| state::set(key, account))?;
            let number = next_number()?;
            let (reviewed_by, approved_by) = (reviewed_by.clone(), by.clone());
            books::advance(&key, entry, Stage::Posted { number, reviewed_by, approved_by })?;
            Ok(Posted { entry: key, number })
        }
        Stage::Drafted | Stage::Reviewed { .. } => Err(books::wrong_stage(&key, &entry.stage)),
    }
}

fn next_number() -> Result<u64, Failure> {
    let last: u64 = state::get(LAST_NUMBER)?.unwrap_or_default();
    let number = last.checked_add(1).ok_or_else(books::overflow)?;
    state::set(LAST_NUMBER, &number)?;
    Ok(number)
}
