//! How much of the host a tenant may take. Only the words and the stored form: what they mean is in `tenant` and `quota`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident, $word:literal;)*) => {
        /// A limit of a tenant. Stored by number, so a new one goes at the end.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum LimitName {
            $($(#[$doc])* $name,)*
        }

        impl LimitName {
            /// Every limit.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable word for it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
        }
    };
}

limits! {
    /// Its share where there is not enough for all.
    Weight, "weight";
    /// Attempts that run at the same time.
    ConcurrentAttempts, "concurrent_attempts";
    /// Runs that have not ended.
    QueuedRuns, "queued_runs";
    /// Starts of runs in a minute.
    StartsPerMinute, "starts_per_minute";
    /// Fuel of its attempts in a minute.
    FuelPerMinute, "fuel_per_minute";
    /// Bytes of memory that its attempts may have together.
    LiveMemory, "live_memory";
    /// Bytes that are kept for it: records, state, components.
    StoredBytes, "stored_bytes";
    /// Plugins by name.
    Plugins, "plugins";
    /// Sagas by name.
    Sagas, "sagas";
    /// Components uploaded in a minute.
    UploadsPerMinute, "uploads_per_minute";
    /// Bytes of log in a day.
    LogBytesPerDay, "log_bytes_per_day";
    /// Connections that follow its events.
    EventsFollowers, "events_followers";
    /// Places that its events are sent to.
    Webhooks, "webhooks";
    /// Seconds that a run is kept after it ended.
    EndedRunsKept, "ended_runs_kept";
}
