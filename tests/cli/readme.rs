//! The commands of README.md under "A server on your machine", as somebody who reads it would type them.

use crate::text;
use harness::{Program, amends, root};
use std::process::Command;

/// The blocks of commands in a section of README.md.
fn blocks(section: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("it is there");
    let (_, from) = readme.split_once(&format!("\n## {section}\n")).expect("the section is there");
    let part = from.split("\n## ").next().expect("it has a text");
    part.split("```sh\n").skip(1).map(|block| block.split("```").next().expect("it ends").to_owned()).collect()
}

#[test]
fn a_server_on_your_machine_does_what_the_readme_says() {
    let blocks = blocks("A server on your machine");
    let [begin, curl, commands] = blocks.as_slice() else { panic!("three blocks: {blocks:?}") };
    let dev: Vec<_> = begin.lines().find_map(|line| line.strip_prefix("amends dev ")).expect("it is begun so").split(' ').collect();
    let home = tempfile::tempdir().expect("a directory");
    let (folder, built) = (root().join(dev[0]), harness::guest("orders"));
    let built = built.parent().expect("it is in a folder");
    // Another port and this build's folder: a developer may have a server at the usual one.
    let args = ["dev", text(&folder), "--listen", "127.0.0.1:0", "--plugins", text(built)];
    let mut program = Program::start_with([("XDG_CONFIG_HOME", text(home.path()))], args);
    let (mut export, mut ready) = (None, false);
    while !ready {
        let line = program.line().expect("it says that it is ready").to_owned();
        ready = line.starts_with("watching ");
        export = export.or_else(|| line.starts_with("export ").then_some(line));
    }
    let said = |script: &str| {
        let path =
            format!("{}:{}", amends().parent().expect("it is in a folder").display(), std::env::var("PATH").unwrap_or_default());
        let script = format!("set -eu\n{}\n{script}", export.as_deref().expect("it was printed"));
        let ended =
            Command::new("bash").args(["-c", &script]).current_dir(root()).env("PATH", path).output().expect("there is bash");
        let (told, error) =
            (String::from_utf8_lossy(&ended.stdout).into_owned(), String::from_utf8_lossy(&ended.stderr).into_owned());
        assert!(ended.status.success(), "{told}\n{error}");
        told
    };
    let told = said(curl);
    let place = |part: &str| told.find(part).unwrap_or_else(|| panic!("no `{part}` in {told}"));
    let order = [
        place(r#""outcome":"succeeded""#),
        place("event: workflow.saga.started"),
        place("event: workflow.saga.failed"),
        place(r#""status":"compensated","outcome":"compensated","noted":true"#),
        place(r#""saga":"order.fulfillment","direction":"backward""#),
        told.rfind(r#""noted":true"#).expect("the redrive is noted"),
    ];
    assert!(order.is_sorted(), "{order:?}: {told}");
    assert!(!told.contains("\"code\":\"body_malformed\""), "{told}");
    let told = said(commands);
    for part in ["compensation not needed: proven clean", "compensated", ".charge-payment", "stuck"] {
        assert!(told.contains(part), "no `{part}` in {told}");
    }
    assert_eq!(program.terminate().code, Some(0));
}
