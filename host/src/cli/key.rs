//! `amends key`: who may come in at a server. A token is shown once, when its key is created.

use super::desk::{Desk, Profile, Profiles, Server};
use super::members;
use super::output::{Exit, Format, plain, remark, say, say_json};
use crate::client::Ask;
use crate::clock::{Clock, SystemClock};
use amends_domain::event::Role;
use amends_domain::id::{KeyId, KeyName};
use amends_domain::time::{Span, Timestamp};
use clap::builder::PossibleValue;
use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};

const CREATE_EXAMPLES: &str = "\
Examples:
  amends key create shop --role starter --tenant acme
  amends key create anna --role tenant-admin --tenant acme --expires-in 90days --save acme
  amends key create night-shift --role operator --tenant host

The last line is `token amt_…`: it is shown once and kept nowhere, unless --save puts it into a profile of this user.";

const LIST_EXAMPLES: &str = "\
Examples:
  amends key list
  amends key list --tenant acme --json";

const REVOKE_EXAMPLES: &str = "\
Example:
  amends key revoke key_01kb0v7m4q8r5t2x9y3z6w1a0c

What was asked with it before stands; streams that are open end with their connection.";

/// Create, list and revoke keys on a server
#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Create a key and show its token
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// List keys, with whether and when they were used
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Have a key open nothing any more
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke(Revoke),
}

/// Arguments of `key create`.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Its name
    name: KeyName,
    /// What it allows
    #[arg(long, value_enum)]
    role: RoleName,
    /// When it opens nothing any more: RFC 3339
    #[arg(long, value_name = "INSTANT", conflicts_with = "expires_in")]
    expires_at: Option<Timestamp>,
    /// How long it opens anything, such as 90days
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<Span>,
    /// Put the token into this profile, and do not show it
    #[arg(long, value_name = "PROFILE")]
    save: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// Arguments of `key list`.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    server: Server,
}

/// Arguments of `key revoke`.
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The key
    key: KeyId,
    #[command(flatten)]
    server: Server,
}

/// A role, as it is typed.
#[derive(Debug, Clone, Copy)]
struct RoleName(Role);

impl ValueEnum for RoleName {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [RoleName; 5] = [
            RoleName(Role::Operator),
            RoleName(Role::TenantAdmin),
            RoleName(Role::Developer),
            RoleName(Role::Starter),
            RoleName(Role::Viewer),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let says = match self.0 {
            Role::Operator => "Runs the host: tenants, their limits",
            Role::TenantAdmin => "Answers for a tenant: keys, what plugins may reach",
            Role::Developer => "Makes plugins and sagas, and looks after their runs",
            Role::Starter => "Starts runs and sees what becomes of them",
            Role::Viewer => "Looks on",
        };
        Some(PossibleValue::new(self.0.word()).help(says))
    }
}

/// What is shown of a key.
#[derive(Deserialize)]
struct Row {
    id: KeyId,
    name: String,
    role: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

pub(super) fn run(command: &Key, format: Format) -> anyhow::Result<Exit> {
    match command {
        Key::Create(create) => self::create(create, format),
        Key::List(list) => self::list(list, format),
        Key::Revoke(revoke) => self::revoke(revoke, format),
    }
}

fn create(create: &Create, format: Format) -> anyhow::Result<Exit> {
    let there = create.server.there()?;
    let expires = create.expires_at.or_else(|| create.expires_in.map(|span| SystemClock.now().plus(span)));
    let mut body = json!({ "name": create.name, "role": create.role.0 });
    if let Some(expires) = expires {
        body["expires_at"] = json!(expires);
    }
    let mut key: Value = there.ask(&Ask::post(there.path("/keys")?, &body))?.json()?;
    let row: Row = serde_json::from_value(key.clone())?;
    let token = key["token"].as_str().unwrap_or_default().to_owned();
    if let Some(name) = &create.save {
        let tenant = Some(there.tenant()?).filter(|_| create.role.0 != Role::Operator);
        let mut profiles = Profiles::read()?;
        let profile = Profile { url: there.client().url().to_owned(), token: Some(token.clone()), tenant, ca_file: None };
        profiles.put(name, profile)?;
        profiles.write()?;
        if let Some(key) = key.as_object_mut() {
            key.remove("token");
        }
        remark(plain(&format!("the token is in profile `{name}`")))?;
    }
    match format {
        Format::Json => say_json(&key)?,
        Format::Text => {
            say(line(&row))?;
            if create.save.is_none() {
                say(format_args!("token {}", plain(&token)))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    members::list(&list.server, "keys", format, |item| Ok(line(&serde_json::from_value(item)?)))
}

fn revoke(Revoke { key, server }: &Revoke, format: Format) -> anyhow::Result<Exit> {
    let there = server.there()?;
    let path = there.path(&format!("/keys/{key}"))?;
    members::take_away(&there, path, format, (&json!({ "revoked": key }), &format!("{key} opens nothing any more")))
}

fn line(row: &Row) -> String {
    let Row { id, name, role, created_at, expires_at, revoked_at, last_used_at } = row;
    let stands = match (revoked_at, expires_at, last_used_at) {
        (Some(at), _, _) => format!("revoked {at}"),
        (None, Some(at), _) if *at <= SystemClock.now() => format!("expired {at}"),
        (None, _, Some(at)) => format!("used {at}"),
        (None, _, None) => "not used since the server was started".to_owned(),
    };
    plain(&format!("{id}  {role:<12}  {name:<20}  created {created_at}  {stands}"))
}
