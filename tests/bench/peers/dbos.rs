//! DBOS: its library for Python from `PyPI` in a process with a server of HTTP, over `SQLite` or over `PostgreSQL`.

use super::Places;
use super::started::{Running, Started, done, free, until};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const VERSION: &str = "3.4.0";
pub(crate) const SQLITE_DURABILITY: &str =
    "SQLite with a write-ahead log, which is faster than what DBOS chooses itself; synchronous=FULL, its default";
pub(crate) const POSTGRES_DURABILITY: &str = "PostgreSQL's defaults: fsync and synchronous_commit on";
/// Where Debian puts the programs of `PostgreSQL`.
const POSTGRES: &str = "/usr/lib/postgresql";
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn prepare(places: &Places) -> Result<()> {
    let environment = places.built.join("python");
    if !environment.join("bin/uvicorn").exists() {
        done(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        let requirements = places.sources.join("dbos/requirements.txt");
        done(Command::new(environment.join("bin/pip")).args(["install", "--quiet", "-r"]).arg(requirements))?;
    }
    Ok(())
}

pub(crate) fn start_on_sqlite(places: &Places) -> Result<Started> {
    let data = places.folder()?;
    let url = format!("sqlite:///{}", data.path().join("dbos.sqlite").display());
    start(places, data, &url, Vec::new())
}

pub(crate) fn start_on_postgres(places: &Places) -> Result<Started> {
    let data = places.folder()?;
    let (port, postgres) = (free()?.port(), cluster(data.path())?);
    let mut command = as_nobody_special(&find_postgres()?.join("postgres"));
    command.arg("-D").arg(&postgres).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c"]);
    command.arg(format!("unix_socket_directories={}", postgres.display())).args(["-c", "max_connections=300"]);
    let log = data.path().join("postgres-log");
    let server = Running::start(&mut command, &log)?;
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if began.elapsed() > PATIENCE {
            bail!("PostgreSQL does not listen: {}", std::fs::read_to_string(&log).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    start(places, data, &format!("postgresql://bench@127.0.0.1:{port}/dbos"), vec![server])
}

fn start(places: &Places, data: TempDir, url: &str, database: Vec<Running>) -> Result<Started> {
    let (at, log) = (free()?, data.path().join("log"));
    let mut command = Command::new(places.built.join("python/bin/python"));
    command.arg(places.sources.join("dbos/app.py")).args([url, &at.port().to_string()]).current_dir(data.path());
    let mut programs = vec![Running::start(&mut command, &log)?];
    programs.extend(database);
    let path = "/run".to_owned();
    let folder = data.path().to_owned();
    let started =
        Started { url: format!("http://{at}"), path, headers: Vec::new(), wrap: |input| input, folder, programs, _data: data };
    until("DBOS", at, "/run", &json!({ "refuse": false, "text": "" }), &log)?;
    Ok(started)
}

/// The folder with the programs of the newest `PostgreSQL` that is installed.
pub(crate) fn find_postgres() -> Result<PathBuf> {
    let entries = std::fs::read_dir(POSTGRES).context("PostgreSQL is not installed: apt-get install postgresql")?;
    let mut versions: Vec<u32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable();
    let newest = versions.last().context("PostgreSQL is not installed: apt-get install postgresql")?;
    Ok(PathBuf::from(POSTGRES).join(newest.to_string()).join("bin"))
}

/// Makes a new cluster.
fn cluster(data: &Path) -> Result<PathBuf> {
    let postgres = data.join("postgres");
    std::fs::create_dir(&postgres)?;
    if is_root() {
        done(Command::new("chown").arg("postgres").arg(&postgres).arg(data))?;
    }
    let mut command = as_nobody_special(&find_postgres()?.join("initdb"));
    command.args(["--auth=trust", "--username=bench", "--encoding=UTF8", "--no-instructions", "-D"]).arg(&postgres);
    done(command.stdout(std::process::Stdio::null()))?;
    Ok(postgres)
}

/// `PostgreSQL` refuses to run as root.
fn as_nobody_special(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nUid:\t0\t0"))
}
