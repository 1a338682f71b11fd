//! What is refused on a server, and how a command says that there is none: the exit codes and codes that scripts go by.

use crate::server::Shop;
use crate::{at_input, text};
use harness::{Ended, Reply, Site, run_amends, run_amends_with};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;

#[track_caller]
fn assert_refused(ended: &Ended, exit: i32, code: &str) {
    assert_eq!(ended.code, Some(exit), "{ended}");
    assert!(ended.stderr.contains(&format!("error[{code}]: ")), "{code}: {ended}");
    assert!(ended.stdout.is_empty(), "{ended}");
}

/// Each: arguments, the exit code, the code. `SAGA` is a document with two mistakes, `WASM` no component.
#[test]
fn each_mistake_has_the_exit_code_that_it_has_in_a_data_directory() {
    let shop = Shop::new();
    let bad = shop.file("bad.yaml", "saga: s\nsteps: [{ id: A, uses: x }]\n");
    let misfit = shop.file("misfit.yaml", "saga: s\nsteps: [{ id: a, uses: orders/none }]\n");
    let wasm = shop.file("bad.wasm", "(module)");
    for (args, exit, code) in [
        ("run show run_01kb0v7m4q8r5t2x9y3z6w1a0c", 3, "unknown_run"),
        ("run start missing", 3, "unknown_saga"),
        ("run start order.fulfillment --input {", 3, "input_not_json"),
        ("run start order.fulfillment --plugin orders=WASM", 2, "only_in_process"),
        ("run start order.fulfillment --no-drive", 2, "only_in_process"),
        ("run cancel run_01kb0v7m4q8r5t2x9y3z6w1a0c --wait-max 1s", 2, "only_in_process"),
        ("run cancel run_01kb0v7m4q8r5t2x9y3z6w1a0c --by bert", 2, "only_in_process"),
        ("run cancel run_01kb0v7m4q8r5t2x9y3z6w1a0c", 3, "unknown_run"),
        ("saga apply BAD", 3, "saga_refused"),
        ("saga apply MISFIT", 3, "saga_refused"),
        ("saga show missing", 3, "not_found"),
        ("plugin push orders 1 WASM", 3, "component_is_text"),
        ("plugin show missing", 3, "not_found"),
        ("state get missing", 3, "unknown_key"),
        ("state set a null", 2, "null_removes"),
        ("tenant list", 3, "not_allowed"),
        ("tenant delete acme", 2, "not_meant"),
        ("tenant limit acme weight", 2, "limit_malformed"),
        ("key create k --role operator", 3, "not_allowed"),
        ("run list --profile none", 2, "unknown_profile"),
        ("run list --tenant globex", 3, "not_found"),
    ] {
        let args: Vec<_> = args
            .split(' ')
            .map(|word| match word {
                "BAD" => bad.as_str(),
                "MISFIT" => misfit.as_str(),
                "WASM" => wasm.as_str(),
                word => word,
            })
            .map(|word| if word == "orders=WASM" { "orders=/dev/null" } else { word })
            .collect();
        assert_refused(&shop.amends(&args), exit, code);
    }
    let told: serde_json::Value = serde_json::from_str(&shop.amends(&["saga", "apply", &misfit, "--json"]).stderr).expect("JSON");
    assert_eq!((&told["code"], told["mistakes"].as_array().map(Vec::len)), (&json!("saga_refused"), Some(1)), "{told}");
    let limits = shop.as_operator(&["tenant", "limit", "acme", "weight=0", "colour=1", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&limits.stderr).expect("JSON");
    assert_eq!((limits.code, told["mistakes"].as_array().map(Vec::len)), (Some(3), Some(2)), "all at once: {told}");
    assert_refused(&shop.as_operator(&["run", "list"]), 2, "tenant_not_named");
    // With all that in order it goes.
    shop.done(&["run", "start", "order.fulfillment", "--input", &at_input("good.json")]);
}

#[test]
fn where_there_is_no_server_it_is_said_and_the_exit_code_is_4() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("there are ports");
    let gone = run_amends(["run", "list", "--tenant", "acme", "--url", &format!("http://{nobody}")]);
    assert_refused(&gone, 4, "server_unreachable");
    assert!(gone.stderr.contains(&nobody.to_string()), "{gone}");
    assert_refused(&run_amends(["run", "list", "--url", "127.0.0.1:1"]), 2, "url_malformed");
    let nowhere = run_amends(["run", "list"]);
    assert_refused(&nowhere, 2, "no_server");
    assert!(nowhere.stderr.contains("--data DIR") && nowhere.stderr.contains("AMENDS_URL"), "{nowhere}");
    // A proxy that speaks for a server that is gone.
    let proxy = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let address = proxy.local_addr().expect("it listens");
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = proxy.accept().expect("somebody comes");
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).expect("they ask");
        let page = "<html>bad gateway</html>";
        write!(stream, "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}", page.len())
            .expect("they listen");
    });
    let strange = run_amends(["run", "list", "--tenant", "acme", "--url", &format!("http://{address}")]);
    assert_refused(&strange, 4, "answer_not_understood");
    answering.join().expect("it answered");
}

