//! A saga as its author wrote it.

mod limits;
pub use limits::Limits;
