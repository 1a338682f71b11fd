//! A host that serves over HTTP until it is asked to stop. It stops in order: nothing new is taken, what is asked is answered, attempts that
//! run get their grace, and everything becomes durable; what is left goes on at the next start. A second signal ends it at once.

use crate::api::{Api, Connections, ListenError, Listening, Tls};
use crate::clock::{Clock, SystemClock};
use crate::compose::{Ended, Host, OpenError, Stopping};
use crate::coordinator::{AlterError, Coordinator, DriveError, KeepDriving, KeepWatch, Pauses, Sending, host_tenant};
use crate::disk::{FreeMin, Space};
use crate::oidc::{KeysError, Oidc, Settings as OidcSettings};
use crate::sandbox::{Courier, EgressSettings, SandboxError};
use crate::telemetry::{Collector, NoCollector};
use amends_domain::access::Standing;
use amends_domain::event::{Role, TenantEvent};
use amends_domain::time::Span;
use amends_domain::webhook::Pace;
use http::Uri;
use std::future::pending;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Who has the first key made.
const FIRST: &str = "start of the host";
/// How long answers that are on their way, and streams, hold up the end.
const ANSWERS_MAX: Duration = Duration::from_secs(1);
/// How long a run is left alone that this host cannot go on with.
const PAUSES: Pauses = Pauses { first: Span(1_000), max: Span(300_000) };

/// How often the parts of the host are looked at.
const WATCH_EVERY: Span = Span(1_000);
/// What no longer has to be kept is looked for as often.
const TIDY_EVERY: Span = Span(30_000);

/// Where it listens and what it tells.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address; port 0 has the system choose one.
    pub listen: SocketAddr,
    /// Where to tell how the host fares, without a token; none: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Who is sent traces; none: nobody.
    pub traces: Option<Uri>,
    /// How long attempts that run when it is asked to stop may go on.
    pub grace: Duration,
    /// A run that has nothing to do for longer costs no task: there may be many.
    pub rest_after: Span,
    /// Where its data is, and how much room it wants there.
    pub space: Arc<dyn Space>,
    /// With less free space, nothing new is taken.
    pub free_min: FreeMin,
    /// Most runs that are taken up at a time of those that nobody asked for.
    pub adopted_max: usize,
    /// How many connections there may be.
    pub connections: Connections,
    /// How events are sent to webhooks.
    pub webhooks: Webhooks,
    /// A certificate and its key, in PEM; none: in the clear.
    pub tls: Option<TlsFiles>,
    /// An identity provider whose tokens open it besides keys; none: nobody's.
    pub identities: Option<OidcSettings>,
}

/// How events are sent to webhooks.
#[derive(Debug, Clone, Copy)]
pub struct Webhooks {
    /// How attempts are paced.
    pub pace: Pace,
    /// How long a request may take until its answer.
    pub timeout: Duration,
    /// Most requests that are on their way.
    pub requests_max: usize,
}

/// Where a certificate and its key are.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// What is told while it starts.
#[derive(Debug)]
pub enum Told {
    /// The token of the first operator; nobody can show it again.
    FirstToken(String),
    /// It answers at this address from now on.
    Listening(SocketAddr),
    /// The same over TLS.
    ListeningOverTls(SocketAddr),
    /// It tells how it fares at this address, to whoever asks.
    Metrics(SocketAddr),
}

