//! The steps against the test kit: forward, backward, twice, every rejection; whatever happens, what is free and what is used add up to
//! the capacity.

use amends_sdk::testing::TestHost;
use amends_sdk::{Failure, Step, json};
use proptest::prelude::*;
use serde_json::Value;

use crate::{ChoosePlan, CreateDatabase, CreateStorage, Verify, WriteConfiguration};

const DATABASE: &str = "database/test-run/create-database";
const STORAGE: &str = "storage/test-run/create-storage";
const CONFIGURATION: &str = "configuration/test-run/write-configuration";

fn host() -> TestHost {
    let pool = |capacity: u64, used: u64| json!({ "capacity": capacity, "free": capacity - used, "used": used });
    TestHost::new()
        .with_state("plan/team", json!({ "database_gib": 50, "storage_gib": 500 }))
        .with_state("pool/database/east", pool(100, 10))
        .with_state("pool/storage/east", pool(1000, 100))
        .with_state("pool/routes/east", pool(2, 1))
        .with_state("health/east", json!("up"))
        .with_state("features", json!(["audit", "sso"]))
        .with_state("hostname/legacy", json!("configuration/old"))
}

/// With what the configuration leads to.
fn furnished() -> TestHost {
    let mut host = host();
    host.execute::<CreateDatabase>(database()).unwrap();
    host.execute::<CreateStorage>(storage()).unwrap();
    host
}

/// With all that is verified.
fn complete() -> TestHost {
    let mut host = furnished();
    host.execute::<WriteConfiguration>(configuration()).unwrap();
    host
}

fn database() -> Value {
    json!({ "region": "east", "size_gib": 50 })
}

fn storage() -> Value {
    json!({ "region": "east", "size_gib": 500 })
}

fn configuration() -> Value {
    json!({ "region": "east", "hostname": "acme", "database": DATABASE, "storage": STORAGE, "features": ["sso"] })
}

fn subject() -> Value {
    json!({ "configuration": CONFIGURATION })
}

/// All of the state, to say that nothing changed.
/// Free, used, capacity of the pools of the region.
fn pools(host: &TestHost) -> [[u64; 3]; 3] {
    ["database", "storage", "routes"].map(|word| {
        let pool: Value = host.state(&format!("pool/{word}/east")).unwrap();
        ["free", "used", "capacity"].map(|field| pool[field].as_u64().unwrap())
    })
}

#[test]
fn a_customer_gets_what_the_plan_includes() {
    let mut host = host();
    let plan = host.execute::<ChoosePlan>(json!({ "plan": "team" })).unwrap();
    assert_eq!(json!(plan), json!({ "plan": "team", "database_gib": 50, "storage_gib": 500 }));
    let made = host.execute::<CreateDatabase>(database()).unwrap();
    assert_eq!(json!(made), json!({ "database": DATABASE }));
    let made = host.execute::<CreateStorage>(storage()).unwrap();
    assert_eq!(json!(made), json!({ "storage": STORAGE }));
    let written = host.execute::<WriteConfiguration>(configuration()).unwrap();
    assert_eq!(json!(written), json!({ "configuration": CONFIGURATION, "hostname": "acme" }));
    assert_eq!(host.state::<String>("hostname/acme").as_deref(), Some(CONFIGURATION));
    assert_eq!(pools(&host), [[40, 60, 100], [400, 600, 1000], [0, 2, 2]]);
    let finding = host.execute::<Verify>(subject()).unwrap();
    assert_eq!(json!(finding), json!({ "hostname": "acme", "size_gib": 550 }));
}

#[test]
fn what_only_reads_changes_nothing() {
    fn check<S: Step<Output: std::fmt::Debug>>(input: &Value) {
        let mut host = complete();
        let before = host.image();
        host.execute::<S>(input).unwrap();
        host.compensate::<S>(input, None).unwrap();
        assert_eq!(host.image(), before);
    }
    check::<ChoosePlan>(&json!({ "plan": "team" }));
    check::<Verify>(&subject());
}

#[test]
fn compensated_in_reverse_nothing_is_left_of_a_customer() {
    let mut host = host();
    let before = host.image();
    let made_database = host.execute::<CreateDatabase>(database()).unwrap();
    let made_storage = host.execute::<CreateStorage>(storage()).unwrap();
    let written = host.execute::<WriteConfiguration>(configuration()).unwrap();
    host.compensate::<WriteConfiguration>(configuration(), Some(written)).unwrap();
    host.compensate::<CreateStorage>(storage(), Some(made_storage)).unwrap();
    host.compensate::<CreateDatabase>(database(), Some(made_database)).unwrap();
    assert_eq!(host.image(), before);
}

