//! Steps that use a handler, and what can be said of each kind of them. What a kind does not allow has no method.

use std::marker::PhantomData;

use schemars::Schema;
use serde_json::{Map, Value};

use super::expr::{Expr, Gives};
use super::fits::IntoExpr;
use super::node::Node;
use super::policy::{Bounded, Limits, Policy, Retry, Unbounded};
use super::schema::{input_schema, output_schema};
use crate::Step;

/// A plugin under the name under which the tenant installed it.
#[derive(Debug, Clone)]
pub struct Plugin(String);

impl Plugin {
    /// The plugin of that name.
    pub fn named(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// A step that can be taken back: if a later one fails, its compensation runs.
    pub fn step<H: Step>(&self) -> Uses<H, Compensatable> {
        self.uses()
    }

    /// The point of no return: it starts when every step that does not come after it is done, and once it completed, nothing is taken
    /// back any more. One in a saga.
    pub fn pivot<H: Step>(&self) -> Uses<H, Pivot> {
        self.uses()
    }

    /// A step for which trying again helps in the end: after the pivot, it is tried until it is done.
    pub fn retriable<H: Step>(&self) -> Uses<H, Retriable> {
        self.uses()
    }

    /// A step that changes nothing, so that there is nothing to take back.
    pub fn read_only<H: Step>(&self) -> Uses<H, ReadOnly> {
        self.uses()
    }

    fn uses<H: Step, K: Kind>(&self) -> Uses<H, K> {
        let name = format!("{}/{}", self.0, H::NAME);
        let mut parts = Parts::new(output_schema::<H::Output>);
        parts.set("uses", name.as_str());
        if let Some(word) = K::WORD {
            parts.set("kind", word);
        }
        parts.handler = Some(Handler { name, input: input_schema::<H::Input>, compensates: H::COMPENSATES });
        Uses { parts, of: PhantomData }
    }
}

/// What a step may do to its run.
pub trait Kind {
    /// As a document writes it; none: as it is without a word.
    #[doc(hidden)]
    const WORD: Option<&'static str>;
}

/// A kind of step that may have a compensation.
#[diagnostic::on_unimplemented(message = "a `{Self}` step has nothing to take back")]
pub trait Compensates: Kind {}

/// How often a step of the kind `K` may be tried.
#[diagnostic::on_unimplemented(
    message = "a `{K}` step has to give up some time",
    note = "say when with `.for_(…)`; only a retriable step may be tried for ever"
)]
pub trait Tries<K> {
    #[doc(hidden)]
    fn into_fields(self) -> Map<String, Value>;
}

impl<K: Kind> Tries<K> for Retry<Bounded> {
    fn into_fields(self) -> Map<String, Value> {
        self.fields
    }
}

impl Tries<Retriable> for Retry<Unbounded> {
    fn into_fields(self) -> Map<String, Value> {
        self.fields
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}
        impl Kind for $name {
            const WORD: Option<&'static str> = $word;
        }
    )+};
}

kinds! {
    /// It can be taken back.
    Compensatable = None;
    /// Once it completed, nothing is taken back any more.
    Pivot = Some("pivot");
    /// Trying again helps in the end.
    Retriable = Some("retriable");
    /// It changes nothing.
    ReadOnly = Some("read-only");
}

impl Compensates for Compensatable {}
impl Compensates for Pivot {}
impl Compensates for Retriable {}

/// A step that uses the handler `H`, is of the kind `K` and gives a `T`: from [`Plugin::step`] and its like, for
/// [`Saga::step`](crate::saga::Saga::step).
#[must_use]
pub struct Uses<H: Step, K, T = <H as Step>::Output> {
    parts: Parts,
    of: Of<(H, K, T)>,
}

/// Says of which types something is, and holds none of them.
type Of<T> = PhantomData<fn() -> T>;

