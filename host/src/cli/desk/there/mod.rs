//! A server: what is asked is done there. Lists are read page by page; the facts of a run are heard from its events, so that what is shown of
//! it is what a data directory would show.

mod acting;
mod hearing;

use super::super::error::{misuse, refused};
use super::super::journal::Journal;
use super::super::output::Exit;
use super::{Asked, Desk, Found, Shown, Start, StateValue, Told};
use crate::client::{Answer, Ask, Client, ClientError, segment};
use crate::view::{DeadLetterView, RunFilter, RunRow};
use amends_domain::id::{RunId, SagaName, TenantId};
use amends_domain::payload::Payload;
use amends_domain::time::Timestamp;
use clap::ValueEnum;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::cell::OnceCell;

/// Most items of a page.
const PAGE_LEN_MAX: usize = 1000;
/// Most pages in a row that have nothing of what is wanted. One of runs looks at 10 000 of them, so these are more than there are; a server whose
/// list has no end keeps nobody for ever.
const EMPTY_PAGES_MAX: usize = 1000;
/// Most dead letters that are looked at to find the newest.
const LETTERS_MAX: usize = 100_000;
/// Most keys that are written at a time, and most bytes of them; more are written one lot after the other.
const WRITES_MAX: usize = 1000;
const WRITES_LEN_MAX: usize = 512 * 1024;

/// A server and whose things there.
pub(in crate::cli) struct There {
    client: Client,
    tenant: OnceCell<TenantId>,
    /// How commands name this server.
    place: String,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Asker {
    tenant: Option<TenantId>,
}

impl There {
    /// None: the tenant of the key, which the server is asked for.
    pub(in crate::cli) fn new(client: Client, tenant: Option<TenantId>, place: String) -> Self {
        Self { client, tenant: tenant.map(OnceCell::from).unwrap_or_default(), place }
    }

    pub(in crate::cli) fn client(&self) -> &Client {
        &self.client
    }

    pub(in crate::cli) fn ask(&self, ask: &Ask) -> Result<Answer, ClientError> {
        self.client.ask(ask)
    }

    /// The path of something of the tenant.
    pub(in crate::cli) fn path(&self, rest: &str) -> anyhow::Result<String> {
        Ok(format!("/v1/tenants/{}{rest}", self.whose()?))
    }

    /// All items of a list, up to `limit`, page by page. `path` may have a query.
    pub(in crate::cli) fn items<T: DeserializeOwned>(&self, path: &str, limit: usize) -> anyhow::Result<Found<T>> {
        self.items_behind(path, None, limit, |_| true)
    }

    /// The same from behind a cursor, for as long as they are `wanted`.
    fn items_behind<T: DeserializeOwned>(
        &self,
        path: &str,
        mut cursor: Option<String>,
        limit: usize,
        wanted: impl Fn(&T) -> bool,
    ) -> anyhow::Result<Found<T>> {
        let (mut items, mut empty) = (Vec::new(), 0);
        let sign = if path.contains('?') { '&' } else { '?' };
        while empty < EMPTY_PAGES_MAX {
            let len = PAGE_LEN_MAX.min(limit + 1 - items.len());
            let behind = cursor.as_ref().map(|cursor| format!("&cursor={}", segment(cursor))).unwrap_or_default();
            let page: Page<T> = self.ask(&Ask::get(format!("{path}{sign}limit={len}{behind}")))?.json()?;
            empty = if page.items.is_empty() { empty + 1 } else { 0 };
            let before = items.len() + page.items.len();
            items.extend(page.items.into_iter().take_while(&wanted));
            cursor = page.next_cursor;
            if items.len() < before || items.len() > limit || cursor.is_none() {
                return Ok(Found::of(items, limit));
            }
        }
        let message =
            format!("{EMPTY_PAGES_MAX} pages of {path} in a row are empty and none is the last: narrow down what is listed");
        Err(refused("list_endless", message))
    }

