//! What is true of every reply, whatever the guest did. The limits are stated a second time: one that is loosened is told twice.

use crate::sandboxes::is_tidy;
use amends::sandbox::Reply;
use amends_domain::definition::Limits;
use amends_domain::event::{Ending, FAULT_CODE_LEN_MAX, FAULT_MESSAGE_LEN_MAX, Failure, Halt};
use amends_domain::payload::{PAYLOAD_LEN_MAX, Payload};

/// Longest message of a halt, bytes, and the words around it.
const MESSAGE_LEN_MAX: usize = 2048 + 256;
/// Most lines and bytes of a log, with the line that says how many are not there.
const LINES_MAX: usize = 1001;
const LOG_LEN_MAX: usize = 256 * 1024 + 256;
/// Longest line. What is escaped, and the mark where it was cut, are within it or a few bytes over.
const LINE_LEN_MAX: usize = 4 * 1024 + 16;
const KEY_LEN_MAX: usize = 512;
const READS_MAX: usize = 1000;
const WRITES_MAX: usize = 256;
const WRITTEN_LEN_MAX: usize = 1024 * 1024;

/// Gives the word for how it ended; `Err` says what is not as it must be.
pub(crate) fn check(reply: &Reply, limits: Limits) -> Result<&'static str, String> {
    let Reply { ending, spent, log, reads, writes, host_error } = reply;
    let log_len: usize = log.iter().map(|line| line.message.len()).sum();
    let written_len: usize = writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Payload::len)).sum();
    let is_key = |key: &str| !key.is_empty() && key.len() <= KEY_LEN_MAX && !key.chars().any(char::is_control);
    for (holds, what) in [
        (host_error.is_none(), "the host failed"),
        (spent.fuel <= limits.fuel, "more fuel than there was"),
        (log.len() <= LINES_MAX && log_len <= LOG_LEN_MAX, "too long a log"),
        (
            log.iter().all(|line| is_tidy(&line.message, LINE_LEN_MAX)),
            "a line of the log that a terminal would obey, or too long a one",
        ),
        (reads.len() <= READS_MAX && reads.iter().all(|(key, _)| is_key(key)), "too many reads, or a key that is none"),
        (writes.len() <= WRITES_MAX && written_len <= WRITTEN_LEN_MAX, "too many writes"),
        (writes.iter().all(|(key, _)| is_key(key)), "a write of a key that is none"),
        (writes.is_empty() || matches!(ending, Ending::Ok { .. }), "writes of an attempt that did not end well"),
    ] {
        if !holds {
            return Err(what.to_owned());
        }
    }
    end(ending)
}

fn end(ending: &Ending) -> Result<&'static str, String> {
    match ending {
        Ending::Ok { output } if output.len() > PAYLOAD_LEN_MAX => Err("too long an output".to_owned()),
        Ending::Ok { .. } => Ok("ok"),
        Ending::Failed { fault, .. } if !is_tidy(&fault.code, FAULT_CODE_LEN_MAX + 16) => {
            Err("a code that cannot be shown".to_owned())
        }
        Ending::Failed { fault, .. } if !is_tidy(&fault.message, FAULT_MESSAGE_LEN_MAX + 16) => {
            Err("a message that cannot be shown".to_owned())
        }
        Ending::Failed { fault, .. } if fault.details.as_ref().is_some_and(|details| details.len() > PAYLOAD_LEN_MAX) => {
            Err("too long details".to_owned())
        }
        Ending::Failed { failure, .. } => Ok(match failure {
            Failure::Rejected => "rejected",
            Failure::Unavailable => "unavailable",
            Failure::Uncertain => "uncertain",
        }),
        Ending::Halted { message, .. } if message.is_empty() || !is_tidy(message, MESSAGE_LEN_MAX) => {
            Err("a halt whose message says nothing, or cannot be shown".to_owned())
        }
        Ending::Halted { halt, .. } => match halt {
            Halt::Trap => Ok("trap"),
            Halt::OutOfFuel => Ok("out-of-fuel"),
            Halt::OutOfMemory => Ok("out-of-memory"),
            Halt::Oversized => Ok("oversized"),
            Halt::Timeout | Halt::Cancelled | Halt::Lost => Err("nobody ended it, and it was ended".to_owned()),
        },
    }
}
