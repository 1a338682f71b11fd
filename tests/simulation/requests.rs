//! A request between the host and the world outside: whatever may happen to it on the way, both ways.

use crate::invariants::effects;
use crate::outside::Request;
use crate::stage::{Mood, Play, Stage};
use futures_util::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How a request fares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    there_ms: u64,
    back_ms: u64,
    refused: Option<u16>,
    answered: bool,
    arrives: bool,
    /// How long its sender waits for an answer; none: as long as it may.
    pub(crate) patience_ms: Option<u64>,
}

impl Weather {
    pub(crate) fn any(play: &mut Play, safe: bool) -> Self {
        let (dice, healed) = (&mut play.dice, play.mood == Mood::Healed);
        let longest = if healed { 2 } else { *dice.one(&[1, 10, 100]) };
        let [there_ms, back_ms] = [dice.below(longest), dice.below(longest)];
        let fair = Self { there_ms, back_ms, refused: None, answered: true, arrives: true, patience_ms: None };
        let patience_ms = dice.hits(40).then(|| dice.below(200));
        match dice.below(100) {
            _ if healed => fair,
            0..5 if !safe => Self { refused: Some(409), ..fair },
            5..10 => Self { refused: Some(503), ..fair },
            10..15 => Self { answered: false, patience_ms, ..fair },
            15..19 => Self { answered: false, arrives: false, patience_ms, ..fair },
            _ => fair,
        }
    }
}

/// A request on its way. Dropped, it arrived or not: nobody can tell.
struct Flight {
    stage: Arc<Stage>,
    request: Option<Request>,
}

impl Flight {
    fn arrive(&mut self) -> u16 {
        self.request.take().map_or(0, |request| self.stage.act(|play| play.arrives(&request)))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let Some(request) = self.request.take() else { return };
        let is_over = self.stage.is_over();
        self.stage.act(|play| {
            if is_over {
                // The runtime drops its tasks in an order of its own, which is not the same each time.
                play.adrift.push(request);
            } else if play.dice.hits(50) {
                play.arrives(&request);
            }
        });
    }
}

impl Play {
    fn arrives(&mut self, request: &Request) -> u16 {
        let deed = self.outside.apply(request);
        self.coverage.count(deed.word());
        self.note(format_args!("{} {} {}: {deed:?}", request.run, request.method, request.target));
        deed.status()
    }

    /// What was on its way when the host died arrives or not.
    pub(crate) fn land(&mut self) {
        let mut adrift = std::mem::take(&mut self.adrift);
        adrift.sort_by_key(|request| (request.run, request.attempt, request.call));
        for request in adrift {
            if self.dice.hits(50) {
                self.arrives(&request);
            }
        }
    }
}

/// The way of a request there and back; none if nobody answers.
pub(crate) async fn travel(stage: &Arc<Stage>, request: Request, weather: &Weather) -> Option<u16> {
    if stage.is_over() {
        // The host is dead: nothing leaves it any more.
        return pending().await;
    }
    stage.act(|play| {
        let taken_back = play.scenes.taken_back(request.run, request.attempt.step);
        let checked = effects::leaves(play.books.runs.get(&request.run), &request, taken_back);
        play.note(format_args!("{} {:?} sends {} {}", request.run, request.attempt, request.method, request.target));
        play.check(checked);
    });
    let mut flight = Flight { stage: Arc::clone(stage), request: Some(request) };
    sleep(Duration::from_millis(weather.there_ms)).await;
    let status = match weather.refused {
        Some(status) => {
            flight.request = None;
            stage.act(|play| play.coverage.count("effect: refused"));
            status
        }
        None if weather.arrives => flight.arrive(),
        None => {
            flight.request = None;
            0
        }
    };
    if !weather.answered {
        stage.act(|play| play.coverage.count("effect: never answered"));
        return None;
    }
    sleep(Duration::from_millis(weather.back_ms)).await;
    Some(status)
}
