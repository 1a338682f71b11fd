//! The script in `docs/audit-export.md` must say the same as the verifier: what others rely on is that page.

mod chain;

use chain::{Dice, export, lanes, verify};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each is a process twice, and where Python is found by a script of its own that takes a quarter of a second.
const ALTERED_FILES: usize = 3;

/// The script, and where files for it may lie.
struct Python {
    script: String,
    dir: PathBuf,
}

impl Python {
    /// None without a Python to run it.
    fn find() -> Option<Self> {
        Command::new("python3").arg("--version").output().ok().filter(|answer| answer.status.success())?;
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/audit-export.md");
        let page = fs::read_to_string(page).expect("the page is there");
        let (_, rest) = page.split_once("```python\n").expect("the page has a script");
        let (script, _) = rest.split_once("```").expect("the script ends");
        Some(Self { script: script.to_owned(), dir: env!("CARGO_TARGET_TMPDIR").into() })
    }

    /// What it prints about `file`, if it passes.
    fn verify(&self, file: &[u8]) -> Option<String> {
        let path = self.dir.join("export_document.jsonl");
        fs::write(&path, file).expect("the file can be written");
        let answer = Command::new("python3").arg("-c").arg(&self.script).arg(&path).output().expect("it was there a moment ago");
        answer.status.success().then(|| String::from_utf8(answer.stdout).expect("text"))
    }
}

#[test]
fn the_script_of_the_page_agrees_with_the_verifier() {
    let Some(python) = Python::find() else {
        println!("no python3 here: the script was not run");
        return;
    };
    let file = export(&lanes(7, 3));
    let reports = verify(&file).expect("it is untouched");
    let expected = reports.iter().map(|report| {
        let (tenant, lane, head) = (&report.tenant, report.lane.0, report.head);
        format!("{tenant} lane {lane} records {} head {}\n", head.seq, head.link.hex())
    });
    assert_eq!(python.verify(&file), Some(expected.collect::<String>()));

    let mut dice = Dice(7);
    for _ in 0..ALTERED_FILES {
        let at = dice.roll(file.len());
        let mut altered = file.clone();
        altered[at] ^= 1 << dice.roll(8);
        assert_eq!((python.verify(&altered), verify(&altered).is_err()), (None, true), "byte {at}");
        let cut = dice.roll(file.len());
        assert_eq!((python.verify(&file[..cut]), verify(&file[..cut]).is_err()), (None, true), "cut to {cut} bytes");
    }
    assert_eq!(python.verify(b""), None);
}
