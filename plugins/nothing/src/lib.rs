//! Steps that do nothing: what a run of them takes is what the host takes, and the least that a guest written with the SDK takes. The plugin of the
//! benchmark.

#![forbid(unsafe_code)]

use amends_sdk::{Failure, JsonSchema, Step};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Answers what it is given.
pub struct Pass;

impl Step for Pass {
    const NAME: &'static str = "pass";
    const DOC: &'static str = "Answers what it is given; to take that back is to do nothing.";
    type Input = Value;
    type Output = Value;

    fn execute(input: Value) -> Result<Value, Failure> {
        Ok(input)
    }

    fn compensate(_: Value, _: Option<Value>) -> Result<(), Failure> {
        Ok(())
    }
}

/// What ends a run, one way or the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// Whether it is refused.
    #[serde(default)]
    pub refuse: bool,
    /// As long as anybody likes.
    #[serde(default)]
    pub text: String,
}

/// Answers what it is given, or refuses it.
pub struct Finish;

impl Step for Finish {
    const NAME: &'static str = "finish";
    const DOC: &'static str = "Answers what it is given, or refuses it if it is told to.";
    type Input = End;
    type Output = End;

    fn execute(end: End) -> Result<End, Failure> {
        if end.refuse { Err(Failure::rejected("refused", "it was told to")) } else { Ok(end) }
    }

    fn compensate(_: End, _: Option<End>) -> Result<(), Failure> {
        Ok(())
    }
}

amends_sdk::export!(Pass, Finish);

#[cfg(test)]
mod tests {
    use super::*;
    use amends_sdk::json;
    use amends_sdk::testing::TestHost;

    #[test]
    fn what_goes_in_comes_out_unless_it_is_to_be_refused() {
        let mut host = TestHost::new();
        let input = json!({ "refuse": false, "text": "x" });
        assert_eq!(host.execute::<Pass>(&input), Ok(input.clone()));
        assert_eq!(host.execute::<Finish>(&input), Ok(End { refuse: false, text: "x".into() }));
        assert!(host.execute::<Finish>(json!({ "refuse": true })).is_err());
        assert_eq!(host.compensate::<Pass>(&input, Some(input.clone())), Ok(()));
    }
}
