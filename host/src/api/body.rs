//! Bodies: JSON with a bound, and what is wrong with one, by its place.

use super::problem::Problem;
use super::{BODY_LEN_MAX, BODY_TIME_MAX};
use amends_domain::payload::Payload;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use serde_json::value::RawValue;
use tokio::time::timeout;

/// A body in JSON. An empty one is `{}`.
pub(super) struct Given<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Given<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read(request.into_body(), BODY_LEN_MAX).await?;
        let bytes = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
        let given = serde_json::from_slice(&bytes);
        given.map(Self).map_err(|error| Problem::new("body_malformed", format!("the body is not what is asked for: {error}")))
    }
}

/// A value that is passed on as it was given.
pub(super) fn payload(given: Box<RawValue>) -> Payload {
    Payload(Box::<str>::from(given).into_string().into())
}

/// A number that JSON Schema calls an integer: `7.0` is one, as some programs write it.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    let text = number.to_string();
    let digits =
        text.split_once('.').filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0')).map_or(&*text, |(digits, _)| digits);
    let refused = |_| Error::custom(format_args!("`{text}` is no whole number from 0 to {}", u32::MAX));
    digits.parse().map(Some).map_err(refused)
}

/// Reads a body of at most `len_max` bytes.
pub(super) async fn read(body: Body, len_max: usize) -> Result<Bytes, Problem> {
    let read = timeout(BODY_TIME_MAX, Limited::new(body, len_max).collect()).await;
    let read = read.map_err(|_| {
        let seconds = BODY_TIME_MAX.as_secs();
        Problem::new("body_too_slow", format!("the body did not arrive within {seconds} s"))
    })?;
    match read {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Problem::new("body_too_large", format!("the body has more than {len_max} bytes")))
        }
        Err(error) => Err(Problem::new("body_broken", format!("the body broke off: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let read = |text: &str| whole(&mut serde_json::Deserializer::from_str(text)).ok();
        for (text, number) in
            [("7", Some(7)), ("7.0", Some(7)), ("40145029.00", Some(40_145_029)), ("4294967295", Some(u32::MAX)), ("null", None)]
        {
            assert_eq!(read(text), Some(number), "{text}");
        }
        for bad in ["7.5", "-1", "-1.0", "4294967296", "4294967296.0", "\"7\"", "true"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
