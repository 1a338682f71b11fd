//! `amends dead-letter show`: all that somebody needs who has to decide about one.

use super::super::desk::{At, step_of};
use super::super::journal::Journal;
use super::super::output::{Exit, Format, plain, say, say_json};
use super::super::text::{WIDTH, count, cut, wrapped};
use super::super::timeline::Timeline;
use super::settle::no_letter;
use crate::view::{DeadLetterView, LetterDetails};
use amends_domain::explain::{Action, DeadLetter, DeadLetterId, dead_letters};
use amends_domain::payload::Payload;
use amends_domain::run::{Effect, Run, Settled};
use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  amends dead-letter show run_01kb0v7m4q8r5t2x9y3z6w1a0c.charge-payment
  amends dead-letter show run_01kb0v7m4q8r5t2x9y3z6w1a0c.charge-payment --data ./data --json

Exit code 3 if there is no such dead letter (unknown_run, unknown_step, not_a_dead_letter).";

/// Most effects that are shown; the JSON form has all.
const EFFECTS_MAX: usize = 20;
/// Most lines of advice or of a reason.
const TEXT_LINES_MAX: usize = 8;

/// Arguments of `dead-letter show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The dead letter: its run and its step
    #[arg(value_name = "RUN.STEP")]
    dead_letter: DeadLetterId,
    #[command(flatten)]
    at: At,
}

pub(super) fn show(show: &Show, format: Format) -> anyhow::Result<Exit> {
    let desk = show.at.desk()?;
    let journal = desk.journal(show.dead_letter.run)?;
    let step = step_of(&journal.definition, &show.dead_letter.step)?;
    let run = journal.replay()?;
    let letters = dead_letters(&run, &journal.entries);
    let Some(letter) = letters.iter().find(|letter| letter.step == step) else {
        let stands = format!("the step is {} and the run is {}", run.status_of(step), run.status().word());
        return Err(no_letter(&show.dead_letter, &stands));
    };
    let way = show.at.here().map_or(Way::There, |_| Way::Here);
    let commands = commands(letter, &run, way, &desk.place());
    match format {
        Format::Json => say_json(&LetterDetails::of(&run, letter, &journal.entries, commands))?,
        Format::Text => Page { journal: &journal, run: &run, letter }.say(&commands)?,
    }
    Ok(Exit::Done)
}

/// How a corrected plugin comes to where the run is.
#[derive(Clone, Copy)]
enum Way {
    /// With the redrive.
    Here,
    /// By itself, before.
    There,
}

/// What to type, the recommended first.
fn commands(letter: &DeadLetter<'_>, run: &Run, way: Way, place: &str) -> Vec<String> {
    let id = &letter.id;
    let plugin = run.definition().step(letter.step).uses().map_or("NAME", |uses| uses.handler.plugin.as_str());
    let redrive = format!("amends dead-letter redrive {id}{place}");
    let corrected = || match way {
        Way::Here => vec![format!("amends dead-letter redrive {id} --plugin {plugin}=FILE.wasm{place}")],
        Way::There => vec![
            format!("amends plugin push {plugin} VERSION FILE.wasm{place}"),
            format!("amends dead-letter redrive {id} --latest{place}"),
        ],
    };
    let undone = format!("amends dead-letter resolve {id} --undone --reason TEXT --evidence JSON{place}");
    let done = format!("amends dead-letter resolve {id} --done --output JSON --reason TEXT --evidence JSON{place}");
    match letter.advice.action {
        Action::Redrive => vec![redrive],
        Action::RedriveCorrected => corrected(),
        Action::ResolveUndone => std::iter::once(undone).chain(corrected()).collect(),
        Action::ResolveDone => std::iter::once(done).chain(corrected()).collect(),
        Action::FindOut => vec![done, undone],
    }
}

struct Page<'a> {
    journal: &'a Journal,
    run: &'a Run,
    letter: &'a DeadLetter<'a>,
}