/// Why it does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nothing can come in.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The first key cannot be made.
    #[error("the first key of the host: {0}")]
    FirstKey(String),
    /// It is not known whether everything is durable.
    #[error(transparent)]
    Drain(#[from] DriveError),
    /// Nothing can be sent to webhooks.
    #[error(transparent)]
    Webhooks(#[from] SandboxError),
    /// There is no such collector.
    #[error(transparent)]
    Traces(#[from] NoCollector),
    /// Nobody can come in who should.
    #[error(transparent)]
    Identities(#[from] KeysError),
}

/// Serves `host` until it is asked to stop.
///
/// # Errors
/// [`OpenError`] if this thread cannot answer; nothing was done.
pub fn serve(host: Host, settings: Settings, tell: impl FnMut(Told)) -> Result<Ended<Result<(), ServeError>>, OpenError> {
    host.serve(async |coordinator, stopping| run(coordinator, stopping, settings, tell).await)
}

async fn run(
    coordinator: Coordinator,
    stopping: Stopping,
    settings: Settings,
    mut tell: impl FnMut(Told),
) -> Result<(), ServeError> {
    let coordinator = coordinator.resting_after(settings.rest_after);
    if let Some(token) = first_key(&coordinator).await? {
        tell(Told::FirstToken(token));
    }
    let identities = match settings.identities.clone() {
        None => None,
        Some(settings) => Some(Arc::new(Oidc::open(settings, SystemClock.now()).await?)),
    };
    if let Some(oidc) = &identities {
        let oidc = Arc::clone(oidc);
        coordinator.watch_also("identities", move || oidc.fares());
    }
    let api = Api::new(coordinator.clone(), identities.clone());
    let metrics = match settings.metrics_listen {
        None => None,
        Some(address) => {
            let listening = Listening::at(address, None, settings.connections).await?;
            tell(Told::Metrics(at(&listening, address)?));
            Some(listening.serve(api.metrics_router(), pending()))
        }
    };
    let metrics = async {
        match metrics {
            Some(serving) => serving.await,
            None => pending().await,
        }
    };
    let tls = settings.tls.as_ref().map(|files| Tls::of_files(&files.certificate, &files.key)).transpose();
    let tls = tls.map_err(ListenError::from)?;
    let told = if tls.is_some() { Told::ListeningOverTls } else { Told::Listening };
    let listening = Listening::at(settings.listen, tls, settings.connections).await?;
    tell(told(at(&listening, settings.listen)?));
    let collector = settings.traces.as_ref().map(Collector::new).transpose()?;
    let (is_traced, mut tracing) = (
        collector.is_some(),
        pin!(async {
            match collector {
                Some(collector) => coordinator.keep_tracing(collector).await,
                None => pending().await,
            }
        }),
    );
    let driving = KeepDriving { adopted_max: settings.adopted_max, pauses: PAUSES };
    let driving = coordinator.keep_driving(driving);
    let watching = coordinator.keep_watch(KeepWatch { space: settings.space, free_min: settings.free_min, every: WATCH_EVERY });
    let tidying = coordinator.keep_tidy(TIDY_EVERY);
    let Webhooks { pace, timeout, requests_max } = settings.webhooks;
    let courier = Courier::new(EgressSettings::system())?;
    let sending = coordinator.keep_sending(Sending { courier, pace, timeout, requests_max });
    let identifying = async {
        match &identities {
            Some(oidc) => oidc.keep_keys(|| SystemClock.now()).await,
            None => pending().await,
        }
    };
    let asked = stopping.clone();
    let serving = listening.serve(api.router(), async move { asked.asked().await });
    let late = async {
        stopping.asked().await;
        let grace = sleep(settings.grace);
        // Whoever waits for a run hears how it was left.
        let drained = coordinator.drain(settings.grace).await;
        sleep(ANSWERS_MAX).await;
        drained.map(|()| grace)
    };
    let served = async {
        serving.await;
        let grace = sleep(settings.grace);
        coordinator.drain(settings.grace).await.map(|()| grace)
    };
    let denying = api.keep_denials();
    let ended: Result<_, ServeError> = tokio::select! {
        drained = served => Ok(drained?),
        () = metrics => unreachable!("it is never asked to stop"),
        // Streams go on for as long as their clients want; these find the next host by the last event that they have.
        drained = late => Ok(drained?),
        // What would be told from now on might not be so. The next start finds what is durable.
        error = coordinator.failed() => Err(DriveError::from(error).into()),
        never = driving => match never {},
        never = watching => match never {},
        never = &mut tracing => match never {},
        never = tidying => match never {},
        never = sending => match never {},
        never = identifying => match never {},
        never = denying => match never {},
    };
    // Durable when the host is closed.
    api.note_denials_left();
    let grace = ended?;
    if is_traced {
        tokio::select! {
            never = tracing => match never {},
            () = coordinator.all_traced() => {}
            () = grace => tracing::warn!(runs = coordinator.give_traces_up(), "traces were not sent before the end"),
        }
    }
    Ok(())
}

/// Where it came to listen, having been asked to at `address`.
fn at(listening: &Listening, address: SocketAddr) -> Result<SocketAddr, ServeError> {
    Ok(listening.address().map_err(|source| ListenError::Address { address, source })?)
}

/// Makes a key for an operator where there is none that opens anything: at the first start, or when the last one is gone. Whoever starts the
/// host has its data.
async fn first_key(coordinator: &Coordinator) -> Result<Option<String>, ServeError> {
    let (host, now) = (host_tenant(), SystemClock.now());
    let known = coordinator.tenant(&host);
    if known.keys().any(|key| key.is_valid(now)) {
        return Ok(None);
    }
    let failed = |error: AlterError| ServeError::FirstKey(error.to_string());
    if known.standing() == Standing::Absent {
        coordinator.alter(&host, TenantEvent::TenantCreated { by: FIRST.to_owned() }).await.map_err(failed)?;
    }
    let name = "first-operator".parse().expect("it is a name");
    let token = coordinator.create_key(&host, name, Role::Operator, None, FIRST.to_owned()).await.map_err(failed)?;
    Ok(Some(token.reveal()))
}
