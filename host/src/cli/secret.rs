//! `amends secret`: values that plugins need and nobody should read. They come in from a file or standard input, never as an argument, which
//! others on the machine could see, and they do not come out.

use super::argument::text_file;
use super::asking::{named, nobody_said};
use super::desk::{At, There};
use super::error::misuse;
use super::hosted::on;
use super::output::{Exit, Format, plain, remark, say, say_json};
use crate::client::Ask;
use crate::compose::{Host, OpenError, Reader};
use crate::coordinator::Coordinator;
use amends_domain::id::{PluginName, SecretName, TenantId};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest standard input that is read for a secret, bytes.
const INPUT_LEN_MAX: u64 = 64 * 1024;

const SET_EXAMPLES: &str = "\
Examples:
  amends secret set bank-token --file token.txt
  pass show bank | amends secret set bank-token --data ./data --tenant acme

An end of line behind the secret is left out. The server, or with --data this process, needs the master key: AMENDS_MASTER_KEY_FILE names a file with 64 hexadecimal digits in it
(`openssl rand -hex 32`), or AMENDS_MASTER_KEY has the digits. Set again, the next attempt gets the new one.";

const LIST_EXAMPLES: &str = "\
Example:
  amends secret list";

const GRANT_EXAMPLES: &str = "\
Example:
  amends secret grant bank-token payments

In the headers of its requests the plugin writes {secret:bank-token}, which is replaced on the way out. It can also ask for the value.";

const REMOVE_EXAMPLES: &str = "\
Example:
  amends secret remove bank-token

Its grants are withdrawn with it.";

/// Set secrets and say who may use them
#[derive(Debug, Subcommand)]
pub(super) enum Secret {
    /// Set a secret, or set it again
    #[command(after_help = SET_EXAMPLES)]
    Set(Set),
    /// List the names of secrets and who may use them
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Let a plugin use a secret
    #[command(after_help = GRANT_EXAMPLES)]
    Grant(Grant),
    /// Remove a secret
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(Remove),
}

/// Arguments of `secret set`.
#[derive(Debug, Args)]
pub(super) struct Set {
    /// Its name
    secret: SecretName,
    /// The file that it is in; where none is named: standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    at: At,
    /// With --data: who says so; where it is not said: `$AMENDS_BY`, the user of the operating system, or `local`
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
}

/// Arguments of `secret list`.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    at: At,
}

/// Arguments of `secret grant`.
#[derive(Debug, Args)]
pub(super) struct Grant {
    /// Its name
    secret: SecretName,
    /// The plugin
    plugin: PluginName,
    #[command(flatten)]
    at: At,
    /// With --data: who says so; where it is not said: `$AMENDS_BY`, the user of the operating system, or `local`
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
}

/// Arguments of `secret remove`.
#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Its name
    secret: SecretName,
    #[command(flatten)]
    at: At,
    /// With --data: who says so; where it is not said: `$AMENDS_BY`, the user of the operating system, or `local`
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
}

pub(super) fn run(command: &Secret, format: Format) -> anyhow::Result<Exit> {
    match command {
        Secret::Set(set) => self::set(set, format),
        Secret::List(list) => self::list(list, format),
        Secret::Grant(grant) => self::grant(grant, format),
        Secret::Remove(remove) => self::remove(remove, format),
    }
}

fn set(set: &Set, format: Format) -> anyhow::Result<Exit> {
    let text = match &set.file {
        Some(file) => text_file(file)?,
        None => input()?,
    };
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    let secret = &set.secret;
    let wish = Wish { at: &set.at, by: set.by.as_deref(), secret, what: "set", open: Host::open, format };
    wish.done(
        |there| Ok(Ask::put(path(there, secret, None)?, "application/json", json!({ "value": value }).to_string())),
        async |coordinator, tenant, by| Ok(coordinator.set_secret(tenant, secret, value, by).await?),
    )
}

fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    let secrets = match list.at.here() {
        Some((data, tenant)) => of_data(data, &tenant)?,
        None => of_server(&list.at.there()?)?,
    };
    match format {
        Format::Json => {
            let row = |Row { name, plugins }: &Row| json!({ "secret": name, "plugins": plugins });
            say_json(&secrets.iter().map(row).collect::<Vec<_>>())?;
        }
        Format::Text if secrets.is_empty() => remark("no secrets")?,
        Format::Text => {
            for Row { name, plugins } in &secrets {
                let plugins: Vec<_> = plugins.iter().map(PluginName::as_str).collect();
                say(plain(&format!("{name}  {}", plugins.join(" "))).trim_end())?;
            }
        }
    }
    Ok(Exit::Done)
}

/// A secret and who may use it.
#[derive(Deserialize)]
struct Row {
    name: SecretName,
    plugins: Vec<PluginName>,
}

fn of_data(data: &Path, tenant: &TenantId) -> anyhow::Result<Vec<Row>> {
    let reader = Reader::open(data)?;
    let grants = reader.secret_grants(tenant)?;
    let plugins =
        |name: &SecretName| grants.iter().filter(|(secret, _)| secret == name).map(|(_, plugin)| plugin.clone()).collect();
    Ok(reader.secrets(tenant)?.into_iter().map(|(name, _)| Row { plugins: plugins(&name), name }).collect())
}

fn of_server(there: &There) -> anyhow::Result<Vec<Row>> {
    #[derive(Deserialize)]
    struct Secrets {
        items: Vec<Row>,
    }
    let Secrets { items } = there.ask(&Ask::get(there.path("/secrets")?))?.json()?;
    Ok(items)
}

fn grant(grant: &Grant, format: Format) -> anyhow::Result<Exit> {
    let Grant { secret, plugin, at, by } = grant;
    let what = format!("granted to plugin `{plugin}`");
    let wish = Wish { at, by: by.as_deref(), secret, what: &what, open: Host::open_existing, format };
    wish.done(
        |there| Ok(Ask::put(path(there, secret, Some(plugin))?, "application/json", "")),
        async |coordinator, tenant, by| Ok(coordinator.grant_secret(tenant, secret, plugin, by).await?),
    )
}

fn remove(remove: &Remove, format: Format) -> anyhow::Result<Exit> {
    let Remove { secret, at, by } = remove;
    let wish = Wish { at, by: by.as_deref(), secret, what: "removed", open: Host::open_existing, format };
    wish.done(
        |there| Ok(Ask::delete(path(there, secret, None)?)),
        async |coordinator, tenant, by| Ok(coordinator.remove_secret(tenant, secret, by).await?),
    )
}

/// Where a server has a secret, or its use by a plugin.
fn path(there: &There, secret: &SecretName, plugin: Option<&PluginName>) -> anyhow::Result<String> {
    let plugin = plugin.map(|plugin| format!("/plugins/{plugin}")).unwrap_or_default();
    there.path(&format!("/secrets/{secret}{plugin}"))
}

/// Something that is to be done with a secret.
struct Wish<'a> {
    at: &'a At,
    by: Option<&'a str>,
    secret: &'a SecretName,
    /// What is said when it is done.
    what: &'a str,
    /// How a data directory is opened.
    open: fn(&Path) -> Result<Host, OpenError>,
    format: Format,
}

impl Wish<'_> {
    /// Does it, `there` or `here`, and says so.
    fn done(
        &self,
        there: impl FnOnce(&There) -> anyhow::Result<Ask>,
        here: impl AsyncFnOnce(&Coordinator, &TenantId, String) -> anyhow::Result<()>,
    ) -> anyhow::Result<Exit> {
        let Some((data, tenant)) = self.at.here() else {
            nobody_said(self.by)?;
            let server = self.at.there()?;
            server.ask(&there(&server)?)?;
            return self.told();
        };
        let by = named(self.by)?;
        on((self.open)(data)?, None, async |coordinator| {
            here(&coordinator, &tenant, by).await?;
            self.told()
        })
    }

    fn told(&self) -> anyhow::Result<Exit> {
        match self.format {
            Format::Json => say_json(&json!({ "secret": self.secret }))?,
            Format::Text => say(format_args!("secret `{}` is {}", self.secret, self.what))?,
        }
        Ok(Exit::Done)
    }
}

fn input() -> anyhow::Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().take(INPUT_LEN_MAX).read_to_string(&mut text);
    let place = Path::new("standard input").display();
    read.map_err(|error| misuse("file_not_readable", format!("failed to read {place}: {error}")))?;
    Ok(text)
}
