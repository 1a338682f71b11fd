//! The saga of `saga.yaml`, written in Rust; a test holds the two equal.

use std::collections::BTreeSet;

use amends_sdk::JsonSchema;
use amends_sdk::saga::{Compensation, Limits, Mistakes, Plugin, Policy, Retry, Saga, Wait, field, mapping};
use provisioning::{
    ChoosePlan, ConfigurationWanted, CreateDatabase, CreateStorage, DatabaseWanted, PlanWanted, StorageWanted, Subject, Verify,
    WriteConfiguration,
};
use rehearse::Rehearsals;
use serde_json::Value;

/// What a run gets.
#[derive(JsonSchema)]
struct Customer {
    plan: String,
    region: String,
    hostname: String,
    /// What is switched on for them.
    #[serde(default)]
    features: BTreeSet<String>,
    /// Failures to rehearse.
    #[serde(default)]
    rehearse: Rehearsals,
}

/// What a run gives.
#[derive(JsonSchema)]
struct Provisioned {
    hostname: String,
    size_gib: u64,
}

/// The whole saga.
pub(crate) fn document() -> Result<Value, Mistakes> {
    let mut saga = Saga::<Customer>::new("tenant.provisioning")
        .name("Tenant Provisioning")
        .deadline("1m")
        .defaults(
            Policy::new()
                .retry(Retry::attempts(3).initial("100ms").max("500ms").factor(2).jitter("10ms"))
                .limits(Limits::new().fuel(100_000_000).timeout("2s").memory("16MiB")),
        )
        .compensation(Compensation::new().order_reverse().on_stuck_halt().deadline("4s"));
    let provisioning = Plugin::named("provisioning");
    let customer = saga.input();
    let region = field!(customer.region);
    let rehearse = field!(customer.rehearse).or_default();

    let plan = mapping!(PlanWanted { plan: field!(customer.plan), rehearse });
    let plan = saga.step("choose-plan", provisioning.read_only::<ChoosePlan>().input(plan));

    let database = mapping!(DatabaseWanted { region, size_gib: field!(plan.database_gib), rehearse });
    let backward = Policy::new().limits(Limits::new().timeout("5s"));
    let database = saga.step("create-database", provisioning.step::<CreateDatabase>().input(database).compensation(backward));

    let storage = mapping!(StorageWanted { region, size_gib: field!(plan.storage_gib), rehearse });
    // Storage has to be emptied before it is freed, which it is not at once.
    let backward = Policy::new().retry(Retry::attempts(8).initial("50ms").max("300ms").jitter("0ms"));
    let storage = saga.step("create-storage", provisioning.step::<CreateStorage>().input(storage).compensation(backward));

    let configuration = mapping!(ConfigurationWanted {
        region,
        hostname: field!(customer.hostname),
        database: field!(database.database),
        storage: field!(storage.storage),
        features: field!(customer.features).or_default(),
        rehearse,
    });
    let configuration = saga.step("write-configuration", provisioning.step::<WriteConfiguration>().input(configuration));

    saga.step("let-it-spread", Wait::for_("150ms"));

    let subject = mapping!(Subject { configuration: field!(configuration.configuration), rehearse });
    let patient = Retry::unlimited().for_("2s").initial("50ms").max("200ms").jitter("0ms");
    let verified = saga.step("verify", provisioning.read_only::<Verify>().input(subject).retry(patient));

    saga.output(mapping!(Provisioned { hostname: field!(verified.hostname), size_gib: field!(verified.size_gib) })).build()
}
