//! People who demand something of runs at any instant: what fits, what does not, twice, with keys, and of runs that are not theirs.

use crate::books::{Forward, RunBook, index};
use crate::dice::Dice;
use crate::invariants::{Checked, Invariant, broken, hold, told};
use crate::players::Host;
use crate::sagas::{Node, SIGNALS};
use crate::stage::Play;
use amends::coordinator::{Answered, DemandError, DemandOf, Then};
use amends_domain::digest::Digest;
use amends_domain::event::{Author, Confirmation, Demand, InFlight, Outcome, Resolution, Resolve};
use amends_domain::id::{RunId, TenantId};
use amends_domain::payload::Payload;
use serde_json::json;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Longer than any answer takes.
const PATIENCE_MS: u64 = 3_600_000;

impl Host {
    /// Demands something of any run.
    pub(crate) async fn demand_any(&self) {
        let Some(of) = self.stage.act(Play::any_demand) else { return };
        self.demand(of).await;
    }

    /// Demands something, and checks the answer.
    pub(crate) async fn demand(&self, of: DemandOf) {
        let patience = self.stage.act(|play| {
            play.crowd.left.insert(of.run);
            play.any_patience()
        });
        let Ok(answered) = timeout(patience, self.coordinator.demand(of.clone())).await else {
            return self.count("demand: nobody waited for the answer");
        };
        let owner = self.stage.act(|play| play.books.runs[&of.run].tenant.clone());
        if owner != of.tenant {
            let adopted = self.coordinator.adopt(&of.tenant, of.run);
            self.hear(|_| hold(!matches!(adopted, Ok(Some(_))), Invariant::Tenants, || format!("{} adopts {}", of.tenant, of.run)));
            return self.hear(|play| play.hears_as_stranger(&of, &answered));
        }
        match answered {
            Ok(Answered::Noted(driven)) => {
                self.hear(|play| play.hears_noted(&of));
                match driven {
                    Some(driven) => self.watch(&of.tenant, driven),
                    None => self.go_on_later(&of.tenant, of.run),
                }
            }
            Ok(Answered::Already(driven)) => {
                self.count(&format!("demand already: {}", of.demand.word()));
                if let Some(driven) = driven {
                    self.watch(&of.tenant, driven);
                }
            }
            Err(DemandError::Unfit(unfit)) => self.hear(|play| {
                play.coverage.count(&format!("demand refused: {}", unfit.code));
                if play.books.is_uncertain() { Ok(()) } else { told::refusal(&play.books.runs[&of.run], unfit.code) }
            }),
            Err(DemandError::Host(error)) => self.failed(&error),
            Err(DemandError::UnknownRun(run)) => self.hears_unknown(run),
        }
    }

    /// A run that nobody drives is found by somebody, at some time.
    fn go_on_later(&self, tenant: &TenantId, run: RunId) {
        let (host, tenant) = (self.clone(), tenant.clone());
        tokio::spawn(async move {
            sleep(Duration::from_millis(host.stage.act(|play| play.dice.below(300)))).await;
            if let Some(driven) = host.adopt(&tenant, run).await {
                host.watch(&tenant, driven);
            }
        });
    }
}

impl Play {
    fn hears_as_stranger(&mut self, of: &DemandOf, answered: &Result<Answered, DemandError>) -> Checked {
        match answered {
            Err(DemandError::UnknownRun(_)) => self.coverage.count("demand of another tenant: unknown run"),
            Err(DemandError::Host(_)) => {}
            Ok(_) | Err(DemandError::Unfit(_)) => {
                let word = of.demand.word();
                let what = format!("{} has {word} admitted for a run of another tenant, or hears how it stands", of.tenant);
                return broken(Invariant::Tenants, what);
            }
        }
        Ok(())
    }

    fn hears_noted(&mut self, of: &DemandOf) -> Checked {
        self.coverage.count(&format!("demand admitted: {}", of.demand.word()));
        told::demand(&self.books.runs[&of.run], &of.demand, &of.by)
    }

    /// How long somebody waits for an answer.
    pub(crate) fn any_patience(&mut self) -> Duration {
        let short = self.goes_wrong(80);
        Duration::from_millis(if short { self.dice.below(6) } else { PATIENCE_MS })
    }