#[test]
fn done_twice_is_done_once_in_both_directions() {
    host().assert_repeatable::<CreateDatabase>(&database());
    host().assert_repeatable::<CreateStorage>(&storage());
    furnished().assert_repeatable::<WriteConfiguration>(&configuration());
}

#[test]
fn two_steps_of_one_run_keep_their_own_records() {
    let mut host = host().step_id("first");
    host.execute::<CreateDatabase>(database()).unwrap();
    let mut host = host.step_id("second");
    host.execute::<CreateDatabase>(json!({ "region": "east", "size_gib": 7 })).unwrap();
    assert_eq!(pools(&host)[0], [33, 67, 100]);
    host.compensate::<CreateDatabase>(database(), None).unwrap();
    assert_eq!(pools(&host)[0], [40, 60, 100], "what the record says is given back, not what the input says");
}

#[test]
fn what_cannot_be_done_is_rejected_and_changes_nothing() {
    host().assert_rejected::<ChoosePlan>(&json!({ "plan": "galaxy" }), "unknown_plan");

    let share = |region: &str, size_gib: u64| json!({ "region": region, "size_gib": size_gib });
    for (region, size_gib, code) in [("moon", 1, "unknown_region"), ("east", 0, "invalid_size")] {
        host().assert_rejected::<CreateDatabase>(&share(region, size_gib), code);
        host().assert_rejected::<CreateStorage>(&share(region, size_gib), code);
    }
    host().assert_rejected::<CreateDatabase>(&share("east", 91), "no_database_capacity");
    host().assert_rejected::<CreateStorage>(&share("east", u64::MAX), "no_storage_capacity");
    host().assert_rejected::<CreateStorage>(&json!({ "region": "east", "size_gib": 1, "colour": "red" }), "invalid_input");

    let with = |field: &str, value: Value| {
        let mut configuration = configuration();
        configuration[field] = value;
        configuration
    };
    furnished().assert_rejected::<WriteConfiguration>(&with("hostname", json!("legacy")), "hostname_taken");
    for hostname in ["", "Acme", "a/b", "a.b", &"a".repeat(64)] {
        furnished().assert_rejected::<WriteConfiguration>(&with("hostname", json!(hostname)), "invalid_hostname");
    }
    furnished().assert_rejected::<WriteConfiguration>(&with("features", json!(["sso", "telepathy"])), "unknown_feature");
    furnished().assert_rejected::<WriteConfiguration>(&with("region", json!("moon")), "unknown_region");
    for (field, key) in [("database", STORAGE), ("storage", DATABASE), ("database", "database/another/create-database")] {
        furnished().assert_rejected::<WriteConfiguration>(&with(field, json!(key)), "unknown_part");
    }
    let full = furnished().with_state("pool/routes/east", json!({ "capacity": 1, "free": 0, "used": 1 }));
    full.assert_rejected::<WriteConfiguration>(&configuration(), "no_route_left");
}

#[test]
fn a_configuration_that_leads_nowhere_is_not_verified() {
    furnished().assert_rejected::<Verify>(&subject(), "broken_configuration");
    complete().assert_rejected::<Verify>(&json!({ "configuration": DATABASE }), "broken_configuration");
    let elsewhere = complete().with_state("hostname/acme", json!("configuration/old"));
    elsewhere.assert_rejected::<Verify>(&subject(), "broken_configuration");
    let mut half = complete();
    half.compensate::<CreateStorage>(storage(), None).unwrap();
    half.assert_rejected::<Verify>(&subject(), "broken_configuration");
}

#[test]
fn a_region_that_does_not_answer_is_asked_again_and_one_that_is_down_is_not() {
    let unavailable = |host: TestHost| {
        let failure = host.clone().execute::<Verify>(subject()).unwrap_err();
        matches!(failure, Failure::Unavailable(fault) if fault.code == "not_ready")
    };
    assert!(unavailable(complete().with_state("health/east", json!("slow"))));
    let mut configured_elsewhere = complete().with_state("pool/routes/west", json!({ "capacity": 1, "free": 1, "used": 0 }));
    configured_elsewhere.compensate::<WriteConfiguration>(configuration(), None).unwrap();
    let mut west = configuration();
    west["region"] = json!("west");
    configured_elsewhere.execute::<WriteConfiguration>(west).unwrap();
    assert!(unavailable(configured_elsewhere), "nobody knows how it is");
    complete().with_state("health/east", json!("down")).assert_rejected::<Verify>(&subject(), "unhealthy");
}