impl<H: Step, K: Kind> Uses<H, K> {
    /// Does nothing where `condition` gives false: then its output is null, so that it gives an `Option`.
    ///
    /// ```
    /// # use amends_sdk::saga::{Plugin, Saga, cel, field, mapping};
    /// # use orders::{ChargePayment, Line, Payment, ReserveInventory};
    /// # let (mut saga, orders) = (Saga::<Line>::new("order"), Plugin::named("orders"));
    /// let reserve = orders.step::<ReserveInventory>().when(cel!(bool: "input.quantity > 0"));
    /// let reservation = saga.step("reserve-inventory", reserve);
    /// let total = reservation.output().map_or(0, |reservation| field!(reservation.total));
    /// ```
    ///
    /// ```compile_fail,E0609
    /// # use amends_sdk::saga::{Plugin, Saga, cel, field, mapping};
    /// # use orders::{ChargePayment, Line, Payment, ReserveInventory};
    /// # let (mut saga, orders) = (Saga::<Line>::new("order"), Plugin::named("orders"));
    /// let reserve = orders.step::<ReserveInventory>().when(cel!(bool: "input.quantity > 0"));
    /// let reservation = saga.step("reserve-inventory", reserve);
    /// let total = field!(reservation.total);
    /// ```
    pub fn when(mut self, condition: impl IntoExpr<bool>) -> Uses<H, K, Option<H::Output>> {
        self.parts.when(condition, output_schema::<Option<H::Output>>);
        Uses { parts: self.parts, of: PhantomData }
    }
}

impl<H: Step, K: Kind, T> Uses<H, K, T> {
    /// What the handler gets; without this the input of the run, as it is.
    ///
    /// ```
    /// # use amends_sdk::saga::{Plugin, Saga, cel, field, mapping};
    /// # use orders::{ChargePayment, Line, Payment, ReserveInventory};
    /// # let (mut saga, orders) = (Saga::<Line>::new("order"), Plugin::named("orders"));
    /// let reservation = saga.step("reserve-inventory", orders.step::<ReserveInventory>());
    /// let payment = mapping!(Payment { customer: "anna", amount: field!(reservation.total), .. });
    /// saga.step("charge-payment", orders.step::<ChargePayment>().input(payment));
    /// ```
    ///
    /// What is of another type does not compile, neither a field nor the whole:
    ///
    /// ```compile_fail,E0277
    /// # use amends_sdk::saga::{Plugin, Saga, cel, field, mapping};
    /// # use orders::{ChargePayment, Line, Payment, ReserveInventory};
    /// # let (mut saga, orders) = (Saga::<Line>::new("order"), Plugin::named("orders"));
    /// let reservation = saga.step("reserve-inventory", orders.step::<ReserveInventory>());
    /// let payment = mapping!(Payment { customer: "anna", amount: field!(reservation.sku), .. });
    /// saga.step("charge-payment", orders.step::<ChargePayment>().input(payment));
    /// ```
    ///
    /// ```compile_fail,E0277
    /// # use amends_sdk::saga::{Plugin, Saga, cel, field, mapping};
    /// # use orders::{ChargePayment, Line, Payment, ReserveInventory};
    /// # let (mut saga, orders) = (Saga::<Line>::new("order"), Plugin::named("orders"));
    /// let reservation = saga.step("reserve-inventory", orders.step::<ReserveInventory>());
    /// let payment = mapping!(Payment { customer: "anna", amount: field!(reservation.total), .. });
    /// saga.step("charge-payment", orders.step::<ReserveInventory>().input(payment));
    /// ```
    pub fn input(mut self, input: impl IntoExpr<H::Input>) -> Self {
        self.parts.input = Some(input.into_expr().node);
        self
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

    /// How often and how soon it is tried again. For ever only if it is retriable:
    ///
    /// ```
    /// # use amends_sdk::saga::{Plugin, Retry};
    /// # use ledger::SendNotice;
    /// # let ledger = Plugin::named("ledger");
    /// ledger.retriable::<SendNotice>().retry(Retry::unlimited());
    /// ledger.step::<SendNotice>().retry(Retry::unlimited().for_("1h"));
    /// ```
    ///
    /// ```compile_fail,E0277
    /// # use amends_sdk::saga::{Plugin, Retry};
    /// # use ledger::SendNotice;
    /// # let ledger = Plugin::named("ledger");
    /// ledger.step::<SendNotice>().retry(Retry::unlimited());
    /// ```
    pub fn retry(mut self, retry: impl Tries<K>) -> Self {
        self.parts.set("retry", retry.into_fields());
        self
    }

    /// What each attempt may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.parts.set("limits", limits.0);
        self
    }

