//! What a tenant is after its facts, and what it says to wishes: each refusal beside what is allowed.

use amends_domain::access::{Role, Scope, Standing, Token};
use amends_domain::decide::Unfit;
use amends_domain::digest::Digest;
use amends_domain::event::{LimitName, TenantEntry, TenantEvent, WebhookKey};
use amends_domain::id::KeyId;
use amends_domain::tenant::{Admitted, KEYS_KEPT_MAX, KEYS_MAX, KeyRefused, Tenant, VERSIONS_MAX, webhook_mistakes};
use amends_domain::time::Timestamp;
use proptest::prelude::*;

const NOON: u64 = 1_764_000_000_000;

fn at(ms: u64) -> Timestamp {
    Timestamp(NOON + ms)
}

fn by() -> String {
    "ada".to_owned()
}

fn token(key: u128) -> Token {
    Token::new(KeyId(key), [7; 32])
}

fn key(id: u128, name: &str, expires: Option<Timestamp>) -> TenantEvent {
    let token = token(id).digest().0;
    TenantEvent::KeyCreated { key: KeyId(id), name: name.parse().expect("a name"), role: Role::Developer, token, expires, by: by() }
}

fn revoked(id: u128) -> TenantEvent {
    TenantEvent::KeyRevoked { key: KeyId(id), by: by() }
}

fn published(plugin: &str, version: &str, bytes: &str) -> TenantEvent {
    let (plugin, version) = (plugin.parse().expect("a name"), version.parse().expect("a version"));
    TenantEvent::PluginPublished { plugin, version, component: Digest::of(bytes.as_bytes()), size: 3, by: by() }
}

fn deleted(plugin: &str, version: &str) -> TenantEvent {
    let (plugin, version) = (plugin.parse().expect("a name"), version.parse().expect("a version"));
    TenantEvent::PluginVersionDeleted { plugin, version, by: by() }
}

fn hook(name: &str, url: &str, types: &[&str]) -> TenantEvent {
    let (webhook, types) = (name.parse().expect("a name"), types.iter().map(|kind| (*kind).to_owned()).collect());
    TenantEvent::WebhookSet { webhook, url: url.to_owned(), types, secret: None, by: by() }
}

fn unhooked(name: &str) -> TenantEvent {
    TenantEvent::WebhookRemoved { webhook: name.parse().expect("a name"), by: by() }
}

fn created() -> TenantEvent {
    TenantEvent::TenantCreated { by: by() }
}

fn suspended() -> TenantEvent {
    TenantEvent::TenantSuspended { reason: "unpaid".into(), by: by() }
}

fn reopened() -> TenantEvent {
    TenantEvent::TenantReopened { by: by() }
}

fn gone() -> TenantEvent {
    TenantEvent::TenantDeleted { by: by() }
}

fn limited(limits: &[(LimitName, u64)]) -> TenantEvent {
    TenantEvent::LimitsSet { limits: limits.to_vec(), by: by() }
}

/// The tenant after these facts, each of which it admits.
fn after(facts: &[TenantEvent]) -> Tenant {
    let mut tenant = Tenant::default();
    for fact in facts {
        note(&mut tenant, fact, at(0));
    }
    tenant
}

fn note(tenant: &mut Tenant, fact: &TenantEvent, now: Timestamp) {
    assert_eq!(tenant.admit(fact, now), Ok(Admitted::New), "{fact:?}");
    tenant.apply(&TenantEntry { at: now, event: fact.clone() }).expect("what is admitted fits");
}

fn code(answer: Result<Admitted, Unfit>) -> Result<Admitted, &'static str> {
    answer.map_err(|unfit| unfit.code)
}

