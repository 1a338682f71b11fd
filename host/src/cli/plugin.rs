//! `amends plugin`: components, from a core module to what the host accepts.

use super::argument::file;
use super::error::{misuse, refused};
use super::grant::{self, GRANT_EXAMPLES, GRANTS_EXAMPLES, REVOKE_EXAMPLES};
use super::output::{Exit, Format, plain, say, say_json};
use super::pushed;
use super::text::{size, wrapped};
use crate::compose::with_sandbox;
use crate::sandbox::{Description, Refusal};
use amends_domain::plugin::Handler;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::path::{Path, PathBuf};
use wit_component::ComponentEncoder;

const CHECK_EXAMPLES: &str = "\
Examples:
  amends plugin check orders.wasm
  amends plugin check orders.wasm --json

Exit code 3 if the component is refused, with a code, the limit and the value found.";

const BUILD_EXAMPLES: &str = "\
Example:
  cargo rustc --lib --crate-type cdylib --release --target wasm32-unknown-unknown
  amends plugin build target/wasm32-unknown-unknown/release/orders.wasm -o orders.wasm

Takes a core module whose bindings were made by the SDK or by wit-bindgen, or a component; what comes out was checked.";

/// Columns of text about a handler.
const COLUMNS: usize = 88;

/// Check, build and push components, and say what plugins may reach
#[derive(Debug, Subcommand)]
pub(super) enum Plugin {
    /// Check a component as an installation would, and show what it imports, exports and handles
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Make a component of a core module, and check it
    #[command(after_help = BUILD_EXAMPLES)]
    Build(Build),
    /// Push a version of a plugin to a server
    #[command(after_help = pushed::PUSH_EXAMPLES)]
    Push(pushed::Push),
    /// List the plugins of a tenant on a server
    #[command(after_help = pushed::LIST_EXAMPLES)]
    List(pushed::List),
    /// Show the versions and the handlers of a plugin on a server
    #[command(after_help = pushed::SHOW_EXAMPLES)]
    Show(pushed::Show),
    /// Delete a version of a plugin on a server
    #[command(after_help = pushed::DELETE_EXAMPLES)]
    Delete(pushed::Delete),
    /// Let a plugin send requests to a host
    #[command(after_help = GRANT_EXAMPLES)]
    Grant(grant::Grant),
    /// List where a plugin may send requests
    #[command(after_help = GRANTS_EXAMPLES)]
    Grants(grant::Grants),
    /// Take a host away from a plugin
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke(grant::Revoke),
}

/// Arguments of `plugin check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    component: PathBuf,
}

/// Arguments of `plugin build`.
#[derive(Debug, Args)]
pub(super) struct Build {
    /// The core module, or a component
    #[arg(value_name = "FILE.wasm")]
    module: PathBuf,
    /// Where to write the component
    #[arg(short, long, value_name = "OUT.wasm")]
    out: PathBuf,
}

pub(super) fn run(command: &Plugin, format: Format) -> anyhow::Result<Exit> {
    match command {
        Plugin::Check(check) => {
            let description = described(file(&check.component)?, &check.component)?;
            say_description(&description, format)
        }
        Plugin::Build(build) => self::build(build, format),
        Plugin::Push(push) => pushed::push(push, format),
        Plugin::List(list) => pushed::list(list, format),
        Plugin::Show(show) => pushed::show(show, format),
        Plugin::Delete(delete) => pushed::delete(delete, format),
        Plugin::Grant(grant) => grant::grant(grant, format),
        Plugin::Grants(grants) => grant::grants(grants, format),
        Plugin::Revoke(revoke) => grant::revoke(revoke, format),
    }
}

fn build(build: &Build, format: Format) -> anyhow::Result<Exit> {
    let bytes = file(&build.module)?;
    let is_core = bytes.starts_with(b"\0asm\x01\0\0\0");
    let component = if is_core { wrap(&bytes, &build.module)? } else { bytes };
    let description = described(component.clone(), &build.module).map_err(|error| match error.downcast_ref::<Refusal>() {
        Some(Refusal::StepMissing) if is_core => no_type(&build.module, "it exports nothing that a component type names"),
        _ => error,
    })?;
    let written = std::fs::write(&build.out, component);
    written.map_err(|error| misuse("file_not_written", format!("failed to write {}: {error}", build.out.display())))?;
    match format {
        Format::Json => {
            say_json(&serde_json::json!({ "out": build.out, "digest": description.digest, "size": description.component_len }))?;
        }
        Format::Text => {
            let out = plain(&build.out.display().to_string());
            say(format_args!("{out}  {}  {}", size(description.component_len), description.digest))?;
        }
    }
    Ok(Exit::Done)
}

