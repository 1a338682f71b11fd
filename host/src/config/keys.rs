//! The table of everything that can be said of a server. Code, documentation, variables and `--check` are made of it; `docs/configuration.md` is held
//! equal to it by a test.

use super::forms::{
    LogFormat, address, claim, collector, data, file, floor, keys_url, log_format, log_level, long_span, no_address, number,
    number_or_auto, roles, size, some_span, some_text, span,
};
use super::{Given, Mistake, Source};
use crate::disk::FreeMin;
use crate::oidc::{Claim, RoleMap};
use amends_domain::time::Span;
use http::Uri;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Something that can be said.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its place in the file: `guests.threads` is `threads` in the table `[guests]`.
    pub name: &'static str,
    /// The variable that says it.
    pub variable: &'static str,
    /// The flag that says it, if there is one.
    pub flag: Option<&'static str>,
    /// What holds if nobody says anything; empty: nothing.
    pub default: &'static str,
    /// How it is written.
    pub form: &'static str,
    /// What it is.
    pub what: &'static str,
}

macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ty, $name:literal, $variable:literal, $flag:expr, $default:literal, $form:literal, $read:expr;
    )*) => {
        /// What holds for a server.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $field: $type,)*
        }

        /// Everything that can be said, in the order of the documentation.
        pub const KEYS: &[Key] = &[$(Key {
            name: $name,
            variable: $variable,
            flag: $flag,
            default: $default,
            form: $form,
            what: concat!($($doc),+),
        }),*];

        impl Settings {
            /// Reads all of them, so that all mistakes are found; none if there is one.
            pub(super) fn of(given: &mut Given) -> Option<Self> {
                $(let $field: Option<$type> = given.read($name, $read);)*
                let settings = Self { $($field: $field?,)* };
                settings.check(given);
                Some(settings)
            }
        }
    };
}

