//! Webhooks: where events are sent, how many at a time, what follows from an answer, and when it is given up. Pure: whoever sends tells what
//! came back and what time it is.

mod answer;
mod batch;
mod pace;
mod target;

pub use answer::{Answered, Pause};
pub use batch::{BATCH_BYTES_MAX, BATCH_LEN_MAX, Batch, len_max_after, message_id};
pub use pace::{Failing, Pace, RETRY_AFTER_MAX, Verdict};
pub use target::{Target, TargetError, URL_LEN_MAX};

#[cfg(test)]
mod tests;
