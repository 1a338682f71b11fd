//! The builder of sagas as its users see it: what each word becomes in the document, and which mistakes are told.

mod features;
mod handlers;
mod mistakes;
