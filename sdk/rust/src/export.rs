//! `export!`: from a list of steps to a component. What is not about the list stands in plain code below the macro.

use crate::handler::Handler;

/// Makes a plugin of steps: `export!(ReserveInventory, ChargePayment);`, once in a crate.
///
/// The component exports `step` and `manifest` (the contract's world `described`). An attempt goes to the step whose
/// [`NAME`](crate::Step::NAME) is the handler's. What cannot be delivered is rejected with the code `unknown_handler`,
/// `invalid_input` (with the place and the cause) or `invalid_output`.
///
/// Two steps of the same name do not build:
///
/// ```compile_fail
/// # struct Nod;
/// # impl amends_sdk::Step for Nod {
/// #     const NAME: &'static str = "nod";
/// #     const COMPENSATES: bool = false;
/// #     type Input = ();
/// #     type Output = ();
/// #     fn execute((): ()) -> Result<(), amends_sdk::Failure> { Ok(()) }
/// # }
/// amends_sdk::export!(Nod, Nod);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    ($($step:ty),+ $(,)?) => {
        const _: () = {
            // Named by a static on every target, so that a step that cannot be a handler does not build natively either.
            static HANDLERS: &[$crate::handler::Handler] = &[$($crate::handler::Handler::of::<$step>()),+];
            const { assert!($crate::handler::distinct(&[$($crate::handler::Handler::of::<$step>()),+]), "two steps have the same NAME") };

            struct Plugin;
            impl $crate::export::Plugin for Plugin {
                fn handlers() -> &'static [$crate::handler::Handler] {
                    HANDLERS
                }
            }
            $crate::export_component!(Plugin);
        };
    };
}

#[doc(hidden)]
#[macro_export]
#[cfg(target_arch = "wasm32")]
macro_rules! export_component {
    ($plugin:ident) => {
        $crate::bindings::export_described!($plugin with_types_in $crate::bindings);
    };
}

/// On a platform that makes no component there is nothing to export.
#[doc(hidden)]
#[macro_export]
#[cfg(not(target_arch = "wasm32"))]
macro_rules! export_component {
    ($plugin:ident) => {};
}

/// The list of a plugin's handlers; implemented by [`export!`](crate::export!).
pub trait Plugin {
    /// All handlers, in the order in which they were listed.
    fn handlers() -> &'static [Handler];
}

#[cfg(target_arch = "wasm32")]
mod component {
    use super::Plugin;
    use crate::bindings::amends::saga::types;
    use crate::bindings::exports::amends::saga::{manifest, step};
    use crate::{Failure, Fault, handler, host, log, manifest::describe};

    impl<P: Plugin> step::Guest for P {
        fn execute(input: Vec<u8>) -> Result<Vec<u8>, types::Failure> {
            log_panics();
            handler::execute(P::handlers(), &host::handler(), &input).map_err(types::Failure::from)
        }

        fn compensate(input: Vec<u8>, output: Option<Vec<u8>>) -> Result<(), types::Failure> {
            log_panics();
            handler::compensate(P::handlers(), &host::handler(), &input, output.as_deref()).map_err(types::Failure::from)
        }
    }

    impl<P: Plugin> manifest::Guest for P {
        fn describe() -> String {
            describe(P::handlers())
        }
    }

    /// A component has no standard error: without this, a trap would not say why.
    fn log_panics() {
        std::panic::set_hook(Box::new(|panic| log::error(panic)));
    }

    impl From<Failure> for types::Failure {
        fn from(failure: Failure) -> Self {
            match failure {
                Failure::Rejected(fault) => Self::Rejected(fault.into()),
                Failure::Unavailable(fault) => Self::Unavailable(fault.into()),
                Failure::Uncertain(fault) => Self::Uncertain(fault.into()),
            }
        }
    }

    impl From<Fault> for types::Fault {
        fn from(Fault { code, message, details }: Fault) -> Self {
            let details = details.map(|details| details.to_string().into_bytes());
            Self { code: code.into_owned(), message: message.into_owned(), details }
        }
    }
}
