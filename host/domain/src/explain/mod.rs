//! What people are told about a run, worked out from its facts: what it waits for, what shows that a step needs no compensation, what a
//! dead letter is and what can be done about it. Apart from the rules that decide: nothing here changes what a run does, and every face
//! says the same.

mod advice;
mod awaited;
mod dead_letter;
mod proof;

pub use advice::{Action, Advice};
pub use awaited::{Awaited, Moment, awaited};
pub use dead_letter::{DeadLetter, DeadLetterId, DeadLetterIdError, dead_letters};
pub use proof::{Proof, proof};
