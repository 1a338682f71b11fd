//! The rules of amends: what a saga promises, decided without clock, randomness, threads or I/O.
//!
//! Floor 0, words: [`id`] [`digest`] [`time`] [`payload`] [`event`]. Floor 1, rules: the rest. A host feeds facts into a run and does
//! what it is told to do next; everything that can go wrong is decided here, and proved here.
#![forbid(unsafe_code)]

pub mod access;
pub mod audit;
pub mod capability;
pub mod catalogue;
pub mod decide;
pub mod definition;
pub mod digest;
pub mod event;
pub mod explain;
pub mod expression;
pub mod fair;
pub mod id;
pub mod payload;
pub mod plugin;
pub mod quota;
pub mod retry;
pub mod run;
pub mod tenant;
pub mod time;
pub mod trace;
pub mod unused;
pub mod webhook;
