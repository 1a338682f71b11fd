//! The body of one function, read instruction by instruction in one pass. What is bounded here is what a compiler's time or memory
//! grows faster with than the body is long.

use super::malformed;
use super::tally::{Counted, Tally, within};
use super::types::{check_reference, check_type};
use crate::sandbox::refusal::Refusal;
use wasmparser::{BlockType, FunctionBody, Operator, RefType};

/// Most bytes of one function. Register allocation takes more than linear time; the largest function of `CPython` has 417 KiB.
const BODY_LEN_MAX: u64 = 1024 * 1024;
/// Most locals of one function, without its parameters.
const LOCALS_MAX: u64 = 10_000;
/// Deepest nesting of blocks in one function: a `switch` of C has one for each case, `CPython` up to 781.
const BLOCKS_MAX: u64 = 4_000;
/// Most entries of one `br_table`.
const BRANCHES_MAX: u64 = 20_000;

/// Refuses a function that is too much for the compiler, or uses what no guest needs.
pub(super) fn check(body: &FunctionBody<'_>, tally: &mut Tally) -> Result<(), Refusal> {
    within("bytes in one function", body.range().len() as u64, BODY_LEN_MAX)?;
    let mut locals = 0_u64;
    for group in body.get_locals_reader().map_err(|error| malformed(&error))? {
        let (count, ty) = group.map_err(|error| malformed(&error))?;
        locals = locals.saturating_add(count.into());
        within("locals in one function", locals, LOCALS_MAX)?;
        check_type(ty)?;
    }
    let mut operators = body.get_operators_reader().map_err(|error| malformed(&error))?;
    let mut depth = 0_u64;
    while !operators.eof() {
        let operator = operators.read().map_err(|error| malformed(&error))?;
        if let Some(proposal) = refused_proposal(&operator) {
            return Err(Refusal::Feature(proposal));
        }
        // Foreign enum, open for extension: every other instruction is only itself.
        match operator {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                depth += 1;
                within("nested blocks in one function", depth, BLOCKS_MAX)?;
                match blockty {
                    BlockType::Type(ty) => check_type(ty)?,
                    BlockType::Empty | BlockType::FuncType(_) => {}
                }
            }
            Operator::End => depth = depth.saturating_sub(1),
            Operator::BrTable { targets } => {
                within("branches of one br_table", targets.len().into(), BRANCHES_MAX)?;
                tally.add(Counted::Branches, targets.len().into())?;
            }
            Operator::RefNull { hty } => check_reference(RefType::new(true, hty).ok_or(Refusal::Feature("gc"))?)?,
            Operator::TypedSelect { ty } => check_type(ty)?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether instructions of a proposal are refused, by its name in the parser's own list.
macro_rules! refused {
    (mvp) => {
        None
    };
    (sign_extension) => {
        None
    };
    (saturating_float_to_int) => {
        None
    };
    (bulk_memory) => {
        None
    };
    (reference_types) => {
        None
    };
    (tail_call) => {
        None
    };
    (simd) => {
        None
    };
    ($other:ident) => {
        Some(stringify!($other))
    };
}

macro_rules! define_refused_proposal {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {
        /// The proposal that an instruction belongs to, if it is not offered. What the parser learns in a later release is not offered.
        fn refused_proposal(operator: &Operator<'_>) -> Option<&'static str> {
            match operator {
                $( Operator::$op { .. } => refused!($proposal), )*
                _ => Some("an instruction of no known proposal"),
            }
        }
    };
}
wasmparser::for_each_operator!(define_refused_proposal);
