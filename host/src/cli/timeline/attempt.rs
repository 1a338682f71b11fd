//! One attempt on a line: how it ended, what it cost, what was said about it, and the beginning of its log below.

use super::super::output::plain;
use super::super::text::{WIDTH, count, cut, fuel, micros};
use super::{CYAN, DIM, GREEN, INDENT, Mark, RED, Timeline, with_message};
use amends_domain::event::{AttemptEnded, Direction, Ending, LogLevel, LogLine};
use amends_domain::time::Timestamp;
use anstyle::Style;

/// Most log lines of an attempt that are shown; the JSON form has all.
const LOG_LINES_MAX: usize = 5;

impl Timeline {
    pub(super) fn ended(&self, at: Timestamp, ended: &AttemptEnded) -> Vec<String> {
        let (mark, style, word, message) = ending(ended.attempt.direction, &ended.ending);
        let number = ended.attempt.number.to_string();
        let step = self.run.definition().step(ended.attempt.step).id.as_str();
        let (fuel, took) = (fuel(ended.spent.fuel), micros(ended.spent.micros));
        let columns = self.columns([step, ended.attempt.direction.word(), &number, &fuel, &took, ""]);
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
}

/// How an ending is told: its mark, its colour, its word, and what was said about it.
fn ending(direction: Direction, ending: &Ending) -> (Mark, Style, String, String) {
    match (ending, direction) {
        (Ending::Ok { .. }, Direction::Forward) => (Mark::Completed, GREEN, "completed".to_owned(), String::new()),
        (Ending::Ok { .. }, Direction::Backward) => (Mark::Compensated, CYAN, "compensated".to_owned(), String::new()),
        (Ending::Failed { failure: kind, fault, .. }, _) => {
            (Mark::Failed, RED, format!("{} {}", kind.word(), plain(&fault.code)), plain(&fault.message))
        }
        (Ending::Halted { halt: kind, message }, _) => (Mark::Failed, RED, kind.word().to_owned(), plain(message)),
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
