//! Steps that wait: for a time, until an instant, for a signal.

use std::marker::PhantomData;

use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::fits::IntoExpr;
use super::policy::Span;
use super::schema::{input_schema, output_schema};
use super::step::{AnyStep, IntoStep, Parts, StepRef};

/// A wait about which all is said.
#[derive(Debug)]
pub enum Whole {}
/// A wait for a signal, so far without an end.
#[derive(Debug)]
pub enum Endless {}
/// A wait for a signal that has an end.
#[derive(Debug)]
pub enum Ending {}

/// A step that waits and gives a `T`: a signal's payload, or nothing. For [`Saga::step`](crate::saga::Saga::step).
///
/// ```
/// use amends_sdk::{JsonSchema, saga::{Expr, Saga, StepRef, Wait, field}};
///
/// #[derive(JsonSchema)]
/// struct Journal { due: String }
/// #[derive(JsonSchema)]
/// struct Approval { by: String }
///
/// let mut saga = Saga::<Journal>::new("journal.approval");
/// let journal = saga.input();
/// saga.step("rest", Wait::for_("10m"));
/// saga.step("until-due", Wait::until(field!(journal.due)));
/// let approved = saga.step("approved", Wait::signal::<Approval>("approved").timeout("48h"));
/// let by: Expr<String> = field!(approved.by);
/// // Who goes on without an answer has to say what that means.
/// let noted = saga.step("noted", Wait::signal::<Approval>("noted").timeout("1h").on_timeout_continue());
/// let noted_by = noted.output().map_or("nobody", |noted| field!(noted.by));
/// ```
///
/// What perhaps did not come has no fields, and what has no end has nothing to say about it:
///
/// ```compile_fail,E0609
/// # use amends_sdk::{JsonSchema, saga::{Expr, Saga, Wait, field}};
/// # #[derive(JsonSchema)] struct Approval { by: String }
/// # let mut saga = Saga::<()>::new("s");
/// let noted = saga.step("noted", Wait::signal::<Approval>("noted").timeout("1h").on_timeout_continue());
/// let noted_by = field!(noted.by);
/// ```
///
/// ```compile_fail,E0599
/// # use amends_sdk::{JsonSchema, saga::{Expr, Saga, Wait, field}};
/// # #[derive(JsonSchema)] struct Approval { by: String }
/// # let mut saga = Saga::<()>::new("s");
/// let noted = saga.step("noted", Wait::signal::<Approval>("noted").on_timeout_continue());
/// ```
#[must_use]
pub struct Wait<T, S = Whole> {
    parts: Parts,
    fields: Map<String, Value>,
    of: PhantomData<fn() -> (T, S)>,
}

impl Wait<()> {
    /// Waits this long, up to a year. The document's word is `for`, which Rust keeps to itself.
    pub fn for_(span: impl Into<Span>) -> Self {
        Self::new("for", span.into(), Parts::new(output_schema::<()>))
    }

    /// Waits until an instant, as RFC 3339 writes it: `2030-01-31T12:00:00Z`.
    pub fn until(instant: impl IntoExpr<String>) -> Self {
        let mut parts = Parts::new(output_schema::<()>);
        let instant = instant.into_expr().node;
        let written = instant.json();
        parts.until = Some(instant);
        Self::new("until", written, parts)
    }

    /// Waits until the run is told a signal of this name; its payload, a `P`, is what the step gives.
    pub fn signal<P: JsonSchema>(name: &str) -> Wait<P, Endless> {
        // Whoever tells it may leave out what has a default: it is read, not written, by our types.
        Wait::new("signal", name, Parts::new(input_schema::<P>))
    }
}

impl<T, S> Wait<T, S> {
    fn new(field: &str, value: impl Into<Value>, parts: Parts) -> Self {
        Self { parts, fields: Map::from_iter([(field.to_owned(), value.into())]), of: PhantomData }
    }

    fn with<U, R>(mut self, field: &str, value: impl Into<Value>) -> Wait<U, R> {
        self.fields.insert(field.to_owned(), value.into());
        Wait { parts: self.parts, fields: self.fields, of: PhantomData }
    }

    /// Starts after `step`. Said more than once, it starts after all of them; not said, after the step above it.
    pub fn after<U>(mut self, step: &StepRef<U>) -> Self {
        self.parts.after(step);
        self
    }

    /// Starts when the run does: `after: []`.
    pub fn after_nothing(mut self) -> Self {
        self.parts.after_nothing();
        self
    }

    /// Waits only where `condition` gives true: else its output is null, so that it gives an `Option`.
    pub fn when(mut self, condition: impl IntoExpr<bool>) -> Wait<Option<T>, S>
    where
        T: JsonSchema,
    {
        self.parts.when(condition, input_schema::<Option<T>>);
        Wait { parts: self.parts, fields: self.fields, of: PhantomData }
    }
}

impl<P> Wait<P, Endless> {
    /// Waits at most this long, up to a year. If the signal does not come, the step fails with the code `timed_out`.
    pub fn timeout(self, span: impl Into<Span>) -> Wait<P, Ending> {
        self.with("timeout", span.into())
    }
}

impl<P> Wait<P, Ending> {
    /// Says that the step fails if the signal does not come, as it does without a word.
    pub fn on_timeout_fail(self) -> Wait<P> {
        self.with("on_timeout", "fail")
    }

    /// Goes on if the signal does not come: then its output is null, so that it gives an `Option`.
    pub fn on_timeout_continue(mut self) -> Wait<Option<P>>
    where
        P: JsonSchema,
    {
        self.parts.output = input_schema::<Option<P>>;
        self.with("on_timeout", "continue")
    }
}

impl<T, S> IntoStep for Wait<T, S> {
    type Output = T;
    fn into_step(mut self) -> AnyStep {
        self.parts.set("wait", self.fields);
        AnyStep(self.parts)
    }
}
