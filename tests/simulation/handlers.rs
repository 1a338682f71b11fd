//! What the handlers of the simulated plugins do: they read, write, send, and end as the dice say; but they never say that nothing happened
//! where they know that something did.

use crate::guests::halted;
use crate::invariants::state::{ACCOUNT, COUNT, MARK};
use crate::invariants::tenants;
use crate::outside::Request;
use crate::plants::Plant;
use crate::players::RATE;
use crate::requests::{Weather, travel};
use crate::sagas::Work;
use crate::scenes::{Reads, Writes};
use crate::stage::{Mood, Play, Stage};
use amends::sandbox::{Access, Answer, Call, HostError, Intent};
use amends_domain::event::{AttemptRef, Direction, Ending, Failure, Fault, Halt};
use amends_domain::id::TenantId;
use amends_domain::payload::Payload;
use amends_domain::time::Span;
use futures_util::FutureExt;
use futures_util::future::pending;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// What one attempt does.
#[derive(Debug)]
pub(crate) struct Script {
    end: End,
    /// Before anything, and before the end.
    pauses_ms: [u64; 2],
    /// Requests of a handler that sends, forward.
    sends: u64,
    retry_after: Option<Span>,
    /// What the dice say that the output says.
    flag: bool,
}

/// How it wants to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Ok,
    Failed(Failure),
    Halted(Halt),
    /// By its time.
    Never,
}

impl Script {
    pub(crate) fn any(play: &mut Play, call: &Call) -> Self {
        let (dice, healed) = (&mut play.dice, play.mood == Mood::Healed);
        let bad = if call.direction == Direction::Forward { 24 } else { 34 };
        let end = match dice.below(100) {
            _ if healed => End::Ok,
            n if n >= bad => End::Ok,
            0..5 => End::Failed(Failure::Rejected),
            5..12 => End::Failed(Failure::Unavailable),
            12..16 => End::Failed(Failure::Uncertain),
            16..19 => End::Never,
            _ => End::Halted(*dice.one(&[Halt::Trap, Halt::Trap, Halt::OutOfFuel, Halt::OutOfMemory, Halt::Oversized])),
        };
        let longest = *dice.one(if healed { &[1, 2] } else { &[1, 5, 20, 200] });
        let pauses_ms = [dice.below(longest), dice.below(longest)];
        let asks = !healed && dice.hits(30);
        let retry_after = asks.then(|| Span(*dice.one(&[0, 10, 400, 2_000, 75_000])));
        Self { end, pauses_ms, sends: 1 + dice.below(2), retry_after, flag: dice.hits(80) }
    }
}

/// Whether something went wrong on the way.
enum Stop {
    /// The other side refused.
    Refused,
    /// The other side cannot now.
    Busy,
    /// The other side did not answer in time.
    Silent,
}

/// What an attempt reaches the world through.
pub(crate) struct Hands<'c> {
    stage: Arc<Stage>,
    call: &'c Call,
    attempt: AttemptRef,
    reads: BTreeMap<String, (u64, Option<Payload>)>,
    writes: Writes,
    /// Whether it knows that something happened outside.
    did: bool,
}

/// Does what `script` says.
pub(crate) async fn perform(hands: &mut Hands<'_>, script: Script) -> Result<Ending, HostError> {
    sleep(Duration::from_millis(script.pauses_ms[0])).await;
    let work = hands.work();
    let stopped = match hands.attempt.direction {
        Direction::Forward => hands.forward(work, script.sends).await?,
        Direction::Backward => hands.backward(work).await?,
    };
    sleep(Duration::from_millis(script.pauses_ms[1])).await;
    let end = match stopped {
        None => script.end,
        Some(Stop::Refused) => End::Failed(Failure::Rejected),
        Some(Stop::Busy) => End::Failed(Failure::Unavailable),
        // One that gives up waiting does not know, and some say that nothing happened.
        Some(Stop::Silent) if script.flag => End::Failed(Failure::Unavailable),
        Some(Stop::Silent) => End::Failed(Failure::Uncertain),
    };
    let lies = hands.attempt.direction == Direction::Backward && hands.stage.act(|play| play.is_planted(Plant::SaysTakenBack));
    match end {
        _ if lies => Ok(Ending::Ok { output: Payload::default() }),
        End::Ok => Ok(Ending::Ok { output: hands.output(&script) }),
        End::Failed(Failure::Rejected | Failure::Unavailable) if hands.did => Ok(failed(Failure::Uncertain, &script)),
        End::Failed(failure) => Ok(failed(failure, &script)),
        End::Halted(halt) => Ok(halted(halt)),
        End::Never => pending().await,
    }
}

