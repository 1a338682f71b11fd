//! The contract's bindings, generated from `wit/`. Public only because what [`export!`](crate::export!) expands to names them.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated: which of them it breaks changes with the generator"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "described",
    pub_export_macro: true,
    export_macro_name: "export_described",
    default_bindings_module: "amends_sdk::bindings",
});