    /// How its compensation is tried. What is not said comes from the saga's defaults, not from the step.
    ///
    /// ```
    /// # use amends_sdk::saga::{Plugin, Policy, Retry};
    /// # use orders::ChargePayment;
    /// # let orders = Plugin::named("orders");
    /// orders.step::<ChargePayment>().compensation(Policy::new().retry(Retry::attempts(10)));
    /// ```
    ///
    /// What changes nothing has none:
    ///
    /// ```compile_fail,E0277
    /// # use amends_sdk::saga::{Plugin, Policy, Retry};
    /// # use orders::ChargePayment;
    /// # let orders = Plugin::named("orders");
    /// orders.read_only::<ChargePayment>().compensation(Policy::new().retry(Retry::attempts(10)));
    /// ```
    pub fn compensation(mut self, policy: Policy) -> Self
    where
        K: Compensates,
    {
        self.parts.set("compensation", policy.0);
        self
    }

    /// Declares that there is nothing that would take it back.
    pub fn compensate_none(mut self) -> Self
    where
        K: Compensates,
    {
        self.parts.set("compensate", "none");
        self
    }
}

/// What can be a step of a saga: a handler that is [used](Uses), or a [wait](crate::saga::Wait).
pub trait IntoStep {
    /// What it gives.
    type Output;
    #[doc(hidden)]
    fn into_step(self) -> AnyStep;
}

impl<H: Step, K: Kind, T> IntoStep for Uses<H, K, T> {
    type Output = T;
    fn into_step(self) -> AnyStep {
        AnyStep(self.parts)
    }
}

/// A step whose types are no longer known.
#[doc(hidden)]
pub struct AnyStep(pub(super) Parts);

/// All that is said of a step but its id.
pub(super) struct Parts {
    /// What stands in the document as it is.
    pub(super) fields: Map<String, Value>,
    pub(super) after: Option<Vec<String>>,
    pub(super) when: Option<Node>,
    pub(super) input: Option<Node>,
    pub(super) until: Option<Node>,
    pub(super) handler: Option<Handler>,
    pub(super) output: fn() -> Schema,
}

/// What is known of the handler that a step uses.
pub(super) struct Handler {
    /// With its plugin.
    pub(super) name: String,
    pub(super) input: fn() -> Schema,
    pub(super) compensates: bool,
}

impl Parts {
    pub(super) fn new(output: fn() -> Schema) -> Self {
        Self { fields: Map::new(), after: None, when: None, input: None, until: None, handler: None, output }
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    pub(super) fn after<U>(&mut self, step: &StepRef<U>) {
        self.after.get_or_insert_default().push(step.id.clone());
    }

    pub(super) fn after_nothing(&mut self) {
        self.after = Some(Vec::new());
    }

    /// The step with this id, as a document has it.
    pub(super) fn document(&self, id: &str) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("id".to_owned(), id.into());
        if let Some(after) = &self.after {
            fields.insert("after".to_owned(), after.clone().into());
        }
        for (name, node) in [("when", &self.when), ("input", &self.input)] {
            if let Some(node) = node {
                fields.insert(name.to_owned(), node.json());
            }
        }
        Value::Object(fields)
    }

    pub(super) fn when(&mut self, condition: impl IntoExpr<bool>, output: fn() -> Schema) {
        self.when = Some(condition.into_expr().node);
        self.output = output;
    }
}

/// A step that a saga has, and what it gives. Only [`Saga::step`](crate::saga::Saga::step) makes one: so nothing can be said of a
/// step that is not there yet, and steps do not go round in circles.
pub struct StepRef<T> {
    id: String,
    of: PhantomData<fn() -> T>,
}

impl<T> StepRef<T> {
    pub(super) fn new(id: String) -> Self {
        Self { id, of: PhantomData }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its output. [`field!`](crate::saga::field) takes the step itself as well.
    pub fn output(&self) -> Expr<T> {
        Expr::new(Node::Output(self.id.clone()))
    }
}

impl<T> Gives for StepRef<T> {
    type Value = T;
    fn gives(&self) -> Expr<T> {
        self.output()
    }
}
