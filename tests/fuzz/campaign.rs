//! Many cases of one target, on all cores, each within its bounds of time and memory.

use crate::dice::Dice;
use crate::memory::most_of;
use crate::played::{Bill, Played};
use crate::wanted::{Cases, say};
use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// After as many finds nobody looks for more.
const FINDS_MAX: usize = 5;
/// A case that takes longer never ends.
const HANG: Duration = Duration::from_mins(2);
/// How often somebody looks whether there is one, and says how far it is.
const LOOK: Duration = Duration::from_secs(1);
/// How often a long campaign says how far it is.
const PROGRESS: Duration = Duration::from_mins(1);

/// What became of a case: `accepted`, or the name of a refusal.
pub(crate) type Verdict = Cow<'static, str>;

/// Something that takes what others made.
pub(crate) trait Target: Sync {
    fn name(&self) -> &'static str;
    /// How many cases the test command plays.
    fn cases(&self) -> u64;
    /// Verdicts, and how many of a thousand cases must at least have come to each: who only makes garbage tests nothing.
    fn floors(&self) -> &'static [(&'static str, u64)];
    /// The longest that a case may take. Generous: the machine may be busy.
    fn time_max(&self) -> Duration;
    /// The most bytes that a case may have at a time.
    fn memory_max(&self) -> usize;
    /// Makes one case and asks the rules of it; `Err` says which one is broken, and by what.
    fn play(&self, case: &mut Case) -> Result<Verdict, String>;
}

/// What a case is made with.
pub(crate) struct Case {
    pub(crate) dice: Dice,
    shown: bool,
}

impl Case {
    /// Shows what the case is made of, if somebody looks at it.
    pub(crate) fn show(&self, made: impl FnOnce() -> String) {
        if self.shown {
            say(&made());
        }
    }
}

/// Plays the case of a seed; `Err` says what is wrong.
pub(crate) fn play(target: &dyn Target, seed: u64) -> Result<(Verdict, Bill), String> {
    play_once(target, seed, false)
}

fn play_once(target: &dyn Target, seed: u64, shown: bool) -> Result<(Verdict, Bill), String> {
    let began = Instant::now();
    let mut case = Case { dice: Dice::new(seed), shown };
    let (played, memory) = most_of(|| catch_unwind(AssertUnwindSafe(|| target.play(&mut case))));
    let verdict = played.unwrap_or_else(|_| Err("it panicked; see above".to_owned()))?;
    Ok((verdict, Bill { time: began.elapsed(), memory }))
}

/// Plays a case and asks whether it stayed within its bounds. One that took too long may have had to wait: it may try again, twice.
fn play_bounded(target: &dyn Target, seed: u64, shown: bool) -> Result<(Verdict, Bill), String> {
    let (verdict, mut bill) = play_once(target, seed, shown)?;
    for _ in 0..2 {
        if bill.time > target.time_max() {
            bill.time = bill.time.min(play_once(target, seed, false)?.1.time);
        }
    }
    if bill.time > target.time_max() {
        return Err(format!("it took {:?}, and {:?} are enough ({verdict})", bill.time, target.time_max()));
    }
    if bill.memory > target.memory_max() {
        return Err(format!("it had {} bytes, and {} are enough ({verdict})", bill.memory, target.memory_max()));
    }
    Ok((verdict, bill))
}

/// Plays as many cases as are wanted.
pub(crate) fn campaign(target: &dyn Target, cases: Cases) -> Played {
    let (began, next, stop) = (Instant::now(), AtomicU64::new(0), AtomicBool::new(false));
    let played = Mutex::new(Played::new(target.name()));
    let threads = if matches!(cases, Cases::One(_)) { 1 } else { available_parallelism().map_or(1, usize::from) };
    let places: Vec<Place> = (0..threads).map(|thread| Place::new(target.name(), thread)).collect();
    std::thread::scope(|scope| {
        let (over, ended) = channel::<()>();
        for place in &places {
            let (next, stop, played, over) = (&next, &stop, &played, over.clone());
            scope.spawn(move || {
                let _over = over;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) || !cases.wants(number, began) {
                        return;
                    }
                    let seed = cases.from().wrapping_add(number);
                    place.enter(seed);
                    let outcome = play_bounded(target, seed, matches!(cases, Cases::One(_)));
                    let mut played = played.lock().expect("nobody panics with it");
                    played.take(seed, outcome);
                    stop.store(played.finds.len() >= FINDS_MAX, Ordering::Relaxed);
                }
            });
        }
        drop(over);
        let mut told = Instant::now();
        while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            places.iter().for_each(Place::look);
            if told.elapsed() > PROGRESS {
                told = Instant::now();
                let played = played.lock().expect("nobody panics with it");
                say(&format!("fuzz: {}: {} cases, {} finds", target.name(), played.cases, played.finds.len()));
            }
        }
    });
    places.into_iter().for_each(Place::leave);
    let mut played = played.into_inner().expect("nobody panicked with it");
    played.took = began.elapsed();
    played
}

/// Where a thread says which case it is at, so that one that ends the process, or never ends, is known.
struct Place {
    target: &'static str,
    path: PathBuf,
    file: File,
    at: Mutex<(u64, Instant)>,
}

impl Place {
    fn new(target: &'static str, thread: usize) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}-{thread}"));
        if let Ok(seed) = std::fs::read_to_string(&path) {
            let seed = seed.trim();
            say(&format!("fuzz: {target}: the process ended in a case the last time: it may have been {}", again(target, seed)));
        }
        let file = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { target, path, file, at: Mutex::new((0, Instant::now())) }
    }

    fn enter(&self, seed: u64) {
        *self.at.lock().expect("nobody panics with it") = (seed, Instant::now());
        self.file.write_all_at(format!("{seed:>20}").as_bytes(), 0).expect("there is room");
    }

    /// Ends the process if the case does not end. Its thread cannot be ended.
    fn look(&self) {
        let (seed, since) = *self.at.lock().expect("nobody panics with it");
        if since.elapsed() > HANG {
            // Also true of one that is done and has no more to do: then the others are soon done as well.
            say(&format!("fuzz: {}: a case has not ended after {HANG:?}: {}", self.target, again(self.target, &seed.to_string())));
            std::process::abort();
        }
    }

    fn leave(self) {
        drop(self.file);
        std::fs::remove_file(&self.path).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
    }
}

/// How to see a case again.
pub(crate) fn again(target: &str, seed: &str) -> String {
    format!("cargo xtask fuzz --only {target} --seed {seed}")
}