#[test]
fn wishes_are_judged_by_how_the_tenant_stands() {
    const NEW: Result<Admitted, &str> = Ok(Admitted::New);
    const ALREADY: Result<Admitted, &str> = Ok(Admitted::Already);
    let with = |facts: &[TenantEvent]| {
        let begin = [created(), key(1, "ci", None), published("orders", "1", "a"), hook("billing", "https://example.com/", &[])];
        [&begin, facts].concat()
    };
    let (absent, open) = (Tenant::default(), after(&with(&[])));
    let (still, dead) = (after(&with(&[suspended()])), after(&with(&[gone()])));
    assert_eq!(
        [&absent, &open, &still, &dead].map(Tenant::standing),
        [Standing::Absent, Standing::Open, Standing::Suspended, Standing::Deleted]
    );
    let (unknown, deleted_code, stopped) = (Err("tenant_unknown"), Err("tenant_deleted"), Err("tenant_suspended"));
    for (wish, answers) in [
        (created(), [NEW, Err("tenant_exists"), Err("tenant_exists"), deleted_code]),
        (limited(&[(LimitName::Weight, 7)]), [unknown, NEW, NEW, deleted_code]),
        (limited(&[]), [unknown, ALREADY, ALREADY, deleted_code]),
        (suspended(), [unknown, NEW, ALREADY, deleted_code]),
        (reopened(), [unknown, ALREADY, NEW, deleted_code]),
        (gone(), [unknown, NEW, NEW, ALREADY]),
        (key(2, "other", None), [unknown, NEW, stopped, deleted_code]),
        (key(1, "other", None), [unknown, Err("key_exists"), Err("key_exists"), deleted_code]),
        (key(2, "ci", None), [unknown, Err("key_name_taken"), stopped, deleted_code]),
        (key(2, "other", Some(at(0))), [unknown, Err("expiry_passed"), stopped, deleted_code]),
        (key(2, "other", Some(at(1))), [unknown, NEW, stopped, deleted_code]),
        (revoked(1), [unknown, NEW, NEW, deleted_code]),
        (revoked(2), [unknown, Err("unknown_key"), Err("unknown_key"), deleted_code]),
        (published("orders", "2", "b"), [unknown, NEW, stopped, deleted_code]),
        (published("orders", "1", "a"), [unknown, ALREADY, ALREADY, Err("version_exists")]),
        (published("orders", "1", "b"), [unknown, Err("version_exists"), Err("version_exists"), Err("version_exists")]),
        (deleted("orders", "1"), [Err("version_unknown"), NEW, NEW, deleted_code]),
        (deleted("orders", "2"), [Err("version_unknown"); 4]),
        (hook("billing", "https://example.com/", &[]), [unknown, ALREADY, ALREADY, deleted_code]),
        (hook("billing", "https://example.com/2", &[]), [unknown, NEW, stopped, deleted_code]),
        (unhooked("billing"), [Err("webhook_unknown"), NEW, NEW, deleted_code]),
        (unhooked("other"), [Err("webhook_unknown"); 4]),
        (TenantEvent::StateWritten { writes: Vec::new() }, [NEW; 4]),
    ] {
        let found = [&absent, &open, &still, &dead].map(|tenant| code(tenant.admit(&wish, at(0))));
        assert_eq!(found, answers, "{wish:?}");
    }
}

#[test]
fn a_tenant_remembers_what_it_was_told() {
    let mut tenant = after(&[created(), limited(&[(LimitName::Weight, 7)])]);
    assert_eq!((tenant.created(), tenant.limits().get(LimitName::Weight)), (Some(at(0)), 7));
    note(&mut tenant, &limited(&[(LimitName::Plugins, 3)]), at(1));
    assert_eq!(tenant.limits().get(LimitName::Weight), 100, "what is set is all limits that there were");
    note(&mut tenant, &suspended(), at(2));
    let why = tenant.suspension().map(|why| (why.since, why.reason.as_str(), why.by.as_str()));
    assert_eq!(why, Some((at(2), "unpaid", "ada")));
    note(&mut tenant, &reopened(), at(3));
    assert_eq!(tenant.suspension(), None);
    note(&mut tenant, &hook("billing", "https://example.com/", &["key.*"]), at(4));
    let hooks: Vec<_> = tenant.webhooks().map(|(name, hook)| (name.to_string(), hook.types.clone())).collect();
    assert_eq!(hooks, [("billing".to_owned(), vec!["key.*".to_owned()])]);
    note(&mut tenant, &unhooked("billing"), at(5));
    assert_eq!(tenant.webhooks().count(), 0);
}

#[test]
fn the_latest_version_is_the_one_that_was_published_last() {
    let orders = "orders".parse().expect("a name");
    let mut tenant =
        after(&[created(), published("orders", "2", "a"), published("orders", "1", "b"), published("orders", "3-rc", "c")]);
    let latest = |tenant: &Tenant| tenant.latest(&orders).map(|published| published.version.to_string());
    assert_eq!(latest(&tenant).as_deref(), Some("3-rc"));
    note(&mut tenant, &deleted("orders", "3-rc"), at(1));
    assert_eq!(latest(&tenant).as_deref(), Some("1"));
    note(&mut tenant, &deleted("orders", "2"), at(1));
    assert_eq!(latest(&tenant).as_deref(), Some("1"));
    note(&mut tenant, &deleted("orders", "1"), at(1));
    assert_eq!((latest(&tenant), tenant.plugins().count()), (None, 0));
    note(&mut tenant, &published("orders", "1", "another"), at(2));
    assert_eq!(tenant.latest(&orders).map(|published| published.component), Some(Digest::of(b"another")));
}

