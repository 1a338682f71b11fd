//! The compiler in its process: what it may take, what its death means, and that nobody else notices. Children are told apart by the
//! memory that they may have, which is different in each test.

use crate::{MIB, SETTINGS, call, guest, invoke, output};
use amends::sandbox::{CompileLimits, CompilerSettings, Refusal, Sandbox, SandboxSettings};
use amends_domain::digest::Digest;
use amends_domain::time::Span;
use harness::busy;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Nothing here takes longer, however slow the machine.
const PATIENCE: Duration = Duration::from_mins(1);
const PLENTY: CompileLimits = CompileLimits { memory_max: 1024 * MIB, cpu_max_s: 60, wall_max: Span(60_000) };

fn sandbox(program: PathBuf, limits: CompileLimits) -> Sandbox {
    let compiler = CompilerSettings::Process { program, limits };
    Sandbox::new(SandboxSettings { compiler, ..SETTINGS }).expect("this machine runs guests")
}

async fn refusal(sandbox: &Sandbox, bytes: Vec<u8>) -> Refusal {
    sandbox.load(Digest::of(&bytes), bytes.into()).await.expect_err("it is refused")
}

/// Processes that this one started to compile with so much memory.
fn children(limits: CompileLimits) -> Vec<u32> {
    children_of(std::process::id(), limits)
}

fn children_of(pid: u32, limits: CompileLimits) -> Vec<u32> {
    let memory = limits.memory_max.to_string();
    let pids =
        std::fs::read_dir("/proc").expect("the kernel tells").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_ours = |child: &u32| {
        let said = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        let arguments: Vec<_> = said.split(|byte| *byte == 0).collect();
        arguments.contains(&b"compile-child".as_slice()) && arguments.contains(&memory.as_bytes()) && parent(*child) == pid
    };
    pids.filter(is_ours).collect()
}

fn parent(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok()).unwrap_or(0)
}

/// Hundredths of a second that a process has computed.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    behind_name.split_whitespace().nth(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// Waits until there are so many children.
async fn until(limits: CompileLimits, there: usize) -> Vec<u32> {
    let begun = Instant::now();
    loop {
        let children = children(limits);
        if children.len() == there {
            return children;
        }
        assert!(begun.elapsed() < PATIENCE, "{} children", children.len());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Memory that this process has, bytes.
fn memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("the kernel tells");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4096
}

#[tokio::test]
async fn a_component_is_compiled_elsewhere_and_runs_here() {
    let sandbox = sandbox(harness::amends(), PLENTY);
    let echo = crate::load(&sandbox, guest("echo")).await;
    assert_eq!(output(&invoke(&sandbox, call(&echo, b"{}")).await), b"{}");
    let wrong = harness::small_guest_text("frame")
        .replace("(i32.const 32768))", "(i64.const 32768))")
        .replace("(;guest;)", &harness::small_guest_text("echo"));
    let refusal = refusal(&sandbox, wat::parse_str(wrong).expect("text")).await;
    assert_eq!(refusal.code(), "component_not_compilable", "{refusal}");
    assert!(refusal.to_string().contains("type mismatch"), "what the compiler says is told: {refusal}");
}

#[tokio::test]
async fn a_compiler_that_takes_too_long_or_too_much_is_ended_and_nothing_else() {
    let busy = busy();
    let before = memory();
    for (limits, code, says) in [
        (CompileLimits { cpu_max_s: 1, memory_max: 1025 * MIB, ..PLENTY }, "compile_timeout", "1s of the processor"),
        (CompileLimits { wall_max: Span(200), memory_max: 1026 * MIB, ..PLENTY }, "compile_timeout", "200ms on the clock"),
        (CompileLimits { memory_max: 200 * MIB, ..PLENTY }, "compile_out_of_memory", "209715200 bytes"),
    ] {
        let sandbox = sandbox(harness::amends(), limits);
        let begun = Instant::now();
        let refusal = refusal(&sandbox, busy.clone()).await;
        assert_eq!(refusal.code(), code, "{refusal}");
        assert!(refusal.to_string().contains(says), "{says} in {refusal}");
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        assert_eq!(children(limits), [0; 0], "no process is left behind");
    }
    let more = memory().saturating_sub(before);
    assert!(more < 200 * MIB, "{more} bytes more");
}

#[tokio::test]
async fn within_its_limits_the_same_sandbox_compiles_after_a_refusal() {
    let limits = CompileLimits { memory_max: 220 * MIB, ..PLENTY };
    let sandbox = sandbox(harness::amends(), limits);
    assert_eq!(refusal(&sandbox, busy()).await.code(), "compile_out_of_memory");
    let echo = crate::load(&sandbox, guest("echo")).await;
    assert_eq!(output(&invoke(&sandbox, call(&echo, b"{}")).await), b"{}");
}

#[tokio::test]
async fn the_compiler_has_limits_and_neither_files_nor_anything_of_the_environment() {
    let limits = CompileLimits { memory_max: 1027 * MIB, cpu_max_s: 50, ..PLENTY };
    let sandbox = sandbox(harness::amends(), limits);
    let load = async {
        let bytes = busy();
        sandbox.load(Digest::of(&bytes), bytes.into()).await
    };
    let look = async {
        let pid = until(limits, 1).await[0];
        let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).expect("it runs");
        // It limits itself before it reads; before that there is nothing to see. This is the last of its limits.
        let begun = Instant::now();
        while !read("limits").contains("Max file size             0 ") {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(read("status").contains("NoNewPrivs:\t1"));
        assert_eq!(read("environ"), "MIMALLOC_ARENA_RESERVE=32768\0", "what is said to its allocator");
        let said = read("limits");
        for wanted in [
            ["cpu time", "50", "51"],
            ["core file size", "0", "0"],
            ["file size", "0", "0"],
            ["address space", "1076887552", "1076887552"],
        ] {
            let line = said.lines().find(|line| line.starts_with(&format!("Max {} ", wanted[0]))).expect(wanted[0]);
            assert!(line.split_whitespace().collect::<Vec<_>>().windows(2).any(|pair| pair == &wanted[1..]), "{line}");
        }
        // Pipes, and whatever this test was started with: nothing that this process opened.
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
        let files: Vec<_> = fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()).collect();
        assert!(files.iter().all(|file| !file.is_absolute() || file.starts_with("/dev")), "{files:?}");
        assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).expect("it runs"), Path::new("/"));
    };
    tokio::select! {
        loaded = load => panic!("it was over before it could be looked at: {loaded:?}"),
        () = look => {}
    }
    // What was being loaded was dropped.
    until(limits, 0).await;
}

