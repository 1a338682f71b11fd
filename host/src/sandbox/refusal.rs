//! Why a component is refused. Every refusal has a code that never changes, and says the limit and the value found.

use super::text;
use amends_domain::time::Span;

/// Longest part of a component's own words in a refusal, in bytes.
pub(super) const QUOTE_LEN_MAX: usize = 512;

/// Why a component is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are not the ones that were asked for.
    #[error("the bytes have another digest than the one they are named by")]
    DigestMismatch,
    /// Too many bytes.
    #[error("a component of {found} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// Bytes of the component.
        found: usize,
        /// Most bytes.
        limit: usize,
    },
    /// WebAssembly text instead of the binary form.
    #[error("this is WebAssembly text: make a binary of it first")]
    Text,
    /// An ELF file; code that wasmtime compiled is one, too.
    #[error("this is native code (ELF): only WebAssembly is accepted, and it is compiled here")]
    Native,
    /// A core module.
    #[error("this is a core module, not a component: wrap it: amends plugin build")]
    CoreModule,
    /// None of these.
    #[error("this is not WebAssembly: a component starts with the bytes 00 61 73 6d 0d 00 01 00")]
    NotWebAssembly,
    /// It starts like a component, but is not a valid one.
    #[error("not a valid component: {0}")]
    Malformed(String),
    /// Components and modules inside each other.
    #[error("components and modules are nested {found} deep, the limit is {limit}")]
    NestedTooDeep {
        /// How deep.
        found: usize,
        /// The deepest.
        limit: usize,
    },
    /// More of something than one attempt may have.
    #[error("{found} {what}, the limit is {limit}")]
    TooMany {
        /// Core modules, memories, tables, elements in a table.
        what: &'static str,
        /// How many it has.
        found: u64,
        /// Most of them.
        limit: u64,
    },
    /// It uses a part of WebAssembly that no guest is offered.
    #[error("it uses {0}, which is not offered: build it for WebAssembly 2.0 without threads, 64-bit memories, exceptions or gc")]
    Feature(&'static str),
    /// A name that does not show itself as it is.
    #[error("a name of an import or export has control or direction characters: {0}")]
    NameNotPlain(String),
    /// It instantiates a component or module that it was given, so that what it becomes cannot be said before.
    #[error("it instantiates a component or core module that it imports or takes from an instance: define it within")]
    ForeignInstantiated,
    /// It imports what this host does not offer.
    #[error("imports that are not offered: {}", import_list(.0))]
    ForbiddenImports(Vec<String>),
    /// It imports what is offered, but with another type.
    #[error("an import has another type than the contract amends:saga@0.1.0: {0}")]
    MistypedImport(String),
    /// It does not export the steps.
    #[error("amends:saga/step@0.1.0 is not exported")]
    StepMissing,
    /// It exports steps of another type.
    #[error("the export amends:saga/step@0.1.0 has another type than the contract: {0}")]
    MistypedStep(String),
    /// The compiler refused it.
    #[error("cannot be compiled: {0}")]
    NotCompilable(String),
    /// The compiler was ended because it took too long.
    #[error("compiling it took more than {limit} {what}")]
    CompileTimeout {
        /// Which time: of the processor, or on the clock.
        what: &'static str,
        /// The most of it.
        limit: Span,
    },
    /// The compiler got no more memory.
    #[error("compiling it took more than {limit} bytes of memory")]
    CompileOutOfMemory {
        /// The most, bytes.
        limit: u64,
    },
    /// The compiler died of it.
    #[error("its compiler failed: {0}")]
    CompileFailed(String),
    /// The compiler could not be started, or was ended by others: it is not known what it would have said.
    #[error("its compiler failed: {0}")]
    CompilerLost(String),
    /// `describe` did not come to an answer.
    #[error("describe of amends:saga/manifest@0.1.0 did not answer: {0}")]
    ManifestUnanswered(String),
    /// What `describe` answered is not a manifest.
    #[error("describe of amends:saga/manifest@0.1.0 gave no manifest: {0}")]
    ManifestMalformed(String),
}

impl Refusal {
    /// The stable, machine readable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DigestMismatch => "digest_mismatch",
            Self::TooLarge { .. } => "component_too_large",
            Self::Text => "component_is_text",
            Self::Native => "component_is_native_code",
            Self::CoreModule => "component_is_core_module",
            Self::NotWebAssembly => "component_is_not_webassembly",
            Self::Malformed(_) => "component_malformed",
            Self::NestedTooDeep { .. } => "component_nested_too_deep",
            Self::TooMany { .. } => "component_has_too_many",
            Self::Feature(_) => "component_feature_not_offered",
            Self::NameNotPlain(_) => "component_name_not_plain",
            Self::ForeignInstantiated => "component_instantiates_foreign",
            Self::ForbiddenImports(_) => "import_not_offered",
            Self::MistypedImport(_) => "import_mistyped",
            Self::StepMissing => "step_not_exported",
            Self::MistypedStep(_) => "step_mistyped",
            Self::NotCompilable(_) => "component_not_compilable",
            Self::CompileTimeout { .. } => "compile_timeout",
            Self::CompileOutOfMemory { .. } => "compile_out_of_memory",
            Self::CompileFailed(_) | Self::CompilerLost(_) => "compile_failed",
            Self::ManifestUnanswered(_) => "manifest_unanswered",
            Self::ManifestMalformed(_) => "manifest_malformed",
        }
    }
}

/// What the parser or the compiler says, which quotes names of the component: on one line, without control characters, cut.
pub(super) fn quote(said: &wasmtime::Error) -> String {
    let chain: Vec<String> = said.chain().map(ToString::to_string).collect();
    text::tidy(&chain.join(": "), QUOTE_LEN_MAX)
}

/// One by one, so that all of them can be seen to at once; those of WASI with the reason.
fn import_list(names: &[String]) -> String {
    let said: Vec<String> = names
        .iter()
        .map(|name| if name.starts_with("wasi:") { format!("{name} (of WASI only cli, clocks, filesystem, http, io and random of version 0.2 are offered, and of http only requests)") } else { name.clone() })
        .collect();
    said.join(", ")
}
