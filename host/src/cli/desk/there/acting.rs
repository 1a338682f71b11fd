//! What is asked of runs on a server: it drives them, so a command that does not follow or wait says how a run stands when what was asked is
//! durable.

use super::There;
use crate::cli::applied::applied;
use crate::cli::asking::{Asking, Driving, nobody_said};
use crate::cli::desk::{Asked, Desk, Saga, Start, Stood, Told, Wish, With, resolution, step_of};
use crate::cli::error::misuse;
use crate::cli::journal::Journal;
use crate::cli::output::{Exit, Format, say};
use crate::client::{Ask, segment};
use amends_domain::event::Resolution;
use amends_domain::id::{RunId, StepId};
use amends_domain::time::Span;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Longest time that one question waits for the end of a run; for longer, its events are followed.
const WAIT_MAX: Span = Span(60_000);

#[derive(Deserialize)]
struct Started {
    id: RunId,
}

#[derive(Deserialize)]
struct Stands {
    noted: bool,
}

impl There {
    pub(super) fn begin(&self, start: Start<'_>, told: Told<'_>) -> anyhow::Result<Exit> {
        start.driving.goes_there()?;
        if !start.components.is_empty() {
            let message = "--plugin is for --data: push it with a version of its own, `amends plugin push NAME VERSION FILE.wasm`";
            return Err(misuse("only_in_process", message));
        }
        let saga = match start.saga {
            Saga::Name(name) => name,
            Saga::Document(definition) => {
                applied(self, &definition)?;
                definition.saga.clone()
            }
        };
        let mut body = json!({ "saga": saga, "input": start.input });
        if let Some(begins_at) = start.begin.instant() {
            body["begins_at"] = json!(begins_at);
        }
        let wait = start.driving.wait.map(|wait| wait.min(WAIT_MAX)).filter(|_| !start.driving.follow);
        let query = wait.map(|wait| format!("?wait={}ms", wait.0)).unwrap_or_default();
        let ask = Ask::post(self.path(&format!("/runs{query}"))?, &body).once(start.key.as_deref());
        let ask = wait.map_or_else(|| ask.clone(), |wait| ask.clone().waiting(wait.to_std()));
        let answer = self.ask(&ask)?;
        let Started { id: run } = answer.json()?;
        if start.format == Format::Text {
            say(format_args!("run {run}"))?;
        }
        let rest = start.driving.wait.map(|wait| Span(wait.0.saturating_sub(WAIT_MAX.0)));
        told(&Stood { journal: self.rest(run, start.driving, rest)?, noted: !answer.replayed })
    }

    pub(super) fn ask_of_run(&self, asked: Asked<'_>, told: Told<'_>) -> anyhow::Result<Exit> {
        let Asked { run, wish, asking, driving } = asked;
        driving.goes_there()?;
        let (path, mut body) = self.question(run, wish)?;
        asking.write(&mut body, if path.contains("/signals/") { "id" } else { "key" })?;
        let Stands { noted } = self.ask(&Ask::post(path, &Value::Object(body)))?.json()?;
        told(&Stood { journal: self.rest(run, driving, driving.wait)?, noted })
    }

    /// The run when the command is done with it. `wait`: how long that may still take.
    fn rest(&self, run: RunId, driving: &Driving, wait: Option<Span>) -> anyhow::Result<Journal> {
        match (driving.follow, wait) {
            (true, _) => self.followed(run),
            (false, Some(wait)) => self.ended_within(run, wait),
            (false, None) => self.hear(run)?.whole(self),
        }
    }

    /// Where something is asked, and with what.
    fn question(&self, run: RunId, wish: Wish) -> anyhow::Result<(String, Map<String, Value>)> {
        let of_run = |verb: &str| self.path(&format!("/runs/{run}/{verb}"));
        let mut body = Map::new();
        let path = match wish {
            Wish::Cancel { in_flight } => {
                body.insert("in_flight".into(), json!(in_flight));
                of_run("cancel")?
            }
            Wish::Pause => of_run("pause")?,
            Wish::Resume => of_run("resume")?,
            Wish::Retry => of_run("retry")?,
            Wish::Kill => of_run("kill")?,
            Wish::Signal { name, payload } => {
                body.insert("payload".into(), json!(payload));
                of_run(&format!("signals/{}", segment(name.as_str())))?
            }
            Wish::Compensate { from } => {
                body.extend(from.map(|step| ("from".to_owned(), json!(step))));
                of_run("compensate")?
            }
            Wish::Redrive { step, with } => {
                body.extend(component(&with)?.map(|component| ("component".to_owned(), json!(component))));
                self.path(&format!("/dead-letters/{run}.{step}/redrive"))?
            }
            Wish::Resolve { step, resolution: said, evidence, output } => {
                body.insert("resolution".into(), json!(self.resolution(run, &step, said)?));
                body.extend(evidence.map(|evidence| ("evidence".to_owned(), json!(evidence))));
                body.extend(output.map(|output| ("output".to_owned(), json!(output))));
                self.path(&format!("/dead-letters/{run}.{step}/resolve"))?
            }
        };
        Ok((path, body))
    }

    fn resolution(&self, run: RunId, step: &StepId, said: Option<Resolution>) -> anyhow::Result<Resolution> {
        if let Some(said) = said {
            return Ok(said);
        }
        let journal = self.journal(run)?;
        resolution(&journal, step_of(&journal.definition, step)?)
    }
}

/// How a server calls a component; none: the one that the run pins.
fn component(with: &With) -> anyhow::Result<Option<&'static str>> {
    match with {
        With::Pinned => Ok(None),
        With::Latest => Ok(Some("latest")),
        With::Component { .. } => {
            Err(misuse("only_in_process", "--plugin is for --data: push the corrected plugin, and redrive with --latest"))
        }
    }
}

impl Asking {
    /// Writes why, and what makes it safe to repeat, into what is asked of a server, which knows itself who asks.
    fn write(&self, body: &mut Map<String, Value>, key: &str) -> anyhow::Result<()> {
        nobody_said(self.by.as_deref())?;
        body.extend(self.reason.iter().map(|reason| ("reason".to_owned(), json!(reason))));
        body.extend(self.key.iter().map(|said| (key.to_owned(), json!(said))));
        Ok(())
    }
}

impl Driving {
    /// Refuses what only a command understands that drives runs itself.
    fn goes_there(&self) -> anyhow::Result<()> {
        let only =
            |what: &str| Err(misuse("only_in_process", format!("{what} is for --data: a server drives runs itself; see --wait")));
        match (self.no_drive, self.patience.is_said()) {
            (true, _) => only("--no-drive"),
            (false, true) => only("--wait-max"),
            (false, false) => Ok(()),
        }
    }
}
