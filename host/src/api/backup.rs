//! `POST /v1/backup`: all that is stored, as one stream. It ends with a digest: a client that has that has the whole backup, and one that breaks
//! off has none.

use super::Api;
use super::auth::Caller;
use super::contract::{Answer, Operation, post};
use super::problem::Problem;
use amends_domain::access::Action;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    let whole = Answer {
        status: 200,
        says: "All that is stored. It ends with a digest: what breaks off before is no backup.",
        content: vec![("application/octet-stream", None)],
        headers: Vec::new(),
    };
    vec![
        post("/v1/backup", "backUp", back_up)
            .says("Takes a backup of a host at work.")
            .needs(Action::Backup)
            .answer(whole)
            .streams()
            .fails(&["backup_running"]),
    ]
}

/// What is sent at a time: 256 KiB.
const CHUNK_LEN: usize = 256 * 1024;
/// Most chunks that the backup is ahead of its client.
const CHUNKS_MAX: usize = 4;
/// A client that takes nothing for so long is gone: while a backup lasts, the data file only grows.
const CHUNK_TIME_MAX: Duration = Duration::from_mins(1);

async fn back_up(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let turn = Arc::clone(&api.0.backups)
        .try_acquire_owned()
        .map_err(|_| Problem::new("backup_running", "a backup is on its way already: try again when it is over"))?;
    tracing::info!(who = caller.who(), "a backup begins");
    let store = Arc::clone(api.coordinator().store());
    let (sender, chunks) = channel(CHUNKS_MAX);
    let mut client = Client { sender, runtime: Handle::current(), chunk: BytesMut::new() };
    // It ends with its client: nobody else waits for it.
    drop(spawn_blocking(move || {
        match store.back_up(&mut client) {
            Ok(summary) => tracing::info!(rows = summary.rows, bytes = summary.len, digest = %summary.digest, "a backup was taken"),
            Err(error) => {
                tracing::warn!(%error, "a backup broke off");
                // The client must see that it broke off; one that is gone knows.
                let _ = client.send(Err(io::Error::other(error.to_string())));
            }
        }
        drop(turn);
    }));
    let body = Body::from_stream(unfold(chunks, async |mut chunks| Some((chunks.recv().await?, chunks))));
    let headers = [(CONTENT_TYPE, "application/octet-stream"), (CONTENT_DISPOSITION, "attachment; filename=\"amends.backup\"")];
    Ok((headers, body).into_response())
}

/// Whoever gets the backup.
struct Client {
    sender: Sender<io::Result<Bytes>>,
    runtime: Handle,
    chunk: BytesMut,
}

impl Client {
    fn send(&self, chunk: io::Result<Bytes>) -> io::Result<()> {
        let sent = self.runtime.block_on(timeout(CHUNK_TIME_MAX, self.sender.send(chunk)));
        let sent = sent.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing"))?;
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone"))
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_LEN {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = self.chunk.split().freeze();
        self.send(Ok(chunk))
    }
}
