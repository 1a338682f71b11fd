//! The rows that follow from the facts of a tenant: settings, grants, secrets, sagas, plugins, and what makes it what it is.

use crate::author::{Author, Deed};
use crate::check;
use crate::facts::{tenant, write};
use amends::store::{SagaRow, WebhookCursor};
use amends_domain::catalogue::Position;
use amends_domain::digest::Digest;
use amends_domain::event::{HostGrant, Reach, Resolvers, TenantEvent, Transport};
use amends_domain::id::{Lane, PluginName, SagaName, SecretName, WebhookName};
use amends_domain::payload::Payload;
use amends_domain::time::Timestamp;
use amends_domain::webhook::Failing;

#[test]
fn how_many_people_settle_a_dead_letter_is_said_last() {
    check(|store| {
        let mut author = Author::default();
        let mut asked = vec![store.resolvers(&tenant("a")).expect("an answer")];
        for resolvers in [Resolvers::Two, Resolvers::One, Resolvers::Two] {
            let set = TenantEvent::ResolversSet { resolvers, by: "ada".to_owned() };
            store.commit(&author.commit(vec![("a", 0, Deed::Tenant(vec![set]))])).expect("it follows");
            asked.push(store.resolvers(&tenant("a")).expect("an answer"));
        }
        assert_eq!(asked, [Resolvers::One, Resolvers::Two, Resolvers::One, Resolvers::Two]);
        assert_eq!(store.resolvers(&tenant("b")).expect("an answer"), Resolvers::One);
    });
}

#[test]
fn what_is_granted_is_what_was_granted_last_for_each_place() {
    check(|store| {
        let mut author = Author::default();
        let plugin = |name: &str| name.parse::<PluginName>().expect("a name");
        let grant = |place: &str, methods: &[&str]| {
            let methods: Vec<_> = methods.iter().map(|method| (*method).to_owned()).collect();
            HostGrant::read(place, &methods, Transport::Tls, Reach::Public).expect("a grant")
        };
        let granted = |name: &str, grant| TenantEvent::HostGranted { plugin: plugin(name), grant, by: "ada".to_owned() };
        let revoked = |name: &str, place: &str| {
            let (plugin, place) = (plugin(name), place.to_owned());
            TenantEvent::HostRevoked { plugin, place, by: "ada".to_owned() }
        };
        for (event, pay, payment) in [
            (granted("pay", grant("b.example", &[])), vec![("b.example", 0)], vec![]),
            (granted("pay", grant("a.example:8443", &["GET"])), vec![("a.example:8443", 1), ("b.example", 0)], vec![]),
            (granted("payment", grant("a.example", &[])), vec![("a.example:8443", 1), ("b.example", 0)], vec![("a.example", 0)]),
            (
                granted("pay", grant("b.example", &["GET", "PUT"])),
                vec![("a.example:8443", 1), ("b.example", 2)],
                vec![("a.example", 0)],
            ),
            (revoked("pay", "a.example:8443"), vec![("b.example", 2)], vec![("a.example", 0)]),
            (revoked("payment", "b.example"), vec![("b.example", 2)], vec![("a.example", 0)]),
            (revoked("payment", "a.example"), vec![("b.example", 2)], vec![]),
        ] {
            store.commit(&author.commit(vec![("a", 0, Deed::Tenant(vec![event]))])).expect("it follows");
            for (name, expected) in [("pay", pay), ("payment", payment)] {
                let found = store.grants(&tenant("a"), &plugin(name)).expect("an answer");
                let found: Vec<_> = found.iter().map(|grant| (grant.place(), grant.methods.len())).collect();
                assert_eq!(found, expected.into_iter().map(|(place, methods)| (place.to_owned(), methods)).collect::<Vec<_>>());
                assert_eq!(store.grants(&tenant("b"), &plugin(name)).expect("an answer"), []);
            }
        }
        // Of two in one commit, the later one counts.
        let both = vec![granted("pay", grant("c.example", &[])), revoked("pay", "c.example")];
        store.commit(&author.commit(vec![("a", 0, Deed::Tenant(both))])).expect("it follows");
        assert_eq!(store.grants(&tenant("a"), &plugin("pay")).expect("an answer").len(), 1);
    });
}

