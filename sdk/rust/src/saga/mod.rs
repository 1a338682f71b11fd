//! Sagas written in Rust: a typed builder for the documents that a host reads.
//!
//! A step is named by its plugin and by the type of its handler, the one that implements [`Step`](crate::Step). Its input is made of
//! typed expressions: of the run's input, and of what earlier steps give. The compiler checks that each fits where it stands;
//! [`Saga::build`] checks the rest, and tells all mistakes at once.
//!
//! ```
//! use amends_sdk::saga::{Plugin, Retry, Saga, Wait, cel, field, mapping};
//! use amends_sdk::{Failure, JsonSchema, Step};
//! use serde::{Deserialize, Serialize};
//!
//! // Of the plugin, as it stands in the plugin's own crate:
//! #[derive(Deserialize, JsonSchema)]
//! struct Payment { customer: String, cents: u64 }
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Charge { id: String }
//!
//! struct ChargePayment;
//! impl Step for ChargePayment {
//!     const NAME: &'static str = "charge-payment";
//!     type Input = Payment;
//!     type Output = Charge;
//!     // …
//! #   fn execute(_: Payment) -> Result<Charge, Failure> { unreachable!() }
//! #   fn compensate(_: Payment, _: Option<Charge>) -> Result<(), Failure> { unreachable!() }
//! }
//!
//! // Of the saga: what a run gets, what a signal brings, what a run gives.
//! #[derive(JsonSchema)]
//! struct Order { customer: String, pieces: u64, cents_each: u64 }
//! #[derive(JsonSchema)]
//! struct Approval { by: String }
//! #[derive(JsonSchema)]
//! struct Paid { charge: String, approved_by: String }
//!
//! let mut saga = Saga::<Order>::new("order.payment").name("Order payment").deadline("3days");
//! let orders = Plugin::named("orders");
//! let order = saga.input();
//! let (pieces, each) = (field!(order.pieces), field!(order.cents_each));
//! let cents = cel!(u64: "{pieces} * {each}");
//!
//! let approval = saga.step("approval", Wait::signal::<Approval>("approved").timeout("48h"));
//! let charge = saga.step(
//!     "charge-payment",
//!     orders
//!         .step::<ChargePayment>()
//!         .input(mapping!(Payment { customer: field!(order.customer), cents: cents }))
//!         .retry(Retry::attempts(5)),
//! );
//! let paid = mapping!(Paid { charge: field!(charge.id), approved_by: field!(approval.by) });
//! let document = saga.output(paid).build()?;
//!
//! assert_eq!(document, serde_json::json!({
//!     "saga": "order.payment",
//!     "name": "Order payment",
//!     "deadline": "3days",
//!     "steps": [
//!         { "id": "approval", "wait": { "signal": "approved", "timeout": "48h" } },
//!         {
//!             "id": "charge-payment",
//!             "uses": "orders/charge-payment",
//!             "input": { "customer": "${input.customer}", "cents": "${input.pieces * input.cents_each}" },
//!             "retry": { "attempts": 5 },
//!         },
//!     ],
//!     "output": { "charge": "${steps['charge-payment'].output.id}", "approved_by": "${steps['approval'].output.by}" },
//! }));
//! # Ok::<(), amends_sdk::saga::Mistakes>(())
//! ```
//!
//! The names are those of a document. Where it has one of a few words, that is part of the name, as in `compensate_none`; where Rust
//! keeps a word to itself, a `_` follows, as in `for_`.
//!
//! | the compiler | [`Saga::build`] |
//! |---|---|
//! | a field that a type does not have, or of another type ([`field!`]) | a field that is renamed, may be absent or null |
//! | a field of an input that is forgotten, or gets what does not [fit](Fits) ([`mapping!`]) | the same, where [`Expr::cast`] or [`cel!`] said what there is |
//! | a step before it is there, and so circles ([`StepRef`]) | a step that need not be over by then |
//! | a field of what a skipped step or a signal that did not come gives ([`Uses::when`], [`Wait`]) | |
//! | a compensation of what changes nothing ([`Uses::compensation`]) | a step that cannot be compensated and does not say so; the rules of the pivot |
//! | trying for ever what may not ([`Uses::retry`]) | names, bounds, spans, sizes, the syntax of CEL |

mod check;
mod expr;
mod fits;
mod macros;
mod misfit;
mod node;
mod policy;
mod reads;
mod schema;
mod step;
mod wait;

use std::marker::PhantomData;

