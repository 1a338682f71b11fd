//! This program in the comparison: a server as it is started by anybody, with the limits of the tenant out of the way.

use super::Places;
use super::started::{Running, Started};
use crate::site::{THREE, three};
use anyhow::{Context, Result, bail};
use harness::{Client, amends, guest};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const TENANT: &str = "bench";
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn start(places: &Places) -> Result<Started> {
    let data = places.folder()?;
    let (folder, log) = (data.path().join("data"), data.path().join("log"));
    let mut command = Command::new(amends());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&folder);
    command.env("AMENDS_CONNECTIONS_OF_ONE_MAX", "4096");
    let program = Running::start(&mut command, &log)?;
    let said = |begins: &str| -> Result<String> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let text = std::fs::read_to_string(&log)?;
            let line = text.lines().find_map(|line| Some(line.strip_prefix(begins)?.split_whitespace().next()?.to_owned()));
            if let Some(line) = line {
                return Ok(line);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the server does not say `{begins}`")
    };
    let (url, operator) = (said("listening on ")?, said("operator token ")?);
    let address = url.trim_start_matches("http://").parse().context("an address")?;
    let token = fill(&Client::at(address, &operator), |token| Client::at(address, token));
    Ok(Started {
        url,
        path: format!("/v1/tenants/{TENANT}/runs?wait=30s"),
        headers: vec![("authorization", format!("Bearer {token}"))],
        wrap: |input| json!({ "saga": THREE, "input": input }),
        folder,
        programs: vec![program],
        _data: data,
    })
}

fn fill(operator: &Client, client: impl FnOnce(&str) -> Client) -> String {
    let limits = json!({
        "concurrent_attempts": 10_000, "queued_runs": 10_000_000, "starts_per_minute": 10_000_000,
        "fuel_per_minute": 1_000_000_000_000_000_u64, "live_memory": "64TiB", "stored_bytes": "1024TiB",
    });
    operator.post("/v1/tenants", &json!({ "id": TENANT, "limits": limits })).expect(201);
    let key = operator.post(&format!("/v1/tenants/{TENANT}/keys"), &json!({ "name": "bench", "role": "tenant-admin" })).expect(201);
    let token = key["token"].as_str().expect("it is told once").to_owned();
    let admin = client(&token);
    let component = std::fs::read(guest("nothing")).expect("it is built");
    admin.ask("PUT", &format!("/v1/tenants/{TENANT}/plugins/nothing/1?wait=30s"), &[], &component).expect(201);
    let three: Value = three();
    admin.ask("PUT", &format!("/v1/tenants/{TENANT}/sagas/{THREE}"), &[], three.to_string().as_bytes()).expect(201);
    token
}