fn failed(failure: Failure, script: &Script) -> Ending {
    let retry_after = script.retry_after.filter(|_| failure != Failure::Rejected);
    Ending::Failed { failure, fault: Fault::new("scripted", "the dice say so"), retry_after }
}

impl<'c> Hands<'c> {
    pub(crate) fn new(stage: &Arc<Stage>, call: &'c Call, attempt: AttemptRef) -> Self {
        Self { stage: Arc::clone(stage), call, attempt, reads: BTreeMap::new(), writes: Vec::new(), did: false }
    }

    fn work(&self) -> Work {
        let name = self.call.context.handler.as_str();
        *Work::ALL.iter().find(|work| work.word() == name).expect("a handler of the simulated plugins")
    }

    async fn forward(&mut self, work: Work, sends: u64) -> Result<Option<Stop>, HostError> {
        match work {
            Work::Move | Work::Both => self.transfer().await?,
            Work::Count => self.count(1, work).await?,
            Work::Look => {
                self.read(COUNT).await?;
                self.read(RATE).await?;
                return self.send("GET", "look", String::new()).await;
            }
            Work::Send => {}
        }
        if work.sends() {
            for call in 1..=sends {
                let key = format!("{}-{call}", self.call.context.idempotency_key);
                if let Some(stop) = self.send("POST", "things", key).await? {
                    return Ok(Some(stop));
                }
            }
        }
        Ok(None)
    }

