//! `amends serve`: a host for many tenants, over HTTP.

use super::argument::Data;
use super::hosted::closed;
use super::output::{Exit, Format, plain, say, say_json};
use crate::compose::Host;
use crate::serve::{Settings, Told, serve};
use clap::Args;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  amends serve --data ./data
  amends serve --data ./data --listen 127.0.0.1:8080 --grace 30s

Prints `listening on http://ADDR` when it is ready. At its first start it makes a key for an operator and prints its token, once: with it,
tenants and their keys are created (POST /v1/tenants, POST /v1/tenants/TENANT/keys). SIGTERM or Ctrl-C stops it in order: nothing new is
taken, what is asked is answered, attempts get their grace, and open runs go on at the next start. A second signal ends it at once.";

/// Serve many tenants over HTTP
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    #[command(flatten)]
    data: Data,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7878")]
    listen: SocketAddr,
    /// How long attempts that run when it is asked to stop may go on
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    grace: amends_domain::time::Span,
}

pub(super) fn run(arguments: &Serve, format: Format) -> anyhow::Result<Exit> {
    let host = Host::open(&arguments.data.dir)?;
    let settings = Settings { listen: arguments.listen, grace: Duration::from_millis(arguments.grace.0) };
    let mut failed = None;
    let tell = |told| failed = failed.take().or(tell(&told, format).err());
    let (worked, ended) = serve(host, settings, tell)?;
    if let Some(error) = failed {
        return Err(error);
    }
    closed(worked, ended, Some(&arguments.data.dir), |served| {
        served?;
        Ok(Exit::Done)
    })
}

fn tell(told: &Told, format: Format) -> anyhow::Result<()> {
    match (told, format) {
        (Told::FirstToken(token), Format::Text) => say(format_args!("operator token {}  (it is not shown again)", plain(token)))?,
        (Told::FirstToken(token), Format::Json) => say_json(&serde_json::json!({ "operator_token": token }))?,
        (Told::Listening(address), Format::Text) => say(format_args!("listening on http://{address}"))?,
        (Told::Listening(address), Format::Json) => say_json(&serde_json::json!({ "listening": format!("http://{address}") }))?,
    }
    Ok(())
}
