//! The steps against the test kit: forward, backward, twice, every rejection; whatever happens, what is free and what is assigned add up.

use amends_sdk::testing::TestHost;
use amends_sdk::{Step, json};
use proptest::prelude::*;
use serde_json::Value;

use crate::{CreateAccount, CreateEmployee, EnrolPayroll, GrantAccess, HandOutEquipment, ScreenCandidate};

fn host() -> TestHost {
    TestHost::new()
        .with_state("screening/blocked", json!(["Mallory Malone"]))
        .with_state("positions/research", json!({ "free": 2, "assigned": 5 }))
        .with_state("licences/office", json!({ "free": 2, "assigned": 0 }))
        .with_state("licences/cad", json!({ "free": 0, "assigned": 3 }))
        .with_state("equipment/laptop", json!({ "free": 1, "assigned": 4 }))
        .with_state("salaries/research", json!({ "free": 900_000, "assigned": 0 }))
        .with_state("login/root", json!("nobody"))
        .with_state("group/staff", json!({ "free": 2, "members": ["root"] }))
        .with_state("group/vault", json!({ "free": 0, "members": [] }))
        .with_state("badges/north", json!({ "free": [7, 8], "assigned": [3] }))
        .with_state("badges/annex", json!({ "free": [], "assigned": [1] }))
}

fn candidate() -> Value {
    json!({ "name": "Ada Byron" })
}

fn hire() -> Value {
    json!({ "name": "Ada Byron", "department": "research" })
}

fn account() -> Value {
    json!({ "employee": "employee/1", "login": "ada", "product": "office" })
}

fn handout() -> Value {
    json!({ "employee": "employee/1", "equipment": "laptop" })
}

fn salary() -> Value {
    json!({ "employee": "employee/1", "department": "research", "salary_cents": 600_000 })
}

fn access() -> Value {
    json!({ "login": "ada", "groups": ["staff"], "site": "north" })
}

/// All of the state, to say that nothing changed.
fn value(host: &TestHost, key: &str) -> Value {
    host.state(key).unwrap()
}

/// Of each supply and roster, how much there is of it, wherever it is. Badges by number: it matters which ones there are.
fn totals(host: &TestHost) -> Vec<(String, Vec<u64>)> {
    let total = |key: &str| -> Vec<u64> {
        let value = value(host, key);
        let count = |field: &str| value[field].as_u64().unwrap();
        match key.split('/').next() {
            Some("positions" | "licences" | "equipment" | "salaries") => vec![count("free") + count("assigned")],
            Some("group") => vec![count("free") + value["members"].as_array().unwrap().len() as u64],
            Some("badges") => {
                let numbers = ["free", "assigned"].iter().flat_map(|field| value[field].as_array().unwrap());
                let mut numbers: Vec<_> = numbers.map(|number| number.as_u64().unwrap()).collect();
                numbers.sort_unstable();
                numbers
            }
            Some(_) | None => Vec::new(),
        }
    };
    host.state_keys().map(|key| (key.to_owned(), total(key))).filter(|(_, total)| !total.is_empty()).collect()
}

