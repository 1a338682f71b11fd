//! The file: TOML in which every value is read as the text that a variable would have. What is there must be known.

use super::{KEYS, Mistake};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Longest file that is read: a hundred times what all keys need.
const FILE_LEN_MAX: u64 = 1024 * 1024;
/// How alike two names are that one may have meant: of 1.
const ALIKE: f64 = 0.8;

/// What the file says: the name of each key, its line and its value. What is wrong with it is added to `mistakes`.
pub(super) fn read(path: &Path, mistakes: &mut Vec<Mistake>) -> Vec<(&'static str, usize, String)> {
    let text = match text(path) {
        Ok(text) => text,
        Err(error) => {
            mistakes.push(Mistake::new("--config", format!("failed to read {}: {error}", path.display())));
            return Vec::new();
        }
    };
    let mut reading = Reading { path, text: &text, found: Vec::new(), mistakes };
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        reading.wrong(error.span().unwrap_or_default(), error.message().to_owned());
    }
    // What stands behind a mistake may have been read as something else.
    if errors.is_empty() {
        reading.table("", table.get_ref());
    }
    reading.found
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_LEN_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_LEN_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {FILE_LEN_MAX} bytes")));
    }
    Ok(text)
}

struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    found: Vec<(&'static str, usize, String)>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Reading<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            match value.get_ref() {
                DeValue::Table(table) if KEYS.iter().any(|key| key.name.starts_with(&format!("{name}."))) => {
                    self.table(&format!("{name}."), table);
                }
                value => self.value(&name, key.span(), value),
            }
        }
    }

    fn value(&mut self, name: &str, at: Range<usize>, value: &DeValue<'_>) {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else { return self.wrong(at, unknown(name)) };
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                return self.wrong(at, format!("{name}: it is neither a text nor a whole number: write {}", key.form));
            }
        };
        let line = self.line(&at);
        self.found.push((key.name, line, text));
    }

    fn wrong(&mut self, at: Range<usize>, problem: String) {
        let place = format!("{}:{}", self.path.display(), self.line(&at));
        self.mistakes.push(Mistake { place, problem });
    }

    fn line(&self, at: &Range<usize>) -> usize {
        let before = &self.text.as_bytes()[..at.start.min(self.text.len())];
        before.split(|byte| *byte == b'\n').count()
    }
}

fn unknown(name: &str) -> String {
    if name == "secrets.master_key" {
        return "secrets are not written here: name a file in secrets.master_key_file, or set AMENDS_MASTER_KEY".to_owned();
    }
    let alike = KEYS.iter().map(|key| (strsim::jaro_winkler(name, key.name), key.name));
    match alike.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(how, _)| *how >= ALIKE) {
        Some((_, meant)) => format!("there is no key `{name}`: did you mean `{meant}`?"),
        None => format!("there is no key `{name}`: docs/configuration.md has them all"),
    }
}
