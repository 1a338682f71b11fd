//! The kill test: the real program is killed with SIGKILL at any instant of its life while it drives many runs, then resumed, killed
//! again, and resumed until it gets through. After each time nothing that was told may be gone, no run may be without an outcome, and no
//! piece and no cent may have appeared or vanished.
//!
//! `AMENDS_KILLS` says how often (50), `AMENDS_SEED` repeats the plan of a test that failed.

#[path = "crash/check.rs"]
mod check;
#[path = "crash/dice.rs"]
mod dice;
#[path = "crash/orders.rs"]
mod orders;

use amends_domain::event::Outcome;
use amends_domain::id::RunId;
use check::{Counts, Ledger};
use dice::Dice;
use harness::{Ended, Program, guest, run_amends};
use orders::Order;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const KILLS: u64 = 50;
/// After as many a new data directory is begun, so that files stay small; until then the same one goes on.
const KILLS_PER_DIRECTORY: u64 = 10;
/// Kills of the command that makes the data file, for each new directory.
const OPENING_KILLS: usize = 2;
/// That command takes about as long.
const OPENING_MAX: Duration = Duration::from_millis(15);
const PROGRESS_EVERY: u64 = 10;
/// Kills of the commands that finish what one kill left open. Far fewer than a compensation has attempts.
const RESUME_KILLS_MAX: usize = 4;

#[test]
fn whenever_the_program_is_killed_every_run_that_was_told_of_ends_and_the_books_balance() {
    let kills = variable("AMENDS_KILLS").unwrap_or(KILLS);
    let seed = variable("AMENDS_SEED").unwrap_or_else(dice::any_seed);
    let told = Seed(seed);
    say(&format!("kill test: {kills} kills, AMENDS_SEED={seed}"));
    let mut campaign = Campaign::new(seed);
    while campaign.kills < kills {
        campaign.over_a_new_directory(kills);
    }
    say(&campaign.summary());
    drop(told);
}

/// Told again where a failure is looked for.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&format!("kill test failed: AMENDS_SEED={} repeats its plan", self.0));
        }
    }
}

/// How long the parts of a life last that is not cut short.
#[derive(Clone, Copy)]
struct Life {
    /// Until the first run is told of.
    start: Duration,
    /// From there to the end.
    work: Duration,
}

struct Campaign {
    dice: Dice,
    life: Life,
    began: Instant,
    kills: u64,
    /// Of those, how many before the first run was told of.
    kills_at_start: u64,
    /// Processes that were to be killed and had ended before.
    escapes: u64,
    batches: u64,
    directories: u64,
    counts: Counts,
}

/// One data directory and what is known of it.
struct Site {
    folder: TempDir,
    ledger: Ledger,
}

/// Orders that are handed in together, and the idempotency key under which they are.
struct Batch {
    /// `--inputs FILE`, or `--input JSON` for one order: then the run is told of as soon as its start is durable.
    inputs: [OsString; 2],
    key: String,
}

impl Campaign {
    fn new(seed: u64) -> Self {
        let life = Life { start: Duration::from_millis(500), work: Duration::from_millis(100) };
        let (dice, began) = (Dice::new(seed), Instant::now());
        Self { dice, life, began, kills: 0, kills_at_start: 0, escapes: 0, batches: 0, directories: 0, counts: Counts::default() }
    }

    fn over_a_new_directory(&mut self, kills: u64) {
        let mut site = Site { folder: tempfile::tempdir().expect("a directory"), ledger: Ledger::new() };
        self.directories += 1;
        self.open_books(&site);
        if self.directories == 1 {
            self.measure(&mut site);
        }
        let until = kills.min(self.kills + KILLS_PER_DIRECTORY);
        while self.kills < until {
            self.over_a_batch(&mut site);
        }
        self.counts += site.ledger.counts;
    }

    /// Writes what is in stock and in the accounts; at first it is killed, so that a data file is found half made.
    fn open_books(&mut self, site: &Site) {
        let file = site.folder.path().join("state.json");
        std::fs::write(&file, serde_json::Value::Object(orders::opening()).to_string()).expect("a file");
        let args =
            ["state".into(), "set".into(), "--file".into(), file.into_os_string(), "--data".into(), site.data().into_os_string()];
        for _ in 0..OPENING_KILLS {
            let instant = self.dice.uniform(OPENING_MAX);
            self.count(&Program::start(&args).kill_after(instant));
        }
        let ended = run_amends(&args);
        assert_eq!(ended.code, Some(0), "{ended}");
    }

    /// One batch that nobody kills says how long a life is on this machine.
    fn measure(&mut self, site: &mut Site) {
        let batch = self.batch(site);
        let began = Instant::now();
        let mut program = Program::start(site.exec(&batch));
        program.line();
        let start = began.elapsed();
        let ended = program.wait();
        self.life = Life { start, work: began.elapsed().saturating_sub(start) };
        say(&format!("  unhurt, the first run is told of after {start:?}, the last {:?} later", self.life.work));
        finished(&ended);
        site.check(&told(&ended));
    }

