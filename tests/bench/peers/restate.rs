//! Restate: its server from npm, and a service written with its SDK for Rust, which is built here.

use super::Places;
use super::started::{Running, Started, done, free, until};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::PathBuf;
use std::process::Command;

pub(crate) const VERSION: &str = "1.7.12";
pub(crate) const DURABILITY: &str = "its defaults: one node, the log in RocksDB with its write-ahead log synced";

pub(crate) fn prepare(places: &Places) -> Result<()> {
    if !server(places).exists() {
        let package = format!("@restatedev/restate-server@{VERSION}");
        done(Command::new("npm").args(["install", "--no-save", "--ignore-scripts", "--prefix"]).arg(&places.built).arg(package))?;
    }
    let server = server(places);
    ensure!(server.exists(), "the package brought no {}", server.display());
    let manifest = places.sources.join("restate/Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(places.built.join("restate"));
    done(&mut build)
}

fn server(places: &Places) -> PathBuf {
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    places.built.join(format!("node_modules/@restatedev/restate-server-linux-{machine}/bin/restate-server"))
}

pub(crate) fn start(places: &Places) -> Result<Started> {
    let data = places.folder()?;
    let (ingress, admin, node, service) = (free()?, free()?, free()?, free()?);
    let (log, service_log) = (data.path().join("log"), data.path().join("service-log"));
    let folder = data.path().join("data");
    let mut command = Command::new(server(places));
    command.arg("--base-dir").arg(&folder).args(["--node-name", "bench", "--auto-provision", "true"]);
    command.env("RESTATE_INGRESS__BIND_ADDRESS", ingress.to_string());
    command.env("RESTATE_ADMIN__BIND_ADDRESS", admin.to_string());
    command.env("RESTATE_BIND_ADDRESS", node.to_string());
    command.env("RESTATE_ADVERTISED_ADDRESS", format!("http://{node}"));
    command.env("RESTATE_DISABLE_TELEMETRY", "true");
    command.env("RESTATE_LOG_FILTER", "warn");
    let server = Running::start(&mut command, &log)?;
    let mut command = Command::new(places.built.join("restate/release/three-steps-restate"));
    let steps = Running::start(command.arg(service.to_string()), &service_log)?;
    let deployment = json!({ "uri": format!("http://{service}") });
    until("Restate", admin, "/deployments", &deployment, &log).context("the service cannot be registered")?;
    let (path, input) = ("/Three/run".to_owned(), json!({ "refuse": false, "text": "" }));
    until("Restate", ingress, &path, &input, &log)?;
    std::fs::create_dir_all(&folder)?;
    Ok(Started {
        url: format!("http://{ingress}"),
        path,
        headers: Vec::new(),
        wrap: |input| input,
        folder,
        programs: vec![steps, server],
        _data: data,
    })
}
