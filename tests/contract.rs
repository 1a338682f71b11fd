//! The description of the API against the server that gives it: every operation is asked, in every way that it can answer, and each answer is
//! what the description says; nobody learns of another tenant by any operation; connections that take their time or come in numbers cost others
//! nothing.

#[path = "contract/connections.rs"]
mod connections;
#[path = "contract/description.rs"]
mod description;
#[path = "contract/isolation.rs"]
mod isolation;
#[path = "contract/schema.rs"]
mod schema;
#[path = "contract/stage.rs"]
mod stage;
#[path = "contract/unseen.rs"]
mod unseen;
#[path = "contract/walk.rs"]
mod walk;

use description::Description;
use harness::{Answered, Client};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// What was seen of each operation: a status, and the code of a problem.
type Seen = BTreeSet<(String, u16, Option<String>)>;

/// Somebody whose every answer is held against the description.
struct Asker<'a> {
    client: Client,
    description: &'a Description,
    seen: &'a RefCell<Seen>,
}

impl Asker<'_> {
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answered {
        let answered = self.client.ask(method, path, headers, body);
        if let Some(operation) = self.description.check(method, path, &answered) {
            let code =
                (answered.header("content-type") == Some("application/problem+json")).then(|| answered.json()["code"].clone());
            let code = code.as_ref().and_then(Value::as_str).map(str::to_owned);
            self.seen.borrow_mut().insert((operation, answered.status, code));
        }
        answered
    }

    fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, &[], b"")
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Answered {
        self.ask(method, path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }
}