    /// Hands in a batch, kills the program, finishes what was left open, and checks.
    fn over_a_batch(&mut self, site: &mut Site) {
        let batch = self.batch(site);
        let mut heard = Vec::new();
        self.kill(Program::start(site.exec(&batch)), &mut heard);
        for _ in 0..RESUME_KILLS_MAX {
            if !self.dice.hits(50) {
                break;
            }
            let again = if self.dice.hits(25) { site.exec(&batch) } else { site.resume() };
            self.kill(Program::start(again), &mut heard);
        }
        // Handed in again, the same batch goes on where it was, and starts what was not started.
        if self.dice.hits(25) {
            hear(finished(&run_amends(site.exec(&batch))), &mut heard);
        }
        hear(finished(&run_amends(site.resume())), &mut heard);
        site.check(&heard);
    }

    fn batch(&mut self, site: &mut Site) -> Batch {
        self.batches += 1;
        let key = format!("batch-{}", self.batches);
        if self.batches > 1 && self.dice.hits(20) {
            let order = Order::any(&mut self.dice);
            let inputs = ["--input".into(), order.input().to_string().into()];
            site.ledger.order(key.clone(), order);
            return Batch { inputs, key };
        }
        let inputs = site.folder.path().join("inputs.jsonl");
        let mut file = std::fs::File::create(&inputs).expect("a file");
        for line in 1..=(40 + self.dice.below(360)) {
            let order = Order::any(&mut self.dice);
            writeln!(file, "{}", order.input()).expect("a line");
            site.ledger.order(format!("{key}-{line}"), order);
        }
        Batch { inputs: ["--inputs".into(), inputs.into_os_string()], key }
    }

    /// Kills `program` at any instant: most often while runs are driven, at times while it starts, or as soon as it is there.
    fn kill(&mut self, mut program: Program, heard: &mut Vec<(RunId, Option<Outcome>)>) {
        let delay = match self.dice.below(100) {
            0..5 => self.dice.exponential(Duration::from_millis(3)),
            5..25 => self.dice.uniform(self.life.start.mul_f64(1.2)),
            at_work => {
                program.line();
                if at_work < 60 { self.dice.uniform(self.life.work) } else { self.dice.exponential(Duration::from_millis(5)) }
            }
        };
        let ended = program.kill_after(delay);
        self.count(&ended);
        hear(&ended, heard);
    }

    fn count(&mut self, ended: &Ended) {
        if ended.code.is_some() {
            finished(ended);
            self.escapes += 1;
            return;
        }
        self.kills += 1;
        self.kills_at_start += u64::from(ended.stdout.is_empty());
        if self.kills.is_multiple_of(PROGRESS_EVERY) {
            say(&format!("  {} kills in {:.1} s", self.kills, self.began.elapsed().as_secs_f64()));
        }
    }

    fn summary(&self) -> String {
        let Self { kills, kills_at_start, escapes, batches, directories, .. } = self;
        let Counts { runs, succeeded, compensated, attempts, lost, retries, adopted } = self.counts;
        format!(
            "kill test: {kills} kills ({kills_at_start} before a run was told of; {escapes} processes ended first) of {batches} batches in \
             {directories} data directories, {:.1} s\n  {runs} runs: {succeeded} succeeded, {compensated} compensated, 0 stuck, 0 open; \
             {adopted} were found open\n  {attempts} attempts: {lost} lost to kills, {retries} retries; no piece and no cent lost",
            self.began.elapsed().as_secs_f64()
        )
    }
}

impl Site {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn exec(&self, batch: &Batch) -> Vec<OsString> {
        let saga = self.folder.path().join("saga.yaml");
        std::fs::write(&saga, orders::SAGA).expect("a file");
        let mut plugin = OsString::from("orders=");
        plugin.push(guest("orders"));
        let mut args = vec!["exec".into(), saga.into_os_string(), "--plugin".into(), plugin];
        args.extend(batch.inputs.clone());
        args.extend(["--key".into(), batch.key.clone().into(), "--data".into(), self.data().into_os_string()]);
        args
    }

    fn resume(&self) -> Vec<OsString> {
        vec!["resume".into(), "--data".into(), self.data().into_os_string()]
    }

    fn check(&mut self, heard: &[(RunId, Option<Outcome>)]) {
        let verified = run_amends(["audit".as_ref(), "verify".as_ref(), "--data".as_ref(), self.data().as_os_str()]);
        assert_eq!(verified.code, Some(0), "{verified}");
        self.ledger.check(&self.data(), heard);
    }
}

/// A program that got through: 0 if all runs succeeded, 1 if some were compensated; an error would be told.
fn finished(ended: &Ended) -> &Ended {
    assert!(matches!(ended.code, Some(0 | 1)) && ended.stderr.is_empty(), "{ended}");
    ended
}

fn hear(ended: &Ended, heard: &mut Vec<(RunId, Option<Outcome>)>) {
    heard.extend(told(ended));
}

/// The runs that a program told of: `run ID OUTCOME` on a line, or `run ID` on the first and `outcome OUTCOME` on the last.
fn told(ended: &Ended) -> Vec<(RunId, Option<Outcome>)> {
    let mut told: Vec<(RunId, Option<Outcome>)> = Vec::new();
    for line in &ended.stdout {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["run", run, word] => told.push((run.parse().expect("an id"), outcome(word))),
            ["run", run] => told.push((run.parse().expect("an id"), None)),
            ["outcome", word] => told.last_mut().expect("its run is named above").1 = outcome(word),
            _ => {}
        }
    }
    told
}

fn outcome(word: &str) -> Option<Outcome> {
    [Outcome::Succeeded, Outcome::Compensated, Outcome::Stuck, Outcome::Killed].into_iter().find(|outcome| outcome.word() == word)
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

/// Past the test runner, which would keep it until the end.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}
