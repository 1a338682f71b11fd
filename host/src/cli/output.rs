//! What leaves a command: its exit code, its lines, its JSON. Apart, because every command needs it and none may do it otherwise:
//! whoever wrote what is shown must not be able to steer the terminal that shows it.

use serde::Serialize;
use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

/// How a command ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked to.
    Done,
    /// The run did not succeed, or the command could not be finished.
    NotSucceeded,
    /// It was called wrongly.
    Usage,
    /// What it was given, or asked for, is refused.
    Refused,
    /// The server cannot be reached.
    Unreachable,
    /// The audit chain is broken.
    ChainBroken,
    /// Ctrl-C; as shells have it, 128 and the number of the signal.
    Interrupted,
    /// SIGTERM, likewise.
    Terminated,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotSucceeded => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Unreachable => 4,
            Self::ChainBroken => 5,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// In which form a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Writes a line to standard output and flushes it. What tenants wrote in it must have gone through [`plain`].
///
/// # Errors
/// If it cannot be written. A reader that went away is none: what the command does goes on without it.
pub fn say(line: impl Display) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    unless_nobody_reads(writeln!(out, "{line}").and_then(|()| out.flush()))
}

/// Writes a line to standard error: what is worth knowing and is not the answer.
///
/// # Errors
/// As [`say`].
pub fn remark(line: impl Display) -> io::Result<()> {
    unless_nobody_reads(writeln!(anstream::stderr().lock(), "{line}"))
}

/// Writes `answer` as JSON to standard output: on one line for programs, on several where a person looks at it.
///
/// # Errors
/// As [`say`].
pub fn say_json(answer: &impl Serialize) -> anyhow::Result<()> {
    let text = if io::stdout().is_terminal() { serde_json::to_string_pretty(answer)? } else { serde_json::to_string(answer)? };
    Ok(say(safe_json(&text))?)
}

/// Writes `answer` as one line of JSON, whoever looks: one of many.
///
/// # Errors
/// As [`say`].
pub fn say_json_line(answer: &impl Serialize) -> anyhow::Result<()> {
    Ok(say(safe_json(&serde_json::to_string(answer)?))?)
}

fn unless_nobody_reads(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// `text` on one line with everything escaped that a terminal would obey.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) { plain.push(c) } else { plain.extend(c.escape_default()) }
    }
    plain
}

/// JSON that means the same and has nothing in it that a terminal would obey. Outside of strings JSON has only ASCII, so whatever is
/// replaced is in a string; line breaks are the layout's, since JSON escapes those in strings.
fn safe_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_plain(c) {
            safe.push(c);
        } else {
            write!(safe, "\\u{:04x}", u32::from(c)).expect("a string takes all");
        }
    }
    safe
}

/// Whether a character shows itself and nothing else: no control character, no separator of lines, none of the marks of Unicode's
/// bidirectional algorithm (UAX #9), which make a line read otherwise. All that are not plain have four hexadecimal digits.
fn is_plain(c: char) -> bool {
    !(c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_ones_that_scripts_rely_on() {
        let all = [Exit::Done, Exit::NotSucceeded, Exit::Usage, Exit::Refused, Exit::Unreachable, Exit::ChainBroken];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 4, 5]);
        assert_eq!([Exit::Interrupted, Exit::Terminated].map(Exit::code), [130, 143]);
    }

    #[test]
    fn nothing_that_a_terminal_would_obey_is_shown() {
        for (text, shown) in
            [("plain, ä, 漢 ✓", "plain, ä, 漢 ✓"), ("a\u{1b}[31mb\n", "a\\u{1b}[31mb\\n"), ("abc\u{202e}txt", "abc\\u{202e}txt")]
        {
            assert_eq!(plain(text), shown);
        }
        let value = serde_json::json!({"a\u{9b}": "\u{1b}[2J\u{202e}\u{7f}ä\n"});
        let safe = safe_json(&serde_json::to_string_pretty(&value).expect("it is JSON"));
        assert!(safe.chars().all(|c| c == '\n' || is_plain(c)), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).expect("still JSON"), value);
    }
}
