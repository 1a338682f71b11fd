//! What the host shows, as JSON: the shapes that programs rely on, the same on the command line and over HTTP. Apart from the rules, whose
//! types may change, and from the faces, which only pass them on.

mod awaits;
#[cfg(test)]
pub(crate) mod fixture;
mod list;
mod run;
mod settled;
mod step;
mod verdict;
mod words;

pub(crate) use awaits::AwaitsView;
pub(crate) use list::{RunFilter, RunRow, StandsView, Status};
pub(crate) use run::RunView;
pub(crate) use settled::{DeadLetterView, LetterDetails};
pub(crate) use step::kind;
pub(crate) use verdict::{Kind, verdict};
