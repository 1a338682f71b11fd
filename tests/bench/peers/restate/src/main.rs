//! Three steps that do nothing, one behind the other, each recorded by Restate; if the third is refused, the other two are taken back, last first, each
//! of which is recorded too. Compensation is user code there, so it is written out here.

use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// What ends a run, one way or the other.
#[derive(Clone, Serialize, Deserialize)]
struct End {
    #[serde(default)]
    refuse: bool,
    #[serde(default)]
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Ended {
    status: String,
    output: Option<End>,
}

struct Three;

#[service]
impl Three {
    #[handler]
    async fn run(&self, context: Context<'_>, input: Json<End>) -> Result<Json<Ended>, HandlerError> {
        let input = input.into_inner();
        let (first, second) = (input.clone(), input.clone());
        let first = context.run(|| pass(first)).name("a").await?.into_inner();
        let second = context.run(|| pass(second)).name("b").await?.into_inner();
        match context.run(|| finish(input)).name("c").await {
            Ok(output) => Ok(Json(Ended { status: "succeeded".into(), output: Some(output.into_inner()) })),
            Err(_) => {
                context.run(|| take_back(second)).name("b-back").await?;
                context.run(|| take_back(first)).name("a-back").await?;
                Ok(Json(Ended { status: "compensated".into(), output: None }))
            }
        }
    }
}

async fn pass(input: End) -> Result<Json<End>, HandlerError> {
    Ok(Json(input))
}

async fn finish(input: End) -> Result<Json<End>, HandlerError> {
    if input.refuse { Err(TerminalError::new("it was told to").into()) } else { Ok(Json(input)) }
}

async fn take_back(_: End) -> Result<(), HandlerError> {
    Ok(())
}

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).expect("say where to listen, such as 127.0.0.1:9080");
    let endpoint = Endpoint::builder().bind(Three).build();
    HttpServer::new(endpoint).listen_and_serve(address.parse().expect("an address")).await;
}
