//! Who comes in at the real server, and how: with tokens of an identity provider, whose keys are made here; what is noted of those who are denied;
//! and HTTP/2.

#[path = "identities/authority.rs"]
mod authority;
#[path = "identities/denials.rs"]
mod denials;
#[path = "identities/floods.rs"]
mod floods;
#[path = "identities/http2.rs"]
mod http2;
#[path = "identities/provider.rs"]
mod provider;

use harness::{Client, Reply, Server, Site};
use provider::{Provider, Signs, jwks, now_s, token_with};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than it takes until a file or a URL is read again.
const SOON: Duration = Duration::from_secs(20);

const ROLES: (&str, &str) = ("AMENDS_OIDC_ROLES", "ops=operator, admins=tenant-admin, devs=developer, all=viewer");

fn leaked(text: impl Into<String>) -> &'static str {
    text.into().leak()
}

/// A server that believes a provider whose keys are at a place which `at` says, with the tenants acme and other.
fn server(data: &Path, at: &[(&'static str, &'static str)]) -> (Server, Client) {
    let variables = [
        ("AMENDS_OIDC_ISSUER", provider::ISSUER),
        ("AMENDS_OIDC_AUDIENCE", provider::AUDIENCE),
        ("AMENDS_OIDC_KEYS_PAUSE_MIN", "1s"),
        ("AMENDS_OIDC_KEYS_AGE_MAX", "2s"),
        ("AMENDS_OIDC_LEEWAY", "1s"),
        ROLES,
    ];
    let server = Server::start_with(data, variables.iter().chain(at).copied());
    let operator = server.client(server.operator_token());
    for tenant in ["acme", "other"] {
        operator.post("/v1/tenants", &json!({ "id": tenant })).expect(201);
    }
    (server, operator)
}

/// Keys in a file, written whole.
fn write(path: &Path, keys: &Value) {
    let new = path.with_extension("new");
    std::fs::write(&new, keys.to_string()).and_then(|()| std::fs::rename(&new, path)).expect("there is room");
}

fn with_file(folder: &Path, keys: &Value) -> (Server, Client) {
    let path = folder.join("keys.json");
    write(&path, keys);
    server(&folder.join("data"), &[("AMENDS_OIDC_KEYS_FILE", leaked(path.to_str().expect("a name")))])
}

