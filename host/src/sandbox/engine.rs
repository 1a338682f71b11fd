//! How wasmtime is set up. Apart, because every line here is a limit or a promise that `design/sandbox.md` makes, and because a
//! changed line means that compiled code has to be compiled again.

use super::check::TABLE_ELEMENTS_MAX;
use super::limits::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
use super::{Allocation, SandboxError};
use std::num::NonZeroUsize;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig, VariableOperatorCost};

/// Stack of a guest, bytes.
const WASM_STACK_LEN: usize = 512 * 1024;
/// Stack of a guest and of the host calls that it makes, bytes.
const ASYNC_STACK_LEN: usize = 2 * 1024 * 1024;
/// Most frames of a backtrace.
pub(super) const FRAMES_MAX: usize = 20;
/// Bytes of bookkeeping that one component instance may need.
const COMPONENT_INSTANCE_LEN_MAX: usize = 2 * 1024 * 1024;
/// Bytes of a memory that stay mapped when its slot is used again. Covers the whole memory of a typical guest, so that no page is
/// given back and faulted in again (and no other core interrupted) between two attempts.
const MEMORY_KEEP_RESIDENT: usize = 2 * 1024 * 1024;
/// The same for a table: twice what a large Rust guest has.
const TABLE_KEEP_RESIDENT: usize = 16 * 1024;
/// The same for a stack. These bytes are zeroed after every attempt, used or not, so it is a balance: most guests stay within.
const STACK_KEEP_RESIDENT: usize = 16 * 1024;
/// Most slots that keep what was last in them while nobody uses them.
const WARM_SLOTS_MAX: u32 = 100;

/// An engine for `attempts_max` guests at a time. Reserves their address space; where that is not to be had, memory is taken when
/// it is needed, which is slower, and a warning says so.
pub(super) fn engine(attempts_max: u32) -> Result<(Engine, Allocation), SandboxError> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(attempts_max)));
    // Making the engine is the probe: the pool maps all its slots at once or fails.
    let refused = match Engine::new(&config) {
        Ok(engine) => return Ok((engine, Allocation::Pooling)),
        Err(error) => error,
    };
    tracing::warn!(
        attempts_max,
        error = format!("{refused:#}"),
        "cannot reserve address space for all attempts: guests will start slower. Raise the address space limit (ulimit -v) or \
         lower the number of concurrent attempts"
    );
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    let engine = Engine::new(&config).map_err(|error| SandboxError::Engine(error.into()))?;
    Ok((engine, Allocation::OnDemand))
}

/// An engine that compiles for those above and runs nothing: it reserves no address space, of which its process has little. Whatever
/// decides about code is the same, or its code would be refused.
pub(super) fn compiling() -> wasmtime::Result<Engine> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .operator_cost(operator_cost())
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_LEN)
        .async_stack_size(ASYNC_STACK_LEN)
        .async_stack_zeroing(true)
        .memory_may_move(false)
        .memory_init_cow(true)
        .cranelift_nan_canonicalization(true)
        .debug_info(false)
        .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES_MAX))
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
    // Proposals that no guest needs, each one more way to be wrong. Those that crate features leave out (threads, gc, exceptions,
    // function references, asynchronous components) are off as well.
    config
        .shared_memory(false)
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_stack_switching(false);
    config
}

/// What one attempt may need at most is `limits.rs`; what all may need together is here. A component that needs more than its share
/// (2 memories, 4 tables) counts as several attempts at the semaphore, so the pool never runs dry.
fn pool(attempts_max: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(attempts_max)
        .total_stacks(attempts_max)
        .total_memories(attempts_max.saturating_mul(2).max(MEMORIES_MAX))
        .total_tables(attempts_max.saturating_mul(4).max(TABLES_MAX))
        .total_core_instances(attempts_max.saturating_mul(CORE_INSTANCES_MAX))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        // One by default: a module with two, which WebAssembly 2.0 allows, would be refused after it was compiled.
        .max_tables_per_module(TABLES_MAX)
        .max_component_instance_size(COMPONENT_INSTANCE_LEN_MAX)
        .table_elements(TABLE_ELEMENTS_MAX as usize)
        .max_unused_warm_slots(WARM_SLOTS_MAX)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .async_stack_keep_resident(STACK_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// One unit of fuel is about one simple instruction. What takes longer costs more, or fuel would not bound time: growing a memory
/// zeroes pages, a call touches the stack, a division waits.
fn operator_cost() -> OperatorCost {
    OperatorCost {
        MemoryGrow: 100,
        TableGrow: 100,
        Call: 2,
        ReturnCall: 2,
        CallIndirect: 4,
        ReturnCallIndirect: 4,
        I32DivS: 4,
        I32DivU: 4,
        I32RemS: 4,
        I32RemU: 4,
        I64DivS: 4,
        I64DivU: 4,
        I64RemS: 4,
        I64RemU: 4,
        F32Div: 4,
        F64Div: 4,
        F32Sqrt: 4,
        F64Sqrt: 4,
        F32x4Div: 4,
        F64x2Div: 4,
        F32x4Sqrt: 4,
        F64x2Sqrt: 4,
        variable: VariableOperatorCost { memory_grow_per_page: 255, ..VariableOperatorCost::new() },
        ..OperatorCost::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::hash_map::DefaultHasher;
    use std::hash::{Hash, Hasher};

    #[test]
    fn the_engine_that_compiles_makes_code_for_those_that_run() {
        let hash = |engine: &Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        let compiling = hash(&compiling().expect("it needs little"));
        for (attempts_max, wanted) in [(1, Allocation::Pooling), (16_384, Allocation::OnDemand)] {
            let (engine, allocation) = engine(attempts_max).expect("this machine runs guests");
            assert_eq!((allocation, hash(&engine)), (wanted, compiling));
        }
        let mut other = config();
        other.consume_fuel(false);
        assert_ne!(hash(&Engine::new(&other).expect("it is an engine")), compiling, "code that counts no fuel");
    }
}