#[test]
fn somebody_is_hired() {
    let mut host = host();
    let screening = host.execute::<ScreenCandidate>(json!({ "name": " Ada   Byron " })).unwrap();
    assert_eq!(json!(screening), json!({ "name": "Ada Byron", "compared": 1 }));
    let employee = host.execute::<CreateEmployee>(hire()).unwrap();
    assert_eq!(json!(employee), json!({ "employee": "employee/test-run/create-employee", "name": "Ada Byron" }));
    assert_eq!(value(&host, "positions/research"), json!({ "free": 1, "assigned": 6 }));
    let account = host.execute::<CreateAccount>(account()).unwrap();
    assert_eq!(json!(account), json!({ "login": "ada", "product": "office" }));
    assert_eq!(value(&host, "licences/office"), json!({ "free": 1, "assigned": 1 }));
    assert_eq!(value(&host, "login/ada"), json!("employee/1"));
    let handout = host.execute::<HandOutEquipment>(handout()).unwrap();
    assert_eq!(json!(handout), json!({ "receipt": "handout/test-run/hand-out-equipment", "equipment": "laptop" }));
    assert_eq!(value(&host, "equipment/laptop"), json!({ "free": 0, "assigned": 5 }));
    let enrolment = host.execute::<EnrolPayroll>(salary()).unwrap();
    assert_eq!(json!(enrolment), json!({ "enrolment": "enrolment/test-run/enrol-payroll", "salary_cents": 600_000 }));
    assert_eq!(value(&host, "salaries/research"), json!({ "free": 300_000, "assigned": 600_000 }));
    let access = host.execute::<GrantAccess>(access()).unwrap();
    assert_eq!(json!(access), json!({ "login": "ada", "groups": ["staff"], "badge": { "site": "north", "number": 7 } }));
    assert_eq!(value(&host, "group/staff"), json!({ "free": 1, "members": ["ada", "root"] }));
    assert_eq!(value(&host, "badges/north"), json!({ "free": [8], "assigned": [3, 7] }));
}

#[test]
fn somebody_who_works_elsewhere_gets_no_badge() {
    let mut host = host();
    let badges = value(&host, "badges/north");
    let access = host.execute::<GrantAccess>(json!({ "login": "ada", "groups": ["staff"], "site": null })).unwrap();
    assert_eq!(access.badge, None);
    assert_eq!(value(&host, "badges/north"), badges);
    host.compensate::<GrantAccess>(json!({ "login": "ada", "groups": ["staff"] }), Some(access)).unwrap();
    assert_eq!(value(&host, "group/staff"), json!({ "free": 2, "members": ["root"] }));
}

#[test]
fn screening_changes_nothing_whatever_it_finds() {
    let mut host = host();
    let before = host.image();
    host.execute::<ScreenCandidate>(candidate()).unwrap();
    host.compensate::<ScreenCandidate>(candidate(), None).unwrap();
    assert_eq!(host.image(), before);
    for name in ["Mallory Malone", "mallory  MALONE"] {
        host.clone().assert_rejected::<ScreenCandidate>(&json!({ "name": name }), "candidate_blocked");
    }
    host.assert_rejected::<ScreenCandidate>(&json!({ "name": "  " }), "invalid_name");
    TestHost::new().assert_rejected::<ScreenCandidate>(&candidate(), "no_screening_list");
}

#[test]
fn compensated_in_reverse_nothing_is_left_of_an_employee() {
    let mut host = host();
    let before = host.image();
    let employee = host.execute::<CreateEmployee>(hire()).unwrap();
    let account = host.execute::<CreateAccount>(self::account()).unwrap();
    let handout = host.execute::<HandOutEquipment>(self::handout()).unwrap();
    let enrolment = host.execute::<EnrolPayroll>(salary()).unwrap();
    let access = host.execute::<GrantAccess>(self::access()).unwrap();
    host.compensate::<GrantAccess>(self::access(), Some(access)).unwrap();
    host.compensate::<EnrolPayroll>(salary(), Some(enrolment)).unwrap();
    host.compensate::<HandOutEquipment>(self::handout(), Some(handout)).unwrap();
    host.compensate::<CreateAccount>(self::account(), Some(account)).unwrap();
    host.compensate::<CreateEmployee>(hire(), Some(employee)).unwrap();
    assert_eq!(host.image(), before);
}

#[test]
fn done_twice_is_done_once_in_both_directions() {
    host().assert_repeatable::<CreateEmployee>(&hire());
    host().assert_repeatable::<CreateAccount>(&account());
    host().assert_repeatable::<HandOutEquipment>(&handout());
    host().assert_repeatable::<EnrolPayroll>(&salary());
    host().assert_repeatable::<GrantAccess>(&access());
}