#[test]
fn a_token_opens_something_until_its_key_is_void() {
    let mut tenant = after(&[created(), key(1, "ci", None), key(2, "short", Some(at(10)))]);
    let open = |tenant: &Tenant, token: &Token, ms| tenant.key_of(token, at(ms)).map(|key| key.name.to_string());
    assert_eq!(open(&tenant, &token(1), 9), Ok("ci".to_owned()));
    assert_eq!(open(&tenant, &token(2), 9), Ok("short".to_owned()));
    assert_eq!(open(&tenant, &token(2), 10), Err(KeyRefused::Expired(at(10))));
    assert_eq!(open(&tenant, &token(3), 9), Err(KeyRefused::Unknown));
    let guessed = Token::new(KeyId(1), [8; 32]);
    assert_eq!(open(&tenant, &guessed, 9), Err(KeyRefused::Unknown));
    note(&mut tenant, &suspended(), at(10));
    assert_eq!(open(&tenant, &token(1), 11), Ok("ci".to_owned()), "a suspended tenant is looked at");
    note(&mut tenant, &revoked(1), at(12));
    assert_eq!(open(&tenant, &token(1), 13), Err(KeyRefused::Revoked(at(12))));
    assert_eq!(open(&tenant, &guessed, 13), Err(KeyRefused::Unknown), "only who has the token is told");
    note(&mut tenant, &reopened(), at(13));
    note(&mut tenant, &key(4, "ci", None), at(14));
    let principal = tenant.key(KeyId(4)).expect("it was created").principal(Scope::Host);
    assert_eq!((principal.who(), principal.role()), ("ci (key_00000000000000000000000004)", Role::Developer));
    note(&mut tenant, &gone(), at(15));
    assert_eq!(open(&tenant, &token(4), 16), Err(KeyRefused::Unknown));
}

#[test]
fn keys_are_bounded_and_void_ones_make_room() {
    let mut tenant = after(&[created()]);
    let name = |n: u128| format!("key-{n}");
    for n in 0..KEYS_MAX as u128 {
        note(&mut tenant, &key(n, &name(n), Some(at(1000 + u64::try_from(n).expect("small")))), at(0));
    }
    let one_more = key(9999, "more", None);
    assert_eq!(code(tenant.admit(&one_more, at(999))), Err("too_many_keys"));
    assert_eq!(code(tenant.admit(&one_more, at(1000))), Ok(Admitted::New), "the first one expired");
    note(&mut tenant, &revoked(500), at(999));
    note(&mut tenant, &one_more, at(999));
    assert_eq!(code(tenant.admit(&key(10_000, "and-more", None), at(999))), Err("too_many_keys"));

    // Void ones are shown until there are too many; the one that has been void longest goes first.
    for n in 20_000..20_000 + KEYS_KEPT_MAX as u128 - KEYS_MAX as u128 - 1 {
        note(&mut tenant, &key(n, "again", Some(at(5000))), at(4000));
        note(&mut tenant, &revoked(n), at(4000));
    }
    assert_eq!((tenant.keys().count(), tenant.key(KeyId(500)).is_some()), (KEYS_KEPT_MAX, true));
    note(&mut tenant, &key(40_000, "last", None), at(4001));
    let (count, first, next) = (tenant.keys().count(), tenant.key(KeyId(500)), tenant.key(KeyId(0)));
    assert_eq!((count, first.is_some(), next.is_some()), (KEYS_KEPT_MAX, false, true));
}

