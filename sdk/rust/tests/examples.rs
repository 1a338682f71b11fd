//! Every example stands there twice, as a document and in Rust: both say the same.

use std::path::Path;

use amends_sdk::saga::Mistakes;
use serde_json::Value;

#[path = "../../../examples/employee-onboarding/saga.rs"]
mod employee_onboarding;
#[path = "../../../examples/journal-approval/saga.rs"]
mod journal_approval;
#[path = "../../../examples/order-fulfillment/saga.rs"]
mod order_fulfillment;
#[path = "../../../examples/tenant-provisioning/saga.rs"]
mod tenant_provisioning;

type Build = fn() -> Result<Value, Mistakes>;

/// The examples by their folders.
const EXAMPLES: &[(&str, Build)] = &[
    ("employee-onboarding", employee_onboarding::document),
    ("journal-approval", journal_approval::document),
    ("order-fulfillment", order_fulfillment::document),
    ("tenant-provisioning", tenant_provisioning::document),
];

fn examples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"))
}

#[test]
fn the_document_and_the_builder_of_an_example_say_the_same() {
    for (name, built) in EXAMPLES {
        let text = std::fs::read_to_string(examples().join(name).join("saga.yaml")).unwrap();
        let written: Value = serde_saphyr::from_str(&text).unwrap();
        let built = built().unwrap_or_else(|mistakes| panic!("{name}: {mistakes}"));
        assert_eq!(built, written, "{name}");
    }
}

#[test]
fn no_example_is_left_out() {
    let folders = std::fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut found: Vec<_> = folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    found.sort();
    let mut listed: Vec<_> = EXAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    listed.sort();
    assert_eq!(listed, found);
}