#[test]
fn what_is_sealed_of_a_secret_is_there_until_it_is_replaced_or_removed() {
    check(|store| {
        let mut author = Author::default();
        let (token, pay) = ("token".parse::<SecretName>().expect("a name"), "pay".parse::<PluginName>().expect("a name"));
        let by = || "ada".to_owned();
        let sealed = |text: &'static str| (Digest::of(text.as_bytes()), bytes::Bytes::from_static(text.as_bytes()));
        let mut commit = |events, components| {
            let mut commit = author.commit(vec![("a", 0, Deed::Tenant(events))]);
            commit.components = components;
            store.commit(&commit).expect("it follows");
        };
        let (one, two) = (sealed("one"), sealed("two"));
        let set = |sealed, replaces| TenantEvent::SecretSet { secret: token.clone(), sealed, replaces, by: by() };
        commit(vec![set(one.0, None)], vec![one.clone()]);
        commit(vec![TenantEvent::SecretGranted { secret: token.clone(), plugin: pay.clone(), by: by() }], vec![]);
        assert_eq!(store.secrets(&tenant("a")).expect("an answer"), [(token.clone(), one.0)]);
        assert_eq!(store.secret_grants(&tenant("a")).expect("an answer"), [(token.clone(), pay.clone())]);
        assert_eq!(store.component(one.0).expect("an answer"), Some(one.1));
        assert!(store.secrets(&tenant("b")).expect("an answer").is_empty());
        assert!(store.secret_grants(&tenant("b")).expect("an answer").is_empty());
        commit(vec![set(two.0, Some(one.0))], vec![two.clone()]);
        assert_eq!(store.secrets(&tenant("a")).expect("an answer"), [(token.clone(), two.0)]);
        assert_eq!(store.component(one.0).expect("an answer"), None, "it is destroyed");
        assert_eq!(store.component(two.0).expect("an answer"), Some(two.1));
        let withdrawn = TenantEvent::SecretWithdrawn { secret: token.clone(), plugin: pay, by: by() };
        commit(vec![withdrawn, TenantEvent::SecretRemoved { secret: token.clone(), sealed: two.0, by: by() }], vec![]);
        assert!(store.secrets(&tenant("a")).expect("an answer").is_empty());
        assert!(store.secret_grants(&tenant("a")).expect("an answer").is_empty());
        assert_eq!(store.component(two.0).expect("an answer"), None, "it is destroyed");
    });
}

#[test]
fn a_webhook_begins_behind_the_fact_that_set_it_and_never_goes_back() {
    check(|store| {
        let mut author = Author::default();
        let (name, by) = (|| "billing".parse::<WebhookName>().expect("a name"), || "ada".to_owned());
        let url = "https://example.com/".to_owned();
        let set = || TenantEvent::WebhookSet { webhook: name(), url: url.clone(), types: vec![], secret: None, by: by() };
        let removed = || TenantEvent::WebhookRemoved { webhook: name(), by: by() };
        let mut commit = |events| store.commit(&author.commit(vec![("a", 0, Deed::Tenant(events))])).expect("it follows");
        let at = |seq, fact| Position { lane: Lane(0), seq, fact, part: 1 };
        let cursors = || store.webhook_cursors(&tenant("a")).expect("an answer");
        let keep = |position, failing| {
            let cursor = WebhookCursor { position, failing };
            store.keep_webhook_cursors(&[(tenant("a"), name(), cursor)]).expect("an answer");
        };
        keep(at(9, 1), None);
        assert_eq!(cursors(), [], "none is made by whoever keeps");
        commit(vec![TenantEvent::TenantCreated { by: by() }, set()]);
        assert_eq!(cursors(), [(name(), WebhookCursor { position: at(1, 2), failing: None })]);
        let failing = Some(Failing { since: Timestamp(7), attempts: 3 });
        keep(at(5, 1), failing);
        keep(at(4, 9), None);
        assert_eq!(cursors(), [(name(), WebhookCursor { position: at(5, 1), failing })]);
        commit(vec![set()]);
        assert_eq!(cursors()[0].1.position, at(5, 1), "set again, it goes on where it is");
        keep(at(5, 1), None);
        assert_eq!(cursors()[0].1.failing, None);
        commit(vec![removed()]);
        keep(at(8, 1), None);
        assert_eq!(cursors(), [], "one that was removed does not come back");
        commit(vec![set()]);
        assert_eq!(cursors()[0].1.position, at(4, 1));
        keep(at(9, 9), None);
        commit(vec![removed(), set()]);
        assert_eq!(cursors()[0].1.position, at(5, 2), "in one commit as in two");
        assert_eq!(store.webhook_cursors(&tenant("b")).expect("an answer"), []);
    });
}

