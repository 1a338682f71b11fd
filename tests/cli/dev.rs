//! `amends dev` as a developer has it: a folder, a server, and what changes in one is in the other.

use crate::{at_input, example, text};
use harness::{Client, Program, guest, run_amends_with};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A developer's folder, and `amends dev` that looks at it.
struct Desk {
    home: TempDir,
    program: Program,
    address: SocketAddr,
    token: String,
}

impl Desk {
    /// With a copy of the example, and its plugin beside it.
    fn new(prepare: impl FnOnce(&Path)) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let shop = home.path().join("shop");
        std::fs::create_dir_all(shop.join("plugins")).expect("there is room");
        for name in ["saga.yaml", "state.json"] {
            std::fs::copy(example(name), shop.join(name)).expect("the example is there");
        }
        std::fs::copy(guest("orders"), shop.join("plugins/orders.wasm")).expect("it is built");
        prepare(&shop);
        Self::at(home, &[])
    }

    fn at(home: TempDir, more: &[&str]) -> Self {
        let (config, shop) = (home.path().join("config"), home.path().join("shop"));
        let args = ["dev", text(&shop), "--listen", "127.0.0.1:0"];
        let mut program = Program::start_with([("XDG_CONFIG_HOME", text(&config))], args.iter().chain(more));
        let export = until(&mut program, "export ");
        let word = |name: &str| {
            let found = export.split(' ').find_map(|word| word.strip_prefix(name));
            found.unwrap_or_else(|| panic!("no {name} in {export}")).to_owned()
        };
        let address = word("AMENDS_URL=http://").parse().expect("an address");
        let token = word("AMENDS_TOKEN=");
        Self { home, program, address, token }
    }

    fn shop(&self, name: &str) -> PathBuf {
        self.home.path().join("shop").join(name)
    }

    fn client(&self) -> Client {
        Client::at(self.address, &self.token)
    }

    /// Starts a run over HTTP and waits for its end.
    fn order(&self) -> Value {
        let input: Value = serde_json::from_slice(&std::fs::read(example("inputs/good.json")).expect("it is there")).expect("JSON");
        self.client().post("/v1/tenants/dev/runs?wait=30s", &json!({ "saga": "order.fulfillment", "input": input })).expect(201)
    }
}

/// The next line that begins so.
fn until(program: &mut Program, begins: &str) -> String {
    loop {
        let line = program.line().unwrap_or_else(|| panic!("it ended before `{begins}`"));
        if line.starts_with(begins) {
            return line.to_owned();
        }
    }
}

/// Puts a file in its place as a whole, as an editor does.
fn save(path: &Path, content: &[u8]) {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, content).and_then(|()| std::fs::rename(draft, path)).expect("there is room");
}

#[test]
fn what_changes_in_the_folder_is_on_the_server_and_what_is_broken_is_told() {
    let mut desk = Desk::new(|_| {});
    until(&mut desk.program, "watching ");
    let first = desk.order();
    assert_eq!((&first["outcome"], &first["version"]), (&json!("succeeded"), &json!(1)), "{first}");

    let document = std::fs::read_to_string(desk.shop("saga.yaml")).expect("it is there");
    save(&desk.shop("saga.yaml"), document.replace("attempts: 3", "attempts: 2").as_bytes());
    until(&mut desk.program, "saga order.fulfillment version 2");
    assert_eq!(desk.order()["version"], 2);

    // Broken in itself, then misfitting its plugin: both are told, and the version before goes on.
    save(&desk.shop("saga.yaml"), b"saga: order.fulfillment\nsteps: []\n");
    save(&desk.shop("second.yaml"), b"saga: second\nsteps: [{ id: w, wait: { for: 1ms } }]\n");
    until(&mut desk.program, "saga second version 1");
    save(&desk.shop("saga.yaml"), document.replace("orders/charge-payment", "orders/none").as_bytes());
    save(&desk.shop("second.yaml"), b"saga: second\nsteps: [{ id: v, wait: { for: 1ms } }]\n");
    until(&mut desk.program, "saga second version 2");
    assert_eq!(desk.order()["version"], 2);

    // Another component: runs that start use it, and sagas are looked at again.
    save(&desk.shop("saga.yaml"), document.as_bytes());
    until(&mut desk.program, "saga order.fulfillment version 3");
    let before = desk.client().get("/v1/tenants/dev/plugins/orders").expect(200);
    save(&desk.shop("plugins/orders.wasm"), &std::fs::read(guest("ledger")).expect("it is built"));
    until(&mut desk.program, "plugin orders");
    let after = desk.client().get("/v1/tenants/dev/plugins/orders").expect(200);
    assert_eq!((before["versions"].as_array().map(Vec::len), after["versions"].as_array().map(Vec::len)), (Some(1), Some(2)));
    save(&desk.shop("plugins/orders.wasm"), b"\0asm no component");
    save(&desk.shop("second.yaml"), b"saga: second\nsteps: [{ id: u, wait: { for: 1ms } }]\n");
    until(&mut desk.program, "saga second version 3");

    let ended = desk.program.terminate();
    assert_eq!(ended.code, Some(0), "{ended}");
    for told in ["saga.yaml is refused", "steps: ", "has no handler `none`", "error[saga_refused]", "orders.wasm is refused"] {
        assert!(ended.stderr.contains(told), "{told}: {ended}");
    }
}

