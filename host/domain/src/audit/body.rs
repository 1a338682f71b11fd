//! What one record says, and its stored form. Apart from the chain, which links bytes and does not care what they mean.

use crate::event::{Entry, TenantEntry};
use crate::id::RunId;
use serde::{Deserialize, Serialize};

/// The stored form of [`Body`] that this release writes; the first byte of every body.
const BODY_FORMAT: u8 = 1;

/// What a record says: all that one run, or a tenant itself, did between two commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// Consecutive facts of one run.
    Run {
        /// Which run.
        run: RunId,
        /// Number of this run's record before this one, 0 if this is its first: a journal is read by walking back.
        previous: u64,
        /// The facts, at least one.
        entries: Vec<Entry>,
    },
    /// Facts of the tenant that belong to no run.
    Tenant {
        /// The facts, at least one.
        entries: Vec<TenantEntry>,
    },
}

/// Why bytes are not a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A later release wrote it, or it is damaged.
    #[error("the body has format {0}, this release reads format {BODY_FORMAT}")]
    Format(u8),
    /// It is damaged.
    #[error("the body does not decode: {0}")]
    Damaged(String),
}

impl Body {
    /// The stored form: a format byte, then postcard.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![BODY_FORMAT]).expect("a vector takes all and every fact has a stored form")
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`BodyError`] for another format, or bytes that are no body or more than one.
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        match bytes.split_first() {
            Some((&BODY_FORMAT, rest)) => match postcard::take_from_bytes(rest) {
                Ok((body, [])) => Ok(body),
                Ok((_, left)) => Err(BodyError::Damaged(format!("{} bytes too many", left.len()))),
                Err(error) => Err(BodyError::Damaged(error.to_string())),
            },
            Some((&format, _)) => Err(BodyError::Format(format)),
            None => Err(BodyError::Damaged("it is empty".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{TenantEvent, Write};
    use crate::time::Timestamp;

    #[test]
    fn a_body_reads_as_written_and_nothing_else_does() {
        let writes = vec![Write { key: "k".into(), version: 3, value: None }];
        let body = Body::Tenant { entries: vec![TenantEntry { at: Timestamp(1), event: TenantEvent::StateWritten { writes } }] };
        let bytes = body.encode();
        assert_eq!(Body::decode(&bytes), Ok(body));
        assert!(Body::decode(&[]).is_err());
        assert!(Body::decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(Body::decode(&[&bytes[..], &[0]].concat()).is_err_and(|e| e.to_string().contains("too many")));
        assert_eq!(Body::decode(&[9]), Err(BodyError::Format(9)));
    }
}