settings! {
    /// Where everything is kept.
    data: PathBuf, "data", "AMENDS_DATA", Some("--data"), "", "a directory; has to be named", data;
    /// Where to listen. Port 0: one that is free.
    listen: SocketAddr, "listen", "AMENDS_LISTEN", Some("--listen"), "127.0.0.1:7878", "`IP:PORT`", address;
    /// A certificate and those behind it, in PEM. With it nothing is answered in the clear. Read again when it changes.
    tls_certificate: Option<PathBuf>, "tls.certificate", "AMENDS_TLS_CERTIFICATE", Some("--tls-certificate"), "", "a file", file;
    /// The key of the certificate, in PEM.
    tls_key: Option<PathBuf>, "tls.key", "AMENDS_TLS_KEY", Some("--tls-key"), "", "a file", file;
    /// Most connections at a time; one more is answered 503.
    connections_max: u64, "connections.max", "AMENDS_CONNECTIONS_MAX", None, "4096", "a whole number from 1 to 1000000", number::<1, 1_000_000>;
    /// Most connections at a time from one address, or one network of IPv6.
    connections_of_one_max: u64, "connections.of_one_max", "AMENDS_CONNECTIONS_OF_ONE_MAX", None, "1024",
        "a whole number from 1 to 1000000", number::<1, 1_000_000>;
    /// An identity provider whose tokens (OIDC) open this server besides keys, as its tokens name it (`iss`). docs/tenants.md.
    oidc_issuer: Option<String>, "oidc.issuer", "AMENDS_OIDC_ISSUER", None, "", "a text, most often a URL; empty: nobody", some_text;
    /// This server, as tokens that are for it name it (`aud`).
    oidc_audience: Option<String>, "oidc.audience", "AMENDS_OIDC_AUDIENCE", None, "", "a text", some_text;
    /// A file with the provider's public keys, a set of JWK (RFC 7517). Read again when it changes.
    oidc_keys_file: Option<PathBuf>, "oidc.keys_file", "AMENDS_OIDC_KEYS_FILE", None, "", "a file", file;
    /// Where the provider publishes its public keys, instead of a file.
    oidc_keys_url: Option<Uri>, "oidc.keys_url", "AMENDS_OIDC_KEYS_URL", None, "", "an `https` URL, or an `http` one on this machine", keys_url;
    /// Who vouches for that URL's server, in PEM, besides those whom browsers believe.
    oidc_ca_file: Option<PathBuf>, "oidc.ca_file", "AMENDS_OIDC_CA_FILE", None, "", "a file", file;
    /// Keys from the URL are read again when they are so old. Those that are known are kept while it does not answer.
    oidc_keys_age_max: Span, "oidc.keys_age_max", "AMENDS_OIDC_KEYS_AGE_MAX", None, "1h", "a span, at most a day", some_span;
    /// Least time between two times that they are read, however many tokens name a key that is not known.
    oidc_keys_pause_min: Span, "oidc.keys_pause_min", "AMENDS_OIDC_KEYS_PAUSE_MIN", None, "10s", "a span, at most a day", some_span;
    /// The claim that names the tenant; `host`: the whole host.
    oidc_tenant_claim: Claim, "oidc.tenant_claim", "AMENDS_OIDC_TENANT_CLAIM", None, "tenant",
        "a claim, or a JSON pointer such as `/org/id`", claim;
    /// The claim that says what somebody is there: a text, or a list of texts.
    oidc_role_claim: Claim, "oidc.role_claim", "AMENDS_OIDC_ROLE_CLAIM", None, "roles",
        "a claim, or a JSON pointer such as `/realm_access/roles`", claim;
    /// Which roles its values mean. Of several, the first in the order operator, tenant-admin, developer, starter, viewer counts.
    oidc_roles: Option<RoleMap>, "oidc.roles", "AMENDS_OIDC_ROLES", None, "", "`VALUE=ROLE, …`, at most 64", roles;
    /// How wrong clocks may be.
    oidc_leeway: Span, "oidc.leeway", "AMENDS_OIDC_LEEWAY", None, "30s", "a span, at most a day", span;
    /// How long attempts that run when the server is asked to stop may go on.
    grace: Span, "grace", "AMENDS_GRACE", Some("--grace"), "10s", "a span, at most a day", span;
    /// Threads that run guests. `auto`: one less than there are processors.
    guest_threads: Option<u64>, "guests.threads", "AMENDS_GUESTS_THREADS", None, "auto",
        "a whole number from 1 to 1024, or `auto`", number_or_auto::<1, 1024>;
    /// Most attempts at a time, of all tenants together; the others wait their turn. Each reserves 8 GiB of address space.
    attempts_max: u64, "guests.attempts_max", "AMENDS_GUESTS_ATTEMPTS_MAX", None, "64",
        "a whole number from 1 to 16384", number::<1, 16384>;
    /// Most compiled components in memory.
    components_max: u64, "code.components_max", "AMENDS_CODE_COMPONENTS_MAX", None, "256",
        "a whole number from 1 to 100000", number::<1, 100_000>;
    /// Most bytes of compiled code in memory.
    code_memory_max: u64, "code.memory_max", "AMENDS_CODE_MEMORY_MAX", None, "512MiB", "a size, at least 1MiB", size;
    /// Most bytes of compiled code in the data directory. What was used longest ago goes first, and is compiled again when it is needed.
    code_disk_max: u64, "code.disk_max", "AMENDS_CODE_DISK_MAX", None, "2GiB", "a size, at least 1MiB", size;
    /// Most address space of a process that compiles one component.
    compiler_memory_max: u64, "compiler.memory_max", "AMENDS_COMPILER_MEMORY_MAX", None, "1536MiB", "a size, at least 1MiB", size;
    /// Most time of the processor for compiling one component, in seconds.
    compiler_cpu_max_s: u64, "compiler.cpu_max_s", "AMENDS_COMPILER_CPU_MAX_S", None, "60",
        "a whole number from 1 to 3600", number::<1, 3600>;
    /// Most time that may pass while one component is compiled.
    compiler_wall_max: Span, "compiler.wall_max", "AMENDS_COMPILER_WALL_MAX", None, "2m", "a span, at most a day", some_span;
    /// Most runs at a time that the server goes on with by itself: those that are due, found open or woken by a timer.
    adopted_max: u64, "runs.adopted_max", "AMENDS_RUNS_ADOPTED_MAX", None, "256",
        "a whole number from 1 to 100000", number::<1, 100_000>;
    /// A run that has nothing to do for longer is put aside and costs no memory until it is due.
    rest_after: Span, "runs.rest_after", "AMENDS_RUNS_REST_AFTER", None, "5s", "a span, at most a day", some_span;
    /// A file with the master key of secrets: 64 hexadecimal digits. The key itself can be given in the variable `AMENDS_MASTER_KEY`, which counts
    /// before the file, and nowhere else. Without it, secrets cannot be set or used.
    master_key_file: Option<PathBuf>, "secrets.master_key_file", "AMENDS_MASTER_KEY_FILE", None, "", "a file", file;
    /// How long a request to a webhook may take until it is answered.
    webhooks_timeout: Span, "webhooks.timeout", "AMENDS_WEBHOOKS_TIMEOUT", None, "10s", "a span, at most a day", some_span;
    /// Longest wait before what a webhook did not take is sent to it again. The first wait is a second, and each is twice as long as the one before.
    webhooks_retry_max: Span, "webhooks.retry_max", "AMENDS_WEBHOOKS_RETRY_MAX", None, "10m", "a span, at most a day", some_span;
    /// A webhook that takes nothing for so long is paused until somebody sets it again.
    webhooks_give_up_after: Span, "webhooks.give_up_after", "AMENDS_WEBHOOKS_GIVE_UP_AFTER", None, "3days", "a span, at most a year", long_span;
    /// Most requests to webhooks that are on their way, of all tenants together.
    webhooks_requests_max: u64, "webhooks.requests_max", "AMENDS_WEBHOOKS_REQUESTS_MAX", None, "256",
        "a whole number from 4 to 16384", number::<4, 16384>;
    /// Which lines the log has: `error`, `warn`, `info`, `debug`, `trace`, also for parts: `warn,amends=debug`.
    log_level: String, "log.level", "AMENDS_LOG", None, "warn", "levels", log_level;
    /// How the log is written, to standard error: `text` for people, `json` for programs, one object on a line.
    log_format: LogFormat, "log.format", "AMENDS_LOG_FORMAT", None, "text", "`text` or `json`", log_format;
    /// With less free space where the data is, nothing new is taken: no runs, no plugins, no sagas (`disk_low`, 503). What is open goes on. It is
    /// taken again when there is a quarter more.
    disk_free_min: FreeMin, "disk.free_min", "AMENDS_DISK_FREE_MIN", None, "512MiB", "a size, or a part of the disk such as `5%`", floor;
    /// A collector that is sent the trace of every run that comes to an outcome, as OTLP in JSON. Requests of plugins then carry `traceparent`.
    traces_endpoint: Option<Uri>, "traces.endpoint", "AMENDS_TRACES_ENDPOINT", None, "", "`http://HOST:PORT/v1/traces`; empty: nobody", collector;
    /// Where to answer `GET /metrics` without a token, for collectors on a network of their own. `GET /metrics` at `listen` wants a token of the host.
    metrics_listen: Option<SocketAddr>, "metrics.listen", "AMENDS_METRICS_LISTEN", Some("--metrics-listen"), "", "`IP:PORT`; empty: nowhere", no_address;
}

