//! Reads the description, and holds answers against it. Stricter than a description is: an answer has no field that is not described.

use crate::schema::misfit;
use harness::{Answered, Client};
use serde_json::{Map, Value};

/// The description of the API.
pub(crate) struct Description {
    document: Value,
    operations: Vec<Described>,
}

/// An operation as it is described.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) fields: Value,
}

impl Description {
    /// What the server gives.
    pub(crate) fn of(client: &Client) -> Self {
        let document = client.get("/openapi.json").expect(200);
        let operations = operations(&document);
        Self { document, operations }
    }

    pub(crate) fn operations(&self) -> &[Described] {
        &self.operations
    }

    /// The codes that an operation may answer.
    pub(crate) fn codes(&self) -> Vec<(String, String)> {
        let mut codes = Vec::new();
        for operation in self.operations() {
            for answer in operation.fields["responses"].as_object().expect("answers").values() {
                let problem = &answer["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"];
                let names = problem.as_array().into_iter().flatten().filter_map(Value::as_str);
                codes.extend(names.map(|code| (operation.id.clone(), code.to_owned())));
            }
        }
        codes
    }

    /// Holds an answer against what is said of it, and says of which operation it is; none if there is no such operation.
    ///
    /// # Panics
    /// If it is something else than is said.
    pub(crate) fn check(&self, method: &str, path: &str, answered: &Answered) -> Option<String> {
        let shown = || format!("{method} {path}: {} {}", answered.status, String::from_utf8_lossy(&answered.body));
        assert!(answered.header("x-request-id").is_some_and(|id| !id.is_empty()), "without an id: {}", shown());
        let Some(operation) = self.operation(method, path) else {
            assert!(matches!(answered.status, 404 | 405), "{}", shown());
            return None;
        };
        let status = answered.status.to_string();
        let described = &operation.fields["responses"][&status];
        assert!(described.is_object(), "{} does not say that it may answer {status}: {}", operation.id, shown());
        for (name, header) in described["headers"].as_object().into_iter().flatten() {
            // What is shared is the id of the request, and looked at above.
            let is_needed = header["required"] == true && answered.header("content-type") != Some("application/problem+json");
            assert!(!is_needed || answered.header(name).is_some(), "{} says that there is {name}: {}", operation.id, shown());
        }
        let content = described["content"].as_object();
        if answered.body.is_empty() {
            assert!(content.is_none_or(Map::is_empty), "{} says that there is a body: {}", operation.id, shown());
            return Some(operation.id.clone());
        }
        let media = answered.header("content-type").and_then(|media| media.split(';').next()).unwrap_or_default();
        let schema = &described["content"][media]["schema"];
        assert!(!schema.is_null(), "{} does not say that it may be {media}: {}", operation.id, shown());
        if media.ends_with("json") {
            assert_eq!(misfit(&self.document, schema, &answered.json()), None, "{}: {}", operation.id, shown());
        }
        Some(operation.id.clone())
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Described> {
        let path = path.split('?').next().unwrap_or(path);
        let asked: Vec<_> = path.split('/').collect();
        let fits = |described: &&Described| {
            let segments: Vec<_> = described.path.split('/').collect();
            let is = |(segment, asked): (&&str, &&str)| segment == asked || (segment.starts_with('{') && !asked.is_empty());
            described.method == method && segments.len() == asked.len() && segments.iter().zip(&asked).all(is)
        };
        // What is written out goes before what stands for something.
        self.operations.iter().filter(fits).min_by_key(|described| described.path.matches('{').count())
    }
}

fn operations(document: &Value) -> Vec<Described> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, fields) in methods.as_object().expect("methods") {
            let id = fields["operationId"].as_str().expect("a name").to_owned();
            let (method, path, fields) = (method.to_ascii_uppercase(), path.clone(), fields.clone());
            found.push(Described { id, method, path, fields });
        }
    }
    found
}
