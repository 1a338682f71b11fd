//! An answer that is too long to be held: written on as it comes. Apart, because here time is bounded from part to part and not in all.

use super::{Ask, Client, ClientError, PATIENCE, error};
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Limited};
use std::io::Write;
use tokio::time::timeout;

/// Longest answer that is read of a server that says no.
const REFUSAL_LEN_MAX: usize = 1024 * 1024;

impl Client {
    /// Asks something and writes what comes to `out`; gives its length. What was written when there is an error is a part of it.
    ///
    /// # Errors
    /// As [`Client::ask`], and [`ClientError::Out`].
    pub fn fetch(&self, ask: &Ask, out: &mut dyn Write) -> Result<u64, ClientError> {
        self.runtime.block_on(self.fetch_on(ask, out))
    }

    async fn fetch_on(&self, ask: &Ask, out: &mut dyn Write) -> Result<u64, ClientError> {
        let late = |_| ClientError::Late { url: self.url().to_owned(), within: PATIENCE };
        let response = timeout(PATIENCE, self.send(ask, "application/octet-stream", None)).await.map_err(late)??;
        let (status, kind) = (response.status(), response.headers().get(CONTENT_TYPE).cloned());
        let broken = |source| ClientError::Broken { url: self.url().to_owned(), source };
        if !status.is_success() {
            let read = timeout(PATIENCE, Limited::new(response.into_body(), REFUSAL_LEN_MAX).collect()).await.map_err(late)?;
            let body = read.map_err(|error| ClientError::Strange { status: status.as_u16(), what: error.to_string() })?.to_bytes();
            return Err(error::refused(status, kind.as_ref(), &body));
        }
        let (mut body, mut len) = (response.into_body(), 0);
        while let Some(frame) = timeout(PATIENCE, body.frame()).await.map_err(late)? {
            if let Some(part) = frame.map_err(broken)?.data_ref() {
                out.write_all(part).map_err(ClientError::Out)?;
                len += part.len() as u64;
            }
        }
        Ok(len)
    }
}