#[test]
fn two_steps_of_one_run_keep_their_own_records() {
    let mut host = host().step_id("first");
    host.execute::<CreateAccount>(account()).unwrap();
    let mut host = host.step_id("second");
    host.execute::<CreateAccount>(json!({ "employee": "employee/1", "login": "ada-2", "product": "office" })).unwrap();
    assert_eq!(value(&host, "licences/office"), json!({ "free": 0, "assigned": 2 }));
    host.compensate::<CreateAccount>(account(), None).unwrap();
    assert_eq!(value(&host, "licences/office"), json!({ "free": 1, "assigned": 1 }));
    assert_eq!(host.state::<String>("login/ada-2"), None, "what the record says is taken back, not what the input says");
    assert!(host.state::<String>("login/ada").is_some());
}

#[test]
fn what_cannot_be_done_is_rejected_and_changes_nothing() {
    let hire = |department: &str| json!({ "name": "Ada Byron", "department": department });
    host().assert_rejected::<CreateEmployee>(&hire("magic"), "unknown_department");
    let full = host().with_state("positions/research", json!({ "free": 0, "assigned": 7 }));
    full.assert_rejected::<CreateEmployee>(&hire("research"), "no_position_open");
    let vast = host().with_state("positions/research", json!({ "free": 1, "assigned": u64::MAX }));
    vast.assert_rejected::<CreateEmployee>(&hire("research"), "amount_too_large");
    host().assert_rejected::<CreateEmployee>(&json!({ "name": "Ada", "department": "research", "age": 1 }), "invalid_input");

    let account = |login: &str, product: &str| json!({ "employee": "employee/1", "login": login, "product": product });
    host().assert_rejected::<CreateAccount>(&account("ada", "games"), "unknown_product");
    host().assert_rejected::<CreateAccount>(&account("ada", "cad"), "no_licence_left");
    host().assert_rejected::<CreateAccount>(&account("root", "office"), "login_taken");
    for login in ["", "Ada", "a/b", &"a".repeat(33)] {
        host().assert_rejected::<CreateAccount>(&account(login, "office"), "invalid_login");
    }

    let handout = |equipment: &str| json!({ "employee": "employee/1", "equipment": equipment });
    host().assert_rejected::<HandOutEquipment>(&handout("yacht"), "unknown_equipment");
    let none = host().with_state("equipment/laptop", json!({ "free": 0, "assigned": 0 }));
    none.assert_rejected::<HandOutEquipment>(&handout("laptop"), "no_equipment_left");

    let salary =
        |department: &str, cents: u64| json!({ "employee": "employee/1", "department": department, "salary_cents": cents });
    host().assert_rejected::<EnrolPayroll>(&salary("magic", 1), "unknown_department");
    host().assert_rejected::<EnrolPayroll>(&salary("research", 900_001), "over_budget");
    host().assert_rejected::<EnrolPayroll>(&salary("research", 0), "invalid_salary");

    let access = |groups: &[&str], site: &str| json!({ "login": "ada", "groups": groups, "site": site });
    host().assert_rejected::<GrantAccess>(&access(&["staff", "wizards"], "north"), "unknown_group");
    host().assert_rejected::<GrantAccess>(&access(&["staff", "vault"], "north"), "group_full");
    host().assert_rejected::<GrantAccess>(&access(&["staff"], "annex"), "no_badge_left");
    host().assert_rejected::<GrantAccess>(&access(&["staff"], "moon"), "unknown_site");
    host().assert_rejected::<GrantAccess>(&json!({ "login": "root", "groups": ["staff"] }), "already_a_member");
}

#[test]
fn a_rejection_tells_programs_what_is_there() {
    let failure = host().execute::<EnrolPayroll>(json!({ "employee": "e", "department": "research", "salary_cents": 900_001 }));
    let details = json!({ "supply": "salaries/research", "wanted": 900_001, "free": 900_000 });
    assert_eq!(failure.unwrap_err().fault().details, Some(details));
}

