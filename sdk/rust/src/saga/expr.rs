//! Typed expressions: what a run computes when it gets there, and of which type that is.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Serialize;

use super::fits::IntoExpr;
use super::node::Node;
use super::schema::{output_schema, written_name};

/// A value of type `T` that a run makes when it gets there: the run's input, the output of a step, a field of one of them, a
/// literal, or what CEL makes of them.
///
/// Shown, it is CEL, with brackets around it where they are needed: that is how [`cel!`](crate::saga::cel) takes it in.
///
/// A field is checked when the saga is compiled:
///
/// ```
/// # use amends_sdk::{JsonSchema, saga::{Expr, Saga, field}};
/// # #[derive(JsonSchema)] struct Order { quantity: u32 }
/// # let saga = Saga::<Order>::new("order");
/// let order = saga.input();
/// let quantity: Expr<u32> = field!(order.quantity);
/// ```
///
/// What the type does not have cannot be named, and what it has keeps its type:
///
/// ```compile_fail,E0609
/// # use amends_sdk::{JsonSchema, saga::{Expr, Saga, field}};
/// # #[derive(JsonSchema)] struct Order { quantity: u32 }
/// # let saga = Saga::<Order>::new("order");
/// let order = saga.input();
/// let quantity: Expr<u32> = field!(order.amount);
/// ```
///
/// ```compile_fail,E0308
/// # use amends_sdk::{JsonSchema, saga::{Expr, Saga, field}};
/// # #[derive(JsonSchema)] struct Order { quantity: u32 }
/// # let saga = Saga::<Order>::new("order");
/// let order = saga.input();
/// let quantity: Expr<String> = field!(order.quantity);
/// ```
#[must_use]
pub struct Expr<T> {
    pub(super) node: Node,
    of: PhantomData<fn() -> T>,
}

impl<T> Expr<T> {
    pub(super) fn new(node: Node) -> Self {
        Self { node, of: PhantomData }
    }

    /// The same value, said to be of another type. Whether it fits where it is put is checked when the saga is built.
    pub fn cast<U>(&self) -> Expr<U> {
        Expr::new(self.node.clone())
    }
}

impl<T: JsonSchema> Expr<T> {
    /// An expression in CEL, said to give a `T`. [`cel!`](crate::saga::cel) does the same with other expressions in it.
    ///
    /// Which fields it asks for is checked when the saga is built; that it gives a `T` is believed, unless it only walks down to a
    /// field.
    pub fn cel(source: impl Into<String>) -> Self {
        Self::new(Node::Cel { source: source.into(), gives: output_schema::<T> })
    }

    /// What [`field!`](crate::saga::field) stands for: `of` is never called, it says which type the field has.
    #[doc(hidden)]
    pub fn select<F: JsonSchema>(&self, name: Name, of: fn(&T) -> &F) -> Expr<F> {
        let _ = of;
        let from = Box::new(self.node.clone());
        Expr::new(Node::Select { from, field: name.written::<T>(), gives: output_schema::<F> })
    }

    /// Whether this field is there: `has(input.note)`. It may be null all the same.
    pub fn is_there(&self) -> Expr<bool> {
        self.node.is_there().map_or_else(|| value(true), Expr::cel)
    }

    /// This field, or `default` where it is absent: `has(input.note) ? input.note : 'none'`.
    ///
    /// A field is perhaps absent if serde has a default for it, or skips it. What is no field is always there and stays as it is.
    pub fn or(&self, default: impl IntoExpr<T>) -> Self {
        match self.node.is_there() {
            Some(is_there) => choice(&is_there, &self.node, &default.into_expr().node),
            None => self.clone(),
        }
    }

    /// This field, or its type's default where it is absent.
    pub fn or_default(&self) -> Self
    where
        T: Default + Serialize,
    {
        self.or(value(T::default()))
    }
}

impl<T> Expr<Option<T>> {
    /// Whether there is a value: it is neither absent nor null.
    pub fn is_some(&self) -> Expr<bool> {
        Expr::cel(self.some())
    }

    /// What `of` makes of the value; null where there is none.
    pub fn map<U: JsonSchema>(&self, of: impl FnOnce(Expr<T>) -> Expr<U>) -> Expr<Option<U>> {
        choice(&self.some(), &of(self.cast()).node, &Node::Literal(serde_json::Value::Null))
    }

    /// What `of` makes of the value; `default` where there is none.
    pub fn map_or<U: JsonSchema>(&self, default: impl IntoExpr<U>, of: impl FnOnce(Expr<T>) -> Expr<U>) -> Expr<U> {
        choice(&self.some(), &of(self.cast()).node, &default.into_expr().node)
    }

