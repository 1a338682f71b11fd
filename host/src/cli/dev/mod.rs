//! `amends dev`: a server for one developer. It serves like any other; a thread beside it looks at a folder and brings what is new there to the
//! server, over HTTP like anybody.

mod bring;
mod folder;
mod tenant;

use super::again::Looks;
use super::desk::{Profile, Profiles, There};
use super::gone::Gone;
use super::hosted::closed;
use super::output::{Exit, Format, plain, remark, say, say_json_line};
use super::serve::settings;
use crate::client::{Authorities, Client};
use crate::compose::Host;
use crate::config::{Config, Said};
use crate::serve::{Told, serve};
use bring::Bringer;
use clap::Args;
use folder::Folder;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tenant::{TENANT, token};

/// Where it listens, if it can.
const LISTEN: &str = "127.0.0.1:7878";
/// How often the folder is looked at. A change is brought when it was seen twice, so that no file is read while it is written.
const LOOKS: Looks = Looks { every: Duration::from_millis(300), max: u32::MAX };
/// How long attempts that run at the end may go on: a developer does not wait.
const GRACE: &str = "2s";

const EXAMPLES: &str = "\
Examples:
  amends dev examples/order-fulfillment
  amends dev ./shop --plugins ./shop/target/components --data ./shop/.amends

Serves with the tenant `dev`, prints its token as a line for the shell, keeps it in the profile `dev`, and prints the commands that start a run.
Looks at DIR and the folders in it: sagas (*.yaml, *.yml, *.json), state.json (written once, where the state is empty) and inputs/. The plugins
that sagas use are NAME.wasm in --plugins, DIR/plugins, DIR, or target/guests of the repository that DIR is in. What changes is brought to the
server at once; what is refused is told, and the version before goes on. Without --data, everything is gone at the end. Ctrl-C ends it.";

/// Serve one developer: a tenant, a token, and whatever changes in a folder
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Dev {
    /// The folder with sagas, and plugins if they are not elsewhere
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// A folder with plugins, NAME.wasm; may be said often
    #[arg(long = "plugins", value_name = "DIR")]
    plugins: Vec<PathBuf>,
    /// Where to listen; without it, 127.0.0.1:7878, or any port if that is taken
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Keep everything in this data directory
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Leave the profile `dev` as it is
    #[arg(long)]
    no_profile: bool,
}

pub(super) fn run(dev: &Dev, format: Format) -> anyhow::Result<Exit> {
    let folder = Folder::new(&dev.dir, &dev.plugins)?;
    let kept = match &dev.data {
        Some(data) => Kept::In(data.clone()),
        None => Kept::Nowhere(Gone::new("dev")?),
    };
    let host = Host::open(kept.dir())?;
    let token = host.first(async |coordinator| token(&coordinator).await)?;
    let mut server = Beside { dev, folder: Some(folder), token, format, bringing: None, over: Arc::default() };
    let settings = settings(&config(kept.dir(), dev.listen.unwrap_or_else(free))?);
    let mut failed = None;
    let (worked, ended) = serve(host, settings, |told| failed = failed.take().or(server.heard(&told).err()))?;
    let ended = closed(worked, ended, None, |served| Ok(served.map(|()| Exit::Done)?));
    server.close(&kept);
    drop(kept);
    failed.map_or(ended, Err)
}

/// As a server has it where nobody says anything; what is said of servers in the environment is not for this one.
fn config(data: &Path, listen: SocketAddr) -> anyhow::Result<Config> {
    let flags = vec![("data", data.display().to_string()), ("listen", listen.to_string()), ("grace", GRACE.to_owned())];
    Ok(Config::read(Said { flags, file: None }, |_| None)?)
}

/// Where everything is.
enum Kept {
    In(PathBuf),
    Nowhere(Gone),
}

impl Kept {
    fn dir(&self) -> &Path {
        match self {
            Self::In(dir) => dir,
            Self::Nowhere(gone) => gone.dir(),
        }
    }
}

