//! The timeline of a run: its facts as lines that can be read at a glance, each attempt on one line when it is over. Folds the journal
//! as it goes, so that a run can be shown while it is driven and afterwards, with the same lines.

mod attempt;
mod sentences;
#[cfg(test)]
mod tests;

use super::output::plain;
use super::text::{WIDTH, cut, span, wrapped};
use amends_domain::definition::Definition;
use amends_domain::event::{AttemptRef, Demand, Direction, Entry, Event, Fault};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::run::{Misfit, Run};
use amends_domain::time::Timestamp;
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most lines that a message takes.
const MESSAGE_LINES_MAX: usize = 3;
/// Widest column of step names; longer names push their own line only.
const STEP_COLUMNS_MAX: usize = 28;
/// Where lines begin that belong to the line above them.
const INDENT: usize = 14;
/// Columns of a line behind its time and its mark.
const TEXT_COLUMNS: usize = WIDTH - 12;

const GREEN: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
const RED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const YELLOW: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
const CYAN: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Cyan)));
const DIM: Style = Style::new().dimmed();

/// A run that is being told.
pub(super) struct Timeline {
    run: Run,
    /// Attempts that have not ended.
    begun: BTreeMap<AttemptRef, Timestamp>,
    step_columns: usize,
}

/// How the fact of a line looks.
#[derive(Clone, Copy)]
enum Mark {
    Completed,
    Failed,
    Compensated,
    Backward,
    Later,
    Nothing,
    DeadLetter,
    Sent,
    Adopted,
    Asked,
}

impl Mark {
    fn sign(self) -> (char, Style) {
        match self {
            Self::Completed => ('✓', GREEN),
            Self::Failed => ('✗', RED),
            Self::Compensated => ('↺', CYAN),
            Self::Backward => ('←', YELLOW),
            Self::Later => ('…', DIM),
            Self::Nothing => ('·', DIM),
            Self::DeadLetter => ('!', RED),
            Self::Sent => ('→', DIM),
            Self::Adopted => ('»', YELLOW),
            Self::Asked => ('@', YELLOW),
        }
    }
}

impl Timeline {
    /// The timeline of a run that begins with `first`; none if that is not the start of a run.
    pub(super) fn begin(run: RunId, definition: Arc<Definition>, first: &Entry) -> Option<Self> {
        let Event::Started(started) = &first.event else { return None };
        let longest = definition.steps.iter().map(|step| step.id.as_str().len()).max().unwrap_or_default();
        let run = Run::new(run, definition, Arc::new(started.as_ref().clone()), first.at);
        Some(Self { run, begun: BTreeMap::new(), step_columns: longest.clamp("step".len(), STEP_COLUMNS_MAX) })
    }

    /// The run as far as it was told.
    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    /// The names of the columns.
    pub(super) fn heading(&self) -> String {
        let line = self.columns(["step", "direction", "#", "fuel", "took", "result"]);
        format!("{DIM}{:>8}    {line}{DIM:#}", "time")
    }

    /// Tells one more fact.
    ///
    /// # Errors
    /// If it cannot follow the ones before it.
    pub(super) fn tell(&mut self, entry: &Entry) -> Result<Vec<String>, Misfit> {
        self.run.apply(entry)?;
        let at = entry.at;
        Ok(match &entry.event {
            Event::Adopted => vec![self.line(at, Mark::Adopted, "found open after its host went away; goes on here")],
            Event::AttemptStarted { attempt, .. } => {
                self.begun.insert(*attempt, at);
                Vec::new()
            }
            Event::EffectIntended { attempt, call, method, target } => {
                let sent = format!("request {call}: {} {}", plain(method), plain(target));
                vec![self.way_line(at, Mark::Sent, (attempt.step, attempt.direction), &sent)]
            }
            Event::EffectAnswered { attempt, call, status, .. } => {
                let answered = format!("request {call} answered: {status}");
                vec![self.way_line(at, Mark::Sent, (attempt.step, attempt.direction), &answered)]
            }
            Event::AttemptEnded(ended) => {
                self.begun.remove(&ended.attempt);
                self.ended(at, ended)
            }
            Event::RetryScheduled { step, direction, due } => {
                vec![self.way_line(at, Mark::Later, (*step, *direction), &format!("retry in {}", span(due.since(at))))]
            }
            Event::StepFailed { step, fault } => self.gave_up(at, *step, fault.as_ref()),
            Event::CompensationStarted { cause } => {
                vec![self.line(at, Mark::Backward, &format!("compensating, because {}", self.because(cause)))]
            }
            Event::CompensationOmitted { step, reason } => self.omitted(at, *step, *reason),
            Event::CompensationFailed { step } => self.not_compensated(at, *step),
            Event::Delayed { until } => vec![self.line(at, Mark::Later, &format!("begins at {until}"))],
            Event::StepSkipped { step } => vec![self.step_line(at, Mark::Nothing, *step, "skipped: its condition does not hold")],
            Event::WaitStarted { step, due } => self.waits(at, *step, *due),
            Event::WaitEnded { step, end } => self.waited(at, *step, *end),
            Event::Demanded(demanded) => self.demanded(at, demanded),
            Event::Started(_) | Event::Ended { fault: None, .. } => Vec::new(),
            Event::Ended { fault: Some(fault), .. } => with_message(self.line(at, Mark::Failed, "no output"), &fault_text(fault)),
        })
    }

