//! Random core modules, valid and of every shape: what the check lets through compiles within the limits, or is refused for what it is.
//! A few seconds of them; `AMENDS_FUZZ_SECONDS` says how many.

use crate::{SETTINGS, guest};
use amends::sandbox::{CompileLimits, CompilerSettings, Sandbox, SandboxSettings};
use amends_domain::digest::Digest;
use arbitrary::Unstructured;
use std::time::{Duration, Instant};
use wasm_smith::{Config, Module};

/// How long it looks, unless it is told otherwise.
const SECONDS: u64 = 3;
/// Bytes of chance that a module is made of.
const CHANCE_LEN: usize = 64 * 1024;
/// What a module is refused for, and no other reason is good enough.
const GOOD_REASONS: [&str; 3] = ["component_has_too_many", "component_feature_not_offered", "component_name_not_plain"];

/// xorshift64*: the same modules each time for the same seed.
fn chance(seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    (0..CHANCE_LEN / 8).flat_map(|_| next().to_le_bytes()).collect()
}

/// A module as different from the last one as the generator can make it; none if the chance was no good.
fn module(seed: u64) -> Option<Vec<u8>> {
    let chance = chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let config = Config {
        max_instructions: 20_000,
        max_funcs: 200,
        // Every other one uses only what is offered, so that most of the work is the compiler's.
        gc_enabled: seed % 2 == 1,
        reference_types_enabled: seed % 2 == 1,
        exceptions_enabled: seed % 2 == 1,
        threads_enabled: seed % 4 == 3,
        memory64_enabled: seed % 4 == 1,
        max_memories: 1,
        relaxed_simd_enabled: false,
        wide_arithmetic_enabled: false,
        custom_page_sizes_enabled: false,
        custom_descriptors_enabled: false,
        shared_everything_threads_enabled: false,
        ..Config::default()
    };
    Some(Module::new(config, &mut Unstructured::new(&chance)).ok()?.to_bytes())
}

#[tokio::test]
async fn whatever_the_check_lets_through_compiles_within_the_limits() {
    let compiler = CompilerSettings::Process { program: harness::amends(), limits: CompileLimits::PLUGINS };
    let sandbox = Sandbox::new(SandboxSettings { compiler, ..SETTINGS }).expect("this machine runs guests");
    let seconds =
        std::env::var("AMENDS_FUZZ_SECONDS").map_or(SECONDS, |text| text.parse().expect("AMENDS_FUZZ_SECONDS is a number"));
    let until = Instant::now() + Duration::from_secs(seconds);
    // The same ones each time, unless there is time for more.
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0.. {
        if Instant::now() >= until {
            break;
        }
        let Some(module) = module(seed) else { continue };
        let bytes = harness::with_modules(guest("echo"), [module]);
        match sandbox.load(Digest::of(&bytes), bytes.into()).await {
            Ok(_) => accepted += 1,
            Err(refusal) if GOOD_REASONS.contains(&refusal.code()) => refused += 1,
            // Valid in itself, and not within a component.
            Err(refusal) if refusal.to_string().contains("duplicate import name") => refused += 1,
            Err(refusal) => panic!("seed {seed}: {}: {refusal}", refusal.code()),
        }
    }
    println!("{accepted} modules were compiled, {refused} refused before");
    assert!(accepted > 10 && refused > 0, "only {accepted} were compiled, {refused} refused");
}