use amends_domain::definition::read;
pub use amends_domain::definition::{Mistake, Mistakes};
use schemars::JsonSchema;
use serde_json::{Map, Value};

use self::check::Types;
use self::node::Node;
use self::schema::input_schema;
use self::step::{AnyStep, Parts};

pub use self::expr::{Expr, list, value};
#[doc(hidden)]
pub use self::expr::{Fields, Gives, Name, Piece, TextPiece, any, text_of};
pub use self::fits::{Fits, IntoExpr};
pub use self::policy::{Bounded, Compensation, Limits, Policy, Retry, Span, Unbounded};
pub use self::step::{Compensatable, Compensates, IntoStep, Kind, Pivot, Plugin, ReadOnly, Retriable, StepRef, Tries, Uses};
pub use self::wait::{Ending, Endless, Wait, Whole};
#[doc(inline)]
pub use crate::{cel, field, mapping, text};

/// The README's example, compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// A saga whose runs get an `I`, as far as it is built.
#[must_use]
pub struct Saga<I> {
    fields: Map<String, Value>,
    steps: Vec<(String, Parts)>,
    output: Option<Node>,
    of: PhantomData<fn() -> I>,
}

impl<I: JsonSchema> Saga<I> {
    /// A saga without steps.
    pub fn new(name: impl Into<String>) -> Self {
        let fields = Map::from_iter([("saga".to_owned(), Value::String(name.into()))]);
        Self { fields, steps: Vec::new(), output: None, of: PhantomData }
    }

    /// Its name for people: one line of at most 200 bytes.
    pub fn name(self, name: impl Into<String>) -> Self {
        self.with("name", name.into())
    }

    /// How long a run may go forward, up to a year; then it is compensated.
    pub fn deadline(self, span: impl Into<Span>) -> Self {
        self.with("deadline", span.into())
    }

    /// How a run is taken back.
    pub fn compensation(self, compensation: Compensation) -> Self {
        self.with("compensation", compensation.0)
    }

    /// How every step is tried that says nothing of its own, in both directions.
    pub fn defaults(self, policy: Policy) -> Self {
        self.with("defaults", policy.0)
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// The input of the run.
    pub fn input(&self) -> Expr<I> {
        Expr::new(Node::Input)
    }

    /// Adds a step, which starts after the one added before it unless it says otherwise.
    ///
    /// What comes back stands for its output, and for itself where another step comes after it. There is no other way to name a step:
    ///
    /// ```compile_fail,E0425
    /// # use amends_sdk::saga::{Saga, Wait};
    /// let mut saga = Saga::<()>::new("rests");
    /// saga.step("first", Wait::for_("1s").after(&second));
    /// let second = saga.step("second", Wait::for_("1s"));
    /// ```
    ///
    /// ```
    /// # use amends_sdk::saga::{Saga, Wait};
    /// let mut saga = Saga::<()>::new("rests");
    /// let second = saga.step("second", Wait::for_("1s"));
    /// saga.step("first", Wait::for_("1s").after(&second));
    /// ```
    pub fn step<S: IntoStep>(&mut self, id: impl Into<String>, step: S) -> StepRef<S::Output> {
        let id = id.into();
        let AnyStep(parts) = step.into_step();
        self.steps.push((id.clone(), parts));
        StepRef::new(id)
    }

    /// What a succeeded run gives.
    pub fn output<T>(mut self, output: Expr<T>) -> Self {
        self.output = Some(output.node);
        self
    }

    /// Checks all of it, and gives the document as JSON. Shown with `{:#}`, it has many lines.
    ///
    /// # Errors
    /// Every mistake, each with its path in the document and what would be right. First those that the host would find in the document
    /// itself, then those that the types of the steps show.
    pub fn build(self) -> Result<Value, Mistakes> {
        let document = self.document();
        let mut mistakes = read(&document.to_string()).err().unwrap_or_default();
        let types = Types::new(input_schema::<I>(), &self.steps);
        for (at, (_, parts)) in self.steps.iter().enumerate() {
            types.check_step(at, parts, &mut mistakes);
        }
        if let Some(output) = &self.output {
            types.check_output(output, &mut mistakes);
        }
        check::check_compensations(&self.steps, &mut mistakes);
        if mistakes.0.is_empty() { Ok(document) } else { Err(mistakes) }
    }

    fn document(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("steps".to_owned(), self.steps.iter().map(|(id, parts)| parts.document(id)).collect());
        if let Some(output) = &self.output {
            fields.insert("output".to_owned(), output.json());
        }
        Value::Object(fields)
    }
}
