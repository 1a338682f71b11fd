//! Keys of a provider over TLS: they are believed if somebody vouches for their server, which the operator may say.

use crate::provider::{Provider, Signs, jwks};
use crate::{SOON, leaked, server, until};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use harness::{Reply, Site};
use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn made() -> CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate")
}

/// A file that vouches for it.
fn vouching(folder: &Path, name: &str, made: &CertifiedKey<rcgen::KeyPair>) -> &'static str {
    let path = folder.join(name);
    let text = BASE64_STANDARD.encode(made.cert.der());
    std::fs::write(&path, format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")).expect("there is room");
    leaked(path.to_str().expect("a name"))
}

/// A place of keys that `made` certifies.
fn published(made: &CertifiedKey<rcgen::KeyPair>, keys: String) -> Site {
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("they fit");
    Site::start_secure(config, move |_| Reply::new(200, &keys))
}

#[test]
fn keys_over_tls_are_believed_where_the_operator_names_who_vouches_for_them_and_nowhere_else() {
    let folder = tempfile::tempdir().expect("there is room");
    let provider = Provider::new("a", Signs::P256);
    let (own, other) = (made(), made());
    let site = published(&own, jwks(std::slice::from_ref(&provider)).to_string());
    let url = ("AMENDS_OIDC_KEYS_URL", leaked(format!("https://127.0.0.1:{}/keys", site.port())));
    let token = provider.token("alice", "acme", &["all"]);
    let vouched = ("AMENDS_OIDC_CA_FILE", vouching(folder.path(), "own.pem", &own));
    let (believing, _) = server(&folder.path().join("believing"), &[url, vouched]);
    until(&believing.client(&token), 200);
    believing.stop();
    let asked = site.arrived().len();
    assert!(asked > 0);
    let strange = ("AMENDS_OIDC_CA_FILE", vouching(folder.path(), "other.pem", &other));
    for (name, variables) in [("nobody", vec![url]), ("other", vec![url, strange])] {
        let (doubting, operator) = server(&folder.path().join(name), &variables);
        let begun = Instant::now();
        // It is looked at each second, so it has been tried by then.
        while !operator.get("/readyz").expect(200)["parts"].to_string().contains("certificate") {
            assert!(begun.elapsed() < SOON, "it is told that nobody vouches for it: {name}");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(doubting.client(&token).get("/v1/whoami").problem(503), "identity_unavailable", "{name}");
        doubting.stop();
    }
    assert_eq!(site.arrived().len(), asked, "nothing is asked of whom nobody vouches for");
}
