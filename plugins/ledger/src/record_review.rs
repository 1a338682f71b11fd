//! `record-review`: what the reviewer said becomes part of the entry, or ends it.

use amends_sdk::{Failure, JsonSchema, Step};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::books::{self, Stage};
use crate::duties::{self, Decision, Duty};

/// What was decided about which entry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewWanted {
    /// The id of the entry.
    pub entry: String,
    /// What the reviewer decided.
    pub decision: Decision,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// A review that lets the entry go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// Who reviewed it.
    pub by: String,
}

/// Records a review by somebody who is not the author; makes the entry a draft again when the run fails.
#[derive(Debug)]
pub struct RecordReview;

impl Step for RecordReview {
    const NAME: &'static str = "record-review";
    const DOC: &'static str =
        "Records a review by somebody who is not the author; makes the entry a draft again when the run fails.";
    type Input = ReviewWanted;
    type Output = Review;

    fn execute(wanted: ReviewWanted) -> Result<Review, Failure> {
        let mut review = record(&wanted.entry, wanted.decision)?;
        rehearse::forward(&wanted.rehearse, &mut review.by)?;
        Ok(review)
    }

    fn compensate(wanted: ReviewWanted, _review: Option<Review>) -> Result<(), Failure> {
        take_back(&wanted.entry)?;
        rehearse::backward(&wanted.rehearse)
    }
}

fn record(key: &str, decision: Decision) -> Result<Review, Failure> {
    let entry = books::known_entry(key)?;
    match &entry.stage {
        Stage::Reviewed { by } if decision.accepted && *by == decision.by => Ok(Review { by: decision.by }),
        Stage::Drafted => {
            duties::check_decision(&decision, Duty::Review, &[&entry.author])?;
            let by = decision.by;
            books::advance(key, entry, Stage::Reviewed { by: by.clone() })?;
            Ok(Review { by })
        }
        Stage::Reviewed { .. } | Stage::Approved { .. } | Stage::Posted { .. } => Err(books::wrong_stage(key, &entry.stage)),
    }
}

fn take_back(key: &str) -> Result<(), Failure> {
    let Some(entry) = books::entry(key)? else { return Ok(()) };
    match &entry.stage {
        Stage::Drafted => Ok(()),
        Stage::Reviewed { .. } => books::advance(key, entry, Stage::Drafted),
        Stage::Approved { .. } | Stage::Posted { .. } => Err(books::wrong_stage(key, &entry.stage)),
    }
}