#[test]
fn plugins_versions_and_webhooks_are_bounded() {
    let mut tenant = after(&[created(), limited(&[(LimitName::Plugins, 1), (LimitName::Webhooks, 1)])]);
    for n in 0..VERSIONS_MAX {
        note(&mut tenant, &published("orders", &n.to_string(), "a"), at(0));
    }
    assert_eq!(code(tenant.admit(&published("orders", "more", "a"), at(0))), Err("too_many_versions"));
    note(&mut tenant, &deleted("orders", "7"), at(0));
    assert_eq!(code(tenant.admit(&published("orders", "more", "a"), at(0))), Ok(Admitted::New));
    assert_eq!(code(tenant.admit(&published("stock", "1", "a"), at(0))), Err("too_many_plugins"));
    note(&mut tenant, &hook("one", "https://example.com/", &[]), at(0));
    assert_eq!(code(tenant.admit(&hook("two", "https://example.com/", &[]), at(0))), Err("too_many_webhooks"));
    assert_eq!(code(tenant.admit(&hook("one", "https://example.com/2", &[]), at(0))), Ok(Admitted::New));
    note(&mut tenant, &limited(&[(LimitName::Plugins, 2), (LimitName::Webhooks, 2)]), at(0));
    assert_eq!(code(tenant.admit(&published("stock", "1", "a"), at(0))), Ok(Admitted::New));
    assert_eq!(code(tenant.admit(&hook("two", "https://example.com/", &[]), at(0))), Ok(Admitted::New));
}

#[test]
fn texts_are_bounded() {
    let tenant = after(&[created()]);
    let suspend = |reason: String, by: String| code(tenant.admit(&TenantEvent::TenantSuspended { reason, by }, at(0)));
    for (reason, by, answer) in [
        ("x".repeat(4096), "y".repeat(255), Ok(Admitted::New)),
        (String::new(), "ada".to_owned(), Err("text_length")),
        ("x".repeat(4097), "ada".to_owned(), Err("text_length")),
        ("why".to_owned(), String::new(), Err("text_length")),
        ("why".to_owned(), "y".repeat(256), Err("text_length")),
    ] {
        assert_eq!(suspend(reason, by), answer);
    }
    let still = after(&[created(), suspended()]);
    let again = |reason: String| code(still.admit(&TenantEvent::TenantSuspended { reason, by: by() }, at(0)));
    assert_eq!(again("unpaid".repeat(2)), Ok(Admitted::Already));
    assert_eq!(again("r".repeat(4097)), Err("text_length"), "what is too long is not taken for what is so already");
}

#[test]
fn webhooks_go_over_tls_and_name_types_that_there_are() {
    let tenant = after(&[created()]);
    let answer = |url: &str, types: &[&str]| code(tenant.admit(&hook("one", url, types), at(0)));
    for good in
        ["https://example.com", "https://example.com:8443/a?b=c", "https://1.1.1.1/", "http://127.0.0.1:8080/", "http://[::1]/"]
    {
        assert_eq!(answer(good, &[]), Ok(Admitted::New), "{good}");
    }
    let long = format!("https://example.com/{}", "x".repeat(2048));
    for bad in [
        "https://192.0.2.7/",
        "",
        "example.com",
        "ftp://example.com",
        "http://example.com/",
        "http://192.0.2.7/",
        "https://",
        "https://user@example.com/",
        "https://example.com/#a",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://exämple.com/",
        "https://0x7f.1/",
        "https://example.com:0/",
        &long,
    ] {
        assert_eq!(answer(bad, &[]), Err("webhook_refused"), "{bad}");
    }
    for good in [&["*"][..], &["workflow.saga.failed", "key.*"]] {
        assert_eq!(answer("https://example.com/", good), Ok(Admitted::New), "{good:?}");
    }
    for bad in [&["workflow.saga.failde"][..], &["key.*", "workflow"], &[""], &["*"; 65]] {
        assert_eq!(answer("https://example.com/", bad), Err("webhook_refused"), "{bad:?}");
    }
}

fn wishes() -> impl Strategy<Value = TenantEvent> {
    let (key_id, plugin, version) = (0_u128..4, prop_oneof![Just("orders"), Just("stock")], prop_oneof![Just("1"), Just("2")]);
    prop_oneof![
        6 => Just(created()),
        1 => Just(suspended()),
        2 => Just(reopened()),
        1 => Just(gone()),
        1 => (0_u64..3).prop_map(|weight| limited(&[(LimitName::Weight, weight + 1), (LimitName::Plugins, weight)])),
        4 => (key_id.clone(), 0_u64..8).prop_map(|(id, expires)| key(id, "ci", (expires < 4).then(|| at(expires * 10)))),
        4 => key_id.prop_map(revoked),
        4 => (plugin.clone(), version.clone(), prop_oneof![Just("a"), Just("b")]).prop_map(|(p, v, bytes)| published(p, v, bytes)),
        4 => (plugin, version).prop_map(|(p, v)| deleted(p, v)),
        2 => prop_oneof![Just("a"), Just("b")].prop_map(|name| hook(name, "https://example.com/", &[])),
        1 => prop_oneof![Just("a"), Just("b")].prop_map(unhooked),
    ]
}

