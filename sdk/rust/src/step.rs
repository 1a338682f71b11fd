//! What a plugin developer implements: one type for each step. Apart from how it is called, so that this page is all there is to read.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;

/// One step: what it does, and how that is compensated.
///
/// A type that implements this is never built; it only names the step. Both functions may be called more than once for the same run,
/// because an attempt can be lost after it ended: executing again should answer what was answered before, compensating again should
/// do nothing. `invocation::run` and `invocation::step_id` together name what was done.
pub trait Step {
    /// The handler's name, unique within the plugin; a saga uses it as `plugin/name`.
    const NAME: &'static str;

    /// What the step does, for the people who read the plugin's manifest.
    const DOC: &'static str = "";

    /// Whether the step has a compensation. Set it to `false` for a step that leaves nothing to compensate.
    const COMPENSATES: bool = true;

    /// What goes in: JSON that fits this type's schema.
    type Input: DeserializeOwned + JsonSchema;

    /// What comes out: written as JSON after [`execute`](Step::execute), read again for [`compensate`](Step::compensate).
    type Output: Serialize + DeserializeOwned + JsonSchema;

    /// Does the step. What it wrote to the state commits with `Ok` and is discarded with anything else.
    ///
    /// # Errors
    /// The [`Failure`] says whether something may have happened outside, and whether another attempt may help.
    fn execute(input: Self::Input) -> Result<Self::Output, Failure>;

    /// Takes back what [`execute`](Step::execute) did. Must accept that it was called before, and that nothing was done.
    ///
    /// `output` is none when the outcome of `execute` is unknown: look up what was done under the run's own keys instead. May be left
    /// out only where [`COMPENSATES`](Step::COMPENSATES) is `false`; to forget it does not build:
    ///
    /// ```compile_fail
    /// struct Forgetful;
    /// impl amends_sdk::Step for Forgetful {
    ///     const NAME: &'static str = "forgetful";
    ///     type Input = u32;
    ///     type Output = u32;
    ///     fn execute(input: u32) -> Result<u32, amends_sdk::Failure> { Ok(input) }
    /// }
    /// amends_sdk::export!(Forgetful);
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// As for `execute`. `rejected` makes the step a dead letter at once: no further attempt is made.
    fn compensate(input: Self::Input, output: Option<Self::Output>) -> Result<(), Failure> {
        const { assert!(!Self::COMPENSATES, "a step has to implement `compensate`, or to say `const COMPENSATES: bool = false`") };
        let _ = (input, output);
        Ok(())
    }
}
