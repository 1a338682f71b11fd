//! The macros that need the compiler's eye: they look at types through functions that are never called.

/// A field of the run's input, of a step's output, or of any other [`Expr`](crate::saga::Expr), with its type.
///
/// ```
/// use amends_sdk::{JsonSchema, saga::{Saga, field}};
///
/// #[derive(JsonSchema)]
/// struct Address { zip_code: String }
/// #[derive(JsonSchema)]
/// #[serde(rename_all = "camelCase")]
/// struct Order { ship_to: Address, #[serde(rename = "ref")] reference: String }
///
/// let order = Saga::<Order>::new("order").input();
/// assert_eq!(field!(order.ship_to.zip_code).to_string(), "input.shipTo.zip_code");
/// assert_eq!(field!(order.reference as "ref").to_string(), "input.ref");
/// ```
///
/// A name that serde's `rename_all` made is found; one that `rename` made is written behind `as`, and checked when the saga is built.
/// A list's item and a map's value are for [`cel!`](crate::saga::cel). What is perhaps nothing has no fields:
///
/// ```
/// # use amends_sdk::{JsonSchema, saga::{Expr, Saga, field}};
/// # #[derive(JsonSchema)] struct Address { town: String }
/// # #[derive(JsonSchema)] struct Order { ship_to: Option<Address> }
/// # let order = Saga::<Order>::new("order").input();
/// let town: Expr<String> = field!(order.ship_to).map_or("none", |address| field!(address.town));
/// ```
///
/// ```compile_fail,E0609
/// # use amends_sdk::{JsonSchema, saga::{Expr, Saga, field}};
/// # #[derive(JsonSchema)] struct Address { town: String }
/// # #[derive(JsonSchema)] struct Order { ship_to: Option<Address> }
/// # let order = Saga::<Order>::new("order").input();
/// let town: Expr<String> = field!(order.ship_to.town);
/// ```
#[macro_export]
macro_rules! field {
    ($root:ident $(.$name:ident)+ $(as $json:literal)?) => {
        $crate::field!(@ $crate::saga::Gives::gives(&$root); $($name)+; $($json)?)
    };
    (@ $from:expr; $name:ident; $($json:literal)?) => {
        $crate::saga::Expr::select(&$from, $crate::saga::Name::of(stringify!($name))$(.written_as($json))?, |it| &it.$name)
    };
    (@ $from:expr; $name:ident $($rest:ident)+; $($json:literal)?) => {
        $crate::field!(@ $crate::field!(@ $from; $name;); $($rest)+; $($json)?)
    };
}

/// A value of a type that has fields, each given by an expression: what a step gets, or what a run gives.
///
/// ```
/// # use amends_sdk::{JsonSchema, saga::{Saga, field, mapping}};
/// # #[derive(JsonSchema)] struct Order { sku: String, quantity: u32 }
/// #[derive(JsonSchema)]
/// struct Line { pub sku: String, pub quantity: u64, #[serde(default)] pub urgent: bool }
///
/// let order = Saga::<Order>::new("order").input();
/// let sku = field!(order.sku);
/// mapping!(Line { sku, quantity: field!(order.quantity), urgent: true });
/// mapping!(Line { sku: "lamp", quantity: 2, .. });
/// ```
///
/// All fields are named, or `..` stands for those that have a default; `sku` alone stands for `sku: &sku`. Each gets what
/// [fits](crate::saga::Fits) it: an expression of its type, a narrower number, a literal, another `mapping!`. Anything else does not
/// compile: a field that is forgotten,
///
/// ```compile_fail,E0063
/// # use amends_sdk::{JsonSchema, saga::mapping};
/// # #[derive(JsonSchema)]
/// # struct Line { pub sku: String, pub quantity: u64, #[serde(default)] pub urgent: bool }
/// mapping!(Line { sku: "lamp", quantity: 2 });
/// ```
///
/// one that there is not,
///
/// ```compile_fail,E0026
/// # use amends_sdk::{JsonSchema, saga::mapping};
/// # #[derive(JsonSchema)]
/// # struct Line { pub sku: String, pub quantity: u64, #[serde(default)] pub urgent: bool }
/// mapping!(Line { sku: "lamp", quantity: 2, colour: "red", .. });
/// ```
///
/// or one of another type.
///
/// ```compile_fail,E0277
/// # use amends_sdk::{JsonSchema, saga::{Saga, field, mapping}};
/// # #[derive(JsonSchema)] struct Order { sku: String, quantity: u32 }
/// # #[derive(JsonSchema)]
/// # struct Line { pub sku: String, pub quantity: u64, #[serde(default)] pub urgent: bool }
/// # let order = Saga::<Order>::new("order").input();
/// mapping!(Line { sku: field!(order.quantity), quantity: 2, .. });
/// ```
///
/// A name that serde's `rename` made is written behind the field's: `reference as "ref": …`.
#[macro_export]
macro_rules! mapping {
    ($type:path { $($name:ident $(as $json:literal)? $(: $value:expr)?),+ $(,)? }) => {{
        // Never called: it does not compile where a field is forgotten.
        {
            type Whole = $type;
            let _ = || Whole { $($name: $crate::saga::any()),+ };
        }
        $crate::mapping!(@ $type { $($name $(as $json)? $(: $value)?),+ })
    }};
    ($type:path { $($name:ident $(as $json:literal)? $(: $value:expr)?,)* .. }) => {{
        let _ = |whole: $type| { let $type { $($name: _,)* .. } = whole; };
        $crate::mapping!(@ $type { $($name $(as $json)? $(: $value)?),* })
    }};
    (@ $type:path { $($name:ident $(as $json:literal)? $(: $value:expr)?),* }) => {
        $crate::saga::Fields::<$type>::new()
            $(.field(
                $crate::saga::Name::of(stringify!($name))$(.written_as($json))?,
                |whole: &$type| &whole.$name,
                $crate::mapping!(= $name $($value)?),
            ))*
            .done()
    };
    (= $name:ident) => { &$name };
    (= $name:ident $value:expr) => { $value };
}

/// An expression in CEL, said to give a type, with other expressions in it as `format!` has them.
///
/// ```
/// # use amends_sdk::{JsonSchema, saga::{Saga, cel, field}};
/// # #[derive(JsonSchema)] struct Order { price: u64, quantity: u64, labels: Vec<String> }
/// # let order = Saga::<Order>::new("order").input();
/// let (price, labels) = (field!(order.price), field!(order.labels));
/// let total = cel!(u64: "{price} * {}", field!(order.quantity));
/// let first = cel!(String: "{labels}[0]");
/// let dear = cel!(bool: "{total} > 10000");
/// assert_eq!(dear.to_string(), "((input.price * input.quantity) > 10000)");
/// ```
///
/// As in `format!`, `{{}}` stands for `{}`.
#[macro_export]
macro_rules! cel {
    ($type:ty : $($format:tt)+) => {
        $crate::saga::Expr::<$type>::cel(::std::format!($($format)+))
    };
}

/// A text that is put together from texts and expressions.
///
/// ```
/// # use amends_sdk::{JsonSchema, saga::{Saga, field, text}};
/// # #[derive(JsonSchema)] struct Order { sku: String, quantity: u32 }
/// # let order = Saga::<Order>::new("order").input();
/// let subject = text!(field!(order.quantity), " pieces of ", field!(order.sku));
/// ```
#[macro_export]
macro_rules! text {
    ($($piece:expr),+ $(,)?) => {
        $crate::saga::text_of([$($crate::saga::Piece::piece($piece)),+])
    };
}
