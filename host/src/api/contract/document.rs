//! The description of the API: `OpenAPI` 3.1, made of the operations.

use super::shapes::{Shapes, parameter};
use super::{Answer, Must, Needs, Operation, Parameter, Takes};
use crate::api::problem::{self, Code, Told};
use amends_domain::explain::DeadLetterId;
use amends_domain::id::{KeyId, PluginName, PluginVersion, RunId, SagaName, SecretName, SignalName, TenantId, WebhookName};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const ABOUT: &str = "Runs sagas whose steps are WebAssembly components, and makes amends when one fails. Whoever asks shows a token: \
`Authorization: Bearer amt_…`. A mistake is `application/problem+json` (RFC 9457) with a `code` that never changes; its `type` links to what it \
means. Every answer has `x-request-id`. Lists come in pages: pass on `next_cursor` as `cursor`.";

/// All of `operations` as one document.
pub(in crate::api) fn document(operations: &[Operation]) -> Value {
    let mut shapes = Shapes::new();
    let problem = shapes.schema(super::Shape::given::<Told>());
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let described = describe(operation, &mut shapes, &problem);
        paths.entry(operation.path).or_default().insert(operation.method.word().to_ascii_lowercase(), described);
    }
    let mut schemas = shapes.named();
    // Problems are told apart by their codes in each answer; here stands what they share.
    if let Some(shared) = schemas.get_mut("Problem").and_then(Value::as_object_mut) {
        shared.insert("externalDocs".to_owned(), json!({ "url": "/errors", "description": "What each code means." }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "amends",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": { "RequestId": {
                "description": "The id of the request: the one that it came with, or one that the host made.",
                "required": true,
                "schema": { "type": "string", "pattern": "^[A-Za-z0-9._:/+=-]{1,128}$" },
            }},
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "amt_…",
                "description": "The token of a key. What its role may do is in docs/tenants.md.",
            }},
        },
    })
}

fn describe(operation: &Operation, shapes: &mut Shapes, problem: &Value) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag(operation.path)],
        "parameters": parameters(operation),
        "responses": responses(operation, shapes, problem),
        "security": security(operation.needs),
    });
    let fields = described.as_object_mut().expect("it is an object");
    let notes: Vec<String> = operation.notes.map(str::to_owned).into_iter().chain(rights(operation.needs)).collect();
    if !notes.is_empty() {
        fields.insert("description".to_owned(), notes.join("\n\n").into());
    }
    if let Some(takes) = &operation.takes {
        fields.insert("requestBody".to_owned(), body(takes, shapes));
    }
    described
}

/// What an operation is about: the segment of its path behind the tenant.
fn tag(path: &str) -> &str {
    let mut segments = path.trim_start_matches("/v1").split('/').filter(|segment| !segment.is_empty() && !segment.starts_with('{'));
    match (segments.next(), segments.next()) {
        (
            Some("tenants"),
            Some(of @ ("keys" | "plugins" | "sagas" | "runs" | "dead-letters" | "state" | "events" | "secrets" | "audit")),
        ) => of,
        (Some("tenants"), _) => "tenants",
        (_, _) => "host",
    }
}

fn security(needs: Needs) -> Value {
    match needs {
        Needs::Nothing => json!([]),
        Needs::Key | Needs::Right(_) => json!([{ "token": [] }]),
    }
}

fn rights(needs: Needs) -> Option<String> {
    match needs {
        Needs::Nothing => None,
        Needs::Key => Some("Whoever has a key may ask.".to_owned()),
        Needs::Right(action) => {
            let roles: Vec<_> = action.right().roles.iter().map(|role| role.word()).collect();
            Some(format!("Roles: {}.", roles.join(", ")))
        }
    }
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let named = operation.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let of_path = named.map(|name| {
        let Parameter { name, says, schema } = of_path(name, operation.path);
        json!({ "name": name, "in": "path", "required": true, "description": says, "schema": schema })
    });
    let asked = |place: &'static str| {
        move |parameter: &Parameter| {
            let Parameter { name, says, schema } = parameter;
            json!({ "name": name, "in": place, "required": false, "description": says, "schema": schema })
        }
    };
    of_path.chain(operation.query.iter().map(asked("query"))).chain(operation.headers.iter().map(asked("header"))).collect()
}