#[test]
fn sagas_are_listed_in_their_newest_version_and_each_version_is_found() {
    check(|store| {
        let mut author = Author::default();
        let name = |name: &str| name.parse::<SagaName>().expect("a name");
        let document = |saga: &str, version: u32| Payload::from(format!("{saga} {version}").into_bytes());
        let row = |saga: &str, version| SagaRow { version, definition: Digest::of(&document(saga, version).0) };
        for (saga, version) in [("b", 1), ("b.c", 1), ("a", 1), ("b", 2), ("b", u32::MAX), ("z", 7)] {
            let (definition, document) = (row(saga, version).definition, document(saga, version));
            let applied = TenantEvent::SagaApplied { saga: name(saga), version, definition, document };
            store.commit(&author.commit(vec![("a", 0, Deed::Tenant(vec![applied]))])).expect("it follows");
        }
        let all = [("a", 1), ("b", u32::MAX), ("b.c", 1), ("z", 7)].map(|(saga, version)| (name(saga), row(saga, version)));
        let list = |after: Option<&str>, limit| store.sagas(&tenant("a"), after.map(name).as_ref(), limit).expect("an answer");
        assert_eq!(list(None, usize::MAX), all);
        assert_eq!(list(None, 2), all[..2]);
        assert_eq!(list(Some("b"), 9), all[2..]);
        assert_eq!(list(Some("bb"), 1), all[3..], "behind a name that no saga has");
        assert_eq!(list(Some("z"), 9), []);
        let version = |of: &str, saga, version| store.saga_version(&tenant(of), &name(saga), version).expect("an answer");
        assert_eq!((version("a", "b", 2), version("a", "b", 3)), (Some(row("b", 2)), None));
        assert_eq!((version("b", "b", 2), store.sagas(&tenant("b"), None, 9).expect("an answer")), (None, vec![]));
    });
}

#[test]
fn a_deleted_version_takes_the_meaning_of_its_plugin_along_unless_another_is_installed() {
    check(|store| {
        let mut author = Author::default();
        let plugin = |name: &str| name.parse::<PluginName>().expect("a name");
        let installed =
            |name, text: &[u8]| TenantEvent::PluginInstalled { plugin: plugin(name), component: Digest::of(text), size: 1 };
        let deleted = || TenantEvent::PluginVersionDeleted {
            plugin: plugin("b"),
            version: "1".parse().expect("a version"),
            by: "ada".into(),
        };
        let meaning = |text: Option<&[u8]>| text.map(Digest::of);
        let (a, c) = ((plugin("a"), Digest::of(b"1")), (plugin("c"), Digest::of(b"1")));
        for (events, b) in [
            (vec![installed("b", b"1"), installed("a", b"1"), installed("c", b"1")], meaning(Some(b"1"))),
            (vec![deleted(), installed("b", b"2")], meaning(Some(b"2"))),
            (vec![deleted()], None),
            (vec![installed("b", b"2")], meaning(Some(b"2"))),
            (vec![installed("b", b"3"), deleted()], None),
        ] {
            store.commit(&author.commit(vec![("a", 0, Deed::Tenant(events))])).expect("it follows");
            let expected: Vec<_> = [Some(a.clone()), b.map(|b| (plugin("b"), b)), Some(c.clone())].into_iter().flatten().collect();
            assert_eq!(store.plugins(&tenant("a"), None, 9).expect("an answer"), expected);
            assert_eq!(store.plugin(&tenant("a"), &plugin("b")).expect("an answer"), b);
        }
        assert_eq!(store.plugins(&tenant("a"), Some(&plugin("a")), 1).expect("an answer"), std::slice::from_ref(&c));
        assert_eq!(store.plugins(&tenant("a"), Some(&plugin("b")), 9).expect("an answer"), [c]);
        assert_eq!(store.plugins(&tenant("b"), None, 9).expect("an answer"), []);
    });
}

#[test]
fn the_facts_that_make_a_tenant_are_kept_in_their_order_and_no_others() {
    check(|store| {
        let mut author = Author::default();
        let by = || "op".to_owned();
        let suspended = |reason: &str| TenantEvent::TenantSuspended { reason: reason.to_owned(), by: by() };
        let written = || TenantEvent::StateWritten { writes: vec![write("k0", 1, Some("1"))] };
        let reopened = || TenantEvent::TenantReopened { by: by() };
        let commits = [
            vec![TenantEvent::TenantCreated { by: by() }, written(), suspended("1")],
            vec![written()],
            vec![reopened(), suspended("2"), reopened()],
        ];
        for events in commits.clone() {
            let deeds = vec![("b", 0, Deed::Tenant(vec![written()])), ("a", 0, Deed::Tenant(events))];
            store.commit(&author.commit(deeds)).expect("it follows");
        }
        let found: Vec<_> = store.tenant_facts(&tenant("a")).expect("an answer").into_iter().map(|entry| entry.event).collect();
        let expected: Vec<_> = commits.concat().into_iter().filter(|event| *event != written()).collect();
        assert_eq!(found, expected);
        assert_eq!(store.tenant_facts(&tenant("b")).expect("an answer"), []);
    });
}
