//! `send-notice`: a message to a person, laid into the tenant's outbox.

use amends_sdk::{Failure, JsonSchema, Step, invocation, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

/// What is to be said to whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeWanted {
    /// The person.
    pub to: String,
    /// What they are told.
    pub text: String,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// The id of the notice: its key in the outbox.
    pub notice: String,
}

/// What lies in the outbox.
#[derive(Serialize)]
struct Letter {
    to: String,
    text: String,
}

/// Lays a message into the outbox, once.
#[derive(Debug)]
pub struct SendNotice;

impl Step for SendNotice {
    const NAME: &'static str = "send-notice";
    const DOC: &'static str = "Lays a message into the outbox, once; what was said cannot be unsaid.";
    const COMPENSATES: bool = false;
    type Input = NoticeWanted;
    type Output = Notice;

    fn execute(wanted: NoticeWanted) -> Result<Notice, Failure> {
        let mut notice = ["outbox", &invocation::run(), &invocation::step_id()].join("/");
        // The same text again is the same message: it lies at the key of the step.
        state::set(&notice, &Letter { to: wanted.to, text: wanted.text })?;
        rehearse::forward(&wanted.rehearse, &mut notice)?;
        Ok(Notice { notice })
    }
}