#[test]
fn whoever_the_provider_vouches_for_has_the_role_and_the_tenant_that_it_says() {
    let folder = tempfile::tempdir().expect("there is room");
    let providers = [Provider::new("curve", Signs::P256), Provider::new("edwards", Signs::Ed25519)];
    let (server, operator) = with_file(folder.path(), &jwks(&providers));
    for provider in &providers {
        let alice = server.client(&provider.token("alice", "acme", &["devs", "all", "unheard-of"]));
        let asker = alice.get("/v1/whoami").expect(200);
        assert_eq!(
            (&asker["who"], &asker["role"], &asker["tenant"]),
            (&json!("oidc:id.example.com/alice"), &json!("developer"), &json!("acme"))
        );
        assert_eq!(asker["by"], "provider", "{asker}");
        assert!(asker["expires_at"].is_string(), "{asker}");
        alice.get("/v1/tenants/acme/runs").expect(200);
        // What she does is on record under her name.
        alice.ask("PATCH", "/v1/tenants/acme/state", &[], br#"{"a":1}"#).expect(204);
        assert_eq!(alice.post("/v1/tenants/acme/keys", &json!({ "name": "k", "role": "viewer" })).problem(403), "not_allowed");
        assert_eq!(alice.get("/v1/tenants/other/runs").problem(404), "not_found", "another tenant is not there");
        assert_eq!(alice.get("/v1/tenants").problem(403), "not_allowed", "nor is the host hers");
    }
    let admin = server.client(&providers[0].token("bob", "acme", &["admins"]));
    let key = admin.post("/v1/tenants/acme/keys", &json!({ "name": "k", "role": "viewer" })).expect(201);
    assert_eq!(key["by"], "oidc:id.example.com/bob");
    let host = server.client(&token_with(&providers[0], &json!({ "sub": "root", "roles": "ops" })));
    host.get("/v1/tenants").expect(200);
    // A tenant that stands still, and one that there is not, answer as they do to keys.
    operator.post("/v1/tenants/acme/suspend", &json!({ "reason": "unpaid" })).expect(200);
    assert_eq!(admin.ask("PATCH", "/v1/tenants/acme/state", &[], br#"{"a":1}"#).problem(403), "tenant_suspended");
    admin.get("/v1/tenants/acme/state").expect(200);
    let nobody = server.client(&providers[0].token("eve", "nowhere", &["admins"]));
    assert_eq!(nobody.get("/v1/tenants/nowhere").problem(404), "not_found");
    server.stop();
}

#[test]
fn a_token_that_is_not_to_be_believed_opens_nothing_and_is_told_no_more_than_that() {
    let folder = tempfile::tempdir().expect("there is room");
    let (provider, stranger) = (Provider::new("a", Signs::P256), Provider::new("a", Signs::P256));
    let (server, _) = with_file(folder.path(), &jwks(std::slice::from_ref(&provider)));
    let of = |token: &str| server.client(token).get("/v1/whoami");
    let good = provider.token("alice", "acme", &["all"]);
    of(&good).expect(200);
    let claims = |change: Value| {
        let mut claims = json!({ "sub": "alice", "tenant": "acme", "roles": ["all"] });
        claims.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        claims
    };
    let mut tampered: Vec<&str> = good.split('.').collect();
    let other = provider.token("alice", "other", &["admins"]);
    tampered[1] = other.split('.').nth(1).expect("three parts");
    let no_claim = |name: &str| {
        let mut claims = provider::whole(&claims(json!({})));
        claims.as_object_mut().expect("an object").remove(name);
        provider.sign(&json!({ "alg": "ES256", "kid": "a" }), &claims)
    };
    let refused = [
        ("another audience", token_with(&provider, &claims(json!({ "aud": "someone-else" })))),
        ("another issuer", token_with(&provider, &claims(json!({ "iss": "https://evil.example.com" })))),
        ("not valid yet", token_with(&provider, &claims(json!({ "nbf": now_s() + 60 })))),
        ("an `nbf` that is none", token_with(&provider, &claims(json!({ "nbf": "soon" })))),
        ("without an end", no_claim("exp")),
        ("without an audience", no_claim("aud")),
        ("without an issuer", no_claim("iss")),
        ("without a subject", no_claim("sub")),
        ("a key that is not known", provider.sign(&json!({ "alg": "ES256", "kid": "b" }), &provider::whole(&claims(json!({}))))),
        ("signed by somebody else", stranger.token("alice", "acme", &["all"])),
        ("altered", tampered.join(".")),
        ("without a signature", provider.unsigned(&provider::whole(&claims(json!({}))))),
        ("with the public key as a secret", provider.with_public_key_as_secret(&provider::whole(&claims(json!({}))))),
        (
            "of another algorithm than the key's",
            provider.sign(&json!({ "alg": "ES384", "kid": "a" }), &provider::whole(&claims(json!({})))),
        ),
        (
            "with an extension",
            provider.sign(&json!({ "alg": "ES256", "kid": "a", "crit": ["x"], "x": 1 }), &provider::whole(&claims(json!({})))),
        ),
        ("too long", token_with(&provider, &claims(json!({ "ballast": "x".repeat(20_000) })))),
        ("no token at all", "a.b.c".to_owned()),
    ];
    let mut details = Vec::new();
    for (what, token) in refused {
        let answered = of(&token);
        assert_eq!(answered.problem(401), "token_refused", "{what}");
        assert_eq!(answered.header("www-authenticate"), Some("Bearer realm=\"amends\""), "{what}");
        details.push(answered.json()["detail"].as_str().expect("a text").to_owned());
    }
    details.dedup();
    assert_eq!(details.len(), 1, "what is wrong is for the log: {details:?}");
    assert_eq!(of(&token_with(&provider, &claims(json!({ "exp": now_s() - 60 })))).problem(401), "token_expired");
    for unmapped in [json!({ "roles": ["unheard-of"] }), json!({ "tenant": 7 }), json!({ "roles": ["ops"] })] {
        assert_eq!(of(&token_with(&provider, &claims(unmapped.clone()))).problem(403), "identity_unmapped", "{unmapped}");
    }
    of(&good).expect(200);
    server.stop();
}

/// Asks until the answer has this status.
fn until(client: &Client, status: u16) {
    let begun = Instant::now();
    while client.get("/v1/whoami").status != status {
        assert!(begun.elapsed() < SOON, "the answer is never {status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn keys_in_a_file_are_replaced_while_the_server_runs_and_a_broken_file_replaces_nothing() {
    let folder = tempfile::tempdir().expect("there is room");
    let (old, new) = (Provider::new("old", Signs::P256), Provider::new("new", Signs::Ed25519));
    let (server, operator) = with_file(folder.path(), &jwks(std::slice::from_ref(&old)));
    let of = |provider: &Provider| server.client(&provider.token("alice", "acme", &["all"]));
    assert_eq!(of(&new).get("/v1/whoami").problem(401), "token_refused");
    let path = folder.path().join("keys.json");
    write(&path, &json!({ "keys": [] }));
    let begun = Instant::now();
    while operator.get("/readyz").json()["parts"].to_string().matches("identity provider").count() == 0 {
        assert!(begun.elapsed() < SOON, "it is told that the file is broken");
    }
    of(&old).get("/v1/whoami").expect(200);
    write(&path, &jwks(std::slice::from_ref(&new)));
    until(&of(&new), 200);
    assert_eq!(of(&old).get("/v1/whoami").problem(401), "token_refused", "the old key is gone");
    server.stop();
    let data = folder.path().join("data");
    let args: [&std::ffi::OsStr; 3] = ["serve".as_ref(), "--data".as_ref(), data.as_ref()];
    let half = harness::run_amends_with([("AMENDS_OIDC_ISSUER", provider::ISSUER)], args);
    assert!(half.code == Some(2) && half.stderr.contains("oidc.audience") && half.stderr.contains("oidc.roles"), "{half}");
}

#[test]
fn keys_at_a_url_are_read_again_for_a_key_that_is_not_known_and_kept_while_nobody_answers() {
    let folder = tempfile::tempdir().expect("there is room");
    let (old, new) = (Provider::new("old", Signs::P256), Provider::new("new", Signs::P256));
    let published: Arc<Mutex<Option<Value>>> = Arc::default();
    let shown = Arc::clone(&published);
    let site = Site::start(move |_| match &*shown.lock().expect("nobody panics") {
        Some(keys) => Reply::new(200, &keys.to_string()),
        None => Reply::new(500, "out of order"),
    });
    let (server, _) = server(folder.path(), &[("AMENDS_OIDC_KEYS_URL", leaked(site.url("/keys")))]);
    let of = |provider: &Provider| server.client(&provider.token("alice", "acme", &["all"]));
    // The provider is out of order when the server starts: it starts, and knows nobody yet.
    assert_eq!(of(&old).get("/v1/whoami").problem(503), "identity_unavailable");
    *published.lock().expect("nobody panics") = Some(jwks(std::slice::from_ref(&old)));
    until(&of(&old), 200);
    *published.lock().expect("nobody panics") = Some(jwks(&[old.again(), new.again()]));
    until(&of(&new), 200);
    // Guesses do not have it asked more often than so.
    let before = (site.arrived().len(), Instant::now());
    for n in 0..200 {
        let guess = old.sign(&json!({ "alg": "ES256", "kid": format!("guess {n}") }), &json!({}));
        assert_eq!(server.client(&guess).get("/v1/whoami").problem(401), "token_refused");
    }
    let most = 2 + usize::try_from(before.1.elapsed().as_secs()).expect("seconds");
    assert!(site.arrived().len() - before.0 <= most, "{} times", site.arrived().len() - before.0);
    *published.lock().expect("nobody panics") = None;
    let operator = server.client(server.operator_token());
    let begun = Instant::now();
    let failing = || {
        let parts = operator.get("/readyz").expect(200)["parts"].clone();
        parts.as_array().expect("a list").iter().any(|part| part["name"] == "identities" && part["state"] == "failing")
    };
    while !failing() {
        assert!(begun.elapsed() < SOON, "it is told that nobody answers");
        std::thread::sleep(Duration::from_millis(50));
    }
    of(&old).get("/v1/whoami").expect(200);
    of(&new).get("/v1/whoami").expect(200);
    *published.lock().expect("nobody panics") = Some(jwks(std::slice::from_ref(&new)));
    until(&of(&old), 401);
    of(&new).get("/v1/whoami").expect(200);
    server.stop();
}
