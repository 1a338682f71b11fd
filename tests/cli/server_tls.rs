//! The commands over TLS: who vouches for a server, and what is said where nobody does.

use crate::text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::{Ended, Program, run_amends_with};
use std::path::Path;

/// A certificate for this machine, which vouches for itself, and its key, each in a file of `folder`.
fn certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("a certificate");
    let pem = |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
    let files =
        [("cert.pem", pem("CERTIFICATE", made.cert.der())), ("key.pem", pem("PRIVATE KEY", &made.signing_key.serialize_der()))];
    for (name, content) in files {
        std::fs::write(folder.join(name), content).expect("there is room");
    }
}

#[test]
fn a_server_is_believed_if_somebody_vouches_for_it_whom_the_user_names() {
    let folder = tempfile::tempdir().expect("a directory");
    certificate(folder.path());
    let file = |name: &str| text(&folder.path().join(name)).to_owned();
    let (data, certificate, key) = (file("data"), file("cert.pem"), file("key.pem"));
    let args = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--tls-certificate", &certificate, "--tls-key", &key];
    let mut server = Program::start(args);
    let (mut token, mut url) = (String::new(), None);
    while url.is_none() {
        let line = server.line().expect("it says where it listens").to_owned();
        token = line.strip_prefix("operator token ").and_then(|told| told.split(' ').next()).map_or(token, str::to_owned);
        url = line.strip_prefix("listening on ").map(str::to_owned);
    }
    let url = url.expect("it listens");
    assert!(url.starts_with("https://"), "{url}");
    let whoami = |more: &[&str]| -> Ended { run_amends_with([("AMENDS_TOKEN", token.as_str())], [&["whoami"], more].concat()) };
    let believed = whoami(&["--url", &url, "--ca-file", &certificate]);
    assert!(believed.code == Some(0) && believed.text().contains("the whole host"), "{believed}");
    assert!(believed.stderr.is_empty(), "nothing is in the clear: {believed}");
    let unknown = whoami(&["--url", &url]);
    assert!(unknown.code == Some(4) && unknown.stderr.contains("--ca-file"), "{unknown}");
    let clear = whoami(&["--url", &url.replace("https://", "http://")]);
    assert!(clear.code == Some(4) && clear.stderr.contains("is it https?"), "{clear}");
    let none = whoami(&["--url", &url, "--ca-file", &key]);
    assert!(none.code == Some(2) && none.stderr.contains("error[certificates_not_readable]"), "{none}");
    assert_eq!(server.terminate().code, Some(0));
}