impl Settings {
    /// What is wrong with several of them at once.
    fn check(&self, given: &mut Given) {
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            let (there, missing) =
                if self.tls_key.is_none() { ("tls.certificate", "tls.key") } else { ("tls.key", "tls.certificate") };
            let problem = format!("{there}: it is of no use without {missing}: name both");
            given.mistakes.push(Mistake::new(&given.effective[there].0, problem));
        }
        self.check_identities(given);
        if self.metrics_listen.is_some_and(|metrics| metrics == self.listen && metrics.port() != 0) {
            let problem = "metrics.listen: it is the address of the server itself: name another port";
            given.mistakes.push(Mistake::new(&given.effective["metrics.listen"].0, problem));
        }
    }

    /// Either nothing is said of an identity provider, or all that is needed.
    fn check_identities(&self, given: &mut Given) {
        let there = [
            ("oidc.issuer", self.oidc_issuer.is_some()),
            ("oidc.audience", self.oidc_audience.is_some()),
            ("oidc.roles", self.oidc_roles.is_some()),
            ("oidc.keys_file or oidc.keys_url", self.oidc_keys_file.is_some() || self.oidc_keys_url.is_some()),
        ];
        let said = ["oidc.issuer", "oidc.audience", "oidc.roles", "oidc.keys_file", "oidc.keys_url"].into_iter();
        let said = said.map(|name| (name, &given.effective[name])).find(|(_, (source, _))| *source != Source::Default);
        let Some((name, (source, _))) = said else { return };
        let place = source.to_string();
        for (missing, _) in there.iter().filter(|(_, is_there)| !is_there) {
            given.mistakes.push(Mistake::new(&place, format!("{name}: it is of no use without {missing}: name both")));
        }
        if self.oidc_keys_file.is_some() && self.oidc_keys_url.is_some() {
            let problem = "oidc.keys_url: the keys are in oidc.keys_file already: name one of the two";
            given.mistakes.push(Mistake::new(&given.effective["oidc.keys_url"].0, problem));
        }
    }
}
