//! Lists in pages: a cursor says where the next one begins, and means nothing else to anybody.

use super::WAIT_MAX;
use super::problem::Problem;
use crate::store::PAGE_LEN_MAX;
use amends_domain::time::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Most items of a page that does not say.
const PAGE_LEN: usize = 50;

/// How long somebody wants to wait.
pub(super) fn patience(wait: Option<String>) -> Result<Option<Span>, Problem> {
    let Some(wait) = wait else { return Ok(None) };
    let digits = wait.bytes().take_while(u8::is_ascii_digit).count();
    // Spans are written in more ways elsewhere; one that is sent is written by a program.
    let is_plain = match &wait[digits..] {
        "ms" => (1..=5).contains(&digits),
        "s" => (1..=2).contains(&digits),
        "m" => digits == 1,
        _ => false,
    };
    let span = wait.parse::<Span>().ok().filter(|_| is_plain);
    let span = span.ok_or_else(|| {
        let shown: String = wait.chars().take(80).collect();
        Problem::new("wait_malformed", format!("`wait` is `{shown}`: write a whole number and `ms`, `s` or `m`, such as 30s"))
    })?;
    if span > WAIT_MAX {
        let detail = format!("`wait` is {span}: at most {WAIT_MAX} are allowed; follow the events for longer");
        return Err(Problem::new("wait_too_long", detail));
    }
    Ok(Some(span))
}

/// Which page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A page.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next page begins; none: this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

impl Wanted {
    /// How many items.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(PAGE_LEN),
            Some(limit) if (1..=PAGE_LEN_MAX).contains(&limit) => Ok(limit),
            Some(limit) => {
                let detail = format!("`limit` is {limit}: 1 to {PAGE_LEN_MAX} are allowed");
                Err(Problem::new("limit_out_of_range", detail))
            }
        }
    }

    /// Behind what.
    pub(super) fn after<T: FromStr>(&self) -> Result<Option<T>, Problem> {
        let read = |cursor: &String| {
            cursor.parse().map_err(|_| {
                let detail = "`cursor` is not one that a page gave: begin without one";
                Problem::new("cursor_malformed", detail)
            })
        };
        self.cursor.as_ref().map(read).transpose()
    }
}

impl<T> Page<T> {
    /// A page of `found`, which has one item more than `limit` if there are more; `cursor` names an item.
    pub(super) fn of(mut found: Vec<T>, limit: usize, cursor: impl FnOnce(&T) -> String) -> Self {
        let more = found.len() > limit;
        found.truncate(limit);
        let next_cursor = found.last().filter(|_| more).map(cursor);
        Self { items: found, next_cursor }
    }
}