#[test]
fn a_token_is_shown_by_a_variable_or_a_file_and_a_wrong_one_is_refused() {
    let shop = Shop::empty();
    let file = shop.file("token", &format!("{}\n", shop.token));
    assert_eq!(run_amends(["run", "list", "--url", &shop.url, "--token-file", &file]).code, Some(0));
    let variables = [("AMENDS_URL", shop.url.as_str()), ("AMENDS_TOKEN_FILE", file.as_str()), ("AMENDS_TENANT", "acme")];
    assert_eq!(run_amends_with(variables, ["run", "list"]).code, Some(0));
    assert_refused(&run_amends(["run", "list", "--url", &shop.url, "--tenant", "acme"]), 3, "token_missing");
    let short = [("AMENDS_URL", shop.url.as_str()), ("AMENDS_TOKEN", "amt_short")];
    assert_refused(&run_amends_with(short, ["run", "list"]), 3, "token_malformed");
    let data = shop.data();
    let both = run_amends(["run", "list", "--url", &shop.url, "--data", text(&data)]);
    assert_eq!(both.code, Some(2), "{both}");
}

/// A page of runs looks at so many that it may have none that fits and still have a next one.
#[test]
fn pages_are_read_to_the_last_one_and_a_list_without_an_end_is_given_up() {
    let row = json!({ "id": "run_01kb0v7m4q8r5t2x9y3z6w1a0c", "saga": "s", "version": 1, "status": "succeeded", "started_at": "2026-01-31T09:00:00Z" });
    let next = |path: &str| path.split("cursor=").nth(1).map_or(1, |cursor| cursor.parse::<u32>().expect("it was given") + 1);
    let sparse = Site::start(move |request| {
        let page = match next(&request.path) {
            3 => json!({ "items": [row] }),
            page => json!({ "items": [], "next_cursor": page.to_string() }),
        };
        Reply::new(200, &page.to_string())
    });
    let list = ["run", "list", "--tenant", "acme", "--json", "--saga", "s", "--since", "2026-01-31T10:00:00+01:00"];
    let found = run_amends_with([("AMENDS_URL", sparse.url("").as_str())], list);
    assert_eq!((found.code, found.json()["runs"].as_array().map(Vec::len)), (Some(0), Some(1)), "{found}");
    let asked = sparse.arrived();
    let query = "/v1/tenants/acme/runs?saga=s&since=2026-01-31T09%3A00%3A00.000Z&limit=21";
    assert_eq!((asked.len(), asked[0].path.as_str(), asked[2].path.clone()), (3, query, format!("{query}&cursor=2")));
    let endless = Site::start(move |request| {
        Reply::new(200, &json!({ "items": [], "next_cursor": next(&request.path).to_string() }).to_string())
    });
    let given_up = run_amends_with([("AMENDS_URL", endless.url("").as_str())], &list[..4]);
    assert_refused(&given_up, 3, "list_endless");
    assert_eq!(endless.arrived().len(), 1000);
}
