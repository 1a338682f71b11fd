//! How an attempt may fail. Apart, because the three ways decide what the host does next, and every plugin has to choose among them.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::invocation;

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Stable and machine readable, such as `card_declined`.
    pub code: Cow<'static, str>,
    /// For people.
    pub message: Cow<'static, str>,
    /// For programs: any JSON value.
    pub details: Option<Value>,
}

/// How an attempt failed: what the host does next follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing happened outside, and trying again will not help.
    Rejected(Fault),
    /// Nothing happened outside; another attempt may succeed.
    Unavailable(Fault),
    /// Something may have happened outside: tried again, and compensated if the run compensates.
    Uncertain(Fault),
}

impl Failure {
    /// Nothing happened outside, and trying again will not help.
    pub fn rejected(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Rejected(Fault::new(code.into(), message.into()))
    }

    /// Nothing happened outside; another attempt may succeed.
    pub fn unavailable(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable(Fault::new(code.into(), message.into()))
    }

    /// Something may have happened outside.
    pub fn uncertain(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Uncertain(Fault::new(code.into(), message.into()))
    }

    /// Adds what programs need to know; replaces what was added before.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        match &mut self {
            Self::Rejected(fault) | Self::Unavailable(fault) | Self::Uncertain(fault) => fault.details = Some(details),
        }
        self
    }

    /// Asks the host not to try again earlier than `delay` from the end of this attempt. It has no meaning for a rejected attempt,
    /// which is never tried again.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        invocation::retry_after(delay);
        self
    }

    /// What happened, whichever way the attempt failed.
    pub fn fault(&self) -> &Fault {
        match self {
            Self::Rejected(fault) | Self::Unavailable(fault) | Self::Uncertain(fault) => fault,
        }
    }
}

impl Fault {
    fn new(code: Cow<'static, str>, message: Cow<'static, str>) -> Self {
        Self { code, message, details: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Rejected(_) => "rejected",
            Self::Unavailable(_) => "unavailable",
            Self::Uncertain(_) => "uncertain",
        };
        let Fault { code, message, .. } = self.fault();
        write!(f, "{kind} ({code}): {message}")
    }
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failure_reads_as_its_kind_its_code_and_its_message() {
        let check = |failure: Failure, text: &str| assert_eq!(failure.to_string(), text);
        check(Failure::rejected("card_declined", "balance is 3"), "rejected (card_declined): balance is 3");
        check(Failure::unavailable("busy", "later"), "unavailable (busy): later");
        check(Failure::uncertain("no_answer", "sent, nothing heard"), "uncertain (no_answer): sent, nothing heard");
    }

    #[test]
    fn details_are_kept_whichever_way_the_attempt_failed() {
        let made: [fn() -> Failure; 3] =
            [|| Failure::rejected("a", "b"), || Failure::unavailable("a", "b"), || Failure::uncertain("a", "b")];
        for make in made {
            assert_eq!(make().fault().details, None);
            assert_eq!(make().with_details(json!({ "sku": "A" })).fault().details, Some(json!({ "sku": "A" })));
        }
    }
}
