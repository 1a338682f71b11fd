//! Records as they are stored: bytes that are almost a record. Whoever reads them asks for memory as if they were true.

use crate::Plant;
use crate::campaign::{Case, Target, Verdict};
use crate::mutation::mutate;
use amends_domain::audit::{Body, BodyError};
use std::time::Duration;

pub(crate) struct Records {
    plant: Plant,
    examples: Vec<Vec<u8>>,
}

impl Records {
    pub(crate) fn new(plant: Plant) -> Self {
        let golden = include_str!("../../host/domain/tests/golden/events.txt");
        let examples: Vec<_> = golden.lines().filter_map(|line| Some(unhex(line.split_once(' ')?.1))).collect();
        assert!(examples.len() > 70, "{} examples are too few to be all", examples.len());
        Self { plant, examples }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Body, BodyError> {
        match self.plant {
            Plant::Nothing => Body::decode(bytes),
            // Whatever stands behind the first record.
            Plant::Mistake => (0..=bytes.len()).find_map(|len| Body::decode(&bytes[..len]).ok()).ok_or(BodyError::Format(0)),
        }
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits")).collect()
}

impl Target for Records {
    fn name(&self) -> &'static str {
        "records"
    }

    fn cases(&self) -> u64 {
        300_000
    }

    fn floors(&self) -> &'static [(&'static str, u64)] {
        &[("accepted", 100), ("damaged", 200), ("another format", 5)]
    }

    fn time_max(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// A length that is a lie is believed for at most a megabyte, in each list within a list.
    fn memory_max(&self) -> usize {
        8 << 20
    }

    fn play(&self, case: &mut Case) -> Result<Verdict, String> {
        let dice = &mut case.dice;
        let mut bytes = dice.one(&self.examples).clone();
        match dice.below(10) {
            0 => bytes = (0..dice.below(300)).map(|_| u8::try_from(dice.below(256)).expect("a byte")).collect(),
            1 => {
                let behind = dice.one(&self.examples);
                bytes.extend(behind);
            }
            // Behind the byte of the format, so that most of them are read further.
            2..9 => {
                let mut rest = bytes.split_off(1);
                mutate(dice, &mut rest);
                bytes.extend(rest);
            }
            _ => mutate(dice, &mut bytes),
        }
        case.show(|| format!("{bytes:02x?}"));
        match self.decode(&bytes) {
            Ok(body) => self.check(&bytes, &body).map(|()| "accepted".into()).map_err(|what| format!("{what}: {bytes:02x?}")),
            Err(BodyError::Format(_)) => Ok("another format".into()),
            Err(BodyError::Damaged(said)) if said.is_empty() => Err("nothing is said".to_owned()),
            Err(BodyError::Damaged(_)) => Ok("damaged".into()),
        }
    }
}

impl Records {
    /// What is accepted has one meaning, is accepted again, and is all of the bytes.
    fn check(&self, bytes: &[u8], body: &Body) -> Result<(), String> {
        let again = body.encode();
        if Body::decode(&again).as_ref() != Ok(body) {
            return Err(format!("{body:?} is not what is read when it is written"));
        }
        if again.len() > bytes.len() {
            return Err(format!("{body:?} is longer when it is written"));
        }
        if self.decode(&[bytes, &[0]].concat()).is_ok() {
            return Err("it is accepted with a byte behind it as well".to_owned());
        }
        Ok(())
    }
}
