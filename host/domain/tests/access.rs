//! The table of rights, written out: every action, by everybody, on a tenant as it may stand. What is compared is a text for people,
//! `tests/golden/access.txt`: a change of a right shows there, and somebody has to mean it.

use amends_domain::access::{Action, Denied, Principal, Reach, Role, Scope, Standing, Target, Touch, decide};
use amends_domain::id::TenantId;
use std::fmt::Write;

const STANDINGS: [(Standing, &str); 4] = [
    (Standing::Open, "open"),
    (Standing::Suspended, "suspended"),
    (Standing::Deleted, "deleted"),
    (Standing::Absent, "that never was"),
];

fn tenant(name: &str) -> TenantId {
    name.parse().expect("a name")
}

fn own() -> Scope {
    Scope::Tenant(tenant("own"))
}

fn somebody(scope: Scope, role: Role) -> Principal {
    Principal::new("ada", scope, role).expect("a short name")
}

fn word(answer: &Result<(), Denied>) -> &'static str {
    match answer {
        Ok(()) => "yes",
        Err(Denied::Unknown) => "-",
        Err(Denied::NotAllowed { .. }) => "no",
        Err(Denied::Suspended { .. }) => "waits",
    }
}

/// A line for each action: a word for each role.
fn lines(table: &mut String, scope: &Scope, target: Target<'_>, is_wanted: impl Fn(Reach) -> bool) {
    let header: String = Role::ALL.iter().fold(format!("{:42}", ""), |line, role| format!("{line}{:14}", role.word()));
    writeln!(table, "{}", header.trim_end()).expect("a string takes all");
    for action in Action::ALL.iter().filter(|action| is_wanted(action.right().reach)) {
        let answers = Role::ALL.map(|role| word(&decide(&somebody(scope.clone(), role), target, *action)));
        let line = answers.iter().fold(format!("{:42}", action.words()), |line, answer| format!("{line}{answer:14}"));
        writeln!(table, "{}", line.trim_end()).expect("a string takes all");
    }
}

fn table() -> String {
    let mut table =
        "yes: may · no: may not · waits: not while the tenant is suspended · -: answered as if it did not exist\n".to_owned();
    let scopes = [("a key of the host", Scope::Host), ("a key of a tenant", own())];
    for (whose, scope) in &scopes {
        writeln!(table, "\n# {whose}, the host").expect("a string takes all");
        lines(&mut table, scope, Target::Host, |reach| reach == Reach::Host);
    }
    for (standing, word) in STANDINGS {
        for (whose, scope) in &scopes {
            let place = if *scope == Scope::Host { "a tenant" } else { "its tenant" };
            writeln!(table, "\n# {whose}, {place} {word}").expect("a string takes all");
            lines(&mut table, scope, Target::Tenant(&tenant("own"), standing), |reach| reach != Reach::Host);
        }
    }
    writeln!(table, "\n# a key of a tenant, another tenant however it stands").expect("a string takes all");
    lines(&mut table, &own(), Target::Tenant(&tenant("other"), Standing::Open), |reach| reach != Reach::Host);
    table
}

