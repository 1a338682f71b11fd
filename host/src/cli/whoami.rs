//! `amends whoami`: whom a server sees.

use super::desk::Server;
use super::output::{Exit, Format, plain, say, say_json};
use crate::client::Ask;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

const EXAMPLES: &str = "\
Examples:
  amends whoami
  amends whoami --profile production --json

Exit code 3 if the server does not know the token, 4 if it cannot be reached.";

/// Say as whom a server knows this user
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Whoami {
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
struct Asker {
    who: String,
    role: String,
    tenant: Option<String>,
    expires_at: Option<String>,
}

pub(super) fn run(whoami: &Whoami, format: Format) -> anyhow::Result<Exit> {
    let there = whoami.server.there()?;
    let asker: Value = there.ask(&Ask::get("/v1/whoami"))?.json()?;
    match format {
        Format::Json => say_json(&asker)?,
        Format::Text => {
            let Asker { who, role, tenant, expires_at } = serde_json::from_value(asker)?;
            let scope = tenant.map_or_else(|| "the whole host".to_owned(), |tenant| format!("tenant {tenant}"));
            let until = expires_at.map_or_else(String::new, |expires| format!("  until {expires}"));
            say(plain(&format!("{who}  {role} of {scope}  at {}{until}", there.client().url())))?;
        }
    }
    Ok(Exit::Done)
}