    /// Takes back what it is told was sent, and what it finds in the state.
    async fn backward(&mut self, work: Work) -> Result<Option<Stop>, HostError> {
        let base = self.call.context.idempotency_key.replace(".backward", ".forward");
        let sent = self.call.effects.iter().filter(|effect| effect.direction == Direction::Forward && effect.raises_doubt());
        let mut keys: Vec<String> = sent.map(|effect| format!("{base}-{}", effect.call)).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            if let Some(stop) = self.send("DELETE", "things", key).await? {
                return Ok(Some(stop));
            }
        }
        let mark = self.mark();
        if let Some(left) = self.read(&mark).await? {
            match work {
                Work::Count => self.count(-1, work).await?,
                Work::Move | Work::Both => self.pay(left["to"].as_u64(), left["from"].as_u64(), left["sum"].as_i64()).await?,
                Work::Send | Work::Look => {}
            }
            self.writes.retain(|(key, _)| *key != mark);
            self.writes.push((mark, None));
        }
        Ok(None)
    }

    fn mark(&self) -> String {
        format!("{MARK}{}/{}", self.call.context.run, self.call.context.step)
    }

    async fn transfer(&mut self) -> Result<(), HostError> {
        let (from, sum) = self.stage.act(|play| (play.dice.below(3), i64::from(u8::try_from(play.dice.below(9)).expect("small"))));
        let to = (from + 1) % 3;
        self.pay(Some(from), Some(to), Some(sum)).await?;
        let mark = json!({ "work": "move", "from": from, "to": to, "sum": sum, "of": self.call.context.tenant.as_str() });
        self.writes.push((self.mark(), Some(Payload::from(&mark))));
        Ok(())
    }

    async fn pay(&mut self, from: Option<u64>, to: Option<u64>, sum: Option<i64>) -> Result<(), HostError> {
        let (from, to, sum) = (from.expect("a mark says"), to.expect("a mark says"), sum.expect("a mark says"));
        let left = self.read_sum(&account(from)).await?;
        self.breathe().await;
        let right = self.read_sum(&account(to)).await?;
        self.write_sum(account(from), left - sum);
        self.write_sum(account(to), right + sum);
        Ok(())
    }

    async fn count(&mut self, by: i64, work: Work) -> Result<(), HostError> {
        let before = self.read_sum(COUNT).await?;
        self.breathe().await;
        self.write_sum(COUNT.to_owned(), before + by);
        if by > 0 {
            let mark = json!({ "work": work.word(), "of": self.call.context.tenant.as_str() });
            self.writes.push((self.mark(), Some(Payload::from(&mark))));
        }
        Ok(())
    }

    async fn read_sum(&mut self, key: &str) -> Result<i64, HostError> {
        Ok(self.read(key).await?.and_then(|value| value["sum"].as_i64()).unwrap_or(0))
    }

    fn write_sum(&mut self, key: String, sum: i64) {
        self.writes.push((key, Some(sum_of(&self.call.context.tenant, sum))));
    }

    /// Others may do something meanwhile.
    async fn breathe(&self) {
        let ms = self.stage.act(|play| if play.mood == Mood::Healed { 0 } else { play.dice.below(4) });
        sleep(Duration::from_millis(ms)).await;
    }

    async fn read(&mut self, key: &str) -> Result<Option<Value>, HostError> {
        let found = self.call.state.get(key).await.map_err(HostError::State)?;
        let (version, value) = found.map_or((0, None), |found| (found.version, Some(found.value)));
        let value = self.stage.act(|play| play.reads(&self.call.context.tenant, key, value));
        let json = value.as_ref().map(|value| value.json().expect("handlers write JSON"));
        self.reads.insert(key.to_owned(), (version, value));
        Ok(json)
    }

    /// Sends a request. None if it was answered well.
    async fn send(&mut self, method: &str, to: &str, key: String) -> Result<Option<Stop>, HostError> {
        let safe = method == "GET";
        assert!(safe || self.call.access == Access::ReadWrite, "only looking is done by read-only steps");
        let target = format!("/{}/{to}/{key}", self.call.context.tenant);
        let intent = Intent { method: method.to_owned(), target: target.clone() };
        let early = self.stage.act(|play| play.is_planted(Plant::SendsEarly));
        let call = {
            let mut noted = self.call.outbound.intend(intent);
            match (early, early.then(|| (&mut noted).now_or_never()).flatten()) {
                (true, None) => 1,
                (_, Some(noted)) => noted.map_err(HostError::Effect)?,
                (false, None) => noted.await.map_err(HostError::Effect)?,
            }
        };
        let request = Request { run: self.call.context.run, attempt: self.attempt, call, method: method.to_owned(), target, key };
        let weather = self.stage.act(|play| Weather::any(play, safe));
        self.late(&request, weather).await;
        let Some(status) = travel(&self.stage, request, &weather).await else { return self.give_up(&weather).await };
        self.did |= status == 200 && !safe;
        let response = Some(Payload::from(&json!({ "of": self.call.context.tenant.as_str() })));
        self.call.outbound.answered(Answer { call, status, response }).await.map_err(HostError::Effect)?;
        Ok(match status {
            200 => None,
            503 => Some(Stop::Busy),
            _ => Some(Stop::Refused),
        })
    }

    /// Nobody answers: it waits, or does not.
    async fn give_up(&self, weather: &Weather) -> Result<Option<Stop>, HostError> {
        match weather.patience_ms {
            Some(ms) => {
                sleep(Duration::from_millis(ms)).await;
                Ok(Some(Stop::Silent))
            }
            None => pending().await,
        }
    }

    /// A planted connection that outlives its attempt.
    async fn late(&self, request: &Request, weather: Weather) {
        if self.attempt.direction == Direction::Forward
            && self.stage.act(|play| play.is_planted(Plant::SendsLate) && play.dice.hits(20))
        {
            let (stage, request) = (Arc::clone(&self.stage), request.clone());
            let after = stage.act(|play| play.dice.below(4_000));
            tokio::spawn(async move {
                sleep(Duration::from_millis(after)).await;
                travel(&stage, request, &weather).await;
            });
            pending::<()>().await;
        }
    }

    fn output(&self, script: &Script) -> Payload {
        match self.attempt.direction {
            Direction::Backward => Payload::default(),
            Direction::Forward => {
                let at = self.call.context.deadline.plus(Span(500));
                Payload::from(&json!({ "flag": script.flag, "at": at.to_string(), "of": self.call.context.tenant.as_str() }))
            }
        }
    }

    /// What is told of the state.
    pub(crate) fn finish(self, stage: &Stage, ending: &Ending) -> (Reads, Writes) {
        let reads = self.reads.into_iter().map(|(key, (version, _))| (key, version)).collect();
        let dirty = stage.act(|play| play.is_planted(Plant::DirtyWrites));
        let writes = if matches!(ending, Ending::Ok { .. }) || dirty { self.writes } else { Vec::new() };
        (reads, writes)
    }
}

impl Play {
    /// A guest reads a key of its tenant.
    fn reads(&mut self, tenant: &TenantId, key: &str, value: Option<Payload>) -> Option<Payload> {
        let value = match self.plant {
            Some(Plant::OthersValue) => {
                let other = self.books.tenants.iter().find(|(other, _)| *other != tenant);
                other.and_then(|(_, book)| book.states.newest(key)).map_or(value, |(_, others)| Some(others))
            }
            Some(Plant::StaleReads) if key.starts_with(ACCOUNT) => {
                let stale = self.books.tenants[tenant].states.newest(key);
                stale.map(|(_, stale)| stale).or(value)
            }
            _ => value,
        };
        let checked = value.iter().try_for_each(|value| tenants::own(&value.0, tenant, self.books.tenants.keys()));
        self.check(checked);
        value
    }
}

pub(crate) fn account(number: u64) -> String {
    format!("{ACCOUNT}{number}")
}

/// A sum, with the name of the tenant whose it is.
pub(crate) fn sum_of(tenant: &TenantId, sum: i64) -> Payload {
    Payload::from(&json!({ "sum": sum, "of": tenant.as_str() }))
}
