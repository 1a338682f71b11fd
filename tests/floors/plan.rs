//! Which module stands on which floor, and what only one of them may name. The one place to change when a module is added: a module
//! without a floor fails the test.

/// The two crates that have floors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crate {
    /// `amends-domain`, floors 0 and 1.
    Domain,
    /// `amends`, floors 2 to 6.
    Host,
}

impl Crate {
    /// Where its sources lie.
    pub(crate) fn sources(self) -> &'static str {
        match self {
            Self::Domain => "host/domain/src",
            Self::Host => "host/src",
        }
    }
}

/// Whether the modules of a floor use each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Neighbours {
    /// They are one vocabulary, one set of rules, one composition.
    Known,
    /// Each can be replaced without the others.
    Strangers,
}

/// Modules at one height.
#[derive(Debug)]
pub(crate) struct Floor {
    /// From 0.
    pub(crate) number: u8,
    /// What it is called.
    pub(crate) name: &'static str,
    pub(crate) of: Crate,
    pub(crate) neighbours: Neighbours,
    pub(crate) modules: &'static [&'static str],
}

/// `lib` stands for the crate's contents page, which names all that is below.
pub(crate) const FLOORS: &[Floor] = &[
    Floor {
        number: 0,
        name: "words",
        of: Crate::Domain,
        neighbours: Neighbours::Known,
        modules: &["id", "digest", "time", "payload", "event"],
    },
    Floor {
        number: 1,
        name: "rules",
        of: Crate::Domain,
        neighbours: Neighbours::Known,
        modules: &[
            "definition",
            "expression",
            "retry",
            "run",
            "decide",
            "audit",
            "quota",
            "capability",
            "tenant",
            "plugin",
            "explain",
            "fair",
            "access",
            "catalogue",
            "trace",
            "unused",
            "webhook",
            "lib",
        ],
    },
    Floor {
        number: 2,
        name: "edges",
        of: Crate::Host,
        neighbours: Neighbours::Strangers,
        modules: &["store", "sandbox", "vault", "client", "clock", "disk", "oidc", "telemetry"],
    },
    Floor { number: 3, name: "drive", of: Crate::Host, neighbours: Neighbours::Strangers, modules: &["coordinator"] },
    Floor { number: 4, name: "shapes", of: Crate::Host, neighbours: Neighbours::Strangers, modules: &["view"] },
    Floor { number: 5, name: "faces", of: Crate::Host, neighbours: Neighbours::Strangers, modules: &["api", "console"] },
    Floor {
        number: 6,
        name: "compose",
        of: Crate::Host,
        neighbours: Neighbours::Known,
        modules: &["cli", "main", "compose", "serve", "config", "lib"],
    },
];

/// The floor of a module; none if it has none.
pub(crate) fn floor(of: Crate, module: &str) -> Option<&'static Floor> {
    FLOORS.iter().find(|floor| floor.of == of && floor.modules.contains(&module))
}

/// What only some modules may name, and why.
#[derive(Debug)]
pub(crate) struct Reserved {
    /// Segments that a path has, one behind the other. The first may stand anywhere unless it is a crate.
    pub(crate) path: &'static [&'static str],
    /// Modules, and those within them: `store/writer`.
    pub(crate) only: &'static [&'static str],
    pub(crate) why: &'static str,
}

