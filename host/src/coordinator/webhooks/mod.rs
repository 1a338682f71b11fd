//! Events sent where tenants say, at least once and in order. `wishes`: a webhook is set, gets other keys, is removed. `office`: one sender for
//! each webhook, and how far each is, kept once a second. `sender`: what one of them does, again and again. `gather`: which events go
//! together. `places`: how many requests are on their way. `signing`: what the other side checks. `board`: how it all fares.
//!
//! What follows from an answer, and when, is decided in `amends_domain::webhook`.

mod board;
mod gather;
mod office;
mod places;
mod sender;
mod signing;
mod wishes;

pub(super) use board::Board;
pub use board::{LastDelivery, WebhookStatus};
pub use office::Sending;
pub use wishes::{WebhookChange, WebhookRefused, WebhookWish};