impl Page<'_> {
    fn say(&self, commands: &[String]) -> anyhow::Result<()> {
        self.say_head()?;
        self.say_attempts()?;
        self.say_effects()?;
        if let Some(proposed) = self.letter.proposed {
            say_proposed(proposed)?;
        }
        say("")?;
        say(format_args!("recommended  {}", word(self.letter.advice.action)))?;
        for line in wrapped(&plain(&self.letter.advice.text), WIDTH - 2, TEXT_LINES_MAX) {
            say(format_args!("  {line}"))?;
        }
        for command in commands {
            say(format_args!("  {}", plain(command)))?;
        }
        Ok(())
    }

    fn say_head(&self) -> anyhow::Result<()> {
        let Self { run, letter, journal } = self;
        let (started, step) = (run.started(), run.definition().step(letter.step));
        let view = DeadLetterView::of(run, letter);
        say(format_args!("dead letter  {}", letter.id))?;
        say(format_args!("saga         {} v{}", started.saga, started.version))?;
        if let Some(uses) = step.uses() {
            say(format_args!("handler      {}", uses.handler))?;
        }
        if let Some(component) = run.component(letter.step) {
            say(format_args!("component    {component}"))?;
        }
        say(format_args!("direction    {}", view.way()))?;
        say(format_args!("since        {}, after {}", letter.since, count(letter.attempts as usize, "attempt")))?;
        if let Some(why) = journal.because()? {
            say(format_args!("compensated  because {why}"))?;
        }
        say(format_args!("cause        {}", cut(&plain(&view.said()), WIDTH - 13)))?;
        let state = run.step(letter.step);
        for (name, payload) in [("input", &state.input), ("output", &state.output)] {
            if let Some(payload) = payload {
                say(format_args!("{name:<13}{}", shown(payload)))?;
            }
        }
        Ok(())
    }

    /// The lines of the run's timeline that are about this step.
    fn say_attempts(&self) -> anyhow::Result<()> {
        say("")?;
        let mut timeline = self.journal.timeline();
        say(timeline.heading())?;
        for entry in &self.journal.entries[1..] {
            let lines = timeline.tell(entry)?;
            if Timeline::is_about(&entry.event, self.letter.step) {
                lines.into_iter().try_for_each(say)?;
            }
        }
        Ok(())
    }

    fn say_effects(&self) -> anyhow::Result<()> {
        let effects = self.letter.effects;
        say("")?;
        if effects.is_empty() {
            return Ok(say("effects      none: no attempt sent a request")?);
        }
        for (place, effect) in effects.iter().take(EFFECTS_MAX).enumerate() {
            let name = if place == 0 { "effects" } else { "" };
            say(format_args!("{name:<13}{}", cut(&plain(&told(effect)), WIDTH - 13)))?;
        }
        if effects.len() > EFFECTS_MAX {
            say(format_args!("{:<13}{} more: --json", "", effects.len() - EFFECTS_MAX))?;
        }
        Ok(())
    }
}

fn say_proposed(Settled { resolve, by, at, .. }: &Settled) -> anyhow::Result<()> {
    say("")?;
    let word = resolve.resolution.word();
    say(format_args!("proposed     {word}, by {} at {at}: awaits a second person", cut(&plain(&by.who), WIDTH / 3)))?;
    for line in wrapped(&plain(by.why.as_deref().unwrap_or_default()), WIDTH - 13, TEXT_LINES_MAX) {
        say(format_args!("{:<13}{line}", ""))?;
    }
    for (name, payload) in [("evidence", &resolve.evidence), ("output", &resolve.output)] {
        if let Some(payload) = payload {
            say(format_args!("  {name:<11}{}", shown(payload)))?;
        }
    }
    Ok(())
}

/// One request: when, by which attempt, what, and how it was answered.
fn told(effect: &Effect) -> String {
    let answer = effect.answer.map_or_else(|| "no answer is known".to_owned(), |status| format!("answered {status}"));
    let way = effect.direction.word();
    format!("{} {way} {}.{}  {} {}: {answer}", effect.sent, effect.attempt, effect.call, effect.method, effect.target)
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Redrive => "redrive",
        Action::RedriveCorrected => "redrive with a corrected plugin",
        Action::ResolveUndone => "take back by hand and resolve as undone",
        Action::ResolveDone => "do by hand and resolve as done",
        Action::FindOut => "find out whether it happened",
    }
}

/// A payload on the rest of a line.
fn shown(payload: &Payload) -> String {
    cut(&plain(&payload.readable().to_string()), WIDTH - 13)
}
