//! `amends serve`: a host for many tenants, over HTTP.

use super::hosted::closed;
use super::log;
use super::output::{Exit, Format, plain, say, say_json};
use crate::api::Connections;
use crate::compose::{Host, Machine};
use crate::config::{self, Config, KEYS, Said};
use crate::disk::FileSystem;
use crate::oidc::{self, KeysAt};
use crate::serve::{Settings, TlsFiles, Told, Webhooks, serve};
use amends_domain::time::Span;
use amends_domain::webhook::Pace;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  amends serve --data ./data
  amends serve --data ./data --listen 127.0.0.1:8080 --grace 30s
  amends serve --config amends.toml --check

Prints `listening on http://ADDR` when it is ready. At its first start it makes a key for an operator and prints its token, once: with it,
tenants and their keys are created (POST /v1/tenants, POST /v1/tenants/TENANT/keys). SIGTERM or Ctrl-C stops it in order: nothing new is
taken, what is asked is answered, attempts get their grace, and open runs go on at the next start. A second signal ends it at once.
What else can be said, in the file or in variables, is in docs/configuration.md. A flag counts before a variable, a variable before the file.";

/// The wait after the first request that a webhook did not take.
const WEBHOOK_WAIT: Span = Span(1_000);

/// Variables that speak to other commands, or to the vault.
const OTHER_VARIABLES: &[&str] = &[
    "AMENDS_BY",
    "AMENDS_CA_FILE",
    "AMENDS_CONFIG",
    "AMENDS_MASTER_KEY",
    "AMENDS_PROFILE",
    "AMENDS_TENANT",
    "AMENDS_TOKEN",
    "AMENDS_TOKEN_FILE",
    "AMENDS_URL",
];

/// Serve many tenants over HTTP
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    /// A file that says what is not said here; `$AMENDS_CONFIG` where it is not named
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show what holds and where each value comes from, and start nothing
    #[arg(long)]
    check: bool,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where to listen; 127.0.0.1:7878 where nobody says it
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// How long attempts that run when it is asked to stop may go on; 10s where nobody says it
    #[arg(long, value_name = "SPAN")]
    grace: Option<String>,
    /// Where to answer GET /metrics without a token; nowhere where nobody says it
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<String>,
    /// A certificate and those behind it, in PEM: over TLS only. Read again when it changes
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<String>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
}

impl Serve {
    fn config(&self) -> anyhow::Result<Config> {
        let flags = [
            ("data", &self.data),
            ("listen", &self.listen),
            ("grace", &self.grace),
            ("metrics.listen", &self.metrics_listen),
            ("tls.certificate", &self.tls_certificate),
            ("tls.key", &self.tls_key),
        ];
        let flags = flags.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))).collect();
        let variable = |name: &str| std::env::var(name).ok();
        let file = self.config.clone().or_else(|| variable("AMENDS_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from));
        Ok(Config::read(Said { flags, file: file.as_deref() }, variable)?)
    }
}

pub(super) fn run(arguments: &Serve, format: Format) -> anyhow::Result<Exit> {
    let config = arguments.config()?;
    let machine = Machine::of(&config.settings);
    if arguments.check {
        machine.vault()?;
        return show(&config, format);
    }
    log::of_server(&config.settings.log_level, config.settings.log_format);
    warn_of_unknown_variables();
    let data = config.settings.data.as_path();
    let host = Host::open_on(data, &machine)?;
    let mut failed = None;
    let tell = |told| failed = failed.take().or(tell(&told, format).err());
    let (worked, ended) = serve(host, settings(&config), tell)?;
    if let Some(error) = failed {
        return Err(error);
    }
    closed(worked, ended, Some(data), |served| {
        served?;
        Ok(Exit::Done)
    })
}