    /// A line for each attempt that runs now, or ran when its host went away.
    pub(super) fn open(&self) -> Vec<String> {
        let line = |(attempt, since): (&AttemptRef, &Timestamp)| {
            let way = (attempt.step, attempt.direction);
            self.way_line(*since, Mark::Later, way, &format!("attempt {} is running", attempt.number))
        };
        self.begun.iter().map(line).collect()
    }

    /// Whether a fact is about this step: to tell of one step alone.
    pub(super) fn is_about(event: &Event, step: StepIndex) -> bool {
        match event {
            Event::AttemptStarted { attempt, .. }
            | Event::EffectIntended { attempt, .. }
            | Event::EffectAnswered { attempt, .. } => attempt.step == step,
            Event::AttemptEnded(ended) => ended.attempt.step == step,
            Event::RetryScheduled { step: of, .. }
            | Event::StepFailed { step: of, .. }
            | Event::CompensationOmitted { step: of, .. }
            | Event::CompensationFailed { step: of }
            | Event::StepSkipped { step: of }
            | Event::WaitStarted { step: of, .. }
            | Event::WaitEnded { step: of, .. } => *of == step,
            Event::Demanded(demanded) => match &demanded.demand {
                Demand::Redrive { step: of, .. } => *of == step,
                Demand::Resolve(resolve) => resolve.step == step,
                Demand::Cancel { .. }
                | Demand::Pause
                | Demand::Resume
                | Demand::Signal { .. }
                | Demand::Retry
                | Demand::Compensate { .. }
                | Demand::Kill => false,
            },
            Event::Started(_)
            | Event::Adopted
            | Event::CompensationStarted { .. }
            | Event::Ended { .. }
            | Event::Delayed { .. } => false,
        }
    }

    /// A line about one direction of a step.
    fn way_line(&self, at: Timestamp, mark: Mark, (step, way): (StepIndex, Direction), text: &str) -> String {
        self.step_line(at, mark, step, &format!("{:<9}  {text}", way.word()))
    }

    fn step_line(&self, at: Timestamp, mark: Mark, step: StepIndex, text: &str) -> String {
        let step = self.run.definition().step(step).id.as_str();
        self.line(at, mark, &cut(&format!("{step:<0$}  {text}", self.step_columns), TEXT_COLUMNS))
    }

    fn line(&self, at: Timestamp, mark: Mark, text: &str) -> String {
        format!("{}{}", self.margin(at, mark), text)
    }

    fn margin(&self, at: Timestamp, mark: Mark) -> String {
        let since = format!("+{}", span(at.since(self.run.started_at())));
        let (sign, style) = mark.sign();
        format!("{DIM}{since:>8}{DIM:#}  {style}{sign}{style:#} ")
    }

    fn columns(&self, [step, direction, number, fuel, took, result]: [&str; 6]) -> String {
        let width = self.step_columns;
        format!("{step:<width$}  {direction:<9}  {number:>2}  {fuel:>5}  {took:>6}  {result}")
    }
}

/// `line`, and `message` below it.
fn with_message(line: String, message: &str) -> Vec<String> {
    let below = wrapped(message, WIDTH - INDENT, MESSAGE_LINES_MAX).into_iter();
    std::iter::once(line).chain(below.map(|part| format!("{}{part}", " ".repeat(INDENT)))).collect()
}

/// A fault in one line, safe to show.
pub(super) fn fault_text(fault: &Fault) -> String {
    format!("{}: {}", plain(&fault.code), plain(&fault.message))
}