#[test]
fn a_plugin_that_is_not_built_yet_is_waited_for() {
    let mut desk = Desk::new(|shop| std::fs::remove_file(shop.join("plugins/orders.wasm")).expect("it was put there"));
    save(&desk.shop("second.yaml"), b"saga: second\nsteps: [{ id: w, wait: { for: 1ms } }]\n");
    until(&mut desk.program, "saga second version 1");
    let start = json!({ "saga": "order.fulfillment" });
    assert_eq!(desk.client().post("/v1/tenants/dev/runs", &start).problem(404), "unknown_saga");
    save(&desk.shop("plugins/orders.wasm"), &std::fs::read(guest("orders")).expect("it is built"));
    until(&mut desk.program, "saga order.fulfillment version 1");
    let state = desk.client().get("/v1/tenants/dev/state").expect(200);
    assert_eq!((state["items"].as_array().map(Vec::len), &desk.order()["outcome"]), (Some(6), &json!("succeeded")));
    let ended = desk.program.terminate();
    assert!(ended.stderr.contains("plugin `orders` is not there yet"), "{ended}");
}

#[test]
fn commands_find_the_server_by_its_profile_and_nothing_is_left_of_it() {
    let mut desk = Desk::new(|_| {});
    until(&mut desk.program, "watching ");
    let config = desk.home.path().join("config");
    let with = |args: &[&str]| run_amends_with([("XDG_CONFIG_HOME", text(&config))], args);
    let started = with(&["run", "start", "order.fulfillment", "--input", &at_input("good.json"), "--wait", "30s"]);
    assert!(started.code == Some(0) && started.text().ends_with(" succeeded"), "{started}");
    let profiles = std::fs::metadata(config.join("amends/profiles.toml")).expect("it is there");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&profiles.permissions()) & 0o777, 0o600);
    assert_eq!(desk.program.terminate().code, Some(0));
    assert_eq!(with(&["run", "list"]).code, Some(2), "no profile, no server");
}

#[test]
fn with_a_data_directory_the_next_time_goes_on_where_this_one_ended() {
    let home = tempfile::tempdir().expect("a directory");
    let (shop, data) = (home.path().join("shop"), home.path().join("data"));
    std::fs::create_dir_all(&shop).expect("there is room");
    std::fs::copy(example("saga.yaml"), shop.join("saga.yaml")).expect("the example is there");
    std::fs::copy(example("state.json"), shop.join("state.json")).expect("the example is there");
    std::fs::copy(guest("orders"), shop.join("orders.wasm")).expect("it is built");
    let data = text(&data).to_owned();
    let mut desk = Desk::at(home, &["--data", &data]);
    until(&mut desk.program, "watching ");
    let run = desk.order();
    let old = desk.token.clone();
    let state = desk.client().get("/v1/tenants/dev/state").expect(200);
    let home = std::mem::replace(&mut desk.home, tempfile::tempdir().expect("a directory"));
    assert_eq!(desk.program.terminate().code, Some(0));

    let mut desk = Desk::at(home, &["--data", &data]);
    until(&mut desk.program, "watching ");
    let path = format!("/v1/tenants/dev/runs/{}", run["id"].as_str().expect("an id"));
    assert_eq!(desk.client().get(&path).expect(200), run);
    assert_eq!(desk.client().get("/v1/tenants/dev/state").expect(200), state, "the folder's state is written once");
    assert_eq!(Client::at(desk.address, &old).get(&path).problem(401), "key_revoked");
    let plugin = desk.client().get("/v1/tenants/dev/plugins/orders").expect(200);
    assert_eq!(plugin["versions"].as_array().map(Vec::len), Some(1), "it is the same component");
    assert_eq!(desk.program.terminate().code, Some(0));
}