    /// The value; `default` where there is none.
    pub fn unwrap_or(&self, default: impl IntoExpr<T>) -> Expr<T>
    where
        T: JsonSchema,
    {
        self.map_or(default, |value| value)
    }

    fn some(&self) -> String {
        let value = self.node.operand();
        self.node.is_there().map_or_else(|| format!("{value} != null"), |is_there| format!("{is_there} && {value} != null"))
    }
}

fn choice<T: JsonSchema>(condition: &str, then: &Node, otherwise: &Node) -> Expr<T> {
    Expr::cel(format!("{condition} ? {} : {}", then.operand(), otherwise.operand()))
}

/// A literal. Numbers, texts, true and false need not be wrapped in this.
pub fn value<T: Serialize>(value: T) -> Expr<T> {
    Expr::new(match serde_json::to_value(value) {
        Ok(value) => Node::Literal(value),
        Err(cause) => Node::Flawed(cause.to_string()),
    })
}

/// A list of expressions.
pub fn list<T>(items: impl IntoIterator<Item = Expr<T>>) -> Expr<Vec<T>> {
    Expr::new(Node::List(items.into_iter().map(|item| item.node).collect()))
}

impl<T> Clone for Expr<T> {
    fn clone(&self) -> Self {
        self.cast()
    }
}

impl<T> fmt::Debug for Expr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(&self.node.cel()).finish()
    }
}

/// As CEL, fit to stand beside an operator.
impl<T> fmt::Display for Expr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.node.operand())
    }
}

/// The name of a field, as Rust writes it and perhaps as JSON does.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Name {
    rust: &'static str,
    json: Option<&'static str>,
}

impl Name {
    /// A name as `stringify!` gives it.
    pub const fn of(rust: &'static str) -> Self {
        Self { rust, json: None }
    }

    /// The same field, under this name in JSON.
    #[must_use]
    pub const fn written_as(self, json: &'static str) -> Self {
        Self { json: Some(json), ..self }
    }

    pub(super) fn written<T: JsonSchema>(self) -> String {
        self.json.map_or_else(|| written_name::<T>(self.rust), str::to_owned)
    }
}

/// What fields can be selected of: an expression, or a step for its output.
#[doc(hidden)]
pub trait Gives {
    /// What it gives.
    type Value;
    /// It, as an expression.
    fn gives(&self) -> Expr<Self::Value>;
}

impl<T> Gives for Expr<T> {
    type Value = T;
    fn gives(&self) -> Expr<T> {
        self.clone()
    }
}

impl<G: Gives> Gives for &G {
    type Value = G::Value;
    fn gives(&self) -> Expr<G::Value> {
        (*self).gives()
    }
}

/// Stands for a value where only its type matters. Never called.
#[doc(hidden)]
pub fn any<T>() -> T {
    unreachable!("only the compiler looks at it")
}

/// The fields of a value of `I`, each given by an expression: what [`mapping!`](crate::saga::mapping) builds.
#[doc(hidden)]
#[must_use]
pub struct Fields<I> {
    fields: Vec<(String, Node)>,
    of: PhantomData<fn() -> I>,
}

impl<I: JsonSchema> Fields<I> {
    /// No fields.
    #[expect(clippy::new_without_default, reason = "only the macro calls it")]
    pub fn new() -> Self {
        Self { fields: Vec::new(), of: PhantomData }
    }

    /// One more. `of` is never called, it says which type the field has.
    pub fn field<F>(mut self, name: Name, of: fn(&I) -> &F, value: impl IntoExpr<F>) -> Self {
        let _ = of;
        self.fields.push((name.written::<I>(), value.into_expr().node));
        self
    }

    /// All of them.
    pub fn done(self) -> Expr<I> {
        Expr::new(Node::Object(self.fields))
    }
}

/// One piece of a text: what [`text!`](crate::saga::text) takes.
#[doc(hidden)]
pub trait Piece {
    /// It, as it is written.
    fn piece(self) -> TextPiece;
}

/// A piece of a text.
#[doc(hidden)]
#[derive(Debug)]
pub struct TextPiece(Node);

impl Piece for &str {
    fn piece(self) -> TextPiece {
        TextPiece(Node::Literal(self.into()))
    }
}

impl<T> Piece for Expr<T> {
    fn piece(self) -> TextPiece {
        TextPiece(self.node)
    }
}

impl<T> Piece for &Expr<T> {
    fn piece(self) -> TextPiece {
        TextPiece(self.node.clone())
    }
}

/// A text of these pieces.
#[doc(hidden)]
pub fn text_of(pieces: impl IntoIterator<Item = TextPiece>) -> Expr<String> {
    Expr::new(Node::Text(pieces.into_iter().map(|piece| piece.0).collect()))
}
