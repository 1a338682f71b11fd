//! A ledger in double entry: an entry is drafted, reviewed, approved by somebody else and posted, kept in the tenant's own state. The
//! plugin of the example `examples/journal-approval`.
//!
//! The entry is one record that goes from stage to stage, at a key of its run; the balances change in one place only, `post`, and all
//! of them with the stage of the entry in one attempt.

#![forbid(unsafe_code)]

mod approve;
mod books;
mod create_entry;
mod duties;
mod post;
mod record_review;
mod send_notice;

pub use approve::{Approval, ApprovalWanted, Approve};
pub use books::{Line, Side};
pub use create_entry::{CreateEntry, Draft, Drafted};
pub use duties::Decision;
pub use post::{Post, Posted, PostingWanted};
pub use record_review::{RecordReview, Review, ReviewWanted};
pub use send_notice::{Notice, NoticeWanted, SendNotice};

amends_sdk::export!(CreateEntry, RecordReview, Approve, Post, SendNotice);

#[cfg(test)]
mod tests;
