//! The kill test of requests: the real program is killed with SIGKILL at any instant while its runs charge customers through the API of a
//! payment service, then resumed until it gets through. The service is outside and says what was really charged: each order once, or once
//! and given back. If it forgets idempotency keys, no charge of a compensated run may stay, and a run with a duplicate must be known to
//! have been in doubt.
//!
//! `AMENDS_KILLS` says how often (24, shared by both), `AMENDS_SEED` repeats the plan of a test that failed.

#[path = "crash/dice.rs"]
#[expect(dead_code, reason = "the other kill test throws more kinds of dice")]
mod dice;

use amends::store::redb::RedbStore;
use amends::store::{PAGE_LEN_MAX, Store};
use amends_domain::definition::{Definition, read};
use amends_domain::event::Outcome;
use amends_domain::id::{RunId, StepIndex, TenantId};
use amends_domain::run::{Phase, Run};
use dice::Dice;
use harness::{Bank, Charged, Ended, Keys, Program, guest, run_amends};
use serde_json::json;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const KILLS: u64 = 24;
/// Orders that are handed in together.
const ORDERS: u64 = 12;
/// Kills before what they left is resumed to its end.
const KILLS_IN_A_ROW_MAX: u64 = 4;
/// How slow the service is.
const SLOW: Duration = Duration::from_millis(30);
/// By then a program has sent its first request, if it sends any.
const WORK: Duration = Duration::from_secs(1);

const SAGA: &str = r#"
saga: purchase
defaults:
  retry: { attempts: 3, initial: 5ms, max: 20ms, factor: 2, jitter: 1ms }
  limits: { fuel: 1000000000, timeout: 20s, memory: 64MiB }
steps:
  - id: charge
    uses: payments-http/charge
    input: { service: "${input.service}", customer: "${input.customer}", cents: "${input.cents}" }
    compensation: { retry: { attempts: 50 } }
  - id: deliver
    uses: probe/probe
    input: "${input.deliver}"
    compensation: { retry: { attempts: 50 } }
"#;

#[test]
fn whenever_the_program_is_killed_each_order_is_charged_once_or_charged_once_and_given_back() {
    campaign(Keys::Honoured);
}

#[test]
fn if_the_service_forgets_keys_no_charge_of_a_compensated_run_stays_and_duplicates_are_in_doubt() {
    campaign(Keys::Ignored);
}

fn campaign(keys: Keys) {
    let kills = variable("AMENDS_KILLS").unwrap_or(KILLS).div_ceil(2);
    let seed = variable("AMENDS_SEED").unwrap_or_else(dice::any_seed);
    say(&format!("kill test of requests, keys {keys:?}: {kills} kills, AMENDS_SEED={seed}"));
    let mut site = Site::new(keys, seed);
    let began = Instant::now();
    while site.kills < kills {
        site.over_a_batch();
        site.check(keys);
    }
    let Counts { runs, succeeded, compensated, duplicates, lost } = site.counts;
    say(&format!(
        "kill test of requests, keys {keys:?}: {} kills, {runs} runs, {succeeded} charged, {compensated} compensated, {lost} attempts lost, \
         {duplicates} duplicates in doubt, {} requests, {:.1} s",
        site.kills,
        site.bank.requests(),
        began.elapsed().as_secs_f64()
    ));
    assert!(succeeded > 0 && compensated > 0, "both ways were gone");
    assert!(lost > 0, "no request was hit");
}

#[derive(Default, Clone, Copy)]
struct Counts {
    runs: usize,
    succeeded: usize,
    compensated: usize,
    /// Orders of succeeded runs that were charged more than once.
    duplicates: usize,
    lost: usize,
}

struct Site {
    folder: TempDir,
    bank: Bank,
    dice: Dice,
    definition: Arc<Definition>,
    batches: u64,
    kills: u64,
    counts: Counts,
}