#[test]
fn a_rejection_tells_programs_what_is_there() {
    let failure = host().execute::<CreateDatabase>(json!({ "region": "east", "size_gib": 91 })).unwrap_err();
    let details = json!({ "pool": "pool/database/east", "wanted": 91, "free": 90, "capacity": 100 });
    assert_eq!(failure.fault().details, Some(details));
}

#[test]
fn nothing_is_done_on_top_of_books_that_are_not_in_order() {
    let lost = |capacity: u64, free: u64, used: u64| json!({ "capacity": capacity, "free": free, "used": used });
    for pool in [lost(100, 50, 10), lost(100, 90, 90), lost(0, u64::MAX, 1)] {
        host().with_state("pool/database/east", pool.clone()).assert_rejected::<CreateDatabase>(&database(), "books_disagree");
        let mut created = host();
        created.execute::<CreateDatabase>(database()).unwrap();
        let failure = created.with_state("pool/database/east", pool).compensate::<CreateDatabase>(database(), None).unwrap_err();
        assert_eq!(failure.fault().code, "books_disagree");
    }
    let mut created = host();
    created.execute::<CreateDatabase>(database()).unwrap();
    let mut counted_again = created.with_state("pool/database/east", lost(100, 60, 40));
    assert_eq!(counted_again.compensate::<CreateDatabase>(database(), None).unwrap_err().fault().code, "books_disagree");
}

#[test]
fn each_step_can_rehearse_a_failure_in_both_directions() {
    fn check<S: Step<Output: std::fmt::Debug>>(host: &TestHost, mut input: Value) {
        input["rehearse"] = json!({ S::NAME: { "compensate": "reject" } });
        let mut done = host.clone();
        done.execute::<S>(&input).unwrap();
        let after = done.image();
        let backward = done.compensate::<S>(&input, None).err().map(|failure| failure.fault().code.clone().into_owned());
        assert_eq!(backward, S::COMPENSATES.then(|| "rehearsed".to_owned()));
        assert_eq!(done.image(), after, "a dead letter leaves what was done");
        input["rehearse"] = json!({ S::NAME: { "execute": "reject" } });
        host.clone().assert_rejected::<S>(&input, "rehearsed");
    }
    check::<ChoosePlan>(&host(), json!({ "plan": "team" }));
    check::<CreateDatabase>(&host(), database());
    check::<CreateStorage>(&host(), storage());
    check::<WriteConfiguration>(&furnished(), configuration());
    check::<Verify>(&complete(), subject());
}

/// One call of a sequence: which step, whether forward, in which run, how much.
#[derive(Debug, Clone)]
struct Call {
    step: u8,
    forward: bool,
    run: u8,
    size_gib: u64,
}

fn call() -> impl Strategy<Value = Call> {
    (0..3_u8, any::<bool>(), 0..3_u8, 0..80_u64).prop_map(|(step, forward, run, size_gib)| Call { step, forward, run, size_gib })
}

proptest! {
    #[test]
    fn what_is_free_and_what_is_used_add_up_to_the_capacity_whatever_is_called(calls in prop::collection::vec(call(), 0..60)) {
        /// Many of these are rejected; what counts is what they leave.
        fn go<S: Step>(host: &mut TestHost, forward: bool, input: &Value) {
            if forward { drop(host.execute::<S>(input)) } else { drop(host.compensate::<S>(input, None)) }
        }
        let mut host = host();
        for Call { step, forward, run, size_gib } in calls {
            host = host.run(&format!("run-{run}"));
            let share = |size_gib: u64| json!({ "region": "east", "size_gib": size_gib });
            match step {
                0 => go::<CreateDatabase>(&mut host, forward, &share(size_gib)),
                1 => go::<CreateStorage>(&mut host, forward, &share(size_gib * 10)),
                _ => {
                    let key = |word: &str| format!("{word}/run-{run}/create-{word}");
                    let configuration = json!({
                        "region": "east", "hostname": format!("host-{run}"), "database": key("database"), "storage": key("storage"),
                    });
                    go::<WriteConfiguration>(&mut host, forward, &configuration);
                }
            }
            let pools = pools(&host);
            prop_assert_eq!(pools.map(|[_, _, capacity]| capacity), [100, 1000, 2]);
            prop_assert_eq!(pools.map(|[free, used, _]| free + used), [100, 1000, 2]);
            let hostnames = host.state_keys().filter(|key| key.starts_with("hostname/")).count();
            prop_assert_eq!(pools[2][1], hostnames as u64, "each hostname has its route");
        }
    }
}
