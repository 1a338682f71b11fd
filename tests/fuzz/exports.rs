//! Exports of the audit chain. One that is changed is refused, wherever; one that is forged with all that a forger knows, so that every link
//! and digest fits, is read to its end and judged by what it says.

use crate::Plant;
use crate::campaign::{Case, Target, Verdict};
use crate::dice::Dice;
use crate::mutation::mutate;
use amends_domain::audit::export::{Exporter, Flaw, LaneReport, Verdict as Judged, Verifier};
use amends_domain::audit::{Body, Head};
use amends_domain::id::{Lane, TenantId};
use serde_json::Value;
use std::time::Duration;

/// A section: whose it is, and what its records say.
type Section = (TenantId, Lane, Vec<Body>);

pub(crate) struct Exports {
    plant: Plant,
    file: Vec<u8>,
    sections: Vec<Section>,
    /// Bodies that stand nowhere in the file.
    strangers: Vec<Body>,
}

impl Exports {
    pub(crate) fn new(plant: Plant) -> Self {
        let written = include_bytes!("../../host/domain/tests/golden/export.jsonl").to_vec();
        let strangers = bodies(
            include_str!("../../host/domain/tests/golden/export_lines.txt")
                .lines()
                .filter_map(|line| Some(line.split_once(' ')?.1)),
        );
        let text = std::str::from_utf8(&written).expect("JSON is text");
        let mut sections: Vec<Section> = Vec::new();
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).expect("a line is JSON");
            if let Some(tenant) = value["tenant"].as_str() {
                let lane = Lane(u32::try_from(value["lane"].as_u64().expect("a number")).expect("a small one"));
                sections.push((tenant.parse().expect("a name"), lane, Vec::new()));
            } else if value.get("seq").is_some() {
                sections.last_mut().expect("a section has begun").2.extend(bodies([line]));
            }
        }
        let exports = Self { plant, file: rendered(&sections), sections, strangers };
        assert!(exports.verify(&exports.file).is_ok(), "the example is right");
        exports
    }

    fn verify(&self, file: &[u8]) -> Result<Vec<LaneReport>, Box<Flaw>> {
        let mut lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
        let right: Vec<&[u8]> = self.file.split_inclusive(|byte| *byte == b'\n').collect();
        match (self.plant, lines.last_mut(), right.last()) {
            (Plant::Mistake, Some(last), Some(right)) if lines_fit(last, right) => *last = right,
            (Plant::Mistake | Plant::Nothing, _, _) => {}
        }
        let mut verifier = Verifier::default();
        for _ in 0..2 {
            let _: Option<&&[u8]> = lines.iter().find(|line| verifier.line(line).is_break());
            match verifier.end() {
                Judged::Right(reports) => return Ok(reports),
                Judged::Wrong { flaw, .. } => return Err(flaw),
                Judged::Again(again) => verifier = *again,
            }
        }
        panic!("it asks for a third reading")
    }
}

/// Whether both are last lines.
fn lines_fit(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.starts_with(b"{\"sections\":")
}

/// What the records of these lines say.
fn bodies<'l>(lines: impl IntoIterator<Item = &'l str>) -> Vec<Body> {
    let body = |line: &str| {
        let value: Value = serde_json::from_str(line).expect("a line is JSON");
        Body::decode(&unbase64(value["body"].as_str().expect("a record has a body"))).expect("it is right")
    };
    lines.into_iter().map(body).collect()
}

/// RFC 4648, §4.
fn unbase64(text: &str) -> Vec<u8> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no digit"),
    };
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        bits = (bits << 6) | u32::from(value(digit));
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).expect("a byte"));
        }
    }
    bytes
}

/// The export of these sections, with every link and digest as it should be.
fn rendered(sections: &[Section]) -> Vec<u8> {
    let mut exporter = Exporter::default();
    let mut file = Vec::new();
    for (tenant, lane, bodies) in sections {
        file.extend(exporter.section(tenant, *lane));
        let mut head = Head::genesis(tenant, *lane);
        for body in bodies {
            file.extend(exporter.record(&head.seal(body)).expect("the links are right").0);
        }
        file.extend(exporter.end_section());
    }
    file.extend(exporter.end());
    file
}

impl Target for Exports {
    fn name(&self) -> &'static str {
        "exports"
    }

    fn cases(&self) -> u64 {
        4_000
    }

    fn floors(&self) -> &'static [(&'static str, u64)] {
        &[("changed, refused", 200), ("forged, refused", 200), ("forged, accepted", 5)]
    }

    fn time_max(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn memory_max(&self) -> usize {
        32 << 20
    }

    fn play(&self, case: &mut Case) -> Result<Verdict, String> {
        if case.dice.hits(50) {
            let mut file = self.file.clone();
            // At its end as often as anywhere else: the last lines hold what all the others add up to.
            let from = if case.dice.hits(50) { file.len() - 300 } else { 0 };
            let mut rest = file.split_off(from);
            mutate(&mut case.dice, &mut rest);
            file.extend(rest);
            case.show(|| String::from_utf8_lossy(&file).into_owned());
            return match self.verify(&file) {
                _ if file == self.file => Ok("not changed".into()),
                Err(flaw) if flaw.line > 0 && !flaw.what.is_empty() => Ok("changed, refused".into()),
                Err(flaw) => Err(format!("a flaw without a place: {flaw:?}")),
                Ok(_) => Err(format!("changed, and accepted: {}", difference(&self.file, &file))),
            };
        }
        let mut sections = self.sections.clone();
        for _ in 0..*case.dice.one(&[1, 1, 2, 4]) {
            self.forge(&mut case.dice, &mut sections);
        }
        let file = rendered(&sections);
        case.show(|| String::from_utf8_lossy(&file).into_owned());
        match self.verify(&file) {
            Ok(reports) if reports.len() == sections.len() => Ok("forged, accepted".into()),
            Ok(reports) => Err(format!("{} sections, and {} are reported", sections.len(), reports.len())),
            Err(flaw) if flaw.line > 0 && !flaw.what.is_empty() => Ok("forged, refused".into()),
            Err(flaw) => Err(format!("a flaw without a place: {flaw:?}")),
        }
    }
}

impl Exports {
    /// Changes what some record says.
    fn forge(&self, dice: &mut Dice, sections: &mut [Section]) {
        let section = usize::try_from(dice.below(sections.len() as u64)).expect("a few");
        let records = &mut sections[section].2;
        if records.is_empty() {
            return;
        }
        let any = |dice: &mut Dice| usize::try_from(dice.below(records.len() as u64)).expect("a few");
        let (at, other) = (any(dice), any(dice));
        match dice.below(6) {
            0 => drop(records.remove(at)),
            1 => records.swap(at, other),
            2 => records.insert(at, records[other].clone()),
            3 => records.insert(at, dice.one(&self.strangers).clone()),
            _ => {
                // Until something comes out that is a record.
                for _ in 0..50 {
                    let mut bytes = records[at].encode();
                    mutate(dice, &mut bytes);
                    if let Ok(body) = Body::decode(&bytes) {
                        records[at] = body;
                        return;
                    }
                }
            }
        }
    }
}

fn difference(one: &[u8], other: &[u8]) -> String {
    let at = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[at..(at + 60).min(bytes.len())]).into_owned();
    format!("byte {at}: `{}` instead of `{}`", shown(other), shown(one))
}
