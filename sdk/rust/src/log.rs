//! The bounded log of the attempt, which people read next to its journal. The host cuts what is too much.

use std::fmt::Display;

use crate::host;

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the plugin's developer.
    Debug,
    /// What normally happens.
    Info,
    /// Odd, but dealt with.
    Warn,
    /// What went wrong.
    Error,
}

/// Writes a line for the plugin's developer.
pub fn debug(message: impl Display) {
    write(Level::Debug, message);
}

/// Writes a line about what normally happens.
pub fn info(message: impl Display) {
    write(Level::Info, message);
}

/// Writes a line about something odd that was dealt with.
pub fn warn(message: impl Display) {
    write(Level::Warn, message);
}

/// Writes a line about what went wrong.
pub fn error(message: impl Display) {
    write(Level::Error, message);
}

/// Writes a line of the given level.
pub fn write(level: Level, message: impl Display) {
    host::log(level, &message.to_string());
}
