//! `amends webhook`: where a server sends the events of a tenant. A key is shown once, when a webhook is new or gets another one.

use super::desk::{Server, There};
use super::members;
use super::output::{Exit, Format, plain, say, say_json};
use crate::client::Ask;
use amends_domain::id::WebhookName;
use amends_domain::time::{Span, Timestamp};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

const SET_EXAMPLES: &str = "\
Examples:
  amends webhook set billing https://example.com/hooks/amends --event 'workflow.saga.*' --event key.created
  amends webhook set billing https://example.com/hooks/amends --paused

A new webhook gets the events from now on; the last line is `key whsec_…`, which signs them: it is shown once and kept nowhere. Set again, it
goes on where it is; one that was paused does as well. Without --event it gets all types.";

const LIST_EXAMPLES: &str = "\
Examples:
  amends webhook list
  amends webhook list --tenant acme --json";

const SHOW_EXAMPLES: &str = "\
Example:
  amends webhook show billing

Says how far it is, what came of the last request, and when the next one is.";

const REMOVE_EXAMPLES: &str = "\
Example:
  amends webhook remove billing

Nothing is sent there any more, and its keys are destroyed. Set again, it begins with what happens then.";

const ROTATE_EXAMPLES: &str = "\
Examples:
  amends webhook rotate billing
  amends webhook rotate billing --overlap 1h

Shows another key. Until the overlap is over, a day where nobody says it, what is sent is signed with both. With `0s` the one before is
destroyed at once.";

/// Say where a server sends events
#[derive(Debug, Subcommand)]
pub(super) enum Webhook {
    /// Have events sent to a URL
    #[command(after_help = SET_EXAMPLES)]
    Set(Set),
    /// List webhooks, with how each fares
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Show a webhook and how it fares
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Named),
    /// Have nothing sent there any more
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(Named),
    /// Give a webhook another key
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(Rotate),
}

/// Arguments of `webhook set`.
#[derive(Debug, Args)]
pub(super) struct Set {
    /// Its name
    webhook: WebhookName,
    /// Where to; over https
    #[arg(value_name = "URL")]
    target: String,
    /// A type of events, such as workflow.saga.failed, or the beginning of several, such as workflow.step.*
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
    /// Send nothing until it is set again
    #[arg(long)]
    paused: bool,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `webhook list`.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    server: Server,
}

/// Arguments of `webhook show` and `webhook remove`.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// The webhook
    webhook: WebhookName,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `webhook rotate`.
#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// The webhook
    webhook: WebhookName,
    /// How long the key before signs as well
    #[arg(long, value_name = "SPAN")]
    overlap: Option<Span>,
    #[command(flatten)]
    server: Server,
}

/// What is shown of a webhook.
#[derive(Deserialize)]
struct Row {
    name: String,
    place: String,
    url: Option<String>,
    events: Vec<String>,
    cursor: String,
    records_behind: u64,
    paused: Option<Paused>,
    failing: Option<Failing>,
    last_request: Option<Request>,
    next_request_at: Option<Timestamp>,
    trouble: Option<String>,
    /// Told once.
    key: Option<String>,
}

#[derive(Deserialize)]
struct Paused {
    since: Timestamp,
    reason: String,
    by: String,
}

#[derive(Deserialize)]
struct Failing {
    since: Timestamp,
    attempts: u32,
}

#[derive(Deserialize)]
struct Request {
    at: Timestamp,
    took_ms: u64,
    events: usize,
    result: String,
}

pub(super) fn run(command: &Webhook, format: Format) -> anyhow::Result<Exit> {
    match command {
        Webhook::Set(set) => self::set(set, format),
        Webhook::List(list) => self::list(list, format),
        Webhook::Show(show) => self::show(show, format),
        Webhook::Remove(remove) => self::remove(remove, format),
        Webhook::Rotate(rotate) => self::rotate(rotate, format),
    }
}

fn path(there: &There, webhook: &WebhookName) -> anyhow::Result<String> {
    there.path(&format!("/webhooks/{webhook}"))
}

fn set(set: &Set, format: Format) -> anyhow::Result<Exit> {
    let Set { webhook, target, events, paused, server } = set;
    let there = server.there()?;
    let body = json!({ "url": target, "events": events, "paused": paused }).to_string();
    told(&there.ask(&Ask::put(path(&there, webhook)?, "application/json", body))?.json()?, format)
}

fn show(named: &Named, format: Format) -> anyhow::Result<Exit> {
    let there = named.server.there()?;
    told(&there.ask(&Ask::get(path(&there, &named.webhook)?))?.json()?, format)
}

fn rotate(rotate: &Rotate, format: Format) -> anyhow::Result<Exit> {
    let there = rotate.server.there()?;
    let body = rotate.overlap.map_or_else(|| json!({}), |overlap| json!({ "overlap": overlap.to_string() }));
    told(&there.ask(&Ask::post(format!("{}/rotate", path(&there, &rotate.webhook)?), &body))?.json()?, format)
}

fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    members::list(&list.server, "webhooks", format, |item| {
        let row: Row = serde_json::from_value(item)?;
        Ok(plain(&format!("{:<20}  {}  {}", row.name, row.place, stands(&row))))
    })
}

fn remove(Named { webhook, server }: &Named, format: Format) -> anyhow::Result<Exit> {
    let there = server.there()?;
    let (path, said) = (path(&there, webhook)?, format!("webhook `{webhook}` is removed"));
    members::take_away(&there, path, format, (&json!({ "removed": webhook }), &said))
}

/// Shows a webhook as a server told it.
fn told(webhook: &Value, format: Format) -> anyhow::Result<Exit> {
    if format == Format::Json {
        say_json(webhook)?;
        return Ok(Exit::Done);
    }
    let row: Row = serde_json::from_value(webhook.clone())?;
    let events = if row.events.is_empty() { "all events".to_owned() } else { row.events.join(" ") };
    say(plain(&format!("{}  {}  {events}", row.name, row.url.as_ref().unwrap_or(&row.place))))?;
    say(plain(&format!("{}, at {}, {} records behind", stands(&row), row.cursor, row.records_behind)))?;
    if let Some(Request { at, took_ms, events, result }) = &row.last_request {
        say(plain(&format!("last request {at}: {events} events, {result}, {took_ms} ms")))?;
    }
    if let Some(at) = row.next_request_at {
        say(format_args!("next request {at}"))?;
    }
    if let Some(key) = &row.key {
        say(plain(&format!("key {key}")))?;
    }
    Ok(Exit::Done)
}

/// How it fares, in one phrase.
fn stands(row: &Row) -> String {
    match (&row.paused, &row.trouble, &row.failing) {
        (Some(Paused { since, reason, by }), _, _) => format!("paused {since} by {by}: {reason}"),
        (None, Some(trouble), _) => format!("stands still: {trouble}"),
        (None, None, Some(Failing { since, attempts })) => format!("failing since {since}, {attempts} attempts"),
        (None, None, None) => "delivering".to_owned(),
    }
}
