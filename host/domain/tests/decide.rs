//! Decisions in which instants, mappings and the words of people matter; the exhaustive test walks everything else.

#[path = "decide/admit.rs"]
mod admit;
#[path = "decide/mappings.rs"]
mod mappings;
#[path = "decide/pivot.rs"]
mod pivot;
#[path = "decide/states.rs"]
mod states;
#[path = "decide/story.rs"]
mod story;
#[path = "decide/time.rs"]
mod time;
#[path = "decide/waits.rs"]
mod waits;
