//! The log of an attempt. It is stored with the attempt's end, so it is bounded; what is over the bound is counted.

use crate::sandbox::access::Secrets;
use crate::sandbox::bindings::Level;
use crate::sandbox::text;
use amends_domain::event::{LogLevel, LogLine};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Longest line, bytes; a longer one is cut.
const LINE_LEN_MAX: usize = 4 * 1024;
/// Most lines of an attempt.
const LINES_MAX: usize = 1000;
/// Most bytes of an attempt.
const LOG_LEN_MAX: usize = 256 * 1024;

/// Where a guest prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Output {
    /// Standard output: lines of level `info`.
    Standard,
    /// Standard error: lines of level `warn`.
    Error,
}

/// Lines so far. Clones share them: what a guest prints comes another way than what it logs.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct LogBuffer(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    kept: Vec<LogLine>,
    len: usize,
    len_max: usize,
    dropped: u64,
    /// What was printed behind the last end of a line.
    printed: Vec<u8>,
    printed_error: Vec<u8>,
}

impl LogBuffer {
    /// With room for as much as any attempt may log, or for less.
    pub(in crate::sandbox) fn within(len_max: u64) -> Self {
        let len_max = usize::try_from(len_max).unwrap_or(usize::MAX).min(LOG_LEN_MAX);
        Self(Arc::new(Mutex::new(Lines { len_max, ..Lines::default() })))
    }

    /// Adds a line, or counts it.
    pub(in crate::sandbox) fn write(&self, level: Level, message: &str) {
        self.lines().add(kept(level), message);
    }

    /// Adds what was printed, line by line. A line that is too long becomes several.
    pub(in crate::sandbox) fn print(&self, output: Output, bytes: &[u8]) {
        let mut lines = self.lines();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    lines.print(output, end);
                    lines.end_line(output);
                }
                None => lines.print(output, part),
            }
        }
    }

    /// The lines, and one more that says how many were dropped, if any were.
    /// Secrets in them are hidden.
    pub(in crate::sandbox) fn finish(self, secrets: &Secrets) -> Vec<LogLine> {
        let mut lines = self.lines();
        for output in [Output::Standard, Output::Error] {
            if !lines.printed(output).is_empty() {
                lines.end_line(output);
            }
        }
        if lines.dropped > 0 {
            let dropped = lines.dropped;
            let message = if lines.len_max < LOG_LEN_MAX {
                format!("{dropped} lines dropped: the tenant's log_bytes_per_day are used up")
            } else {
                format!("{dropped} lines dropped: an attempt may log {LINES_MAX} lines and {LOG_LEN_MAX} bytes")
            };
            lines.kept.push(LogLine { level: LogLevel::Warn, message });
        }
        let mut lines = std::mem::take(&mut lines.kept);
        for line in &mut lines {
            secrets.hide(&mut line.message);
        }
        lines
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn add(&mut self, level: LogLevel, message: &str) {
        // Once a line is dropped all later ones are: a log with holes that nobody sees is worse than one that ends.
        if self.dropped > 0 || self.kept.len() == LINES_MAX {
            self.dropped += 1;
            return;
        }
        let message = text::tidy(message, LINE_LEN_MAX);
        if self.len + message.len() > self.len_max {
            self.dropped += 1;
            return;
        }
        self.len += message.len();
        self.kept.push(LogLine { level, message });
    }

    fn printed(&mut self, output: Output) -> &mut Vec<u8> {
        match output {
            Output::Standard => &mut self.printed,
            Output::Error => &mut self.printed_error,
        }
    }

    fn print(&mut self, output: Output, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let printed = self.printed(output);
            let (now, later) = bytes.split_at(bytes.len().min(LINE_LEN_MAX - printed.len()));
            printed.extend_from_slice(now);
            bytes = later;
            if printed.len() == LINE_LEN_MAX && !bytes.is_empty() {
                self.end_line(output);
            }
        }
    }

    fn end_line(&mut self, output: Output) {
        let line = std::mem::take(self.printed(output));
        let level = match output {
            Output::Standard => LogLevel::Info,
            Output::Error => LogLevel::Warn,
        };
        self.add(level, &String::from_utf8_lossy(&line));
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
        let log = LogBuffer::within(u64::MAX);
        (0..lines).for_each(|_| log.write(Level::Info, &"x".repeat(len)));
        log.finish(&Secrets::default())
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

    #[test]
    fn what_is_printed_becomes_lines_however_it_is_cut() {
        let printed = |parts: &[(Output, &str)]| {
            let log = LogBuffer::within(u64::MAX);
            for (output, text) in parts {
                log.print(*output, text.as_bytes());
            }
            log.finish(&Secrets::default()).into_iter().map(|line| (line.level, line.message)).collect::<Vec<_>>()
        };
        let (out, error) = (Output::Standard, Output::Error);
        let info = |text: &str| (LogLevel::Info, text.to_owned());
        assert_eq!(printed(&[(out, "a\nb"), (out, "c\n\n"), (out, "")]), [info("a"), info("bc"), info("")]);
        assert_eq!(
            printed(&[(out, "one "), (error, "two\n"), (out, "three")]),
            [(LogLevel::Warn, "two".into()), info("one three")]
        );
        assert_eq!(printed(&[(out, "\u{1b}[31mred\r\n")]), [info("\\u{1b}[31mred\\r")]);
        let long = "x".repeat(4096);
        assert_eq!(printed(&[(out, &format!("{long}y\n"))]), [info(&long), info("y")]);
        assert_eq!(printed(&[(out, &format!("{long}\n"))]), [info(&long)]);
        let flood = printed(&[(out, &"\n".repeat(1_000_000))]);
        assert_eq!((flood.len(), flood[1000].1.as_str().split(' ').next()), (1001, Some("999000")));
    }
}
