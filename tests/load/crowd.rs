//! Many clients at once, and what they tell.

use crate::site::{Owner, Site};
use amends::client::Authorities;
use amends::client::load::{Asker, Pace, Shape, Target, bear};
use amends::client::load::{Heard as Answered, Timed as Asked};
use harness::{Heard, Session};
use serde_json::{Value, json};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Clients who start runs and wait for their ends.
pub(crate) struct Crowd {
    owner: Owner,
    clients: usize,
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

/// How far apart the numbers of crowds are: one that lasts for a day does not reach the next one.
const NUMBERS: u64 = 1 << 32;

impl Crowd {
    pub(crate) fn of(site: &Site, clients: usize) -> Self {
        Self { owner: site.owner("acme"), clients, inputs: site.inputs(), first: 0 }
    }

    /// With numbers of its own.
    pub(crate) fn numbered(self, crowd: u64) -> Self {
        Self { first: crowd * NUMBERS, ..self }
    }

    pub(crate) fn at_full_speed(self, lasts: Duration) -> Tally {
        self.until(Pace::InFlight(self.clients), lasts, || ())
    }

    /// Each start has its instant; who comes late has waited.
    pub(crate) fn at_a_rate(self, per_second: f64, lasts: Duration) -> Tally {
        self.until(Pace::Rate { per_second, in_flight_max: self.clients }, lasts, || ())
    }

    /// Goes on until the server, which is killed behind `lasts`, is there again.
    pub(crate) fn until_killed(self, site: &mut Site, lasts: Duration) -> Tally {
        let tally = self.until(Pace::InFlight(self.clients), lasts, || {
            site.kill();
            std::thread::sleep(Duration::from_millis(50));
        });
        site.start_again();
        tally
    }

    /// Goes on until the server, which is asked to stop behind `lasts`, has.
    pub(crate) fn until_stopped(self, site: &mut Site, lasts: Duration) -> Tally {
        let server = site.take_server();
        self.until(Pace::InFlight(self.clients), lasts, || server.stop())
    }

    fn until(&self, pace: Pace, lasts: Duration, end: impl FnOnce()) -> Tally {
        let (over, begun) = (AtomicBool::new(false), Instant::now());
        let target = Target::new(&self.owner.client().url(), &Authorities::default()).expect("a URL");
        let mut starts = Starts { crowd: self, target: &target, tally: Tally::default() };
        std::thread::scope(|scope| {
            let bears = scope.spawn(|| bear(&target, pace, &mut starts, &over));
            std::thread::sleep(lasts);
            end();
            over.store(true, Ordering::Release);
            bears.join().expect("it does not panic").expect("there is room for it");
        });
        Tally { wall: begun.elapsed(), ..starts.tally.counted() }
    }

    /// Starts these runs, one after the other.
    pub(crate) fn again(self, numbers: &[u64]) -> Tally {
        let begun = Instant::now();
        let mut session = Session::new(self.owner.client());
        let again = |number: &u64| {
            let from = Instant::now();
            let key = format!("Idempotency-Key: run-{number}\r\n");
            let heard = session.ask("POST", &self.path(), &key, self.body(*number).as_bytes());
            Timed { number: *number, took: from.elapsed(), heard }
        };
        Tally { wall: begun.elapsed(), ..Tally::of(numbers.iter().map(again).collect()) }
    }

    fn path(&self) -> String {
        format!("/v1/tenants/{}/runs?wait=30s", self.owner.tenant)
    }

    fn body(&self, number: u64) -> String {
        json!({ "saga": self.owner.saga, "input": (self.inputs)(number) }).to_string()
    }
}

/// Every request starts a run of its own number.
struct Starts<'a> {
    crowd: &'a Crowd,
    target: &'a Target,
    tally: Tally,
}

impl Asker for Starts<'_> {
    fn ask(&mut self, number: u64) -> Shape {
        let (crowd, number) = (self.crowd, self.crowd.first + number);
        let (bearer, key) = (format!("Bearer {}", crowd.owner.client().token().unwrap_or_default()), format!("run-{number}"));
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key.as_str())];
        self.target.post(&crowd.path(), &headers, crowd.body(number)).expect("it can be sent")
    }

    fn hear(&mut self, Asked { number, due, over, heard }: Asked) {
        let heard = match heard {
            Answered::Answer { status, body } => Heard::Answer(status, body.to_vec()),
            Answered::Nothing(_) => Heard::Nothing,
            Answered::Broken(what) => Heard::Broken(what),
        };
        self.tally.hear(Timed { number: self.crowd.first + number, took: over - due, heard });
    }
}

impl Tally {
    pub(crate) fn of(all: Vec<Timed>) -> Self {
        let mut tally = Self::default();
        for timed in all {
            tally.hear(timed);
        }
        tally.counted()
    }

    fn hear(&mut self, Timed { number, took, heard }: Timed) {
        match heard {
            Heard::Answer(200..300, body) => {
                let run: Value = serde_json::from_slice(&body).expect("JSON");
                self.accepted.push((number, run["id"].as_str().expect("an id").to_owned()));
                self.took.push(took);
            }
            // What it cannot take while it stops.
            Heard::Answer(..) => self.refused += 1,
            Heard::Nothing => self.unanswered.push(number),
            Heard::Broken(_) => self.broken += 1,
        }
    }

    fn counted(mut self) -> Self {
        self.took.sort_unstable();
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