/// The usual address, or any port of this machine where somebody else has that one.
fn free() -> SocketAddr {
    let usual: SocketAddr = LISTEN.parse().expect("it is an address");
    if TcpListener::bind(usual).is_ok() { usual } else { SocketAddr::new(usual.ip(), 0) }
}

/// What goes on beside the server.
struct Beside<'a> {
    dev: &'a Dev,
    /// None: the thread has it.
    folder: Option<Folder>,
    token: String,
    format: Format,
    bringing: Option<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

impl Beside<'_> {
    fn heard(&mut self, told: &Told) -> anyhow::Result<()> {
        match told {
            Told::FirstToken(operator) => self.tell_operator(operator),
            Told::Listening(address) => self.begin(&format!("http://{address}")),
            // A developer's server speaks in the clear, to this machine.
            Told::Metrics(_) | Told::ListeningOverTls(_) => Ok(()),
        }
    }

    fn tell_operator(&self, operator: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Text => Ok(say(format_args!("operator token {operator}  (for `amends tenant` and `amends run kill`)"))?),
            Format::Json => say_json_line(&json!({ "operator_token": operator })),
        }
    }

    fn begin(&mut self, url: &str) -> anyhow::Result<()> {
        let token = self.token.as_str();
        match self.format {
            Format::Text => {
                say(format_args!("listening on {url}"))?;
                say(format_args!("export AMENDS_URL={url} AMENDS_TENANT={TENANT} AMENDS_TOKEN={token}"))?;
            }
            Format::Json => say_json_line(&json!({ "listening": url, "tenant": TENANT, "token": token }))?,
        }
        if !self.dev.no_profile {
            self.keep(url)?;
        }
        let tenant = Some(TENANT.parse().expect("it is a name"));
        let there = There::new(Client::new(url, Some(token), &Authorities::default())?, tenant, " --profile dev".to_owned());
        if let Some(folder) = self.folder.take() {
            let (over, format) = (Arc::clone(&self.over), self.format);
            self.bringing = Some(std::thread::spawn(move || {
                let mut bringer = Bringer::new(there, folder, format);
                let look = || {
                    let over = over.load(Ordering::Relaxed);
                    if !over {
                        bringer.look();
                    }
                    Ok(over.then_some(()))
                };
                // It fails at nothing: what is wrong with the folder is told.
                let _ = LOOKS.until(look);
            }));
        }
        Ok(())
    }

    /// Puts the token where other commands find it.
    fn keep(&self, url: &str) -> anyhow::Result<()> {
        let tenant = Some(TENANT.parse().expect("it is a name"));
        let profile = Profile { url: url.to_owned(), token: Some(self.token.clone()), tenant, ca_file: None };
        let kept = Profiles::read().and_then(|mut profiles| {
            profiles.put(TENANT, profile)?;
            profiles.write()
        });
        match kept {
            Ok(_) => Ok(()),
            // It serves without.
            Err(error) => Ok(remark(plain(&format!("no profile `{TENANT}`: {error:#}")))?),
        }
    }

    /// Ends what goes on beside the server. A token that opens nothing any more is forgotten.
    fn close(self, kept: &Kept) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(bringing) = self.bringing {
            // What it had to say it said.
            let _ = bringing.join();
        }
        if self.dev.no_profile || matches!(kept, Kept::In(_)) {
            return;
        }
        let forgotten = Profiles::read().and_then(|mut profiles| match profiles.profiles.get(TENANT) {
            Some(profile) if profile.token.as_deref() == Some(self.token.as_str()) => {
                profiles.profiles.remove(TENANT);
                profiles.default = profiles.default.take().filter(|default| default != TENANT);
                profiles.write().map(|_| ())
            }
            Some(_) | None => Ok(()),
        });
        if let Err(error) = forgotten {
            tracing::warn!(error = format!("{error:#}"), "the profile is still there");
        }
    }
}
