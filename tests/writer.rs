//! The promises of the writer: what is waited for becomes durable, in order, in few commits; a failure is told to everybody.

#[path = "store/facts.rs"]
mod facts;

use amends::store::memory::{Fate, MemoryStore};
use amends::store::redb::RedbStore;
use amends::store::writer::{Append, Position, QUEUE_LEN_MAX, What, Writer, WriterError};
use amends::store::{Store, verify_tail};
use amends_domain::audit::Body;
use amends_domain::digest::Digest;
use amends_domain::event::{TenantEntry, TenantEvent};
use amends_domain::id::{Lane, RunId};
use amends_domain::run::RunStatus;
use amends_domain::time::Timestamp;
use facts::{ENDED, adopted, head, started, tenant, write, wrote};
use futures_util::FutureExt;
use std::sync::Arc;
use tempfile::TempDir;

const RUNNING: RunStatus = RunStatus::Running;

fn memory() -> (Arc<MemoryStore>, Writer) {
    let store = Arc::new(MemoryStore::new());
    let writer = Writer::start(Arc::clone(&store) as Arc<dyn Store>).expect("an empty store");
    (store, writer)
}

fn of_run(run: u128, at: u64, status: RunStatus) -> Append {
    let entries = vec![if at == 0 { started(at, None) } else { adopted(at) }];
    Append { tenant: tenant("a"), lane: Lane(0), what: What::Run { run: RunId(run), entries, head: head(status, at) } }
}

fn of_tenant(event: TenantEvent, components: Vec<(Digest, bytes::Bytes)>) -> Append {
    let entries = vec![TenantEntry { at: Timestamp(0), event }];
    Append { tenant: tenant("a"), lane: Lane(0), what: What::Tenant { entries, components } }
}

/// Waits, without sleeping, for something that another thread is about to do.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_comes_while_a_commit_is_under_way_is_one_commit_and_each_run_one_record() {
    let (store, writer) = memory();
    let held = store.hold();
    let first = writer.append(of_run(1, 0, RUNNING));
    let mut waiting = Box::pin(writer.durable(first));
    assert!((&mut waiting).now_or_never().is_none());
    until(|| store.commits() == 1).await;
    let last = (1..100).map(|at| writer.append(of_run(1 + u128::from(at % 3), at, RUNNING))).last().expect("there are some");
    let mut later = Box::pin(writer.durable(last));
    assert!((&mut later).now_or_never().is_none());
    assert_eq!((writer.durable_mark(), last), (Position(0), Position(100)));
    drop(held);
    assert_eq!(waiting.await, Ok(()));
    assert_eq!(later.await, Ok(()));
    assert_eq!((store.commits(), writer.durable_mark()), (2, last));
    let records = store.records(&tenant("a"), Lane(0), 1, 100).expect("an answer");
    let bodies: Vec<_> =
        records.iter().map(|record| Body::decode(record.kept.body().expect("it is kept")).expect("a body")).collect();
    let shown = bodies.iter().map(|body| match body {
        Body::Run { run, previous, entries } => (run.0, *previous, entries.len()),
        Body::Tenant { .. } => panic!("nothing was appended for the tenant"),
    });
    assert_eq!(shown.collect::<Vec<_>>(), [(1, 0, 1), (2, 0, 33), (3, 0, 33), (1, 1, 33)]);
    verify_tail(&*store, u64::MAX).expect("the chain is whole");
}

#[tokio::test]
async fn what_nobody_waits_for_is_committed_all_the_same() {
    let (store, writer) = memory();
    let position = writer.append(of_run(1, 0, RUNNING));
    until(|| writer.durable_mark() == position).await;
    assert_eq!(writer.durable(position).now_or_never(), Some(Ok(())));
    assert_eq!(store.commits(), 1);
}

#[tokio::test]
async fn a_waiter_that_gives_up_takes_nobody_along() {
    let (store, writer) = memory();
    let held = store.hold();
    let position = writer.append(of_run(1, 0, RUNNING));
    let mut stays = Box::pin(writer.durable(position));
    assert!((&mut stays).now_or_never().is_none());
    for _ in 0..10 {
        assert!(writer.durable(position).now_or_never().is_none(), "polled once and dropped");
    }
    drop(held);
    assert_eq!(stays.await, Ok(()));
}

#[tokio::test]
async fn a_full_queue_lets_nobody_in_until_it_is_taken() {
    let (store, writer) = memory();
    let held = store.hold();
    assert_eq!(writer.room().now_or_never(), Some(Ok(())));
    let mut entries = of_run(1, 0, RUNNING);
    for at in 0..3 {
        let What::Run { entries: list, .. } = &mut entries.what else { panic!("it is a run's") };
        *list = vec![adopted(at); QUEUE_LEN_MAX];
        writer.append(entries.clone());
    }
    let mut room = Box::pin(writer.room());
    assert!((&mut room).now_or_never().is_none());
    assert!(writer.room().now_or_never().is_none(), "polled once and dropped");
    drop(held);
    assert_eq!(room.await, Ok(()));
}

