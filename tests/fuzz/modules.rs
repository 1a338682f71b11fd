//! Core modules by chance, valid and of every shape, within a component: what the check lets through compiles within the limits, or is
//! refused for what it is.

use crate::Plant;
use crate::campaign::{Case, Target, Verdict};
use crate::dice::Dice;
use crate::sandboxes::{Beside, compiled};
use arbitrary::Unstructured;
use std::time::Duration;
use wasm_smith::{Config, Module};

/// Numbers of chance that a module is made of.
const CHANCE_LEN: usize = 8 * 1024;
/// What a valid module is refused for, and no other reason is good enough.
const GOOD_REASONS: [&str; 3] = ["component_has_too_many", "component_feature_not_offered", "component_name_not_plain"];

pub(crate) struct Modules {
    plant: Plant,
    checks: Beside,
    compiles: Beside,
    echo: Vec<u8>,
}

impl Modules {
    pub(crate) fn new(plant: Plant) -> Self {
        Self { plant, checks: Beside::without_compiler(None), compiles: Beside::in_a_process(), echo: harness::small_guest("echo") }
    }
}

/// A module as different from the last one as the generator can make it; none if the chance was no good.
fn module(dice: &mut Dice) -> Option<Vec<u8>> {
    let chance: Vec<u8> = (0..CHANCE_LEN).flat_map(|_| dice.below(u64::MAX).to_le_bytes()).collect();
    // Most use only what is offered, so that most of the work is the compiler's.
    let all = dice.hits(30);
    let config = Config {
        max_instructions: 20_000,
        max_funcs: 200,
        gc_enabled: all,
        reference_types_enabled: all,
        exceptions_enabled: all,
        threads_enabled: all && dice.hits(50),
        memory64_enabled: all && dice.hits(50),
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

impl Target for Modules {
    fn name(&self) -> &'static str {
        "modules"
    }

    fn cases(&self) -> u64 {
        150
    }

    fn floors(&self) -> &'static [(&'static str, u64)] {
        &[("compiled", 200), ("component_feature_not_offered", 20)]
    }

    fn time_max(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn memory_max(&self) -> usize {
        64 << 20
    }

    fn play(&self, case: &mut Case) -> Result<Verdict, String> {
        let Some(module) = module(&mut case.dice) else { return Ok("no module".into()) };
        case.show(|| format!("a module of {} bytes", module.len()));
        let bytes = harness::with_modules(self.echo.clone(), [module]);
        match (self.checks.check(bytes.clone())?, self.plant) {
            (Ok(()), _) | (Err(_), Plant::Mistake) => match compiled(&self.compiles, bytes) {
                Ok("component_not_compilable") => Ok("valid in itself, not within a component".into()),
                Ok(verdict) => Ok(verdict.into()),
                Err(what) => Err(what),
            },
            (Err(refusal), Plant::Nothing) if GOOD_REASONS.contains(&refusal.code()) => Ok(refusal.code().into()),
            (Err(refusal), Plant::Nothing) => Err(format!("a valid module is refused: {}: {refusal}", refusal.code())),
        }
    }
}