impl Site {
    fn new(keys: Keys, seed: u64) -> Self {
        let (folder, bank) = (tempfile::tempdir().expect("a directory"), Bank::open(keys, SLOW));
        std::fs::write(folder.path().join("saga.yaml"), SAGA).expect("a file");
        let definition = Arc::new(read(SAGA).expect("the saga is right"));
        let site = Self { folder, bank, dice: Dice::new(seed), definition, batches: 0, kills: 0, counts: Counts::default() };
        for plugin in ["payments-http", "probe"] {
            let data = site.data().into_os_string();
            let place = site.bank.place();
            let grant = ["plugin", "grant", plugin, "--host", &place, "--http", "--allow-loopback", "--data"].map(OsString::from);
            let granted = run_amends(grant.into_iter().chain([data]));
            assert_eq!(granted.code, Some(0), "{granted}");
        }
        site
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Hands in a batch, kills the program a few times, and finishes what was left open.
    fn over_a_batch(&mut self) {
        let mut args = self.batch();
        for _ in 0..=self.dice.below(KILLS_IN_A_ROW_MAX) {
            let ended = self.kill(Program::start(&args));
            self.kills += u64::from(ended.code.is_none());
            // What is on its way arrives, as it does when a machine loses its power.
            self.bank.wait_until_idle();
            if self.dice.hits(50) {
                args = self.resume();
            }
        }
        finished(&run_amends(self.exec()));
        finished(&run_amends(self.resume()));
    }

    /// Kills `program`: mostly while its requests are on their way, at times at any instant.
    fn kill(&mut self, program: Program) -> Ended {
        if self.dice.hits(20) {
            return program.kill_after(self.dice.uniform(WORK));
        }
        let (before, until) = (self.bank.requests(), Instant::now() + WORK);
        while self.bank.requests() == before && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        program.kill_after(self.dice.uniform(SLOW * 4))
    }

    fn batch(&mut self) -> Vec<OsString> {
        self.batches += 1;
        let mut file = std::fs::File::create(self.folder.path().join("inputs.jsonl")).expect("a file");
        for order in 0..ORDERS {
            let deliver = if self.dice.hits(40) { json!({ "forward": ["uncertain"] }) } else { json!({}) };
            let customer = format!("customer-{order}");
            let input = json!({ "service": self.bank.url(), "customer": customer, "cents": 100 + order, "deliver": deliver });
            writeln!(file, "{input}").expect("a line");
        }
        self.exec()
    }

    fn exec(&self) -> Vec<OsString> {
        let of = |name: &str| self.folder.path().join(name).into_os_string();
        let plugin = |name: &str| {
            let mut named = OsString::from(format!("{name}="));
            named.push(guest(name));
            named
        };
        vec![
            "exec".into(),
            of("saga.yaml"),
            "--plugin".into(),
            plugin("payments-http"),
            "--plugin".into(),
            plugin("probe"),
            "--inputs".into(),
            of("inputs.jsonl"),
            "--key".into(),
            format!("batch-{}", self.batches).into(),
            "--data".into(),
            self.data().into_os_string(),
        ]
    }

    fn resume(&self) -> Vec<OsString> {
        vec!["resume".into(), "--data".into(), self.data().into_os_string()]
    }

    /// Holds every run of the data directory against what the service charged.
    fn check(&mut self, keys: Keys) {
        let tenant: TenantId = "local".parse().expect("a name");
        let store = RedbStore::open(&self.data()).expect("the data directory opens");
        let mut by_reference: HashMap<String, Vec<Charged>> = HashMap::new();
        for charge in self.bank.charges() {
            by_reference.entry(charge.reference.clone()).or_default().push(charge);
        }
        self.counts = Counts::default();
        let mut before = None;
        loop {
            let page = store.runs(&tenant, before, PAGE_LEN_MAX).expect("the store reads");
            let Some((last, _)) = page.last() else { break };
            before = Some(*last);
            for (id, _) in page {
                let journal = store.journal(&tenant, id).expect("the store reads").expect("it is there");
                let run = Run::of_journal(id, Arc::clone(&self.definition), &journal).expect("it makes sense");
                let charges = by_reference.remove(&format!("{id}/charge")).unwrap_or_default();
                self.check_run(id, &run, &charges, keys);
            }
        }
        assert!(by_reference.is_empty(), "charges for runs that nobody knows: {by_reference:?}");
        assert_eq!(self.counts.runs as u64, self.batches * ORDERS);
        store.close().expect("the data directory closes");
    }

    fn check_run(&mut self, id: RunId, run: &Run, charges: &[Charged], keys: Keys) {
        let Phase::Ended(ended) = run.phase() else { panic!("{id} is open") };
        let kept = charges.iter().filter(|charge| !charge.refunded).count();
        assert!(keys == Keys::Ignored || charges.len() <= 1, "{id} was charged {} times: {charges:?}", charges.len());
        self.counts.runs += 1;
        match ended.outcome {
            Outcome::Succeeded => {
                assert!(kept >= 1 && kept == charges.len(), "{id} succeeded: {charges:?}");
                assert!(kept == 1 || run.step(StepIndex(0)).doubt, "{id} was charged {kept} times and nobody knows");
                self.counts.succeeded += 1;
                self.counts.duplicates += usize::from(kept > 1);
            }
            Outcome::Compensated => {
                assert_eq!(kept, 0, "{id} is compensated: {charges:?}");
                self.counts.compensated += 1;
            }
            outcome @ (Outcome::Stuck | Outcome::Killed) => panic!("{id} is {outcome:?}"),
        }
        self.counts.lost += run.step(StepIndex(0)).effects.iter().filter(|effect| effect.answer.is_none()).count();
    }
}

/// A program that got through: 0 if all runs succeeded, 1 if some were compensated.
fn finished(ended: &Ended) {
    assert!(matches!(ended.code, Some(0 | 1)) && ended.stderr.is_empty(), "{ended}");
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

/// Past the test runner, which would keep it until the end.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}
