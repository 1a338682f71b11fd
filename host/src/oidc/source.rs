//! Where a provider's keys stand: a file, or a URL. What was read before is not taken for new.

use super::fetch::Place;
use super::keys::KeySet;
use http::Uri;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Longest set of keys that is read, bytes.
pub(super) const KEYS_LEN_MAX: usize = 256 * 1024;

/// Where keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysAt {
    /// A file.
    File(PathBuf),
    /// A URL.
    Url {
        /// Over https, or over http on this machine.
        uri: Uri,
        /// Who vouches for the server besides those whom browsers believe: a file in PEM.
        authority: Option<PathBuf>,
    },
}

/// Why keys cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the identity provider's keys at {at}: {what}")]
pub struct KeysError {
    /// Where they should be.
    pub at: String,
    /// What is wrong.
    pub what: String,
}

/// What came of reading them.
#[derive(Debug)]
pub(super) enum Tried {
    /// They are as they were.
    Same,
    /// They are others.
    New(KeySet),
}

/// A place that is read again and again.
#[derive(Debug)]
pub(super) struct Source {
    at: KeysAt,
    place: Option<Place>,
    /// What was read last and was right.
    last: Mutex<Vec<u8>>,
}

impl fmt::Display for KeysAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url { uri, .. } => write!(f, "{uri}"),
        }
    }
}

impl Source {
    /// Nothing is read yet.
    pub(super) fn new(at: KeysAt) -> Result<Self, KeysError> {
        let place = match &at {
            KeysAt::File(_) => None,
            KeysAt::Url { uri, authority } => {
                let wrong = |what| KeysError { at: uri.to_string(), what };
                Some(Place::read(uri, authority.as_deref()).map_err(wrong)?)
            }
        };
        Ok(Self { at, place, last: Mutex::default() })
    }

    /// Reads the keys. Dropping the future is safe.
    pub(super) async fn read(&self) -> Result<Tried, KeysError> {
        let wrong = |what| KeysError { at: self.at.to_string(), what };
        let text = match (&self.at, &self.place) {
            (KeysAt::Url { .. }, Some(place)) => place.fetch().await.map_err(wrong)?,
            (KeysAt::File(path), _) => file(path).map_err(|error| wrong(error.to_string()))?,
            (KeysAt::Url { .. }, None) => unreachable!("a URL is a place"),
        };
        if text == *self.last() {
            return Ok(Tried::Same);
        }
        let keys = KeySet::read(&text).map_err(wrong)?;
        *self.last() = text;
        Ok(Tried::New(keys))
    }

    /// Whether a file says something else than what was read of it.
    pub(super) fn has_changed(&self) -> bool {
        match &self.at {
            KeysAt::File(path) => file(path).map_or(true, |text| text != *self.last()),
            KeysAt::Url { .. } => false,
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(KEYS_LEN_MAX as u64 + 1).read_to_end(&mut text)?;
    if text.len() > KEYS_LEN_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {KEYS_LEN_MAX} bytes")));
    }
    Ok(text)
}
