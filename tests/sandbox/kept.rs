//! Compiled code on disk: used when it is what was written there, never run when it is not. A sandbox whose compiler is missing shows
//! which of the two it was.

use crate::{MIB, SETTINGS, call, guest, invoke, load, output};
use amends::sandbox::{CodeDir, CompileLimits, CompilerSettings, Component, Refusal, Sandbox, SandboxSettings};
use amends_domain::digest::Digest;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A directory for code, and what lies in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("there is room"))
    }

    /// One in which the code of `components` is kept.
    async fn with(components: &[&[u8]]) -> Self {
        let place = Self::new();
        let sandbox = place.sandbox(CompilerSettings::InProcess, 64 * MIB);
        for component in components {
            load(&sandbox, component.to_vec()).await;
        }
        place
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("code")
    }

    fn entry(&self, component: &[u8]) -> PathBuf {
        self.dir().join(format!("{}.code", Digest::of(component).hex()))
    }

    /// Names of the files that end so, in order.
    fn ending(&self, ending: &str) -> Vec<String> {
        let entries = fs::read_dir(self.dir()).expect("it is there");
        let names = entries.map(|entry| entry.expect("it is read").file_name().into_string().expect("our names are text"));
        let mut names: Vec<_> = names.filter(|name| name.ends_with(ending)).collect();
        names.sort();
        names
    }

    fn sandbox(&self, compiler: CompilerSettings, len_max: u64) -> Sandbox {
        let code_dir = Some(CodeDir { dir: self.dir(), len_max });
        Sandbox::new(SandboxSettings { compiler, code_dir, ..SETTINGS }).expect("this machine runs guests")
    }

    /// Loads with a compiler that is not there.
    async fn load_kept(&self, component: &[u8]) -> Result<Arc<Component>, Refusal> {
        let missing = CompilerSettings::Process { program: self.0.path().join("missing"), limits: CompileLimits::PLUGINS };
        let sandbox = self.sandbox(missing, 64 * MIB);
        let loaded = sandbox.load(Digest::of(component), component.to_vec().into()).await?;
        assert_eq!(output(&invoke(&sandbox, call(&loaded, b"{}")).await), b"{}", "it is the guest that echoes");
        Ok(loaded)
    }
}