/// Makes a component of a core module, by the type that its bindings left in it.
fn wrap(module: &[u8], path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default();
    encoder.module(module).map_err(|error| no_type(path, &format!("{error:#}")))?;
    encoder.validate(true).encode().map_err(|error| {
        let said = format!("{error:#}");
        let remedy = if said.contains("wasi_snapshot") { ": build it for wasm32-unknown-unknown or wasm32-wasip2" } else { "" };
        refused("module_not_wrappable", format!("{} cannot be made a component: {said}{remedy}", path.display()))
    })
}

fn no_type(path: &Path, said: &str) -> anyhow::Error {
    let remedy = "generate its bindings with the amends SDK or wit-bindgen, which leave the type in it, or put one in: \
                  wasm-tools component embed wit --world plugin";
    refused("component_type_missing", format!("{} has no component type ({said}): {remedy}", path.display()))
}

fn described(component: Vec<u8>, path: &Path) -> anyhow::Result<Description> {
    let inspected = with_sandbox(async |sandbox| sandbox.inspect(component.into()).await)?;
    inspected.map_err(|refusal| anyhow::Error::from(refusal).context(format!("{} is refused", path.display())))
}

fn say_description(description: &Description, format: Format) -> anyhow::Result<Exit> {
    let Description { digest, component_len, code_len, imports, exports, sends_requests, manifest } = description;
    if format == Format::Json {
        let handlers = manifest.as_ref().map(|manifest| manifest.handlers.iter().map(handler_json).collect::<Vec<_>>());
        say_json(&serde_json::json!({
            "digest": digest, "size": component_len, "code_size": code_len, "imports": imports, "exports": exports, "handlers": handlers,
            "sends_requests": sends_requests,
        }))?;
        return Ok(Exit::Done);
    }
    say(format_args!("component  {digest}"))?;
    say(format_args!("size       {}, compiled {}", size(*component_len), size(*code_len)))?;
    say_names("imports", imports)?;
    say_names("exports", exports)?;
    if *sends_requests {
        say("needs      a grant for each host that it sends requests to: amends plugin grant")?;
    }
    match manifest {
        None => say("handlers   one, named like the plugin (the component exports no manifest)")?,
        Some(manifest) => {
            for handler in &manifest.handlers {
                say_handler(handler)?;
            }
        }
    }
    Ok(Exit::Done)
}

fn say_names(what: &str, names: &[String]) -> anyhow::Result<()> {
    if names.is_empty() {
        say(format_args!("{what:<9}  none"))?;
    }
    for (place, name) in names.iter().enumerate() {
        say(format_args!("{:<9}  {}", if place == 0 { what } else { "" }, plain(name)))?;
    }
    Ok(())
}

fn say_handler(handler: &Handler) -> anyhow::Result<()> {
    let back = if handler.compensates { "" } else { "  (cannot be compensated)" };
    say(format_args!("handler    {}{back}", handler.name))?;
    let fields = |schema: &Option<Value>| schema.as_ref().map_or_else(|| "not said".to_owned(), fields);
    for (what, text) in [("does", handler.doc.clone()), ("input", fields(&handler.input)), ("output", fields(&handler.output))] {
        for (place, line) in wrapped(&plain(&text), COLUMNS - 11, 8).iter().enumerate() {
            say(format_args!("  {:<7}  {line}", if place == 0 { what } else { "" }))?;
        }
    }
    Ok(())
}

fn handler_json(handler: &Handler) -> Value {
    let Handler { name, input, output, compensates, doc } = handler;
    serde_json::json!({ "name": name, "input": input, "output": output, "compensates": compensates, "doc": doc })
}

/// The fields of a JSON Schema in short: `sku string, quantity integer, note string (optional)`.
fn fields(schema: &Value) -> String {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return kind(schema) };
    let required: Vec<_> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let field = |(name, schema): (&String, &Value)| {
        let optional = if required.contains(&name.as_str()) { "" } else { " (optional)" };
        format!("{name} {}{optional}", kind(schema))
    };
    let fields: Vec<_> = properties.iter().map(field).collect();
    if fields.is_empty() { "no fields".to_owned() } else { fields.join(", ") }
}

fn kind(schema: &Value) -> String {
    match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::message;
    use super::*;

    #[test]
    fn a_schema_is_told_by_its_fields() {
        let schema = serde_json::json!({
            "type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}, "n": {"type": ["integer", "null"]}, "x": {}},
        });
        assert_eq!(fields(&schema), "n integer or null (optional), sku string, x any (optional)");
        assert_eq!(fields(&serde_json::json!({"type": "object", "properties": {}})), "no fields");
        assert_eq!(fields(&serde_json::json!({"type": "string"})), "string");
        assert_eq!(fields(&Value::Bool(true)), "any");
    }

    #[test]
    fn a_core_module_without_a_type_is_refused_with_a_remedy() {
        let error = wrap(b"\0asm\x01\0\0\0", Path::new("m.wasm")).and_then(|component| described(component, Path::new("m.wasm")));
        let error = message(&error.expect_err("there is nothing in it"));
        assert!(error.contains("m.wasm"), "{error}");
    }
}
