//! What every step promises its host, as checks for a plugin's own tests.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde_json::Value;

use super::TestHost;
use crate::{Failure, Step};

impl TestHost {
    /// All keys of the state and their values.
    ///
    /// # Panics
    /// If a value is not JSON.
    pub fn image(&self) -> BTreeMap<String, Value> {
        let value = |key: &str| self.state(key).unwrap_or_else(|| panic!("`{key}` was there"));
        self.state_keys().map(|key| (key.to_owned(), value(key))).collect()
    }

    /// Checks that `S`, done twice, is done once: a host may call a step again that it does not know the end of, and may compensate
    /// one that was never executed, or again one that was compensated. `input` must be one that the step completes with.
    ///
    /// ```
    /// # use amends_sdk::testing::TestHost;
    /// # use amends_sdk::{Failure, Step, state};
    /// struct Reserve;
    /// impl Step for Reserve {
    ///     const NAME: &'static str = "reserve";
    ///     type Input = u32;
    ///     type Output = u32;
    ///     fn execute(room: u32) -> Result<u32, Failure> {
    ///         state::set("reserved", &room)?;
    ///         Ok(room)
    ///     }
    ///     fn compensate(_room: u32, _reserved: Option<u32>) -> Result<(), Failure> {
    ///         state::remove("reserved");
    ///         Ok(())
    ///     }
    /// }
    ///
    /// TestHost::new().assert_repeatable::<Reserve>(&serde_json::json!(7));
    /// ```
    ///
    /// # Panics
    /// If it is not so, or the step changes nothing.
    pub fn assert_repeatable<S: Step<Output: PartialEq + Debug>>(&self, input: &Value) {
        let mut host = self.clone();
        let name = S::NAME;
        let before = host.image();
        host.compensate::<S>(input, None).unwrap_or_else(|failure| panic!("`{name}` compensates nothing: {failure}"));
        assert_eq!(host.image(), before, "`{name}` compensated nothing");
        let execute = |host: &mut Self| host.execute::<S>(input).unwrap_or_else(|failure| panic!("`{name}`: {failure}"));
        let first = execute(&mut host);
        let after = host.image();
        assert_ne!(after, before, "`{name}` changes something");
        assert_eq!(execute(&mut host), first, "`{name}` again");
        assert_eq!(host.image(), after, "`{name}` again");
        let left = if S::COMPENSATES { before } else { after };
        for _ in 0..2 {
            host.compensate::<S>(input, None).unwrap_or_else(|failure| panic!("`{name}` is compensated: {failure}"));
            assert_eq!(host.image(), left, "`{name}` is compensated");
        }
    }

    /// Checks that `S` rejects `input` with `code`, and changes nothing.
    ///
    /// # Panics
    /// If it does not.
    pub fn assert_rejected<S: Step<Output: Debug>>(&self, input: &Value, code: &str) {
        let mut host = self.clone();
        let failure = host.execute::<S>(input).expect_err(code);
        assert!(matches!(&failure, Failure::Rejected(fault) if fault.code == code), "{input}: {failure}");
        assert_eq!(host.image(), self.image(), "`{}` rejected {input}", S::NAME);
    }
}
