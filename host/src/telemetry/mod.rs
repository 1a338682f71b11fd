//! What the host tells of itself, in numbers and traces. Knows nothing of what is told: those who know tell it here.

mod metrics;
mod traces;

pub use metrics::{CONTENT_TYPE, LIST, Levels, Listed, Metrics, PREFIX, TENANTS_MAX, Tally};
pub use traces::{Collector, NoCollector, Traced, collector_uri};
