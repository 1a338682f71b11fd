//! What a tenant allows a plugin to reach. Only the stored form: what it means is in `capability`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One place outside that a plugin may send requests to. Made by [`HostGrant::read`](crate::capability), which checks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostGrant {
    /// `api.example.com`, `*.example.com` (one label is open), or an address as a URL has it: `192.0.2.7`, `[2001:db8::7]`.
    pub host: String,
    /// The port; none: that of the scheme, 443 or 80.
    pub port: Option<u16>,
    /// Methods in capital letters; none: every method but CONNECT and TRACE.
    pub methods: Vec<String>,
    /// How requests travel.
    pub transport: Transport,
    /// Which addresses the host may have.
    pub reach: Reach,
}

/// How requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Over TLS only: `https`.
    Tls,
    /// As the plugin likes, `http` too.
    Any,
}

/// Which addresses a granted host may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Those that the whole Internet reaches.
    Public,
    /// Those, and this machine's own: for tests and for a proxy beside the host.
    Loopback,
}
