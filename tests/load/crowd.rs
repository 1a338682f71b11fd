//! Many clients at once, and what they tell.

use crate::site::{Owner, Site};
use harness::{Heard, Session};
use serde_json::{Value, json};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Clients who start runs and wait for their ends.
pub(crate) struct Crowd {
    owners: Vec<Owner>,
    inputs: Box<dyn Fn(u64) -> Value + Send + Sync>,
    /// Run numbers begin behind this.
    first: u64,
}

/// One start.
pub(crate) struct Timed {
    pub(crate) number: u64,
    pub(crate) took: Duration,
    pub(crate) heard: Heard,
}

/// What became of the starts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    took: Vec<Duration>,
    wall: Duration,
    /// Number and id of each run that was accepted.
    pub(crate) accepted: Vec<(u64, String)>,
    pub(crate) refused: usize,
    pub(crate) broken: usize,
    /// Their numbers.
    pub(crate) unanswered: Vec<u64>,
}

/// How far apart the numbers of crowds are.
const NUMBERS: u64 = 1_000_000;

impl Crowd {
    pub(crate) fn of(site: &Site, clients: usize) -> Self {
        let owners = (0..clients).map(|_| site.owner("acme")).collect();
        Self { owners, inputs: site.inputs(), first: 0 }
    }

    /// With numbers of its own.
    pub(crate) fn numbered(self, crowd: u64) -> Self {
        Self { first: crowd * NUMBERS, ..self }
    }

    pub(crate) fn at_full_speed(self, lasts: Duration) -> Tally {
        let until = Instant::now() + lasts;
        self.work(|_| (Instant::now() < until).then(Instant::now))
    }

    /// Each start has its instant; who comes late has waited.
    pub(crate) fn at_a_rate(self, per_second: f64, lasts: Duration) -> Tally {
        let begun = Instant::now();
        self.work(|number| {
            #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
            let at = Duration::from_secs_f64(number as f64 / per_second);
            if at > lasts {
                return None;
            }
            std::thread::sleep(at.saturating_sub(begun.elapsed()));
            Some(begun + at)
        })
    }

    /// Goes on until the server, which is killed behind `lasts`, is there again.
    pub(crate) fn until_killed(self, site: &mut Site, lasts: Duration) -> Tally {
        self.until(lasts, || {
            site.kill();
            std::thread::sleep(Duration::from_millis(50));
        })
        .also(|| site.start_again())
    }

    /// Goes on until the server, which is asked to stop behind `lasts`, has.
    pub(crate) fn until_stopped(self, site: &mut Site, lasts: Duration) -> Tally {
        let server = site.take_server();
        self.until(lasts, || server.stop())
    }

    fn until(self, lasts: Duration, end: impl FnOnce()) -> Tally {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let works = scope.spawn(|| self.work(|_| (!over.load(Ordering::Acquire)).then(Instant::now)));
            std::thread::sleep(lasts);
            end();
            over.store(true, Ordering::Release);
            works.join().expect("it does not panic")
        })
    }

    /// Starts these runs, one after the other.
    pub(crate) fn again(self, numbers: &[u64]) -> Tally {
        let (owner, begun) = (&self.owners[0], Instant::now());
        let mut session = Session::new(owner.client());
        let again = |number: &u64| {
            let from = Instant::now();
            let heard = self.start(owner, &mut session, *number);
            Timed { number: *number, took: from.elapsed(), heard }
        };
        Tally { wall: begun.elapsed(), ..Tally::of(numbers.iter().map(again).collect()) }
    }

    /// Every client starts runs until `begins` gives no instant any more at which the next one was to begin.
    fn work(self, begins: impl Fn(u64) -> Option<Instant> + Sync) -> Tally {
        let (next, begun) = (AtomicU64::new(0), Instant::now());
        let work = |owner: Owner| {
            let mut session = Session::new(owner.client());
            let mut all = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(from) = begins(number) else { return all };
                let number = self.first + number;
                let heard = self.start(&owner, &mut session, number);
                if matches!(heard, Heard::Nothing) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                all.push(Timed { number, took: from.elapsed(), heard });
            }
        };
        let work = &work;
        let all = std::thread::scope(|scope| {
            let clients: Vec<_> = self.owners_of().into_iter().map(|owner| scope.spawn(move || work(owner))).collect();
            clients.into_iter().flat_map(|client| client.join().expect("it does not panic")).collect()
        });
        Tally { wall: begun.elapsed(), ..Tally::of(all) }
    }

    fn owners_of(&self) -> Vec<Owner> {
        self.owners.iter().map(Owner::again).collect()
    }

    fn start(&self, owner: &Owner, session: &mut Session, number: u64) -> Heard {
        let path = format!("/v1/tenants/{}/runs?wait=30s", owner.tenant);
        let body = json!({ "saga": owner.saga, "input": (self.inputs)(number) }).to_string();
        session.ask("POST", &path, &format!("Idempotency-Key: run-{number}\r\n"), body.as_bytes())
    }
}

impl Tally {
    pub(crate) fn of(all: Vec<Timed>) -> Self {
        let mut tally = Self::default();
        for Timed { number, took, heard } in all {
            match heard {
                Heard::Answer(200..300, body) => {
                    let run: Value = serde_json::from_slice(&body).expect("JSON");
                    tally.accepted.push((number, run["id"].as_str().expect("an id").to_owned()));
                    tally.took.push(took);
                }
                // What it cannot take while it stops.
                Heard::Answer(..) => tally.refused += 1,
                Heard::Nothing => tally.unanswered.push(number),
                Heard::Broken(_) => tally.broken += 1,
            }
        }
        tally.took.sort_unstable();
        tally
    }

    fn also(self, work: impl FnOnce()) -> Self {
        work();
        self
    }

    #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
    pub(crate) fn per_second(&self) -> f64 {
        self.took.len() as f64 / self.wall.as_secs_f64().max(0.001)
    }

    fn at(&self, share: usize) -> Duration {
        let last = self.took.len().saturating_sub(1);
        self.took.get((self.took.len() * share / 100).min(last)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refused, broken, unanswered, .. } = self;
        let (runs, p50, p99, longest) = (self.took.len(), self.at(50), self.at(99), self.at(100));
        write!(f, "{runs} runs, p50 {p50:.1?}, p99 {p99:.1?}, longest {longest:.1?}")?;
        if !self.wall.is_zero() {
            write!(f, ", {:.0} a second", self.per_second())?;
        }
        write!(f, "; {refused} refused, {} unanswered, {broken} broken", unanswered.len())
    }
}
