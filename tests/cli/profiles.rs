//! Profiles of the user, and what shells complete.

use crate::last_line;
use crate::server::Shop;
use harness::{Ended, amends, run_amends, run_amends_with};
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

#[test]
fn a_profile_names_a_server_and_keeps_its_token_for_this_user_alone() {
    let shop = Shop::empty();
    let home = tempfile::tempdir().expect("a directory");
    let config = home.path().to_str().expect("our paths are text");
    let with = |args: &[&str]| run_amends_with([("XDG_CONFIG_HOME", config)], args);
    // From standard input, as a store of passwords gives it.
    let mut adding = Command::new(amends())
        .args(["profile", "add", "shop", "--url", &shop.url])
        .env("XDG_CONFIG_HOME", config)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary is there");
    adding.stdin.take().expect("it is piped").write_all(format!("{}\n", shop.token).as_bytes()).expect("it reads");
    assert!(adding.wait().expect("it ends").success());
    let file = home.path().join("amends/profiles.toml");
    assert_eq!(std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert!(last_line(&with(&["whoami"])).contains("tenant acme"));

    let token = shop.file("operator", &shop.operator);
    let added = with(&["profile", "add", "root", "--url", &shop.url, "--token-file", &token, "--tenant", "acme"]);
    assert_eq!(added.code, Some(0), "{added}");
    let listed = with(&["profile", "list", "--json"]);
    assert!(!listed.text().contains("amt_"), "tokens stay where they are: {listed}");
    let names = |listed: &Ended| {
        listed.json()["profiles"].as_array().expect("a list").iter().map(|kept| kept["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&listed), [json!("root"), json!("shop")]);
    assert!(last_line(&with(&["whoami"])).contains("tenant acme"), "the first one is the default");
    assert!(last_line(&with(&["whoami", "--profile", "root"])).contains("the whole host"));
    assert_eq!(with(&["profile", "use", "root"]).code, Some(0));
    assert!(last_line(&with(&["whoami"])).contains("the whole host"));
    let by_variable = run_amends_with([("XDG_CONFIG_HOME", config), ("AMENDS_PROFILE", "shop")], ["whoami"]);
    assert!(last_line(&by_variable).contains("tenant acme"));
    // A token of the environment is not sent to the server of a profile.
    let other = run_amends_with([("XDG_CONFIG_HOME", config), ("AMENDS_TOKEN", "amt_other")], ["run", "list"]);
    assert_eq!(other.code, Some(0), "{other}");

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    let refused = with(&["whoami"]);
    assert_eq!((refused.code, refused.stderr.contains("error[profiles_not_private]")), (Some(3), true), "{refused}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    assert_eq!(with(&["profile", "remove", "root"]).code, Some(0));
    let nowhere = with(&["run", "list"]);
    assert_eq!((nowhere.code, nowhere.stderr.contains("error[no_server]")), (Some(2), true), "{nowhere}");
}

#[test]
fn a_token_that_the_server_does_not_know_makes_no_profile() {
    let shop = Shop::empty();
    let home = tempfile::tempdir().expect("a directory");
    let config = home.path().to_str().expect("our paths are text");
    let with = |args: &[&str]| run_amends_with([("XDG_CONFIG_HOME", config)], args);
    let token = shop.file("token", "amt_wrong");
    let args = ["profile", "add", "shop", "--url", &shop.url, "--token-file", &token];
    let refused = with(&args);
    assert_eq!((refused.code, refused.stderr.contains("error[token_malformed]")), (Some(3), true), "{refused}");
    assert_eq!(with(&["profile", "list", "--json"]).json(), json!({ "profiles": [] }));
    assert_eq!(with(&[&args[..], &["--unchecked"]].concat()).code, Some(0));
    // A new key can go into a profile without being seen.
    let key = [("XDG_CONFIG_HOME", config), ("AMENDS_URL", shop.url.as_str()), ("AMENDS_TOKEN", shop.token.as_str())];
    let created = run_amends_with(key, ["key", "create", "mine", "--role", "developer", "--save", "mine"]);
    assert!(created.code == Some(0) && !created.text().contains("amt_"), "{created}");
    assert!(last_line(&with(&["whoami", "--profile", "mine"])).contains("developer of tenant acme"));
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run_amends(["completion", shell]);
        assert_eq!(script.code, Some(0), "{script}");
        for word in ["dead-letter", "redrive", "token-file"] {
            assert!(script.text().contains(word), "{shell} does not know {word}");
        }
        assert!(!script.text().contains("panicked"), "{script}");
    }
    assert_eq!(run_amends(["completion", "csh"]).code, Some(2));
}
