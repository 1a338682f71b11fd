//! Compiled code on disk that somebody changed. None of it is run, whatever was changed: a sandbox that cannot compile shows it.

use crate::Plant;
use crate::campaign::{Case, Target, Verdict};
use crate::mutation::mutate;
use crate::sandboxes::Beside;
use amends::sandbox::{CodeDir, CompilerSettings};
use amends_domain::digest::Digest;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// Bytes of the head and of the MAC: where they end and begin is all that is known of the form here.
const HEAD_LEN: usize = 88;
const MAC_LEN: usize = 32;

pub(crate) struct Entries {
    plant: Plant,
    component: Vec<u8>,
    /// As it was written.
    entry: Vec<u8>,
    /// Of another component, under the same key.
    other: Vec<u8>,
    key: Vec<u8>,
    /// A directory for each thread, and a sandbox over it. Those that nobody uses now.
    places: Mutex<Vec<Place>>,
}

struct Place {
    dir: TempDir,
    beside: Beside,
}

impl Entries {
    pub(crate) fn new(plant: Plant) -> Self {
        let made = tempfile::tempdir().expect("there is room");
        let (component, another) = (harness::small_guest("echo"), harness::small_guest("trap"));
        let code_dir = CodeDir { dir: made.path().join("code"), len_max: 64 << 20 };
        let beside = Beside::over(CompilerSettings::InProcess, Some(code_dir.clone()));
        for component in [&component, &another] {
            beside.load(component.clone()).unwrap_or_else(|refusal| panic!("{refusal}"));
        }
        let read = |name: String| std::fs::read(code_dir.dir.join(name)).expect("it was written");
        let (entry, other) = (read(name(&component)), read(name(&another)));
        let entries = Self { plant, component, entry, other, key: read("key".into()), places: Mutex::default() };
        // What is not changed is run.
        let place = entries.place();
        std::fs::write(place.entry(&entries.component), &entries.entry).expect("there is room");
        assert!(place.beside.load(entries.component.clone()).is_ok(), "an entry that was not changed is used");
        entries
    }

    fn place(&self) -> Place {
        if let Some(place) = self.places.lock().expect("nobody panics with it").pop() {
            return place;
        }
        let dir = tempfile::tempdir().expect("there is room");
        let code = dir.path().join("code");
        // Made by the sandbox, which has a key of its own then.
        let code_dir = CodeDir { dir: code.clone(), len_max: 64 << 20 };
        drop(Beside::without_compiler(Some(code_dir.clone())));
        std::fs::write(code.join("key"), &self.key).expect("there is room");
        Place { dir, beside: Beside::without_compiler(Some(code_dir)) }
    }
}

fn name(component: &[u8]) -> String {
    format!("{}.code", Digest::of(component).hex())
}

impl Place {
    fn entry(&self, component: &[u8]) -> PathBuf {
        self.dir.path().join("code").join(name(component))
    }
}

impl Target for Entries {
    fn name(&self) -> &'static str {
        "entries"
    }

    fn cases(&self) -> u64 {
        2_500
    }

    fn floors(&self) -> &'static [(&'static str, u64)] {
        &[("its head", 100), ("its code", 100), ("its MAC", 100), ("its length", 100), ("other parts", 50)]
    }

    fn time_max(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn memory_max(&self) -> usize {
        16 << 20
    }

    fn play(&self, case: &mut Case) -> Result<Verdict, String> {
        let dice = &mut case.dice;
        let mut entry = self.entry.clone();
        let mac_at = entry.len() - MAC_LEN;
        let changed = match dice.below(6) {
            0 => {
                let mut head = entry.drain(..HEAD_LEN).collect();
                mutate(dice, &mut head);
                entry.splice(..0, head);
                "its head"
            }
            1 => {
                let at = dice.below((mac_at - HEAD_LEN) as u64);
                entry[HEAD_LEN + usize::try_from(at).expect("a length")] ^= 1 << dice.below(8);
                "its code"
            }
            2 => {
                let at = dice.below(MAC_LEN as u64);
                entry[mac_at + usize::try_from(at).expect("a length")] ^= 1 << dice.below(8);
                "its MAC"
            }
            3 => {
                let len = usize::try_from(dice.below(entry.len() as u64)).expect("a length");
                if dice.hits(80) {
                    entry.truncate(len);
                } else {
                    entry.extend_from_within(..len.min(100));
                }
                "its length"
            }
            4 => {
                // Parts of two that are both ours.
                let at = *dice.one(&[16, 48, 80, HEAD_LEN, mac_at, entry.len() / 2]);
                entry.truncate(at);
                entry.extend(self.other.get(at..).unwrap_or_default());
                "other parts"
            }
            _ => {
                mutate(dice, &mut entry);
                "anything"
            }
        };
        if entry == self.entry {
            return Ok("not changed".into());
        }
        case.show(|| format!("{changed}: {} bytes, {} before", entry.len(), self.entry.len()));
        let place = self.place();
        std::fs::write(place.entry(&self.component), self.seen(entry)).expect("there is room");
        let checked = place.beside.check(self.component.clone());
        if checked == Ok(Ok(())) {
            self.places.lock().expect("nobody panics with it").push(place);
            return Ok(changed.into());
        }
        Err(format!("{changed}, and it is run: {checked:?}"))
    }
}

impl Entries {
    /// What a sandbox sees of an entry. The planted one does not look at the last byte of the MAC.
    fn seen(&self, mut entry: Vec<u8>) -> Vec<u8> {
        match self.plant {
            Plant::Nothing => {}
            Plant::Mistake => {
                let last = self.entry.len() - 1;
                if entry.len() > last {
                    entry[last] = self.entry[last];
                }
            }
        }
        entry
    }
}
