//! What the `data` of events about webhooks holds. Apart, because the others are many.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

shapes! {
    /// Events are sent to a place.
    WebhookSet {
        /// The webhook.
        webhook: String,
        /// The scheme and the host that they are sent to. The rest of the URL may be somebody's secret.
        place: String,
        /// Which types; none: all.
        types: Vec<String>,
        /// Who says so.
        by: String,
    }
    /// Events are no longer sent there.
    WebhookRemoved {
        /// The webhook.
        webhook: String,
        /// Who says so.
        by: String,
    }
    /// What is sent to a webhook is signed with other keys.
    WebhookKeysSet {
        /// The webhook.
        webhook: String,
        /// How many keys sign: two while one takes the place of another, none before it is removed.
        keys: u64,
        /// Until when the one before signs as well.
        #[serde(skip_serializing_if = "Option::is_none")] previous_until: Option<String>,
        /// Who says so.
        by: String,
    }
    /// Nothing is sent to a webhook until it is set again.
    WebhookPaused {
        /// The webhook.
        webhook: String,
        /// Why.
        reason: String,
        /// Who says so: somebody with a key, or `host`.
        by: String,
    }
}
