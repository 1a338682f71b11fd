//! `amends secret`: values that plugins need and nobody should read. They come in from a file or standard input, never as an argument, which
//! others on the machine could see, and they do not come out.

use super::argument::{Data, Tenant, text_file};
use super::asking::named;
use super::error::misuse;
use super::hosted::on;
use super::output::{Exit, Format, plain, remark, say, say_json};
use crate::compose::{Host, Reader};
use amends_domain::id::{PluginName, SecretName};
use clap::{Args, Subcommand};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest standard input that is read for a secret, bytes.
const INPUT_LEN_MAX: u64 = 64 * 1024;

const SET_EXAMPLES: &str = "\
Examples:
  amends secret set bank-token --file token.txt --data ./data
  pass show bank | amends secret set bank-token --data ./data --tenant acme

An end of line behind the secret is left out. Needs the master key: AMENDS_MASTER_KEY_FILE names a file with 64 hexadecimal digits in it
(`openssl rand -hex 32`), or AMENDS_MASTER_KEY has the digits. Set again, the next attempt gets the new one.";

const LIST_EXAMPLES: &str = "\
Example:
  amends secret list --data ./data";

const GRANT_EXAMPLES: &str = "\
Example:
  amends secret grant bank-token payments --data ./data

In the headers of its requests the plugin writes {secret:bank-token}, which is replaced on the way out. It can also ask for the value.";

const REMOVE_EXAMPLES: &str = "\
Example:
  amends secret remove bank-token --data ./data

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
    data: Data,
    #[command(flatten)]
    tenant: Tenant,
    /// Who says so; where it is not said: `$AMENDS_BY`, the user of the operating system, or `local`
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
}

/// Arguments of `secret list`.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    tenant: Tenant,
}

/// Arguments of `secret grant`.
#[derive(Debug, Args)]
pub(super) struct Grant {
    /// Its name
    secret: SecretName,
    /// The plugin
    plugin: PluginName,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    tenant: Tenant,
    /// Who says so; where it is not said: `$AMENDS_BY`, the user of the operating system, or `local`
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
}

/// Arguments of `secret remove`.
#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Its name
    secret: SecretName,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    tenant: Tenant,
    /// Who says so; where it is not said: `$AMENDS_BY`, the user of the operating system, or `local`
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
    let by = named(set.by.as_deref())?;
    let text = match &set.file {
        Some(file) => text_file(file)?,
        None => input()?,
    };
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    done(Host::open(&set.data.dir)?, format, &set.secret, "set", async |coordinator| {
        Ok(coordinator.set_secret(&set.tenant.id, &set.secret, secret, by).await?)
    })
}

fn list(list: &List, format: Format) -> anyhow::Result<Exit> {
    let reader = Reader::open(&list.data.dir)?;
    let secrets = reader.secrets(&list.tenant.id)?;
    let grants = reader.secret_grants(&list.tenant.id)?;
    let used_by = |name: &SecretName| {
        let of_it = grants.iter().filter(|(secret, _)| secret == name);
        of_it.map(|(_, plugin)| plugin.to_string()).collect::<Vec<_>>()
    };
    match format {
        Format::Json => {
            let row = |name: &SecretName| serde_json::json!({ "secret": name, "plugins": used_by(name) });
            say_json(&secrets.iter().map(|(name, _)| row(name)).collect::<Vec<_>>())?;
        }
        Format::Text if secrets.is_empty() => remark("no secrets")?,
        Format::Text => {
            for (name, _) in &secrets {
                say(plain(&format!("{name}  {}", used_by(name).join(" "))).trim_end())?;
            }
        }
    }
    Ok(Exit::Done)
}

fn grant(grant: &Grant, format: Format) -> anyhow::Result<Exit> {
    let by = named(grant.by.as_deref())?;
    let what = format!("granted to plugin `{}`", grant.plugin);
    done(Host::open_existing(&grant.data.dir)?, format, &grant.secret, &what, async |coordinator| {
        Ok(coordinator.grant_secret(&grant.tenant.id, &grant.secret, &grant.plugin, by).await?)
    })
}

fn remove(remove: &Remove, format: Format) -> anyhow::Result<Exit> {
    let by = named(remove.by.as_deref())?;
    done(Host::open_existing(&remove.data.dir)?, format, &remove.secret, "removed", async |coordinator| {
        Ok(coordinator.remove_secret(&remove.tenant.id, &remove.secret, by).await?)
    })
}

/// Does `work`, and says what was done with which secret.
fn done(
    host: Host,
    format: Format,
    secret: &SecretName,
    what: &str,
    work: impl AsyncFnOnce(crate::coordinator::Coordinator) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    on(host, None, async |coordinator| {
        work(coordinator).await?;
        match format {
            Format::Json => say_json(&serde_json::json!({ "secret": secret }))?,
            Format::Text => say(format_args!("secret `{secret}` is {what}"))?,
        }
        Ok(Exit::Done)
    })
}

fn input() -> anyhow::Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().take(INPUT_LEN_MAX).read_to_string(&mut text);
    let place = Path::new("standard input").display();
    read.map_err(|error| misuse("file_not_readable", format!("failed to read {place}: {error}")))?;
    Ok(text)
}
