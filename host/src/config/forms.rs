//! How values are written, wherever they are: as text. Apart, because a flag, a variable and a line of the file are read alike.

use crate::disk::FreeMin;
use crate::oidc::{Claim, RoleMap, check_url};
use crate::telemetry::collector_uri;
use amends_domain::time::Span;
use bytesize::ByteSize;
use http::Uri;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object on a line, for programs.
    Json,
}

/// A directory that somebody must name.
pub(super) fn data(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("nobody says where everything is kept: --data DIR, AMENDS_DATA, or `data = \"DIR\"` in the file".to_owned());
    }
    Ok(text.into())
}

/// A file that is there; none if it is not named.
pub(super) fn file(text: &str) -> Result<Option<PathBuf>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let path = PathBuf::from(text);
    if path.exists() { Ok(Some(path)) } else { Err(format!("there is no file `{text}`")) }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no address: write IP:PORT, such as 127.0.0.1:7878 or [::1]:7878"))
}

/// An address; none if there is to be none.
pub(super) fn no_address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() { Ok(None) } else { address(text).map(Some) }
}

/// A collector; none if there is to be none.
pub(super) fn collector(text: &str) -> Result<Option<Uri>, String> {
    if text.is_empty() { Ok(None) } else { collector_uri(text).map(Some).map_err(|error| error.to_string()) }
}

/// A text that others write, too; none if there is to be none.
#[expect(clippy::unnecessary_wraps, reason = "every form may refuse")]
pub(super) fn some_text(text: &str) -> Result<Option<String>, String> {
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Where keys of an identity provider are; none if that is not said.
pub(super) fn keys_url(text: &str) -> Result<Option<Uri>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let uri: Uri = text.parse().map_err(|_| format!("`{text}` is no URL: write such as https://id.example.com/keys"))?;
    check_url(&uri).map_err(|problem| format!("`{text}`: {problem}"))?;
    Ok(Some(uri))
}

/// Where in a token something is said.
pub(super) fn claim(text: &str) -> Result<Claim, String> {
    text.parse()
}

/// Which roles values mean; none if that is not said.
pub(super) fn roles(text: &str) -> Result<Option<RoleMap>, String> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

/// A whole number from `LEAST` to `MOST`.
pub(super) fn number<const LEAST: u64, const MOST: u64>(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (LEAST..=MOST).contains(number));
    number.ok_or_else(|| format!("`{text}` is no whole number from {LEAST} to {MOST}"))
}

/// The same, or `auto`.
pub(super) fn number_or_auto<const LEAST: u64, const MOST: u64>(text: &str) -> Result<Option<u64>, String> {
    if text == "auto" {
        return Ok(None);
    }
    number::<LEAST, MOST>(text).map(Some).map_err(|problem| format!("{problem}, and not `auto`"))
}

/// A span of at most a day.
pub(super) fn span(text: &str) -> Result<Span, String> {
    const MOST: Span = Span(86_400_000);
    let span = Span::from_str(text)?;
    if span > MOST { Err(format!("`{text}` is longer than a day")) } else { Ok(span) }
}

/// The same, longer than nothing.
pub(super) fn some_span(text: &str) -> Result<Span, String> {
    let span = span(text)?;
    if span == Span(0) { Err("it cannot be nothing: write such as 500ms, 10s or 2m".to_owned()) } else { Ok(span) }
}

/// A span of at most a year, longer than nothing.
pub(super) fn long_span(text: &str) -> Result<Span, String> {
    const MOST: Span = Span(365 * 86_400_000);
    match Span::from_str(text)? {
        Span(0) => Err("it cannot be nothing: write such as 10m, 48h or 3days".to_owned()),
        span if span > MOST => Err(format!("`{text}` is longer than a year")),
        span => Ok(span),
    }
}

/// So many bytes, at least a megabyte.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let size = bytes(text)?;
    if size < 1024 * 1024 { Err(format!("`{text}` is less than 1MiB")) } else { Ok(size) }
}

fn bytes(text: &str) -> Result<u64, String> {
    let size = ByteSize::from_str(text).map_err(|_| format!("`{text}` is no size: write such as 512MiB or 2GiB"))?;
    Ok(size.as_u64())
}

/// So many bytes, or so much of all.
pub(super) fn floor(text: &str) -> Result<FreeMin, String> {
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent = percent.trim().parse().ok().filter(|percent| *percent <= 90);
            percent.map(FreeMin::Percent).ok_or_else(|| format!("`{text}` is no part: write 0% to 90%"))
        }
        None => bytes(text).map(FreeMin::Bytes).map_err(|problem| format!("{problem}, or 5%")),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("`{text}` is no form: write text or json")),
    }
}

/// Which lines the log has, as `tracing` writes it.
pub(super) fn log_level(text: &str) -> Result<String, String> {
    let read = tracing_subscriber::EnvFilter::builder().parse(text);
    read.map(|_| text.to_owned())
        .map_err(|error| format!("`{text}` is no level: {error}; write such as info, or warn,amends=debug"))
}
