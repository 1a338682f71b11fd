//! Steps of amends sagas, written in Rust.
//!
//! A step is a type that implements [`Step`]: what goes in, what comes out, how to do it and how to compensate it. [`export!`]
//! makes a plugin of one or more of them. Input and output are the plugin's own types; their JSON Schemas become the manifest.
//!
//! ```
//! use amends_sdk::{Failure, JsonSchema, Step, invocation, state};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize, Serialize, JsonSchema)]
//! struct Seat { flight: String }
//!
//! #[derive(Deserialize, Serialize, JsonSchema)]
//! struct Booking { seats_left: u32 }
//!
//! // Where this step of this run notes what it took.
//! fn booking() -> String {
//!     format!("booking/{}/{}", invocation::run(), invocation::step_id())
//! }
//!
//! /// Takes one seat; gives it back when the run fails.
//! struct BookSeat;
//!
//! impl Step for BookSeat {
//!     const NAME: &'static str = "book-seat";
//!     const DOC: &'static str = "Takes one seat on a flight.";
//!     type Input = Seat;
//!     type Output = Booking;
//!
//!     fn execute(seat: Seat) -> Result<Booking, Failure> {
//!         let key = format!("seats/{}", seat.flight);
//!         let Some(free) = state::get::<u32>(&key)? else {
//!             return Err(Failure::rejected("unknown_flight", format!("flight {} does not exist", seat.flight)));
//!         };
//!         let Some(seats_left) = free.checked_sub(1) else {
//!             return Err(Failure::rejected("fully_booked", format!("flight {} has no seat left", seat.flight)));
//!         };
//!         state::set(&key, &seats_left)?;
//!         state::set(&booking(), &seat)?;
//!         Ok(Booking { seats_left })
//!     }
//!
//!     // What to give back is read from the state, not from `booking`: that is none when the outcome is unknown.
//!     fn compensate(seat: Seat, _booking: Option<Booking>) -> Result<(), Failure> {
//!         if state::get::<Seat>(&booking())?.is_none() {
//!             return Ok(());
//!         }
//!         let key = format!("seats/{}", seat.flight);
//!         let free = state::get::<u32>(&key)?.unwrap_or_default();
//!         state::set(&key, &(free + 1))?;
//!         state::remove(&booking());
//!         Ok(())
//!     }
//! }
//!
//! amends_sdk::export!(BookSeat);
//!
//! # fn main() {
//! // On the platform that compiles the plugin, the test kit stands in for the host.
//! use amends_sdk::testing::TestHost;
//! use serde_json::json;
//!
//! let mut host = TestHost::new().with_state("seats/LX8", json!(1));
//! let booking = host.execute::<BookSeat>(json!({ "flight": "LX8" })).unwrap();
//! assert_eq!(booking.seats_left, 0);
//! host.compensate::<BookSeat>(json!({ "flight": "LX8" }), Some(booking)).unwrap();
//! assert_eq!(host.state::<u32>("seats/LX8"), Some(1));
//! # }
//! ```
//!
//! A plugin is a `cdylib`, built for `wasm32-unknown-unknown`. What an attempt may ask of its host is in [`invocation`], [`state`],
//! [`log`] and [`secrets`]. A panic is a trap: the host ends the attempt, and its message is the last line of the attempt's log.
//!
//! With the feature `http`, the module `http` sends requests.
//!
//! With the feature `saga`, for tools and tests, the module `saga` builds the sagas that use such steps.

// What wit-bindgen generates has to be unsafe, for the component ABI passes pointers; as another crate's macro it is not meant by this. The allocator is
// the one room that says why it may.
#![deny(unsafe_code)]

#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub mod bindings;
#[doc(hidden)]
pub mod export;
mod failure;
#[doc(hidden)]
pub mod handler;
#[cfg(any(test, all(feature = "heap", target_arch = "wasm32")))]
mod heap;
mod host;
#[cfg(feature = "http")]
pub mod http;
pub mod invocation;
pub mod log;
mod manifest;
mod place;
#[cfg(feature = "saga")]
pub mod saga;
pub mod secrets;
pub mod state;
mod step;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use failure::{Failure, Fault};
pub use invocation::Effect;
pub use schemars::{self, JsonSchema};
pub use serde_json::json;
pub use step::Step;
