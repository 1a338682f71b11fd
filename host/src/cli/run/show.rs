//! `amends run show`: one run, its timeline, how each step stands, and what is to be done about those that wait for a person.

use super::super::desk::{At, Desk};
use super::super::journal::Journal;
use super::super::output::{Exit, Format, plain, say, say_json};
use super::super::standing::standing;
use super::super::text::{WIDTH, cut, span, wrapped};
use super::super::timeline::fault_text;
use amends_domain::explain::{dead_letters, proof};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::payload::Payload;
use amends_domain::run::{Phase, Run as SagaRun};
use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  amends run show run_01kb0v7m4q8r5t2x9y3z6w1a0c
  amends run show run_01kb0v7m4q8r5t2x9y3z6w1a0c --data ./data --json";

/// Arguments of `run show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The run
    run: RunId,
    #[command(flatten)]
    at: At,
}

pub(super) fn show(show: &Show, format: Format) -> anyhow::Result<Exit> {
    let desk = show.at.desk()?;
    match format {
        Format::Json => say_json(&desk.run(show.run)?)?,
        Format::Text => say_run(&*desk, &desk.journal(show.run)?)?,
    }
    Ok(Exit::Done)
}

fn say_run(desk: &dyn Desk, journal: &Journal) -> anyhow::Result<()> {
    let run = journal.replay()?;
    say_head(&run)?;
    say("")?;
    journal.say()?;
    say("")?;
    let names = run.definition().steps.iter().map(|step| step.id.as_str().len()).max().unwrap_or_default();
    for (index, step) in run.definition().indexed() {
        let line = format!("{:<names$}  {:<23}  {}", step.id.as_str(), run.status_of(index).word(), about(&run, index));
        say(line.trim_end())?;
    }
    for letter in dead_letters(&run, &journal.entries) {
        say("")?;
        say(format_args!("dead letter {}", letter.id))?;
        for line in wrapped(&plain(&letter.advice.text), WIDTH - 2, ADVICE_LINES_MAX) {
            say(format_args!("  {line}"))?;
        }
        say(plain(&format!("  amends dead-letter show {}{}", letter.id, desk.place())))?;
    }
    if let Phase::Ended(ended) = run.phase() {
        say("")?;
        say(format_args!("outcome {}", ended.outcome.word()))?;
    }
    Ok(())
}

/// Most lines of advice.
const ADVICE_LINES_MAX: usize = 8;

/// What a step gave, or why it needs no compensation.
fn about(run: &SagaRun, step: StepIndex) -> String {
    match (proof(run, step), &run.step(step).output) {
        (Some(proof), _) => proof.to_string(),
        (None, Some(output)) => format!("output {}", shown(output)),
        (None, None) => String::new(),
    }
}

fn say_head(run: &SagaRun) -> anyhow::Result<()> {
    let (head, started) = (run.head(), run.started());
    say(format_args!("run      {}", run.id()))?;
    say(format_args!("saga     {} v{}", head.saga, head.version))?;
    say(format_args!("status   {}", standing(run)))?;
    let took = head.ended.map_or_else(String::new, |ended| format!(", took {}", span(ended.since(head.started))));
    say(format_args!("started  {}{took}", head.started))?;
    if run.begins_at() > run.started_at() {
        say(format_args!("begins   {}", run.begins_at()))?;
    }
    if let Some(key) = &started.key {
        say(format_args!("key      {}", plain(key)))?;
    }
    say(format_args!("input    {}", shown(&started.input)))?;
    if let Phase::Ended(ended) = run.phase() {
        if let Some(output) = &ended.output {
            say(format_args!("output   {}", shown(output)))?;
        }
        if let Some(fault) = &ended.fault {
            say(format_args!("fault    {}", fault_text(fault)))?;
        }
    }
    Ok(())
}

/// A payload on the rest of a line.
fn shown(payload: &Payload) -> String {
    cut(&plain(&payload.readable().to_string()), WIDTH - 9)
}
