//! What the host tells of itself, in numbers. Knows nothing of what is counted: those who know count here.

mod metrics;

pub use metrics::{CONTENT_TYPE, LIST, Levels, Listed, Metrics, PREFIX, TENANTS_MAX, Tally};
