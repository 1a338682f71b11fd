//! What a component says about itself. Asked once, when it is installed or checked, under limits of its own: a plugin must not need
//! much to list its handlers.

use super::access::{Access, Answer, Context, EffectAccess, EffectError, Intent, Secrets, StateAccess, StateError, StateValue};
use super::attempt::Attempt;
use super::attempt::log::LogBuffer;
use super::attempt::outbound::Outbound;
use super::attempt::state::StateBuffer;
use super::component::Component;
use super::egress::Client;
use super::invoke;
use super::limits::MemoryLimiter;
use super::refusal::Refusal;
use super::text;
use super::wasi::Profile;
use amends_domain::definition::Limits;
use amends_domain::digest::Digest;
use amends_domain::event::Direction;
use amends_domain::id::{HandlerName, RunId, SagaName, StepId, TenantId};
use amends_domain::plugin::Manifest;
use amends_domain::time::{Span, Timestamp};
use amends_domain::trace::TraceId;
use futures_util::future::{BoxFuture, ready};
use std::sync::Arc;
use wasmtime::Engine;

/// What `describe` may use: an interpreter starts within it.
const LIMITS: Limits = Limits { fuel: 2_000_000_000, timeout: Span(10_000), memory: 256 * 1024 * 1024 };

/// What is known of a component without running any of its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// What its bytes are named by.
    pub digest: Digest,
    /// Bytes as uploaded.
    pub component_len: usize,
    /// Bytes of machine code and constants.
    pub code_len: usize,
    /// What it imports, in its order; control characters escaped, long names cut.
    pub imports: Vec<String>,
    /// What it exports, likewise.
    pub exports: Vec<String>,
    /// Whether it can send requests: then it needs a grant for where to.
    pub sends_requests: bool,
    /// What it says about itself; none if it exports no manifest: then it has one handler, named like the plugin.
    pub manifest: Option<Manifest>,
}

/// Describes a component; runs its `describe`, if it has one.
pub(super) async fn describe(engine: &Engine, client: &Arc<Client>, component: &Component) -> Result<Description, Refusal> {
    let manifest = if component.manifest.is_some() {
        let answered = invoke::describe(engine, client, component, nobody(), LIMITS).await;
        let text = answered.map_err(Refusal::ManifestUnanswered)?;
        // What is wrong with it quotes it.
        let malformed = |what: String| Refusal::ManifestMalformed(text::tidy(&what, 512));
        Some(Manifest::read(&text).map_err(malformed)?)
    } else {
        None
    };
    Ok(Description {
        digest: component.digest(),
        component_len: component.component_len(),
        code_len: component.code_len(),
        imports: component.imports().to_vec(),
        exports: component.exports().to_vec(),
        sends_requests: component.profile == Profile::Requests,
        manifest,
    })
}

/// `describe` belongs to no run. What it asks for is answered with names that no tenant has a run under, no state,
/// and no way out.
fn nobody() -> Attempt {
    let context = Context {
        tenant: TenantId::new("none").expect("a name"),
        saga: SagaName::new("describe").expect("a name"),
        run: RunId(0),
        trace: TraceId::of(RunId(0), None),
        step: StepId::new("describe").expect("a name"),
        handler: HandlerName::new("describe").expect("a name"),
        attempt: 1,
        idempotency_key: "describe".into(),
        deadline: Timestamp(0),
    };
    Attempt {
        context,
        direction: Direction::Forward,
        effects: Vec::new(),
        secrets: Secrets::default(),
        memory: MemoryLimiter::new(LIMITS.memory),
        log: LogBuffer::within(u64::MAX),
        state: StateBuffer::new(Arc::new(Nobody), Access::ReadOnly),
        outbound: Outbound::new(Arc::new(Nobody), Access::ReadOnly, Secrets::default()),
        wasi: None,
        retry_after: None,
    }
}

struct Nobody;

impl StateAccess for Nobody {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        Box::pin(ready(Err(StateError("describe runs for no tenant".into()))))
    }
}

impl EffectAccess for Nobody {
    fn intend(&self, _: Intent) -> BoxFuture<'_, Result<u32, EffectError>> {
        Box::pin(ready(Err(EffectError("describe runs for no tenant".into()))))
    }

    fn answered(&self, _: Answer) -> BoxFuture<'_, Result<(), EffectError>> {
        Box::pin(ready(Err(EffectError("describe runs for no tenant".into()))))
    }
}