    fn any_demand(&mut self) -> Option<DemandOf> {
        if let Some((tenant, run, demand, by)) = self.any_made() {
            return Some(DemandOf { tenant, run, demand, by, then: Then::Drive });
        }
        let runs: Vec<RunId> = self.books.runs.keys().copied().collect();
        let run = if runs.is_empty() { return None } else { *self.dice.one(&runs) };
        let book = &self.books.runs[&run];
        let tenants: Vec<TenantId> = self.books.tenants.keys().cloned().collect();
        let tenant = if self.dice.hits(8) { self.dice.one(&tenants).clone() } else { book.tenant.clone() };
        let demand = any_demand(&mut self.dice, book);
        let by = any_author(&mut self.dice);
        let then = if self.dice.hits(15) { Then::Leave } else { Then::Drive };
        self.crowd.made.push((tenant.clone(), run, demand.clone(), by.clone()));
        self.note(format_args!("{} of {tenant} demands {} of {run}", by.who, demand.word()));
        Some(DemandOf { tenant, run, demand, by, then })
    }

    /// One that was made before.
    fn any_made(&mut self) -> Option<(TenantId, RunId, Demand, Author)> {
        let again = !self.crowd.made.is_empty() && self.dice.hits(15);
        again.then(|| self.dice.one(&self.crowd.made).clone())
    }
}

fn any_author(dice: &mut Dice) -> Author {
    let who = (*dice.one(&["ada", "bea", "op"])).to_owned();
    let why = dice.hits(90).then(|| "a ticket says so".to_owned());
    let key = dice.hits(25).then(|| format!("key-{}", dice.below(3)));
    Author { who, why, key }
}

/// Mostly what fits the run as it is known; at times anything.
fn any_demand(dice: &mut Dice, book: &RunBook) -> Demand {
    let letters: Vec<_> = book.dead_letters().collect();
    if !letters.is_empty() && dice.hits(60) {
        let step = *dice.one(&letters);
        return if dice.hits(60) { redrive(dice, step.at()) } else { resolve(dice, step.at(), book) };
    }
    if book.ended == Some(Outcome::Succeeded) && dice.hits(50) {
        return compensate(dice, book);
    }
    if book.paused && dice.hits(60) {
        return Demand::Resume;
    }
    if let Some(name) = awaited(book).filter(|_| dice.hits(60)) {
        return signal(dice, name, book);
    }
    if book.steps.iter().any(|step| step.retry.is_some()) && dice.hits(30) {
        return Demand::Retry;
    }
    let step = usize::try_from(dice.below(book.steps.len() as u64)).expect("few");
    match dice.below(16) {
        0..4 => Demand::Cancel { in_flight: *dice.one(&[InFlight::MayEnd, InFlight::EndNow]) },
        4..8 => Demand::Pause,
        8..9 => Demand::Resume,
        9..11 => signal(dice, SIGNALS[step % SIGNALS.len()], book),
        11 => Demand::Retry,
        12 => compensate(dice, book),
        13 => redrive(dice, step),
        14 => resolve(dice, step, book),
        _ => Demand::Kill,
    }
}

/// The signal that a step of the run waits for.
pub(crate) fn awaited(book: &RunBook) -> Option<&'static str> {
    let waits = |at: usize| matches!(book.steps[at].forward, Forward::Waiting(_));
    book.saga.steps.iter().enumerate().find_map(|(at, step)| match step.node {
        Node::Wait(name) if waits(at) => name,
        Node::Wait(_) | Node::Work(_) => None,
    })
}

fn signal(dice: &mut Dice, name: &str, book: &RunBook) -> Demand {
    let payload = Payload::from(&json!({ "flag": dice.hits(80), "of": book.tenant.as_str(), "at": "2026-01-01T00:00:00Z" }));
    Demand::Signal { name: name.parse().expect("a name"), payload }
}

fn compensate(dice: &mut Dice, book: &RunBook) -> Demand {
    let from = dice.below(2 * book.steps.len() as u64);
    let from = usize::try_from(from).ok().filter(|from| *from < book.steps.len()).map(index);
    Demand::Compensate { from }
}

fn redrive(dice: &mut Dice, step: usize) -> Demand {
    let component = dice.hits(20).then(|| Digest::of(component("p")));
    Demand::Redrive { step: index(step), component }
}

fn resolve(dice: &mut Dice, step: usize, book: &RunBook) -> Demand {
    let resolution = if dice.hits(70) { Resolution::Undone } else { Resolution::Done };
    let evidence = dice.hits(50).then(|| Payload::from(&json!({ "ticket": 17, "of": book.tenant.as_str() })));
    let (step, output, confirmation) = (index(step), None, Confirmation::NotNeeded);
    Demand::Resolve(Box::new(Resolve { step, resolution, evidence, output, confirmation }))
}

/// The bytes of a simulated component.
pub(crate) fn component(plugin: &str) -> &'static [u8] {
    if plugin == "p" { b"component p" } else { b"component q" }
}
