//! The timeline of a run: its facts as lines that can be read at a glance, each attempt on one line when it is over. Folds the journal
//! as it goes, so that a run can be shown while it is driven and afterwards, with the same lines.

use super::output::plain;
use super::text::{WIDTH, count, cut, fuel, micros, span, wrapped};
use amends_domain::definition::Definition;
use amends_domain::event::{
    AttemptEnded, AttemptRef, Cause, Demanded, Direction, Ending, Entry, Event, Failure, Fault, Halt, LogLevel, LogLine, Omission,
    WaitEnd,
};
use amends_domain::id::{RunId, StepIndex};
use amends_domain::run::{Misfit, Run, StepStatus};
use amends_domain::time::Timestamp;
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most log lines of an attempt that are shown; the JSON form has all.
const LOG_LINES_MAX: usize = 5;
/// Most lines that a message takes.
const MESSAGE_LINES_MAX: usize = 3;
/// Widest column of step names; longer names push their own line only.
const STEP_COLUMNS_MAX: usize = 28;
/// Where lines begin that belong to the line above them.
const INDENT: usize = 14;

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
            Event::CompensationOmitted { step, reason } => vec![self.step_line(at, Mark::Nothing, *step, omitted(*reason))],
            Event::CompensationFailed { step } => {
                let attempts = count(self.run.step(*step).backward.attempts as usize, "attempt");
                let text = format!("dead letter: not compensated after {attempts}, a person must decide");
                vec![self.step_line(at, Mark::DeadLetter, *step, &text)]
            }
            Event::Delayed { until } => vec![self.line(at, Mark::Later, &format!("begins at {until}"))],
            Event::StepSkipped { step } => vec![self.step_line(at, Mark::Nothing, *step, "skipped: its condition does not hold")],
            Event::WaitStarted { step, due } => vec![self.step_line(at, Mark::Later, *step, &self.waiting(at, *step, *due))],
            Event::WaitEnded { step, end } => vec![self.step_line(at, Mark::Completed, *step, waited(*end))],
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

    /// What a cause is, for people.
    pub(super) fn because(&self, cause: &Cause) -> String {
        match cause {
            Cause::StepFailed(step) => {
                let word = if self.run.step(*step).doubt { "is in doubt" } else { "failed" };
                format!("{} {word}", self.run.definition().step(*step).id)
            }
            Cause::DeadlinePassed => "the run's deadline passed".to_owned(),
            Cause::Cancelled => "it was cancelled".to_owned(),
            Cause::Requested { from: None } => "somebody asked for it".to_owned(),
            Cause::Requested { from: Some(step) } => {
                format!("somebody asked for it, from {} on", self.run.definition().step(*step).id)
            }
        }
    }

    fn waiting(&self, at: Timestamp, step: StepIndex, due: Option<Timestamp>) -> String {
        let signal = self.run.definition().step(step).signal().map(|name| format!(" for signal {name}")).unwrap_or_default();
        let until = due.map(|due| format!(", {} at most", span(due.since(at)))).unwrap_or_default();
        format!("waits{signal}{until}")
    }

    fn demanded(&self, at: Timestamp, demanded: &Demanded) -> Vec<String> {
        let Demanded { demand, by } = demanded;
        let line = self.line(at, Mark::Adopted, &format!("{}, by {}", demand.word(), plain(&by.who)));
        by.why.as_ref().map_or_else(|| vec![line.clone()], |why| with_message(line.clone(), &plain(why)))
    }

    fn ended(&self, at: Timestamp, ended: &AttemptEnded) -> Vec<String> {
        let (mark, style, word, message) = ending(ended.attempt.direction, &ended.ending);
        let number = ended.attempt.number.to_string();
        let step = self.run.definition().step(ended.attempt.step).id.as_str();
        let (fuel, took) = (fuel(ended.spent.fuel), micros(ended.spent.micros));
        let columns = self.columns([step, direction(ended.attempt.direction), &number, &fuel, &took, ""]);
        let repeated = match ended.spent.conflicts {
            0 => String::new(),
            times => format!(" (repeated {}: other runs changed what it read)", count(times as usize, "time")),
        };
        let short = message.chars().count() + word.chars().count() + 2 + INDENT - 2 + columns.chars().count() <= WIDTH;
        let head = |rest: &str| format!("{}{columns}{style}{word}{style:#}{rest}{repeated}", self.margin(at, mark));
        let mut lines = match message.as_str() {
            "" => vec![head("")],
            _ if short => vec![head(&format!(": {message}"))],
            _ => with_message(head(""), &message),
        };
        lines.extend(self.log(&ended.log));
        lines
    }

    fn gave_up(&self, at: Timestamp, step: StepIndex, fault: Option<&Fault>) -> Vec<String> {
        let attempts = self.run.step(step).forward.attempts;
        let word = if self.run.status_of(step) == StepStatus::InDoubt { "in doubt" } else { "failed" };
        let text = match attempts {
            0 => format!("{word} before its first attempt"),
            _ => format!("{word} after {}", count(attempts as usize, "attempt")),
        };
        let line = self.step_line(at, Mark::Failed, step, &text);
        match fault {
            None => vec![line],
            Some(fault) => with_message(line, &fault_text(fault)),
        }
    }

    fn log(&self, log: &[LogLine]) -> Vec<String> {
        let indent = " ".repeat(INDENT);
        let mut lines: Vec<_> = log
            .iter()
            .take(LOG_LINES_MAX)
            .map(|line| {
                let message = cut(&plain(&line.message), WIDTH - INDENT - 7);
                format!("{indent}{DIM}{:<5}  {message}{DIM:#}", level(line.level))
            })
            .collect();
        if log.len() > LOG_LINES_MAX {
            let more = count(log.len() - LOG_LINES_MAX, "more line");
            lines.push(format!("{indent}{DIM}…      {more}: amends run show {} --json{DIM:#}", self.run.id()));
        }
        lines
    }

    /// A line about one direction of a step.
    fn way_line(&self, at: Timestamp, mark: Mark, (step, way): (StepIndex, Direction), text: &str) -> String {
        self.step_line(at, mark, step, &format!("{:<9}  {text}", direction(way)))
    }

    fn step_line(&self, at: Timestamp, mark: Mark, step: StepIndex, text: &str) -> String {
        let step = self.run.definition().step(step).id.as_str();
        self.line(at, mark, &format!("{step:<0$}  {text}", self.step_columns))
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

/// How an ending is told: its mark, its colour, its word, and what was said about it.
fn ending(direction: Direction, ending: &Ending) -> (Mark, Style, String, String) {
    match (ending, direction) {
        (Ending::Ok { .. }, Direction::Forward) => (Mark::Completed, GREEN, "completed".to_owned(), String::new()),
        (Ending::Ok { .. }, Direction::Backward) => (Mark::Compensated, CYAN, "compensated".to_owned(), String::new()),
        (Ending::Failed { failure: kind, fault, .. }, _) => {
            (Mark::Failed, RED, format!("{} {}", failure(*kind), plain(&fault.code)), plain(&fault.message))
        }
        (Ending::Halted { halt: kind, message }, _) => (Mark::Failed, RED, halt(*kind).to_owned(), plain(message)),
    }
}

/// The word for the way in which a guest failed.
pub(super) fn failure(failure: Failure) -> &'static str {
    match failure {
        Failure::Rejected => "rejected",
        Failure::Unavailable => "unavailable",
        Failure::Uncertain => "uncertain",
    }
}

