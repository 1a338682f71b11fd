//! Does with WASI and HTTP what its input says, and answers what it got: the guest of the tests about both. Harmless in the hands of a
//! tenant, who can find out with it what a grant lets through.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod wasi;

use amends_sdk::http::{Request, SendError};
use amends_sdk::{Failure, JsonSchema, Step, invocation, json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Forward does the first list, backward the second.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What is done.
    #[serde(default)]
    pub forward: Vec<Act>,
    /// What is done to take it back.
    #[serde(default)]
    pub backward: Vec<Act>,
}

/// One thing to do.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// Sends a request.
    Send {
        /// The method.
        method: String,
        /// Where to.
        url: String,
        /// Headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// So many headers more.
        #[serde(default)]
        more_headers: usize,
        /// So many bytes of body.
        #[serde(default)]
        body_len: usize,
        /// How long the answer is waited for.
        #[serde(default)]
        timeout_ms: Option<u64>,
    },
    /// Tells what earlier attempts sent.
    Effects,
    /// Tells a secret.
    Secret(String),
    /// Is uncertain.
    Uncertain,
    /// Prints to standard output.
    Print(String),
    /// Prints to standard error.
    Complain(String),
    /// Prints so many zeroes at once.
    PrintZeroes(u64),
    /// Tells the time: wall clock in ms, monotonic clock in ns.
    Now,
    /// Sleeps.
    Sleep {
        /// In milliseconds.
        ms: u64,
    },
    /// Sleeps for no time, so often.
    Nap(u32),
    /// Draws so many random bytes.
    Random(u64),
    /// Tells environment, arguments, working directory and directories.
    Surroundings,
    /// Ends the process.
    Exit,
}

/// The one handler.
pub struct Probe;

impl Step for Probe {
    const NAME: &'static str = "probe";
    const DOC: &'static str = "Does what its input says, and answers what it got.";
    type Input = Script;
    type Output = Vec<Value>;

    fn execute(script: Script) -> Result<Vec<Value>, Failure> {
        script.forward.into_iter().map(act).collect()
    }

    fn compensate(script: Script, _: Option<Vec<Value>>) -> Result<(), Failure> {
        let got = script.backward.into_iter().map(act).collect::<Result<Vec<_>, _>>()?;
        amends_sdk::log::info(json!(got));
        Ok(())
    }
}

amends_sdk::export!(Probe);

fn act(act: Act) -> Result<Value, Failure> {
    match act {
        Act::Send { method, url, headers, more_headers, body_len, timeout_ms } => {
            let mut request = Request::new(&method, url).body(vec![b'x'; body_len]);
            request.timeout = timeout_ms.map(Duration::from_millis);
            let more = (0..more_headers).map(|number| (format!("x-{number}"), "1".to_owned()));
            let request = headers.into_iter().chain(more).fold(request, |request, (name, value)| request.header(&name, value));
            Ok(sent(request))
        }
        Act::Effects => {
            let told = |effect: amends_sdk::Effect| {
                let response = effect.response.map(|body| String::from_utf8_lossy(&body).into_owned());
                json!([effect.method, effect.target, effect.answer, response])
            };
            Ok(invocation::effects().into_iter().map(told).collect())
        }
        Act::Secret(name) => Ok(json!(amends_sdk::secrets::get(&name))),
        Act::Uncertain => Err(Failure::uncertain("uncertain", "as told")),
        other => Ok(of_wasi(other)),
    }
}

fn sent(request: Request) -> Value {
    match request.send() {
        Ok(answer) => json!({ "status": answer.status, "body": String::from_utf8_lossy(&answer.body) }),
        Err(SendError::Refused(why)) => json!({ "refused": why }),
        Err(SendError::NotSent(why)) => json!({ "not_sent": why }),
        Err(SendError::Unanswered(why)) => json!({ "unanswered": why }),
    }
}

#[cfg(target_arch = "wasm32")]
fn of_wasi(act: Act) -> Value {
    wasi::act(act)
}

/// There is no WASI outside of a component.
#[cfg(not(target_arch = "wasm32"))]
fn of_wasi(_: Act) -> Value {
    Value::Null
}
