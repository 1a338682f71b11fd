//! How a server is set up: what may be said, where it is said, and what holds. A flag counts before a variable, a variable before the file, the file
//! before the default. Everything is read before anything is told, so that all mistakes are told at once.

mod file;
mod forms;
mod keys;

pub use forms::LogFormat;
pub use keys::{KEYS, Key, Settings};

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// On the command line.
    Flag(&'static str),
    /// In the environment.
    Variable(&'static str),
    /// In the file.
    File {
        /// Which.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// Nowhere.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// A flag, a variable, a line of the file, or the key that nobody set.
    pub place: String,
    /// What is wrong and what helps.
    pub problem: String,
}

impl Mistake {
    fn new(place: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self { place: place.to_string(), problem: problem.into() }
    }
}

/// All that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<Mistake>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = if self.0.len() == 1 { "mistake" } else { "mistakes" };
        write!(f, "the configuration has {} {many}", self.0.len())?;
        self.0.iter().try_for_each(|Mistake { place, problem }| write!(f, "\n  {place}: {problem}"))
    }
}

/// What was said, before it is read.
#[derive(Debug)]
pub struct Said<'a> {
    /// Values of flags, by the names of their keys.
    pub flags: Vec<(&'static str, String)>,
    /// The file; none: there is none.
    pub file: Option<&'a Path>,
}

/// What holds, and where it was said.
#[derive(Debug)]
pub struct Config {
    /// What holds.
    pub settings: Settings,
    /// What was said of each key, and where.
    effective: BTreeMap<&'static str, (Source, String)>,
}

impl Config {
    /// Reads everything that was said. `variable` reads the environment.
    ///
    /// # Errors
    /// [`ConfigError`] with all that is wrong.
    pub fn read(said: Said<'_>, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut given = Given::default();
        for key in KEYS {
            if let Some(text) = variable(key.variable).filter(|text| !text.is_empty()) {
                given.effective.insert(key.name, (Source::Variable(key.variable), text));
            }
        }
        if let Some(path) = said.file {
            for (name, line, text) in file::read(path, &mut given.mistakes) {
                let source = Source::File { path: path.to_owned(), line };
                given.effective.entry(name).or_insert((source, text));
            }
        }
        for (name, text) in said.flags {
            let key = KEYS.iter().find(|key| key.name == name).expect("a flag belongs to a key");
            given.effective.insert(key.name, (Source::Flag(key.flag.expect("the key has a flag")), text));
        }
        for key in KEYS {
            given.effective.entry(key.name).or_insert_with(|| (Source::Default, key.default.to_owned()));
        }
        let settings = Settings::of(&mut given);
        let Given { effective, mistakes } = given;
        match settings {
            Some(settings) if mistakes.is_empty() => Ok(Self { settings, effective }),
            Some(_) | None => Err(ConfigError(mistakes)),
        }
    }

    /// What holds, key by key: its name, its value and where it was said.
    pub fn effective(&self) -> impl Iterator<Item = (&'static str, &str, &Source)> {
        KEYS.iter().map(|key| {
            let (source, text) = &self.effective[key.name];
            (key.name, text.as_str(), source)
        })
    }
}

/// What was said of every key, and what was wrong with it so far.
#[derive(Debug, Default)]
struct Given {
    effective: BTreeMap<&'static str, (Source, String)>,
    mistakes: Vec<Mistake>,
}

impl Given {
    /// What is said of a key; none if that is a mistake.
    fn read<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let (source, text) = &self.effective[name];
        match read(text) {
            Ok(value) => Some(value),
            Err(problem) => {
                let place = if *source == Source::Default { name.to_owned() } else { source.to_string() };
                self.mistakes.push(Mistake::new(place, format!("{name}: {problem}")));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