proptest! {
    #[test]
    fn what_is_admitted_fits_and_what_does_not_fit_changes_nothing(
        wishes in prop::collection::vec((wishes(), 0_u64..10), 1..60),
    ) {
        let mut tenant = Tenant::default();
        let mut now = 0;
        for (wish, later) in wishes {
            now += later;
            let entry = TenantEntry { at: at(now), event: wish.clone() };
            let before = tenant.clone();
            match tenant.admit(&wish, at(now)) {
                Ok(Admitted::New) => prop_assert_eq!(tenant.apply(&entry), Ok(())),
                Ok(Admitted::Already) | Err(_) => {
                    let mut all_the_same = tenant.clone();
                    if all_the_same.apply(&entry).is_err() {
                        prop_assert_eq!(&all_the_same, &before, "what does not fit is not taken in");
                    }
                }
            }
            let names: Vec<_> = tenant.keys().filter(|key| key.is_valid(at(now))).map(|key| key.name.clone()).collect();
            prop_assert!(names.len() <= 1, "names are given once: {names:?}");
            prop_assert!(tenant.plugins().all(|(_, versions)| !versions.is_empty()));
        }
    }
}

#[test]
fn a_webhook_is_paused_until_it_is_set_again_and_keeps_its_keys_and_its_beginning() {
    let mut tenant = after(&[created()]);
    let name = || "one".parse().expect("a name");
    let keyed = |keys: &[&str]| TenantEvent::WebhookKeysSet {
        webhook: name(),
        keys: keys.iter().map(|key| WebhookKey { sealed: Digest::of(key.as_bytes()), until: None }).collect(),
        destroyed: Vec::new(),
        by: by(),
    };
    let paused = |reason: &str| TenantEvent::WebhookPaused { webhook: name(), reason: reason.to_owned(), by: by() };
    for fact in [keyed(&["a"]), paused("why"), unhooked("one")] {
        assert_eq!(code(tenant.admit(&fact, at(0))), Err("webhook_unknown"));
    }
    note(&mut tenant, &hook("one", "https://example.com/", &[]), at(1));
    note(&mut tenant, &keyed(&["a", "b"]), at(2));
    assert_eq!(code(tenant.admit(&keyed(&["a", "b"]), at(3))), Ok(Admitted::Already));
    assert_eq!(code(tenant.admit(&paused(""), at(3))), Err("text_length"));
    note(&mut tenant, &paused("why"), at(3));
    assert_eq!(code(tenant.admit(&paused("another"), at(4))), Ok(Admitted::Already), "who paused it first said why");
    let shown = |tenant: &Tenant| {
        let hook = tenant.webhook(&name()).expect("there is one");
        (hook.created, hook.keys.len(), hook.paused.as_ref().map(|paused| (paused.since, paused.reason.clone())))
    };
    assert_eq!(shown(&tenant), (at(1), 2, Some((at(3), "why".to_owned()))));
    note(&mut tenant, &hook("one", "https://example.com/", &[]), at(5));
    assert_eq!(shown(&tenant), (at(1), 2, None));
    assert_eq!(code(tenant.admit(&hook("one", "https://example.com/", &[]), at(6))), Ok(Admitted::Already));
    note(&mut tenant, &unhooked("one"), at(7));
    note(&mut tenant, &hook("one", "https://example.com/", &[]), at(8));
    assert_eq!(shown(&tenant), (at(8), 0, None));
}

#[test]
fn all_that_is_wrong_with_a_webhook_is_told_at_once_with_its_place() {
    let types = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let places = |url: &str, names: &[&str]| -> Vec<String> {
        webhook_mistakes(url, &types(names)).0.into_iter().map(|mistake| mistake.path).collect()
    };
    assert!(places("https://example.com/", &["workflow.*", "*", "key.created"]).is_empty());
    assert_eq!(places("http://example.com/", &["no.such", "key.created", "workflow"]), ["url", "events[0]", "events[2]"]);
    assert_eq!(places("https://example.com/", &["*"; 65]), ["events"]);
}
