//! The log of an attempt. It is stored with the attempt's end, so it is bounded; what is over the bound is counted.

use crate::sandbox::bindings::Level;
use crate::sandbox::text;
use amends_domain::event::{LogLevel, LogLine};

/// Longest line, bytes; a longer one is cut.
const LINE_LEN_MAX: usize = 4 * 1024;
/// Most lines of an attempt.
const LINES_MAX: usize = 1000;
/// Most bytes of an attempt.
const LOG_LEN_MAX: usize = 256 * 1024;

/// Lines so far.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct LogBuffer {
    lines: Vec<LogLine>,
    len: usize,
    dropped: u64,
}

impl LogBuffer {
    /// Adds a line, or counts it.
    pub(in crate::sandbox) fn write(&mut self, level: Level, message: &str) {
        // Once a line is dropped all later ones are: a log with holes that nobody sees is worse than one that ends.
        if self.dropped > 0 || self.lines.len() == LINES_MAX {
            self.dropped += 1;
            return;
        }
        let message = text::tidy(message, LINE_LEN_MAX);
        if self.len + message.len() > LOG_LEN_MAX {
            self.dropped += 1;
            return;
        }
        self.len += message.len();
        self.lines.push(LogLine { level: kept(level), message });
    }

    /// The lines, and one more that says how many were dropped, if any were.
    pub(in crate::sandbox) fn finish(mut self) -> Vec<LogLine> {
        if self.dropped > 0 {
            let message = format!("{} lines dropped: an attempt may log {LINES_MAX} lines and {LOG_LEN_MAX} bytes", self.dropped);
            self.lines.push(LogLine { level: LogLevel::Warn, message });
        }
        self.lines
    }
}

fn kept(level: Level) -> LogLevel {
    match level {
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(lines: usize, len: usize) -> Vec<LogLine> {
        let mut log = LogBuffer::default();
        (0..lines).for_each(|_| log.write(Level::Info, &"x".repeat(len)));
        log.finish()
    }

    #[test]
    fn a_log_is_bounded_and_says_what_was_dropped() {
        for (lines, len, kept, last) in [
            (1000, 10, 1000, "xxxxxxxxxx"),
            (1003, 10, 1001, "3 lines dropped"),
            (64, 4096, 64, "xxxx"),
            (70, 4096, 65, "6 lines dropped"),
            (1, 0, 1, ""),
            (0, 0, 0, ""),
        ] {
            let log = logged(lines, len);
            assert_eq!(log.len(), kept, "{lines} lines of {len}");
            assert!(log.last().is_none_or(|line| line.message.starts_with(last)), "{lines} lines of {len}");
        }
        assert_eq!(logged(1, 5000)[0].message, format!("{}…", "x".repeat(4096)));
    }
}