    fn whose(&self) -> anyhow::Result<&TenantId> {
        if let Some(tenant) = self.tenant.get() {
            return Ok(tenant);
        }
        let asker: Asker = self.ask(&Ask::get("/v1/whoami"))?.json()?;
        let tenant =
            asker.tenant.ok_or_else(|| misuse("tenant_not_named", "the key is for the whole host: say --tenant TENANT"))?;
        Ok(self.tenant.get_or_init(|| tenant))
    }
}

impl Desk for There {
    fn tenant(&self) -> anyhow::Result<TenantId> {
        Ok(self.whose()?.clone())
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn runs(&self, filter: &RunFilter, limit: usize) -> anyhow::Result<Found<RunRow>> {
        self.items(&self.path(&format!("/runs{}", query(filter)))?, limit)
    }

    fn run(&self, run: RunId) -> anyhow::Result<Shown> {
        Ok(Shown::Said(self.ask(&Ask::get(self.path(&format!("/runs/{run}"))?))?.json()?))
    }

    fn journal(&self, run: RunId) -> anyhow::Result<Journal> {
        self.hear(run)?.whole(self)
    }

    fn letters(&self, limit: usize) -> anyhow::Result<Found<DeadLetterView>> {
        // The server lists them oldest first; pages end between runs.
        let mut found: Found<DeadLetterView> = self.items(&self.path("/dead-letters")?, LETTERS_MAX)?;
        found.items.sort_by_key(|letter| std::cmp::Reverse(letter.id.run));
        Ok(Found::of(found.items, limit))
    }

    fn values(&self, prefix: &str, limit: usize) -> anyhow::Result<Found<StateValue>> {
        self.items_behind(&self.path("/state")?, before(prefix), limit, |value: &StateValue| value.key.starts_with(prefix))
    }

    fn value(&self, key: &str) -> anyhow::Result<Option<StateValue>> {
        let found = self.items_behind(&self.path("/state")?, before(key), 1, |value: &StateValue| value.key == key)?;
        Ok(found.items.into_iter().next())
    }

    /// Each lot is written as a whole or not at all.
    fn write(&self, values: Vec<(String, Option<Payload>)>, told: &dyn Fn() -> anyhow::Result<Exit>) -> anyhow::Result<Exit> {
        let path = self.path("/state")?;
        let (mut lot, mut len) = (Map::new(), 0);
        for (key, value) in values {
            let value = match value.map(|value| value.readable()) {
                Some(Value::Null) => {
                    let message = format!("null removes a key on a server: use `amends state remove {key}`");
                    return Err(misuse("null_removes", message));
                }
                Some(value) => value,
                None => Value::Null,
            };
            let more = key.len() + value.to_string().len();
            if lot.len() == WRITES_MAX || (len > 0 && len + more > WRITES_LEN_MAX) {
                self.ask(&Ask::patch(path.as_str(), &Value::Object(std::mem::take(&mut lot))))?;
                len = 0;
            }
            lot.insert(key, value);
            len += more;
        }
        if !lot.is_empty() {
            self.ask(&Ask::patch(path.as_str(), &json!(lot)))?;
        }
        told()
    }

    fn start(&self, start: Start<'_>, told: Told<'_>) -> anyhow::Result<Exit> {
        self.begin(start, told)
    }

    fn demand(&self, demand: Asked<'_>, told: Told<'_>) -> anyhow::Result<Exit> {
        self.ask_of_run(demand, told)
    }

    fn follow(&self, run: RunId, told: Told<'_>) -> anyhow::Result<Exit> {
        let journal = self.followed(run)?;
        told(&super::Stood { journal, noted: true })
    }
}

/// What is asked of a server to have these runs.
fn query(filter: &RunFilter) -> String {
    let RunFilter { status, saga, since, until } = filter;
    let status = status.and_then(|status| status.to_possible_value()).map(|status| status.get_name().to_owned());
    let said = [
        ("status", status),
        ("saga", saga.as_ref().map(SagaName::to_string)),
        ("since", since.as_ref().map(Timestamp::to_string)),
        ("until", until.as_ref().map(Timestamp::to_string)),
    ];
    let said = said.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", segment(&value?))));
    let said: Vec<_> = said.collect();
    if said.is_empty() { String::new() } else { format!("?{}", said.join("&")) }
}

/// A key that stands right before `key`, to read a list from there; none: from its beginning. Keys have no control characters.
fn before(key: &str) -> Option<String> {
    let last = key.chars().next_back()?;
    let lower = (0..u32::from(last)).rev().find_map(char::from_u32)?;
    Some(format!("{}{lower}{}", &key[..key.len() - last.len_utf8()], char::MAX))
}

#[cfg(test)]
mod tests {
    use super::before;

    #[test]
    fn a_list_is_read_from_right_before_a_key() {
        for key in ["a", "stock/BOOK-1", "ä", "\u{e000}", "a\u{10000}"] {
            let before = before(key).expect("there is one");
            assert!(before.as_str() < key, "{before:?} {key:?}");
            for earlier in ["", "Z", "stock/BOOK-0", "stock/BOOK-0zzz", "\u{d7ff}zz", "a\u{ffff}zz"] {
                assert!(earlier >= key || earlier <= before.as_str(), "{earlier:?} is between {before:?} and {key:?}");
            }
        }
        assert_eq!(before(""), None);
    }
}