/// The word for what ended an attempt.
pub(super) fn halt(halt: Halt) -> &'static str {
    match halt {
        Halt::Trap => "trap",
        Halt::OutOfFuel => "out-of-fuel",
        Halt::Timeout => "timeout",
        Halt::OutOfMemory => "out-of-memory",
        Halt::Oversized => "oversized",
        Halt::Lost => "lost",
        Halt::Cancelled => "cancelled",
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "forward",
        Direction::Backward => "backward",
    }
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

fn omitted(reason: Omission) -> &'static str {
    match reason {
        Omission::ProvenClean => "compensation not needed: proven clean",
        Omission::NotDeclared => "not compensated: the saga says `compensate: none`",
        Omission::OnlyWaited => "compensation not needed: it only waited",
    }
}

fn waited(end: WaitEnd) -> &'static str {
    match end {
        WaitEnd::Elapsed => "its time came",
        WaitEnd::Signalled => "its signal came",
        WaitEnd::TimedOut => "its signal did not come in time; the run goes on",
    }
}

/// A fault in one line, safe to show.
pub(super) fn fault_text(fault: &Fault) -> String {
    format!("{}: {}", plain(&fault.code), plain(&fault.message))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{BACKWARD, FORWARD, attempt, end, failed, journal, ok, start};
    use super::*;
    use amends_domain::event::Outcome;
    use anstream::adapter::strip_str;

    /// The timeline of the fixture's run.
    fn told(events: Vec<Event>) -> String {
        let journal = journal(events);
        let mut timeline = journal.timeline();
        let mut lines = vec![timeline.heading()];
        for entry in &journal.entries[1..] {
            lines.extend(timeline.tell(entry).expect("a journal that makes sense"));
        }
        lines.extend(timeline.open());
        assert!(lines.iter().all(|line| strip_str(line).to_string().chars().count() <= WIDTH), "{lines:#?}");
        lines.iter().map(|line| strip_str(line).to_string()).chain([String::new()]).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_compensated_run_is_told_step_by_step() {
        let out_of_fuel = Ending::Halted { halt: Halt::OutOfFuel, message: "used up its fuel: the limit is 100 units".into() };
        let message = format!("3 pieces \u{1b}[31mwanted, {}", "and none is there, ".repeat(20));
        let log = ["one", "two\u{1b}[2J", "three", "four", "five", "six", "seven"];
        let events = vec![
            start(0, FORWARD, 1),
            end(0, FORWARD, 1, ok(), &[]),
            start(1, FORWARD, 1),
            Event::EffectIntended {
                attempt: attempt(1, FORWARD, 1),
                call: 1,
                method: "POST".into(),
                target: "https://bank/a\n".into(),
            },
            Event::EffectAnswered { attempt: attempt(1, FORWARD, 1), call: 1, status: 201, response: None },
            end(1, FORWARD, 1, ok(), &[]),
            start(2, FORWARD, 1),
            end(2, FORWARD, 1, out_of_fuel, &[]),
            Event::RetryScheduled { step: StepIndex(2), direction: FORWARD, due: Timestamp(1_209) },
            start(2, FORWARD, 2),
            end(2, FORWARD, 2, failed(Failure::Rejected, "no_stock", &message), &log),
            Event::StepFailed { step: StepIndex(2), fault: None },
            Event::CompensationStarted { cause: Cause::StepFailed(StepIndex(2)) },
            Event::CompensationOmitted { step: StepIndex(2), reason: Omission::ProvenClean },
            start(1, BACKWARD, 1),
            end(1, BACKWARD, 1, failed(Failure::Rejected, "closed", "the account is closed"), &[]),
            Event::CompensationFailed { step: StepIndex(1) },
            start(0, BACKWARD, 1),
            end(0, BACKWARD, 1, ok(), &[]),
            Event::Ended { outcome: Outcome::Stuck, output: None, fault: None },
        ];
        assert_eq!(
            told(events),
            r"    time    step        direction   #   fuel    took  result
    +2ms  ✓ take-stock  forward     1  48.2k   312µs  completed
    +4ms  → pay         forward    request 1: POST https://bank/a\n
    +5ms  → pay         forward    request 1 answered: 201
    +6ms  ✓ pay         forward     1  48.2k   312µs  completed
    +8ms  ✗ ship        forward     1  48.2k   312µs  out-of-fuel
              used up its fuel: the limit is 100 units
    +9ms  … ship        forward    retry in 200ms
   +11ms  ✗ ship        forward     2  48.2k   312µs  rejected no_stock
              3 pieces \u{1b}[31mwanted, and none is there, and none is there, and none is there,
              and none is there, and none is there, and none is there, and none is there, and none
              is there, and none is there, and none is there, and none is there, and none is there,…
              info   one
              info   two\u{1b}[2J
              info   three
              info   four
              info   five
              …      2 more lines: amends run show run_00000000000000000000000007 --json
   +12ms  ✗ ship        failed after 2 attempts
   +13ms  ← compensating, because ship failed
   +14ms  · ship        compensation not needed: proven clean
   +16ms  ✗ pay         backward    1  48.2k   312µs  rejected closed: the account is closed
   +17ms  ! pay         dead letter: not compensated after 1 attempt, a person must decide
   +19ms  ↺ take-stock  backward    1  48.2k   312µs  compensated
"
        );
    }

    #[test]
    fn a_run_that_was_interrupted_says_so_and_shows_what_runs() {
        let lost = Ending::Halted { halt: Halt::Lost, message: "its host went away".into() };
        let events = vec![
            start(0, FORWARD, 1),
            Event::Adopted,
            end(0, FORWARD, 1, lost, &[]),
            Event::RetryScheduled { step: StepIndex(0), direction: FORWARD, due: Timestamp(3_504) },
            start(0, FORWARD, 2),
        ];
        assert_eq!(
            told(events),
            "    time    step        direction   #   fuel    took  result
    +2ms  » found open after its host went away; goes on here
    +3ms  ✗ take-stock  forward     1  48.2k   312µs  lost: its host went away
    +4ms  … take-stock  forward    retry in 2.50s
    +5ms  … take-stock  forward    attempt 2 is running
"
        );
    }

    #[test]
    fn what_no_attempt_says_is_said_below_the_line() {
        let fault = || Some(Fault::new("mapping_failed", "no such key: total"));
        let events = vec![
            Event::StepFailed { step: StepIndex(0), fault: fault() },
            Event::CompensationStarted { cause: Cause::DeadlinePassed },
            Event::CompensationOmitted { step: StepIndex(0), reason: Omission::ProvenClean },
            Event::Ended { outcome: Outcome::Compensated, output: None, fault: fault() },
        ];
        assert_eq!(
            told(events),
            "    time    step        direction   #   fuel    took  result
    +1ms  ✗ take-stock  failed before its first attempt
              mapping_failed: no such key: total
    +2ms  ← compensating, because the run's deadline passed
    +3ms  · take-stock  compensation not needed: proven clean
    +4ms  ✗ no output
              mapping_failed: no such key: total
"
        );
    }
}
