//! The tenant's durable keys and values.
//!
//! An attempt reads its own writes. They commit in the same transaction as its outcome when it ends `Ok`, and are discarded otherwise.
//! If another run changed a key meanwhile that this attempt read, the host repeats the attempt; that is not counted as a failure.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, host};

/// The value of `key`, read as JSON; none if there is none.
///
/// # Errors
/// Rejected with the code `invalid_state` if the value is no `T`.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Failure> {
    let Some(value) = host::state_get(key) else { return Ok(None) };
    serde_json::from_slice(&value).map(Some).map_err(|cause| invalid(key, &cause))
}

/// Sets `key` to `value`, written as JSON.
///
/// # Errors
/// Rejected with the code `invalid_state` if `value` has no JSON form, such as a map whose keys are no strings.
pub fn set<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<(), Failure> {
    let value = serde_json::to_vec(value).map_err(|cause| invalid(key, &cause))?;
    host::state_set(key, &value);
    Ok(())
}

/// Removes `key`; nothing happens if it is not there.
pub fn remove(key: &str) {
    host::state_remove(key);
}

/// The value of `key` as it is stored; none if there is none.
pub fn get_bytes(key: &str) -> Option<Vec<u8>> {
    host::state_get(key)
}

/// Sets `key` to any bytes. Tools that show the state expect JSON.
pub fn set_bytes(key: &str, value: &[u8]) {
    host::state_set(key, value);
}

#[cold]
fn invalid(key: &str, cause: &serde_json::Error) -> Failure {
    Failure::rejected("invalid_state", format!("value of `{key}`: {cause}"))
}