#[tokio::test]
async fn a_compiler_that_is_killed_is_a_refusal() {
    let limits = CompileLimits { memory_max: 1028 * MIB, ..PLENTY };
    let sandbox = sandbox(harness::amends(), limits);
    let kill = async {
        let pid = until(limits, 1).await[0];
        let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        assert!(killed.expect("there is kill").success());
    };
    let (refusal, ()) = tokio::join!(refusal(&sandbox, busy()), kill);
    assert_eq!(refusal.code(), "compile_failed");
    assert!(refusal.to_string().contains("killed"), "{refusal}");
}

#[test]
fn a_compiler_whose_host_was_killed_ends() {
    let dir = tempfile::tempdir().expect("there is room");
    let upload = dir.path().join("busy.wasm");
    std::fs::write(&upload, busy()).expect("there is room");
    let mut host = Command::new(harness::amends()).args(["plugin", "check"]).arg(&upload).spawn().expect("it is built");
    let begun = Instant::now();
    let child = loop {
        // It compiles: one that still reads would end anyway.
        if let [child] = children_of(host.id(), CompileLimits::PLUGINS)[..]
            && ticks(child) > 30
        {
            break child;
        }
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(2));
    };
    host.kill().and_then(|()| host.wait()).expect("it is ours");
    // Gone, or dead and not yet buried by whoever inherited it.
    let is_over = || {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        status.is_empty() || status.contains("State:\tZ")
    };
    let killed = Instant::now();
    while !is_over() {
        assert!(killed.elapsed() < Duration::from_secs(2), "it compiles on for nobody");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[tokio::test]
async fn a_program_that_does_not_compile_is_a_refusal_whatever_it_does() {
    let dir = tempfile::tempdir().expect("there is room");
    let limits = CompileLimits { wall_max: Span(20_000), ..PLENTY };
    let code_of = |len: &str, code: &str| format!(r"cat > /dev/null & printf 'C{len}\0\0\0\0\0\0\0{code}'");
    for (number, (script, says)) in [
        ("exit 0", "exit status: 0"),
        ("kill -KILL $$", "killed"),
        ("kill -ABRT $$", "signal: 6"),
        ("echo sorry >&2; exit 3", "exit status: 3: sorry"),
        ("printf 'hello, this is no reply'", "exit status: 0"),
        (r"printf 'C\377\377\377\377\377\377\377\377'", "exit status: 0"),
        (code_of(r"\020", "cut off").as_str(), "exit status: 0"),
        (code_of(r"\004", "junk").as_str(), "failed to load code"),
        ("env >&2; exit 1", "exit status: 1"),
    ]
    .into_iter()
    .enumerate()
    {
        let program = dir.path().join(format!("compiler-{number}"));
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("there is room");
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).expect("it is ours");
        let refusal = refusal(&sandbox(program, limits), guest("echo")).await;
        assert_eq!(refusal.code(), "compile_failed", "{script}: {refusal}");
        assert!(refusal.to_string().contains(says), "{script}: {says} in {refusal}");
        assert!(!refusal.to_string().contains("CARGO"), "the environment of this process: {refusal}");
    }
    let refusal = refusal(&sandbox(dir.path().join("missing"), limits), guest("echo")).await;
    assert_eq!(refusal.code(), "compile_failed");
    assert!(refusal.to_string().contains("cannot run"), "{refusal}");
}
