//! `amends exec --inputs`: a run for each line of a file. Apart from `exec`, which tells all of one run; here each is one line.

use super::argument::{file, json};
use super::drive::Stay;
use super::error::{as_text, message, misuse};
use super::hosted::{driven, id};
use super::output::{Exit, Format, remark};
use super::tally::{RunLine, Tally};
use crate::clock::{Clock, SystemClock};
use crate::coordinator::{StartError, StartRun};
use amends_domain::payload::Payload;
use amends_domain::run::Run;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use std::path::Path;

/// Most runs that are driven at a time.
const RUNS_MAX: usize = 64;

/// The inputs of many runs.
pub(super) struct Batch {
    /// Each with the number of its line.
    inputs: Vec<(usize, Payload)>,
    key: Option<String>,
}

impl Batch {
    /// Reads a file with one JSON text on each line; empty lines are passed over. All is checked before anything is started.
    pub(super) fn read(path: &Path, key: Option<String>) -> anyhow::Result<Self> {
        let text = Bytes::from(file(path)?);
        let lines = (1..).zip(text.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty());
        let read = |(number, line)| Ok((number, json(&text.slice_ref(line), &format!("line {number} of {}", path.display()))?));
        let inputs = lines.map(read).collect::<anyhow::Result<Vec<_>>>()?;
        if inputs.is_empty() {
            return Err(misuse("file_empty", format!("{} has no inputs: write one JSON text on each line", path.display())));
        }
        Ok(Self { inputs, key })
    }
}

/// Why a line has no outcome.
enum Failed {
    /// This one was refused; the others go on.
    Refused(StartError),
    /// This host cannot go on with any.
    Host(anyhow::Error),
}

pub(super) async fn run(
    stay: Stay<'_>,
    batch: Batch,
    start: impl Fn(Payload, Option<String>) -> StartRun,
    format: Format,
) -> anyhow::Result<Exit> {
    let began = SystemClock.now();
    let mut tally = Tally::default();
    let mut refused = false;
    let started = batch.inputs.into_iter().map(|(line, input)| {
        let key = batch.key.as_ref().map(|key| format!("{key}-{line}"));
        let start = start(input, key);
        async move { (line, one(stay, start).await) }
    });
    let mut ends = stream::iter(started).buffer_unordered(RUNS_MAX);
    while let Some((line, ended)) = ends.next().await {
        match ended {
            Ok(run) => tally.add(&RunLine::of(Some(line), stay.tenant, &run), format)?,
            Err(Failed::Refused(error)) => {
                refused = true;
                tally.refuse();
                remark(as_text(error.code(), &message(&anyhow::Error::from(error).context(format!("line {line}")))))?;
            }
            Err(Failed::Host(error)) => return Err(error),
        }
    }
    tally.close(SystemClock.now().since(began), format)?;
    Ok(if refused { Exit::Refused } else { tally.exit() })
}

async fn one(stay: Stay<'_>, start: StartRun) -> Result<Run, Failed> {
    let started = stay.coordinator.start(start).await.map_err(|error| match error {
        StartError::Host(error) => Failed::Host(error.into()),
        refused => Failed::Refused(refused),
    })?;
    let run = id(&started);
    let driven = driven(stay.coordinator, stay.tenant, started).map_err(Failed::Host)?;
    stay.to_its_rest(run, driven).await.map_err(Failed::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_keep_the_numbers_of_their_lines_and_a_bad_one_is_named() {
        let path = std::env::temp_dir().join(format!("amends-inputs-{}", std::process::id()));
        let read = |text: &str| {
            std::fs::write(&path, text).expect("a file");
            Batch::read(&path, None).map(|batch| batch.inputs).map_err(|error| message(&error))
        };
        assert_eq!(read("{\"a\":1}\r\n\n 2 \n"), Ok(vec![(1, Payload::from("{\"a\":1}")), (3, Payload::from("2"))]));
        assert!(read("1\n{\n").is_err_and(|error| error.contains("line 2 of ")));
        assert!(read("\n\n").is_err_and(|error| error.contains("has no inputs")));
        std::fs::remove_file(path).expect("it was made here");
    }
}
