//! A host in a process of its own, with a world outside that never answers: to be killed while a guest waits for it. `lone-host DIR
//! INPUT` starts one run of the saga `charge` in DIR and says on its standard output what has happened so far, a line each.

use amends::sandbox::{Outside, OutsideRequest};
use amends::store::redb::RedbStore;
use amends_domain::event::Event;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending};
use harness::{Host, small_guest};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often the journal is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Takes every request and never answers.
struct Silent;

impl Outside for Silent {
    fn send(&self, request: OutsideRequest) -> BoxFuture<'_, u16> {
        say(&format!("sent {} {} {}", request.method, request.target, request.idempotency_key));
        pending().boxed()
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever listens kills this process; that it cannot be told any more does not matter.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, document, input] = arguments.as_slice() else { anyhow::bail!("write: lone-host DIR DOCUMENT INPUT") };
    let host = Host::beside(Some(Arc::new(Silent)), Arc::new(RedbStore::open(Path::new(dir))?), 2)?;
    host.install_bytes("sender", small_guest("send"))?;
    host.apply(document)?;
    let driven = host.block_on(host.start("charge", &serde_json::from_str(input)?))?;
    let run = driven.run;
    host.block_on(driven.accepted())?;
    say(&format!("run {run}"));
    loop {
        std::thread::sleep(LOOK_EVERY);
        if host.journal(run)?.iter().any(|entry| matches!(entry.event, Event::AttemptStarted { .. })) {
            say("started");
            break;
        }
    }
    host.block_on(driven.ended()).map(drop).map_err(Into::into)
}