/// How a commit goes wrong.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Error(Fate),
    Panic,
}

#[tokio::test]
async fn a_failure_is_told_to_everybody_and_the_writer_writes_no_more() {
    let cases = [
        (Wrong::Error(Fate::Lost), "the data file: this commit was told to fail"),
        (Wrong::Error(Fate::Kept), "the data file: this commit was told to fail"),
        (Wrong::Panic, "nothing is committed to a store that was closed"),
    ];
    for (wrong, cause) in cases {
        let (store, writer) = memory();
        let before = writer.append(of_run(1, 0, RUNNING));
        assert_eq!(writer.durable(before).await, Ok(()));
        assert!(writer.failed().now_or_never().is_none(), "{wrong:?}");
        match wrong {
            Wrong::Error(fate) => store.fail_next_commit(fate),
            Wrong::Panic => store.close().expect("it closes"),
        }
        let unknown = WriterError::Unknown(cause.into());
        let told = Err(unknown.clone());
        let position = writer.append(of_run(1, 1, RUNNING));
        let (one, other, failed) = tokio::join!(writer.durable(position), writer.durable(position), writer.failed());
        assert_eq!((one, other, failed), (told.clone(), told.clone(), unknown), "{wrong:?}");
        assert_eq!(writer.room().await, told);
        let later = writer.append(of_run(1, 2, ENDED));
        assert_eq!(writer.durable(later).await, told);
        assert_eq!(writer.durable(before).await, Ok(()), "what was durable stays so");
        assert_eq!(writer.durable_mark(), before);
        assert_eq!(store.commits(), 2, "nothing was tried again");
        assert_eq!(writer.close(), told);
    }
}

#[tokio::test]
async fn closing_commits_the_rest_and_is_the_end() {
    let (store, writer) = memory();
    let held = store.hold();
    let first = writer.append(of_run(1, 0, RUNNING));
    assert!(writer.durable(first).now_or_never().is_none());
    until(|| store.commits() == 1).await;
    writer.append(of_run(1, 1, RUNNING));
    drop(held);
    assert_eq!(writer.close(), Ok(()));
    assert_eq!(writer.durable_mark(), Position(2));
    let behind = writer.append(of_run(1, 2, RUNNING));
    for error in [writer.durable(behind).await, writer.room().await, writer.close()] {
        assert_eq!(error, Err(WriterError::Closed));
    }
    assert_eq!(store.journal(&tenant("a"), RunId(1)).expect("an answer").map(|j| j.len()), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_runs_at_once_are_found_whole_on_the_disk() {
    const RUNS: u64 = 200;
    let dir = TempDir::new().expect("a directory");
    let open = || Arc::new(RedbStore::open(dir.path()).expect("it opens"));
    let store = open();
    let writer = Arc::new(Writer::start(Arc::clone(&store) as Arc<dyn Store>).expect("an empty store"));
    let (component, digest) = (bytes::Bytes::from("wasm"), Digest::of(b"wasm"));
    let event = TenantEvent::PluginInstalled { plugin: "orders".parse().expect("a name"), component: digest, size: 4 };
    writer.append(of_tenant(event, vec![(digest, component.clone())]));
    let drive = |run: u64| {
        let writer = Arc::clone(&writer);
        async move {
            writer.durable(writer.append(of_run(u128::from(run), 0, RUNNING))).await?;
            let mut next = of_run(u128::from(run), 1, RUNNING);
            let What::Run { entries, .. } = &mut next.what else { panic!("it is a run's") };
            entries.push(wrote(1, vec![write("k", run + 1, Some("1"))]));
            writer.append(next);
            writer.durable(writer.append(of_run(u128::from(run), 2, if run.is_multiple_of(2) { ENDED } else { RUNNING }))).await
        }
    };
    let runs: Vec<_> = (0..RUNS).map(|run| tokio::spawn(drive(run))).collect();
    for run in runs {
        assert_eq!(run.await.expect("it ends"), Ok(()));
    }
    assert_eq!(writer.close(), Ok(()));
    drop((writer, store));
    let store = open();
    verify_tail(&*store, u64::MAX).expect("the chain is whole");
    for run in 0..RUNS {
        let journal = store.journal(&tenant("a"), RunId(u128::from(run))).expect("it is whole").expect("it is there");
        assert_eq!(journal.iter().map(|entry| entry.at.0).collect::<Vec<_>>(), [0, 1, 1, 2]);
    }
    assert_eq!(store.open_runs(&tenant("a"), None, 999).expect("an answer").len() as u64, RUNS / 2);
    assert_eq!(store.lanes().expect("an answer")[0].state_version, RUNS);
    assert_eq!(store.component(digest).expect("an answer"), Some(component));
    let writer = Writer::start(Arc::clone(&store) as Arc<dyn Store>).expect("it goes on");
    assert_eq!(writer.durable(writer.append(of_run(1, 3, ENDED))).await, Ok(()));
    assert_eq!(store.journal(&tenant("a"), RunId(1)).expect("it is whole").map(|j| j.len()), Some(5));
}
