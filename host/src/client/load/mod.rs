//! Load: the same requests again and again, so many at a time or so many a second, on connections that are kept. Apart from [`super::Client`], which
//! asks one thing and waits. Nothing is left out: each request is timed from the instant at which it was to leave, whether it could leave then or
//! not (G. Tene, "How NOT to Measure Latency": coordinated omission). All of it is on one thread, whose time is told apart: on a small machine it
//! is taken from the server that is measured.

mod crowd;
mod level;
mod process;
mod wire;

pub use crowd::{Asker, Heard, Pace, Timed, bear};
pub use level::{Errors, Latencies, Level, Look, Measuring, Shot, Spans, Took, Workload, measure};
pub use process::{Process, Usage};
pub use wire::{Shape, Target};
