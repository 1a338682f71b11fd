//! A run.

mod head;
pub use head::{RunHead, RunStatus};