/// What a server is started with.
pub(super) fn settings(config: &Config) -> Settings {
    let settings = &config.settings;
    Settings {
        listen: settings.listen,
        metrics_listen: settings.metrics_listen,
        traces: settings.traces_endpoint.clone(),
        grace: Duration::from_millis(settings.grace.0),
        rest_after: settings.rest_after,
        space: Arc::new(FileSystem(settings.data.clone())),
        free_min: settings.disk_free_min,
        adopted_max: usize::try_from(settings.adopted_max).unwrap_or(usize::MAX),
        connections: Connections {
            max: usize::try_from(settings.connections_max).unwrap_or(usize::MAX),
            of_one_max: usize::try_from(settings.connections_of_one_max).unwrap_or(usize::MAX),
        },
        webhooks: Webhooks {
            pace: Pace {
                first: WEBHOOK_WAIT.min(settings.webhooks_retry_max),
                max: settings.webhooks_retry_max,
                give_up_after: settings.webhooks_give_up_after,
            },
            timeout: settings.webhooks_timeout.to_std(),
            requests_max: usize::try_from(settings.webhooks_requests_max).unwrap_or(usize::MAX),
        },
        identities: identities(settings),
        tls: settings.tls_certificate.clone().zip(settings.tls_key.clone()).map(|(certificate, key)| TlsFiles { certificate, key }),
    }
}

/// Whom to believe besides keys; none: nobody. The configuration has all of it or nothing.
fn identities(settings: &config::Settings) -> Option<oidc::Settings> {
    let of_file = settings.oidc_keys_file.clone().map(KeysAt::File);
    let of_url = || Some(KeysAt::Url { uri: settings.oidc_keys_url.clone()?, authority: settings.oidc_ca_file.clone() });
    Some(oidc::Settings {
        issuer: settings.oidc_issuer.clone()?,
        audience: settings.oidc_audience.clone()?,
        keys: of_file.or_else(of_url)?,
        keys_age_max: settings.oidc_keys_age_max,
        keys_pause_min: settings.oidc_keys_pause_min,
        tenant_claim: settings.oidc_tenant_claim.clone(),
        role_claim: settings.oidc_role_claim.clone(),
        roles: settings.oidc_roles.clone()?,
        leeway: settings.oidc_leeway,
    })
}

/// No more than a warning: whoever runs containers gets variables that begin with the name of the service.
fn warn_of_unknown_variables() {
    let is_known = |name: &str| OTHER_VARIABLES.contains(&name) || KEYS.iter().any(|key| key.variable == name);
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| name.starts_with("AMENDS_") && !is_known(name)) {
        tracing::warn!(variable = name, "this variable is set and means nothing: docs/configuration.md has them all");
    }
}

fn show(config: &Config, format: Format) -> anyhow::Result<Exit> {
    match format {
        Format::Text => {
            for (name, text, source) in config.effective() {
                say(plain(&format!("{name} = {}  # {source}", serde_json::Value::from(text))))?;
            }
        }
        Format::Json => {
            let keys = config.effective();
            let keys: Vec<_> =
                keys.map(|(name, text, source)| json!({ "key": name, "value": text, "from": source.to_string() })).collect();
            say_json(&keys)?;
        }
    }
    Ok(Exit::Done)
}

fn tell(told: &Told, format: Format) -> anyhow::Result<()> {
    match (told, format) {
        (Told::FirstToken(token), Format::Text) => say(format_args!("operator token {}  (it is not shown again)", plain(token)))?,
        (Told::FirstToken(token), Format::Json) => say_json(&json!({ "operator_token": token }))?,
        (Told::Metrics(address), Format::Text) => say(format_args!("metrics on http://{address}/metrics"))?,
        (Told::Metrics(address), Format::Json) => say_json(&json!({ "metrics": format!("http://{address}/metrics") }))?,
        (Told::Listening(address), Format::Text) => say(format_args!("listening on http://{address}"))?,
        (Told::ListeningOverTls(address), Format::Text) => say(format_args!("listening on https://{address}"))?,
        (Told::ListeningOverTls(address), Format::Json) => say_json(&json!({ "listening": format!("https://{address}") }))?,
        (Told::Listening(address), Format::Json) => say_json(&json!({ "listening": format!("http://{address}") }))?,
    }
    Ok(())
}
