//! `amends events`: what happens in a tenant of a server, as others are told of it.

use super::desk::{Server, There};
use super::output::{Exit, Format, plain, remark, say, say_json_line};
use crate::client::{Ask, segment};
use amends_domain::catalogue::{CloudEvent, Position, selects};
use amends_domain::id::RunId;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Most events of a page.
const PAGE_LEN_MAX: usize = 1000;

const FOLLOW_EXAMPLES: &str = "\
Examples:
  amends events follow
  amends events follow --type 'workflow.saga.*' --type key.created --json
  amends events follow --after 0-42-1-1 --count 10

A line for each event, from the first on or from behind --after, and each that comes, until Ctrl-C; with --json each as it is sent. A connection
that breaks is made again from the last event, so each is told once. docs/events.md has all types.";

const LIST_EXAMPLES: &str = "\
Example:
  amends events list --after 0-42-1-1 --limit 100 --json";

/// See what happens in a tenant of a server
#[derive(Debug, Subcommand)]
pub(super) enum Events {
    /// Print events as they come
    #[command(after_help = FOLLOW_EXAMPLES)]
    Follow(Follow),
    /// Print the events that are there
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
}

/// Arguments of `events follow`.
#[derive(Debug, Args)]
pub(super) struct Follow {
    #[command(flatten)]
    which: Which,
    /// Stop after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `events list`.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    which: Which,
    /// Most events to list
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    server: Server,
}

/// Which events.
#[derive(Debug, Args)]
struct Which {
    /// Only those behind the event with this id
    #[arg(long, value_name = "ID")]
    after: Option<Position>,
    /// Only those of a run
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,
    /// Only those of this type, or with a `*` at the end of all that begin so; may be said often
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
}

/// What is shown of an event; of one whose type is not known here, too.
#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(rename = "type")]
    name: String,
    time: String,
    #[serde(default)]
    subject: String,
}

pub(super) fn run(command: &Events, format: Format) -> anyhow::Result<Exit> {
    match command {
        Events::Follow(follow) => self::follow(follow, format),
        Events::List(list) => self::list(list, format),
    }
}

/// Prints the events of a run as they are sent, until it has ended.
pub(super) fn of_run(there: &There, run: RunId) -> anyhow::Result<Exit> {
    there.told(run, &mut |written| say_json_line(&serde_json::from_slice::<Box<RawValue>>(written)?))?;
    Ok(Exit::Done)
}

fn follow(follow: &Follow, format: Format) -> anyhow::Result<Exit> {
    let there = follow.server.there()?;
    let mut stream = there.client().follow(follow.which.path(&there)?, follow.which.after.map(|after| after.to_string()));
    let mut left = follow.count;
    while left != Some(0) {
        let told = tell(&stream.wait()?.data, &follow.which, format)?;
        left = left.map(|left| if told == Told::Shown { left - 1 } else { left });
    }
    Ok(Exit::Done)
}

fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    #[derive(Deserialize)]
    struct Page {
        items: Vec<Box<RawValue>>,
        next_cursor: Option<String>,
    }
    let there = list.server.there()?;
    let path = list.which.path(&there)?;
    let (mut left, mut cursor) = (list.limit as usize, list.which.after.map(|after| after.to_string()));
    loop {
        let behind = cursor.map(|cursor| format!("&cursor={}", segment(&cursor))).unwrap_or_default();
        let page: Page = there.ask(&Ask::get(format!("{path}?limit={}{behind}", left.min(PAGE_LEN_MAX))))?.json()?;
        for item in page.items {
            if tell(item.get().as_bytes(), &list.which, format)? == Told::Shown {
                left -= 1;
            }
        }
        cursor = page.next_cursor;
        if left == 0 || cursor.is_none() {
            break;
        }
    }
    if let (Some(cursor), Format::Text) = (cursor, format) {
        remark(plain(&format!("there are more: --after {cursor}")))?;
    }
    Ok(Exit::Done)
}

impl Which {
    fn path(&self, there: &There) -> anyhow::Result<String> {
        match self.run {
            None => there.path("/events"),
            Some(run) => there.path(&format!("/runs/{run}/events")),
        }
    }
}

/// Whether an event was shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Shown,
    LeftOut,
}

fn tell(written: &[u8], which: &Which, format: Format) -> anyhow::Result<Told> {
    let event: Line = serde_json::from_slice(written)?;
    if !which.types.is_empty() && !which.types.iter().any(|pattern| selects(pattern, &event.name)) {
        return Ok(Told::LeftOut);
    }
    match format {
        Format::Json => say_json_line(&serde_json::from_slice::<Box<RawValue>>(written)?)?,
        Format::Text => {
            let Line { id, name, time, subject } = &event;
            let more = CloudEvent::read(written).map(|event| brief(&event)).unwrap_or_default();
            say(plain(format!("{time}  {id:<12}  {name:<34}  {subject}  {more}").trim_end()))?;
        }
    }
    Ok(Told::Shown)
}

/// What is worth a word on the line: how something ended, and who did it.
fn brief(event: &CloudEvent) -> String {
    let data = serde_json::to_value(&event.data).unwrap_or_default();
    let who = data["by"].as_str().or_else(|| data["by"]["who"].as_str()).map(|who| format!("by {who}"));
    let fields = ["outcome", "result", "code", "version", "reason"].into_iter();
    let words = fields.filter_map(|field| {
        Some(data[field].as_str().map_or_else(|| data[field].to_string(), str::to_owned)).filter(|word| word != "null")
    });
    words.chain(who).collect::<Vec<_>>().join(" ")
}
