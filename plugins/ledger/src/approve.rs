//! `approve`: the decision after which the entry will be posted, whatever happens. The saga's pivot: it has no compensation, so all that
//! can be refused is refused here or before.

use amends_sdk::{Failure, JsonSchema, Step};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::books::{self, Entry, Stage};
use crate::duties::{self, Decision, Duty};

/// What was decided about which entry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalWanted {
    /// The id of the entry.
    pub entry: String,
    /// What the approver decided.
    pub decision: Decision,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Who approved it.
    pub by: String,
}

/// Approves an entry, by somebody who neither wrote nor reviewed it.
#[derive(Debug)]
pub struct Approve;

impl Step for Approve {
    const NAME: &'static str = "approve";
    const DOC: &'static str = "Approves an entry, by somebody who neither wrote nor reviewed it; cannot be compensated.";
    const COMPENSATES: bool = false;
    type Input = ApprovalWanted;
    type Output = Approval;

    fn execute(wanted: ApprovalWanted) -> Result<Approval, Failure> {
        let mut approval = approve(&wanted.entry, wanted.decision)?;
        rehearse::forward(&wanted.rehearse, &mut approval.by)?;
        Ok(approval)
    }
}

fn approve(key: &str, decision: Decision) -> Result<Approval, Failure> {
    let entry = books::known_entry(key)?;
    match &entry.stage {
        Stage::Approved { by, .. } if decision.accepted && *by == decision.by => Ok(Approval { by: decision.by }),
        Stage::Reviewed { by: reviewer } => {
            duties::check_decision(&decision, Duty::Approve, &[&entry.author, reviewer])?;
            check_posting(&entry)?;
            let (reviewed_by, by) = (reviewer.clone(), decision.by);
            books::advance(key, entry, Stage::Approved { reviewed_by, by: by.clone() })?;
            Ok(Approval { by })
        }
        Stage::Drafted | Stage::Approved { .. } | Stage::Posted { .. } => Err(books::wrong_stage(key, &entry.stage)),
    }
}

/// Days may have passed since the draft: whether it can be posted is asked again while it can still be refused.
fn check_posting(entry: &Entry) -> Result<(), Failure> {
    books::check_period(&entry.period)?;
    books::posted(&entry.lines).map(drop)
}