#[test]
fn compensation_that_the_books_do_not_allow_is_rejected() {
    fn check<S: Step<Output: std::fmt::Debug>>(input: &Value, key: &str, books: Value) {
        let mut host = host();
        host.execute::<S>(input).unwrap();
        let mut host = host.with_state(key, books);
        let before = host.image();
        assert_eq!(host.compensate::<S>(input, None).unwrap_err().fault().code, "books_disagree", "{key}");
        assert_eq!(host.image(), before);
    }
    check::<CreateEmployee>(&hire(), "positions/research", json!({ "free": 7, "assigned": 0 }));
    check::<HandOutEquipment>(&handout(), "equipment/laptop", json!({ "free": 5, "assigned": 0 }));
    check::<GrantAccess>(&access(), "group/staff", json!({ "free": 3, "members": [] }));
    check::<GrantAccess>(&access(), "badges/north", json!({ "free": [3, 7, 8], "assigned": [] }));
}

#[test]
fn each_step_can_rehearse_a_failure_in_both_directions() {
    fn check<S: Step<Output: std::fmt::Debug>>(mut host: TestHost, mut input: Value) {
        input["rehearse"] = json!({ S::NAME: { "compensate": "reject" } });
        host.execute::<S>(&input).unwrap();
        let after = host.image();
        let backward = host.compensate::<S>(&input, None).err().map(|failure| failure.fault().code.clone().into_owned());
        assert_eq!(backward, S::COMPENSATES.then(|| "rehearsed".to_owned()));
        assert_eq!(host.image(), after, "a dead letter leaves what was done");
        input["rehearse"] = json!({ S::NAME: { "execute": "reject" } });
        self::host().assert_rejected::<S>(&input, "rehearsed");
    }
    check::<ScreenCandidate>(host(), candidate());
    check::<CreateEmployee>(host(), hire());
    check::<CreateAccount>(host(), account());
    check::<HandOutEquipment>(host(), handout());
    check::<EnrolPayroll>(host(), salary());
    check::<GrantAccess>(host(), access());
}

/// One call of a sequence: which step, whether forward, in which run, with which choice of input.
#[derive(Debug, Clone)]
struct Call {
    step: u8,
    forward: bool,
    run: u8,
    choice: usize,
}

fn call() -> impl Strategy<Value = Call> {
    (0..5_u8, any::<bool>(), 0..3_u8, 0..3_usize).prop_map(|(step, forward, run, choice)| Call { step, forward, run, choice })
}

proptest! {
    #[test]
    fn what_is_free_and_what_is_assigned_add_up_whatever_is_called(calls in prop::collection::vec(call(), 0..60)) {
        /// Many of these are rejected; what counts is what they leave.
        fn go<S: Step>(host: &mut TestHost, forward: bool, input: &Value) {
            if forward { drop(host.execute::<S>(input)) } else { drop(host.compensate::<S>(input, None)) }
        }
        let mut host = host();
        let before = totals(&host);
        for Call { step, forward, run, choice } in calls {
            host = host.run(&format!("run-{run}"));
            let login = format!("login-{run}");
            match step {
                0 => go::<CreateEmployee>(&mut host, forward, &hire()),
                1 => {
                    let product = ["office", "cad", "games"][choice];
                    go::<CreateAccount>(&mut host, forward, &json!({ "employee": "e", "login": login, "product": product }));
                }
                2 => go::<HandOutEquipment>(&mut host, forward, &handout()),
                3 => {
                    let cents = [1, 500_000, 900_000][choice];
                    let salary = json!({ "employee": "e", "department": "research", "salary_cents": cents });
                    go::<EnrolPayroll>(&mut host, forward, &salary);
                }
                _ => {
                    let site = ["north", "annex", "moon"][choice];
                    go::<GrantAccess>(&mut host, forward, &json!({ "login": login, "groups": ["staff"], "site": site }));
                }
            }
            prop_assert_eq!(totals(&host), before.clone());
        }
    }
}