#[test]
fn rights_are_as_written() {
    let path = format!("{}/tests/golden/access.txt", env!("CARGO_MANIFEST_DIR"));
    let now = table();
    if std::env::var_os("AMENDS_RENEW_GOLDEN").is_some_and(|set| set == "1") {
        std::fs::write(&path, &now).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    for (was, is) in golden.lines().zip(now.lines()) {
        assert_eq!(is, was, "a right has changed: if that is meant, AMENDS_RENEW_GOLDEN=1 writes {path}");
    }
    assert_eq!(now.lines().count(), golden.lines().count(), "actions came or went: AMENDS_RENEW_GOLDEN=1 writes {path}");
}

#[test]
fn another_tenant_is_never_known_however_it_stands() {
    for role in Role::ALL {
        for action in Action::ALL.iter().filter(|action| action.right().reach != Reach::Host) {
            let ask = |tenant: &TenantId, standing| decide(&somebody(own(), role), Target::Tenant(tenant, standing), *action);
            let others = STANDINGS.map(|(standing, _)| ask(&tenant("other"), standing));
            assert!(others.iter().all(|answer| *answer == Err(Denied::Unknown)), "{role:?} {action}: {others:?}");
            assert_ne!(ask(&tenant("own"), Standing::Open), Err(Denied::Unknown), "{role:?} {action}");
        }
    }
}

#[test]
fn whoever_is_refused_is_told_who_may_and_they_may() {
    let own_tenant = tenant("own");
    for action in Action::ALL {
        let target = match action.right().reach {
            Reach::Host => Target::Host,
            Reach::Tenant(_) => Target::Tenant(&own_tenant, Standing::Open),
        };
        for role in Role::ALL {
            match decide(&somebody(Scope::Host, role), target, *action) {
                Ok(()) => assert!(action.right().roles.contains(&role)),
                Err(Denied::NotAllowed { needed, .. }) => {
                    assert!(!needed.roles.contains(&role));
                    for needed in needed.roles {
                        assert_eq!(decide(&somebody(Scope::Host, *needed), target, *action), Ok(()));
                    }
                }
                Err(other) => panic!("{role:?} {action}: {other:?}"),
            }
        }
    }
}

#[test]
fn of_a_suspended_tenant_only_operators_change_anything() {
    let own_tenant = tenant("own");
    for action in Action::ALL {
        let Reach::Tenant(touch) = action.right().reach else { continue };
        for role in Role::ALL {
            let ask = |standing| decide(&somebody(own(), role), Target::Tenant(&own_tenant, standing), *action);
            let suspended = match (ask(Standing::Open), touch) {
                (Ok(()), Touch::Changes) if role != Role::Operator => Err(Denied::Suspended { action: *action }),
                (open, _) => open,
            };
            assert_eq!(ask(Standing::Suspended), suspended, "{role:?} {action}");
        }
    }
}

#[test]
fn nobody_gives_a_key_that_opens_more_than_their_own() {
    let own_tenant = tenant("own");
    for giver in Role::ALL {
        for given in Role::ALL {
            let target = Target::Tenant(&own_tenant, Standing::Open);
            let may = |role, action| decide(&somebody(own(), role), target, action).is_ok();
            if may(giver, Action::create_key(given)) {
                let more = Action::ALL.iter().filter(|action| action.right().reach != Reach::Host);
                let more: Vec<_> = more.filter(|action| may(given, **action) && !may(giver, **action)).collect();
                assert!(more.is_empty(), "{giver:?} gives {given:?}, which may {more:?}");
            }
            assert_eq!(may(giver, Action::create_key(given)), may(giver, Action::revoke_key(given)));
        }
    }
}

#[test]
fn a_refusal_names_the_action_and_the_remedy() {
    let refused = |scope, role, target: Target<'_>, action| {
        let denied = decide(&somebody(scope, role), target, action).expect_err("it is refused");
        format!("{}: {denied}", denied.code())
    };
    let tenant = tenant("own");
    let open = Target::Tenant(&tenant, Standing::Open);
    let suspended = Target::Tenant(&tenant, Standing::Suspended);
    assert_eq!(
        refused(own(), Role::Viewer, open, Action::StartRun),
        "not_allowed: to start a run needs a key with the role operator or tenant-admin or developer or starter"
    );
    assert_eq!(
        refused(own(), Role::Operator, Target::Host, Action::Backup),
        "not_allowed: to back up needs a key with the role operator of the whole host"
    );
    assert_eq!(
        refused(own(), Role::Starter, suspended, Action::StartRun),
        "tenant_suspended: the tenant is suspended: to start a run an operator has to reopen it first"
    );
    assert_eq!(
        refused(own(), Role::Starter, Target::Tenant(&tenant, Standing::Absent), Action::StartRun),
        "not_found: there is no such thing here"
    );
}

#[test]
fn names_are_bounded() {
    for good in ["a", "ada@example.com", &"x".repeat(255)] {
        assert_eq!(Principal::new(good, Scope::Host, Role::Viewer).map(|ada| ada.who().to_owned()), Ok(good.to_owned()));
    }
    for bad in ["", "a\nb", "a\u{7f}", &"x".repeat(256)] {
        assert!(Principal::new(bad, Scope::Host, Role::Viewer).is_err(), "{bad:?}");
    }
}
