//! The one place where bytes become code that this process runs. Apart and small, because it is `unsafe`: what is called here
//! believes every byte that it reads.

use super::sealed::Code;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Makes `code` executable. The engine refuses what another release or another configuration of it compiled.
#[expect(unsafe_code, reason = "wasmtime cannot know who compiled; the comment below says why we do")]
pub(in crate::sandbox) fn deserialize(engine: &Engine, code: &Code) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime asks for two things.
    //
    // The bytes were made by its own compiler. A `Code` comes from two places: from a pipe whose other end is a process that we started
    // from our own program, which writes there what `Engine::precompile_component` gave it; or from a file, after a MAC with a key that
    // only this host has was verified over all of it, and only such code is ever put under that MAC. What a tenant sends decides
    // *what* the compiler writes, as in any compiler, never *who* writes it. The process limits what compiling may take; it is no
    // defence against a compiler that was taken over, and neither would compiling in this process be one.
    //
    // The file does not change while it is mapped. It has no name, and it was sealed against writing, growing and shrinking before it
    // was verified; the kernel keeps seals for as long as the file exists.
    unsafe { Component::deserialize_file(engine, code.path()) }
}