/// What stands in braces in a path.
fn of_path(name: &str, path: &str) -> Parameter {
    match name {
        "tenant" => parameter::<TenantId>("tenant", "The tenant."),
        "plugin" => parameter::<PluginName>("plugin", "The plugin."),
        "version" => parameter::<PluginVersion>("version", "The version of the plugin."),
        "saga" => parameter::<SagaName>("saga", "The saga."),
        "run" => parameter::<RunId>("run", "The run."),
        "key" => parameter::<KeyId>("key", "The key."),
        "letter" => parameter::<DeadLetterId>("letter", "The dead letter: its run and its step."),
        "name" => parameter::<SignalName>("name", "The signal."),
        "secret" => parameter::<SecretName>("secret", "The secret."),
        "webhook" => parameter::<WebhookName>("webhook", "The webhook."),
        "place" => {
            let says = "`HOST` or `HOST:PORT`; `*.example.com` leaves one label open.";
            Parameter { name: "place", says, schema: json!({ "type": "string", "minLength": 1, "maxLength": 300 }) }
        }
        "code" => {
            let codes: Vec<_> = problem::CODES.iter().map(|code| code.name).collect();
            Parameter { name: "code", says: "The code of a problem.", schema: json!({ "type": "string", "enum": codes }) }
        }
        _ => panic!("{path} names {name}, and nobody says what that is"),
    }
}

fn body(takes: &Takes, shapes: &mut Shapes) -> Value {
    let schema = takes.shape.map(|shape| shapes.schema(shape));
    let content: Map<String, Value> = takes
        .media
        .iter()
        .take(if schema.is_some() { 1 } else { takes.media.len() })
        .map(|media| ((*media).to_owned(), schema.as_ref().map_or_else(|| json!({}), |schema| json!({ "schema": schema }))))
        .collect();
    json!({ "required": takes.must == Must::Be, "content": content })
}

fn responses(operation: &Operation, shapes: &mut Shapes, problem: &Value) -> BTreeMap<String, Value> {
    let mut responses: BTreeMap<String, Value> = BTreeMap::new();
    for answer in &operation.answers {
        responses.insert(answer.status.to_string(), answered(answer, shapes));
    }
    let mut by_status: BTreeMap<u16, Vec<&Code>> = BTreeMap::new();
    for name in &operation.codes {
        let code =
            problem::code(name).unwrap_or_else(|| panic!("{} may answer {name}, and nobody says what that is", operation.id));
        by_status.entry(code.status).or_default().push(code);
    }
    for (status, codes) in by_status {
        let content = problem_of(status, &codes, problem);
        let (says, headers) = (words(&codes), headers(&[]));
        let response =
            json!({ "description": says, "headers": headers, "content": { "application/problem+json": { "schema": content } } });
        // One status may be an answer and a problem: a host that is not ready says so with 503.
        match responses.get_mut(&status.to_string()) {
            Some(answer) => answer["content"]["application/problem+json"] = json!({ "schema": content }),
            None => drop(responses.insert(status.to_string(), response)),
        }
    }
    responses
}

fn words(codes: &[&Code]) -> String {
    let lines: Vec<_> = codes.iter().map(|code| format!("`{}`: {}.", code.name, code.title)).collect();
    lines.join(" ")
}

fn problem_of(status: u16, codes: &[&Code], problem: &Value) -> Value {
    let names: Vec<_> = codes.iter().map(|code| code.name).collect();
    json!({ "allOf": [problem, { "properties": { "status": { "const": status }, "code": { "enum": names } } }] })
}

fn answered(answer: &Answer, shapes: &mut Shapes) -> Value {
    let content: Map<String, Value> = answer
        .content
        .iter()
        .map(|(media, shape)| {
            let schema = shape.map_or_else(|| json!({ "type": "string" }), |shape| shapes.schema(shape));
            ((*media).to_owned(), json!({ "schema": schema }))
        })
        .collect();
    let mut described = json!({ "description": answer.says, "headers": headers(&answer.headers) });
    if !content.is_empty() {
        described["content"] = content.into();
    }
    described
}

fn headers(own: &[Parameter]) -> Map<String, Value> {
    let of_all = [("x-request-id".to_owned(), json!({ "$ref": "#/components/headers/RequestId" }))];
    let described = |Parameter { name, says, schema }: &Parameter| {
        ((*name).to_owned(), json!({ "description": says, "required": true, "schema": schema }))
    };
    of_all.into_iter().chain(own.iter().map(described)).collect()
}