async fn assert_compiles(place: &Place, component: &[u8], why: &str) {
    let refusal = place.load_kept(component).await.expect_err(why);
    assert_eq!(refusal.code(), "compile_failed", "{why}: {refusal}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

#[tokio::test]
async fn code_that_was_kept_is_not_compiled_again() {
    let echo = guest("echo");
    let place = Place::new();
    assert_compiles(&place, &echo, "nothing is kept").await;
    let sandbox = place.sandbox(CompilerSettings::InProcess, 64 * MIB);
    load(&sandbox, echo.clone()).await;
    drop(sandbox);
    place.load_kept(&echo).await.unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_compiles(&place, &guest("trap"), "another one").await;
    assert_eq!((mode(&place.dir()), mode(&place.entry(&echo)), mode(&place.dir().join("key"))), (0o700, 0o600, 0o600));
    assert_eq!(place.ending(".bad"), [""; 0]);
}

#[tokio::test]
async fn what_is_refused_after_it_was_compiled_is_not_kept() {
    let place = Place::new();
    let sandbox = place.sandbox(CompilerSettings::InProcess, 64 * MIB);
    let bytes = wat::parse_str(r#"(component (instance $s) (export "amends:saga/step@0.1.0" (instance $s)))"#).expect("text");
    let refused = sandbox.load(Digest::of(&bytes), bytes.into()).await;
    assert_eq!(refused.map_err(|refusal| refusal.code()).err(), Some("step_mistyped"));
    assert_eq!(place.ending(".code"), [""; 0]);
}

/// Something that is done to the file of a component.
type Tampering = fn(&Place, &Path);

fn with_bytes(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("it is there");
    change(&mut bytes);
    fs::write(path, bytes).expect("there is room");
}

const TAMPERINGS: [(&str, Tampering); 13] = [
    ("its first byte is another", |_, path| with_bytes(path, |bytes| bytes[0] ^= 1)),
    ("its digest is another", |_, path| with_bytes(path, |bytes| bytes[20] ^= 1)),
    ("its engine is another", |_, path| with_bytes(path, |bytes| bytes[60] ^= 1)),
    ("its length is another", |_, path| with_bytes(path, |bytes| bytes[80] ^= 1)),
    ("its code is another", |_, path| {
        with_bytes(path, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        });
    }),
    ("its MAC is another", |_, path| with_bytes(path, |bytes| *bytes.last_mut().expect("not empty") ^= 1)),
    ("it is a byte too short", |_, path| with_bytes(path, |bytes| bytes.truncate(bytes.len() - 1))),
    ("it is half", |_, path| with_bytes(path, |bytes| bytes.truncate(bytes.len() / 2))),
    ("it is empty", |_, path| with_bytes(path, Vec::clear)),
    ("it is a byte too long", |_, path| with_bytes(path, |bytes| bytes.push(0))),
    ("it is the code of another component", |place, path| {
        fs::copy(place.entry(&guest("trap")), path).expect("there is room");
    }),
    ("it is a link to the very code", |place, path| {
        let moved = place.0.path().join("moved");
        fs::rename(path, &moved).and_then(|()| symlink(&moved, path)).expect("a link");
    }),
    ("it is a pipe", |_, path| {
        fs::remove_file(path).expect("it is there");
        assert!(Command::new("mkfifo").arg(path).status().expect("there is mkfifo").success());
    }),
];

#[tokio::test]
async fn code_that_is_not_what_was_written_is_put_aside_and_compiled_again() {
    let (echo, trap) = (guest("echo"), guest("trap"));
    for (why, tamper) in TAMPERINGS {
        let place = Place::with(&[&echo, &trap]).await;
        tamper(&place, &place.entry(&echo));
        assert_compiles(&place, &echo, why).await;
        assert_eq!(place.ending(".bad").len(), 1, "{why}: it is put aside");
        assert!(!place.entry(&echo).exists(), "{why}");
        // And with a compiler everything is as before.
        load(&place.sandbox(CompilerSettings::InProcess, 64 * MIB), echo.clone()).await;
        place.load_kept(&echo).await.unwrap_or_else(|refusal| panic!("{why}: {refusal}"));
    }
}

#[tokio::test]
async fn code_under_another_key_is_not_run() {
    let echo = guest("echo");
    let other = Place::with(&[&echo]).await;
    let place = Place::with(&[&echo]).await;
    fs::copy(other.entry(&echo), place.entry(&echo)).expect("there is room");
    assert_compiles(&place, &echo, "from another data directory").await;
    assert_eq!(place.ending(".bad").len(), 1);

    // A key that others could read or chose: what lies under it may be theirs.
    let key_of = |place: &Place| fs::read(place.dir().join("key")).expect("it is there");
    for spoil in [
        |key: &Path| fs::set_permissions(key, PermissionsExt::from_mode(0o640)).expect("it is ours"),
        |key: &Path| fs::remove_file(key).expect("it is there"),
        |key: &Path| fs::write(key, [0; 31]).expect("there is room"),
        |key: &Path| {
            let moved = key.with_extension("moved");
            fs::rename(key, &moved).and_then(|()| symlink(&moved, key)).expect("a link");
        },
    ] {
        let place = Place::with(&[&echo]).await;
        let before = key_of(&place);
        place.load_kept(&echo).await.unwrap_or_else(|refusal| panic!("{refusal}"));
        assert_eq!(key_of(&place), before, "a good key stays");
        spoil(&place.dir().join("key"));
        assert_compiles(&place, &echo, "its key is not to be trusted").await;
        assert_ne!(key_of(&place), before);
        assert_eq!(mode(&place.dir().join("key")), 0o600);
    }
}

#[tokio::test]
async fn code_of_another_release_is_made_again_and_not_put_aside() {
    let echo = guest("echo");
    let place = Place::with(&[&echo]).await;
    with_bytes(&place.entry(&echo), |bytes| bytes[12] = b'9');
    assert_compiles(&place, &echo, "another form").await;
    assert_eq!((place.ending(".bad").len(), place.ending(".code").len()), (0, 1));
    load(&place.sandbox(CompilerSettings::InProcess, 64 * MIB), echo.clone()).await;
    place.load_kept(&echo).await.unwrap_or_else(|refusal| panic!("{refusal}"));
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_what_was_used_longest_ago_goes() {
    let guests = ["echo", "trap", "fail", "eat"].map(guest);
    let place = Place::with(&[&guests[0], &guests[1]]).await;
    let len = |component: &[u8]| fs::metadata(place.entry(component)).expect("it is kept").len();
    let room = len(&guests[0]) + len(&guests[1]) + 1000;
    // The kernel's clock for files moves in steps: written at once, both could have the same time.
    for (component, second) in guests.iter().zip([1000, 2000]) {
        let file = fs::File::options().write(true).open(place.entry(component)).expect("it is ours");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).expect("it is ours");
    }
    // Used again: the other one is older now.
    place.load_kept(&guests[0]).await.unwrap_or_else(|refusal| panic!("{refusal}"));
    let sandbox = place.sandbox(CompilerSettings::InProcess, room);
    load(&sandbox, guests[2].clone()).await;
    let kept = || guests.iter().map(|component| place.entry(component).exists()).collect::<Vec<_>>();
    assert_eq!(kept(), [true, false, true, false]);
    // What is larger than all the room takes nobody's place.
    load(&place.sandbox(CompilerSettings::InProcess, 1000), guests[3].clone()).await;
    assert_eq!(kept(), [true, false, true, false]);
}

#[tokio::test]
async fn what_was_put_aside_is_bounded() {
    let place = Place::with(&[]).await;
    let sandbox = place.sandbox(CompilerSettings::InProcess, 64 * MIB);
    for number in 0..12 {
        let component = harness::with_modules(guest("echo"), std::iter::repeat_n(b"\0asm\x01\0\0\0".to_vec(), number));
        fs::write(place.entry(&component), b"not code").expect("there is room");
        load(&sandbox, component).await;
    }
    assert_eq!((place.ending(".bad").len(), place.ending(".code").len()), (8, 12));
}

#[tokio::test]
async fn what_a_host_that_died_was_writing_is_removed() {
    let place = Place::with(&[&guest("echo")]).await;
    fs::write(place.dir().join("abc.0.new"), b"half").expect("there is room");
    place.sandbox(CompilerSettings::InProcess, 64 * MIB);
    assert_eq!(place.ending(".new"), [""; 0]);
    assert_eq!(place.ending(".code").len(), 1);
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error_that_names_it() {
    let place = Place::new();
    let elsewhere = place.0.path().join("elsewhere");
    fs::create_dir(&elsewhere).and_then(|()| symlink(&elsewhere, place.dir())).expect("a link");
    let code_dir = Some(CodeDir { dir: place.dir(), len_max: MIB });
    let error = Sandbox::new(SandboxSettings { code_dir, ..SETTINGS }).err().expect("somebody else's choice").to_string();
    assert!(error.contains("compiled code") && error.contains(&place.dir().display().to_string()), "{error}");
}
