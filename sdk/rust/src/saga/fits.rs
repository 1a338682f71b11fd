//! Which values may stand where a type is needed, decided by the compiler. The schemas say more, but only when a saga is built.

use serde_json::Value;

use super::expr::Expr;
use super::node::Node;
use super::step::StepRef;

/// A value of this type may stand where a `Needed` is needed: it is one, or has the same form in JSON.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` does not fit where a `{Needed}` is needed",
    note = "if both have the same form in JSON, say so with `.cast()`: the schemas are compared when the saga is built"
)]
pub trait Fits<Needed> {}

impl<T> Fits<T> for T {}
impl<T> Fits<Option<T>> for T {}

macro_rules! widen {
    ($($narrow:ty => $($wide:ty),+;)+) => {$($(
        impl Fits<$wide> for $narrow {}
        impl Fits<Option<$wide>> for $narrow {}
    )+)+};
}

widen! {
    u8 => u16, u32, u64, i16, i32, i64, f32, f64;
    u16 => u32, u64, i32, i64, f32, f64;
    u32 => u64, i64, f64;
    u64 => f64;
    i8 => i16, i32, i64, f32, f64;
    i16 => i32, i64, f32, f64;
    i32 => i64, f64;
    i64 => f64;
    f32 => f64;
}

/// What may be given where a `Needed` is needed: an expression, the output of a step, or a literal.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` does not fit where a `{Needed}` is needed",
    note = "give an expression, a number, a text, true or false, or any other literal within `value(…)`"
)]
pub trait IntoExpr<Needed> {
    /// It, as an expression.
    fn into_expr(self) -> Expr<Needed>;
}

impl<T: Fits<Needed>, Needed> IntoExpr<Needed> for Expr<T> {
    fn into_expr(self) -> Expr<Needed> {
        Expr::new(self.node)
    }
}

impl<T: Fits<Needed>, Needed> IntoExpr<Needed> for &Expr<T> {
    fn into_expr(self) -> Expr<Needed> {
        self.cast()
    }
}

impl<T: Fits<Needed>, Needed> IntoExpr<Needed> for &StepRef<T> {
    fn into_expr(self) -> Expr<Needed> {
        self.output().cast()
    }
}

// Of each literal only what has exactly its type: so the compiler sees which of its types a `2` has.
macro_rules! literal {
    ($($from:ty => $needed:ty;)+) => {$(
        impl IntoExpr<$needed> for $from {
            fn into_expr(self) -> Expr<$needed> {
                Expr::new(Node::Literal(Value::from(self)))
            }
        }
        impl IntoExpr<Option<$needed>> for $from {
            fn into_expr(self) -> Expr<Option<$needed>> {
                Expr::new(Node::Literal(Value::from(self)))
            }
        }
    )+};
}

literal! {
    bool => bool;
    u8 => u8;
    u16 => u16;
    u32 => u32;
    u64 => u64;
    i8 => i8;
    i16 => i16;
    i32 => i32;
    i64 => i64;
    f32 => f32;
    f64 => f64;
    &str => String;
    String => String;
}
