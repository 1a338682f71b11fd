//! The chain of records: how records are linked, what they say, whether what they say makes sense, and how a chain leaves the host so
//! that anybody can check it.

mod body;
mod chain;
mod check;
pub mod export;
mod removal;
mod runs;

pub use body::{Body, BodyError};
pub use chain::{Break, Head, Kept, Sealed};
pub use check::{Checked, Checker, Counts, ImpliedState};
pub use removal::{Removal, Unexplained, usage_of};
