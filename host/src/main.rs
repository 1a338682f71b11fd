//! The program `amends`. Everything is in the library, so that tests reach it.

use mimalloc::MiMalloc;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    amends::cli::main()
}
