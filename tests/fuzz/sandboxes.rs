//! The sandboxes that targets hand guests to, from threads that wait for them.

use amends::sandbox::{
    CodeDir, CompileLimits, CompilerSettings, Component, Description, EgressSettings, Refusal, Sandbox, SandboxSettings,
};
use amends_domain::digest::Digest;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// What the refusal of an upload says that was not refused by the check, in a sandbox without a compiler.
const NO_COMPILER: &str = "cannot run";

/// A sandbox, and threads for what it does.
pub(crate) struct Beside {
    pub(crate) sandbox: Sandbox,
    pub(crate) runtime: Runtime,
}

impl Beside {
    /// One that compiles on its own threads.
    pub(crate) fn in_process() -> Self {
        Self::over(CompilerSettings::InProcess, None)
    }

    /// One that compiles as a host does that others upload to.
    pub(crate) fn in_a_process() -> Self {
        Self::over(CompilerSettings::Process { program: harness::amends(), limits: CompileLimits::PLUGINS }, None)
    }

    /// One that only checks: its compiler is not there.
    pub(crate) fn without_compiler(code_dir: Option<CodeDir>) -> Self {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-compiler");
        Self::over(CompilerSettings::Process { program, limits: CompileLimits::PLUGINS }, code_dir)
    }

    pub(crate) fn over(compiler: CompilerSettings, code_dir: Option<CodeDir>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread");
        let settings = SandboxSettings {
            attempts_max: 4,
            components_max: 4,
            code_len_max: 64 << 20,
            compiler,
            code_dir,
            outside: None,
            egress: EgressSettings::system(),
        };
        Self { sandbox: Sandbox::new(settings).expect("this machine runs guests"), runtime }
    }

    pub(crate) fn load(&self, bytes: Vec<u8>) -> Result<Arc<Component>, Refusal> {
        self.runtime.block_on(self.sandbox.load(Digest::of(&bytes), bytes.into()))
    }

    pub(crate) fn inspect(&self, bytes: Vec<u8>) -> Result<Description, Refusal> {
        self.runtime.block_on(self.sandbox.inspect(bytes.into()))
    }

    /// What the check says, in a sandbox without a compiler; `Err` if it broke.
    pub(crate) fn check(&self, bytes: Vec<u8>) -> Result<Result<(), Refusal>, String> {
        match self.load(bytes) {
            Err(Refusal::CompilerLost(said)) if said.contains(NO_COMPILER) => Ok(Ok(())),
            Err(Refusal::CompileFailed(said) | Refusal::CompilerLost(said)) => Err(format!("the check broke: {said}")),
            Err(refusal) if is_tidy(&refusal.to_string(), 64 * 1024) => Ok(Err(refusal)),
            Err(refusal) => Err(format!("the refusal is not fit to be shown: {refusal:?}")),
            Ok(_) => Err("there is no compiler, and it was compiled".to_owned()),
        }
    }
}

/// What becomes of what the check let through: it is compiled, or said to be no valid component, and nothing else.
pub(crate) fn compiled(beside: &Beside, bytes: Vec<u8>) -> Result<&'static str, String> {
    match beside.load(bytes) {
        Ok(_) => Ok("compiled"),
        Err(refusal) => match refusal.code() {
            code @ ("component_not_compilable" | "step_mistyped" | "import_mistyped") => Ok(code),
            code => Err(format!("the check lets it through, and then: {code}: {refusal}")),
        },
    }
}

/// Whether a text can be shown to people: on one line, in as many bytes, and nothing in it that a terminal obeys.
pub(crate) fn is_tidy(text: &str, len_max: usize) -> bool {
    text.len() <= len_max && !text.chars().any(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}
