//! `amends profile`: servers that this user comes to, by name. A token is read from a file or from standard input, never from the command line.

use super::desk::{Profile as Kept, Profiles, token_of};
use super::error::{misuse, refused};
use super::output::{Exit, Format, plain, remark, say, say_json};
use crate::client::{Ask, Authorities, Client};
use amends_domain::id::TenantId;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::{IsTerminal, Read};
use std::path::PathBuf;

/// Longest standard input that is read for a token, bytes.
const INPUT_LEN_MAX: u64 = 4096;

const ADD_EXAMPLES: &str = "\
Examples:
  amends profile add production --url https://amends.example.com --tenant acme --token-file token.txt
  pass show amends | amends profile add production --url https://amends.example.com
  amends profile add open --url http://127.0.0.1:7878 --no-token

The token is read from standard input where no file is named. The server is asked whether it knows the token; --unchecked does not ask.
Profiles are kept in ~/.config/amends/profiles.toml, which only this user may read. The first one is the default.";

const LIST_EXAMPLES: &str = "\
Example:
  amends profile list --json";

const USE_EXAMPLES: &str = "\
Example:
  amends profile use production";

const REMOVE_EXAMPLES: &str = "\
Example:
  amends profile remove production

The key stays as it is: amends key revoke";

/// Keep servers and tokens by name
#[derive(Debug, Subcommand)]
pub(super) enum Profile {
    /// Add a profile, or replace it
    #[command(after_help = ADD_EXAMPLES)]
    Add(Add),
    /// List profiles, without their tokens
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Make a profile the one that is meant where none is named
    #[command(after_help = USE_EXAMPLES)]
    Use(Named),
    /// Remove a profile
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(Named),
}

/// Arguments of `profile add`.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// Its name
    name: String,
    /// The server
    #[arg(long, value_name = "URL")]
    url: String,
    /// The file with the token; where none is named: standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Without a token: for what anybody may ask
    #[arg(long, conflicts_with = "token_file")]
    no_token: bool,
    /// The tenant; where none is named, that of the key
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantId>,
    /// A file with certificates (PEM) that vouch for the server
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Do not ask the server
    #[arg(long)]
    unchecked: bool,
}

/// Arguments of `profile use` and `profile remove`.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its name
    name: String,
}

pub(super) fn run(command: &Profile, format: Format) -> anyhow::Result<Exit> {
    match command {
        Profile::Add(add) => self::add(add, format),
        Profile::List => list(format),
        Profile::Use(named) => choose(&named.name, format),
        Profile::Remove(named) => remove(&named.name, format),
    }
}

fn add(add: &Add, format: Format) -> anyhow::Result<Exit> {
    let mut profiles = Profiles::read()?;
    let token = match (&add.token_file, add.no_token) {
        (Some(file), _) => Some(token_of(file)?),
        (None, true) => None,
        (None, false) => Some(token_of_input()?),
    };
    let ca_file = add.ca_file.as_ref().map(std::path::absolute).transpose()?;
    let authorities = ca_file.as_deref().map(Authorities::read).transpose()?.unwrap_or_default();
    // Read even if it is not asked, so that nothing is kept that cannot be used.
    let client = Client::new(&add.url, token.as_deref(), &authorities)?;
    if token.is_some() && !add.unchecked {
        let asker: Value = client.ask(&Ask::get("/v1/whoami"))?.json()?;
        let (who, role) = (asker["who"].as_str().unwrap_or_default(), asker["role"].as_str().unwrap_or_default());
        remark(plain(&format!("the server knows {who}, {role}")))?;
    }
    let (url, tenant) = (client.url().to_owned(), add.tenant.clone());
    profiles.put(&add.name, Kept { url, token, tenant, ca_file })?;
    let path = profiles.write()?;
    match format {
        Format::Json => say_json(&json!({ "added": add.name, "file": path }))?,
        Format::Text => say(format_args!("profile `{}` is in {}", add.name, plain(&path.display().to_string())))?,
    }
    Ok(Exit::Done)
}

fn token_of_input() -> anyhow::Result<String> {
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        remark("the token, then Enter and Ctrl-D:")?;
    }
    let mut text = String::new();
    let read = std::io::Read::by_ref(&mut stdin).take(INPUT_LEN_MAX).read_to_string(&mut text);
    read.map_err(|error| misuse("file_not_readable", format!("failed to read standard input: {error}")))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(misuse(
            "token_missing",
            "standard input has no token: write it there, or name --token-file, or say --no-token",
        ));
    }
    Ok(token.to_owned())
}

fn list(format: Format) -> anyhow::Result<Exit> {
    let Profiles { default, profiles } = Profiles::read()?;
    let is_default = |name: &str| default.as_deref() == Some(name);
    match format {
        Format::Json => {
            let row = |(name, kept): (&String, &Kept)| json!({ "name": name, "url": kept.url, "tenant": kept.tenant, "default": is_default(name) });
            say_json(&json!({ "profiles": profiles.iter().map(row).collect::<Vec<_>>() }))?;
        }
        Format::Text if profiles.is_empty() => remark("no profiles: amends profile add NAME --url URL")?,
        Format::Text => {
            for (name, kept) in &profiles {
                let tenant = kept.tenant.as_ref().map(|tenant| format!("  tenant {tenant}")).unwrap_or_default();
                let mark = if is_default(name) { "  (default)" } else { "" };
                say(plain(&format!("{name:<16}  {}{tenant}{mark}", kept.url)))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn choose(name: &str, format: Format) -> anyhow::Result<Exit> {
    let mut profiles = known(name)?;
    profiles.default = Some(name.to_owned());
    profiles.write()?;
    match format {
        Format::Json => say_json(&json!({ "default": name }))?,
        Format::Text => say(format_args!("profile `{name}` is the default"))?,
    }
    Ok(Exit::Done)
}

fn remove(name: &str, format: Format) -> anyhow::Result<Exit> {
    let mut profiles = known(name)?;
    profiles.profiles.remove(name);
    if profiles.default.as_deref() == Some(name) {
        profiles.default = None;
    }
    profiles.write()?;
    match format {
        Format::Json => say_json(&json!({ "removed": name }))?,
        Format::Text => say(format_args!("profile `{name}` is removed"))?,
    }
    Ok(Exit::Done)
}

fn known(name: &str) -> anyhow::Result<Profiles> {
    let profiles = Profiles::read()?;
    if profiles.profiles.contains_key(name) {
        return Ok(profiles);
    }
    Err(refused("unknown_profile", format!("there is no profile `{}`: amends profile list", plain(name))))
}
