//! Secrets that the tenant granted to this plugin.

use crate::host;

/// The secret of that name; none if the tenant granted none of that name to this plugin.
pub fn get(name: &str) -> Option<String> {
    host::secret(name)
}