/// Crates of which only one module knows.
pub(crate) const CRATES: &[Reserved] = &[
    Reserved { path: &["redb"], only: &["store"], why: "only store/ knows redb" },
    Reserved { path: &["wasmtime"], only: &["sandbox"], why: "only sandbox/ knows wasmtime" },
    Reserved { path: &["axum"], only: &["api"], why: "only api/ knows HTTP" },
    Reserved { path: &["wasmparser"], only: &["sandbox"], why: "only sandbox/ reads components" },
    Reserved { path: &["wasmtime_wasi"], only: &["sandbox"], why: "only sandbox/ knows wasmtime" },
    Reserved { path: &["wasmtime_wasi_http"], only: &["sandbox"], why: "only sandbox/ knows wasmtime" },
    Reserved {
        path: &["hyper"],
        only: &["sandbox/egress", "client", "telemetry/traces", "api/listener", "oidc/fetch"],
        why: "requests of guests and of commands go out, traces to the operator's collector, keys come from the provider; all requests come in one way",
    },
    Reserved {
        path: &["rustls"],
        only: &["sandbox/egress", "client", "api/listener", "oidc/fetch"],
        why: "requests of guests and of commands go out, and all come in, one way",
    },
    Reserved { path: &["jsonwebtoken"], only: &["oidc"], why: "only oidc/ reads tokens of others" },
    Reserved {
        path: &["ring"],
        only: &["oidc/verify"],
        why: "only oidc/ verifies signatures of tokens; TLS has its own way to it",
    },
    Reserved { path: &["rand"], only: &["sandbox/wasi"], why: "only guests draw, from seeds; clock rolls dice" },
    Reserved { path: &["chacha20poly1305"], only: &["vault"], why: "only the vault seals and opens" },
    Reserved {
        path: &["getrandom"],
        only: &["clock", "sandbox/code/key", "vault"],
        why: "only clock rolls dice; keys and nonces are drawn where they are used",
    },
    Reserved { path: &["anyhow"], only: &["cli", "main"], why: "errors have types below the command line" },
    Reserved { path: &["prometheus_client"], only: &["telemetry"], why: "only telemetry/ knows how numbers are told" },
    Reserved { path: &["opentelemetry"], only: &["telemetry/traces"], why: "only telemetry/ knows how traces are told" },
    Reserved { path: &["opentelemetry_sdk"], only: &["telemetry/traces"], why: "only telemetry/ knows how traces are told" },
    Reserved { path: &["opentelemetry_otlp"], only: &["telemetry/traces"], why: "only telemetry/ knows how traces are told" },
    Reserved { path: &["opentelemetry_http"], only: &["telemetry/traces"], why: "only telemetry/ knows how traces are told" },
    Reserved { path: &["toml"], only: &["config", "cli/desk/profiles"], why: "only the configuration and the profiles are TOML" },
    Reserved { path: &["clap"], only: &["cli", "main", "config"], why: "only the command line has arguments" },
];

/// Names that stand for something that only some places may do.
pub(crate) const DEEDS: &[Reserved] = &[
    Reserved { path: &["SystemTime"], only: &["clock"], why: "only clock says what time it is" },
    Reserved {
        path: &["Instant"],
        only: &["clock", "sandbox", "store/writer", "coordinator/slices", "api/request", "api/listener", "client/load"],
        why: "spans are measured by clock, sandbox, store/writer, coordinator/slices, api/request, api/listener and client/load only",
    },
    Reserved { path: &["unbounded_channel"], only: &[], why: "no channel without a bound" },
    Reserved { path: &["unbounded"], only: &[], why: "no channel without a bound" },
    // Tokio's `mpsc::channel` takes a bound; std's does not, `sync_channel` does.
    Reserved { path: &["std", "sync", "mpsc", "channel"], only: &[], why: "no channel without a bound" },
    Reserved {
        path: &["std", "sync", "mpsc", "*"],
        only: &[],
        why: "no channel without a bound, and a glob hides which one it is",
    },
];
/// What `amends-domain` may depend on, and why that brings neither clock nor randomness, threads or I/O with it.
pub(crate) const DOMAIN_DEPENDENCIES: &[(&str, &str)] = &[
    ("base64", "bytes in exports that people pass on"),
    ("bytes", "payloads are shared, not copied"),
    ("bytesize", "reads `64MiB`"),
    ("cel", "evaluates mappings; its clock and its regular expressions are features that are off"),
    ("humantime", "reads `10s`"),
    ("postcard", "the stored form of facts"),
    ("schemars", "the forms of events for others, as JSON Schema"),
    ("serde", "forms of facts"),
    ("serde-saphyr", "reads YAML from text"),
    ("serde_json", "payloads are JSON"),
    ("sha2", "digests and chains"),
    ("strsim", "did you mean …?"),
    ("subtle", "compares digests of tokens in constant time"),
    ("thiserror", "errors"),
];
