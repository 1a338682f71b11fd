//! The book of tenants: what becomes of wishes, who comes in with which token, what versions of plugins mean, and that all of it is found
//! again. Over a writer by hand: nothing is durable before the test says so.

use amends::clock::SystemClock;
use amends::coordinator::{AlterError, Coordinator, HOST_TENANT, PublishError, StartError, StartRun, StartedRun, host_tenant};
use amends::store::memory::MemoryStore;
use amends::store::writer::{Hand, Writer};
use amends::store::{Store, StoreError};
use amends_domain::access::{Role, Scope, Standing, Token};
use amends_domain::definition::read;
use amends_domain::digest::Digest;
use amends_domain::event::{Entry, Event, TenantEvent};
use amends_domain::id::{KeyId, PluginName, PluginVersion, TenantId};
use amends_domain::payload::Payload;
use amends_domain::tenant::{Admitted, KeyRefused};
use bytes::Bytes;
use futures_util::FutureExt;
use harness::Idle;
use std::pin::pin;
use std::sync::Arc;
use tokio::runtime::Handle;

/// A host over a store, whose writer the test moves.
struct Host {
    store: Arc<MemoryStore>,
    coordinator: Coordinator,
    hand: Hand,
}

impl Host {
    fn over(store: Arc<MemoryStore>) -> Result<Self, StoreError> {
        let (writer, hand) = Writer::by_hand(Arc::clone(&store) as Arc<dyn Store>)?;
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let coordinator = Coordinator::over(writer, shared, Arc::new(Idle), Arc::new(SystemClock), Handle::current())?;
        Ok(Self { store, coordinator, hand })
    }

    fn new() -> Self {
        Self::over(Arc::default()).expect("an empty store")
    }

    /// The same store, found by the next process.
    fn again(self) -> Self {
        let Self { store, coordinator, hand } = self;
        drop((coordinator, hand));
        Self::over(store).expect("what was written is read")
    }

    /// Does something that is told only when it is durable.
    async fn durably<T>(&mut self, deed: impl AsyncFnOnce(&Coordinator) -> T) -> T {
        let coordinator = self.coordinator.clone();
        let mut deed = pin!(deed(&coordinator));
        loop {
            for _ in 0..20 {
                if let Some(told) = deed.as_mut().now_or_never() {
                    return told;
                }
                tokio::task::yield_now().await;
            }
            assert!(self.hand.commit(), "the store takes it");
        }
    }

    async fn alter(&mut self, tenant: &TenantId, event: TenantEvent) -> Result<Admitted, AlterError> {
        self.durably(async |coordinator| coordinator.alter(tenant, event).await).await
    }

    async fn created(&mut self, name: &str) -> TenantId {
        let tenant = id(name);
        assert_eq!(self.alter(&tenant, TenantEvent::TenantCreated { by: by() }).await.expect("a new name"), Admitted::New);
        tenant
    }

    async fn key(&mut self, tenant: &TenantId, name: &str, role: Role) -> Result<Token, AlterError> {
        let name = name.parse().expect("a name");
        self.durably(async |coordinator| coordinator.create_key(tenant, name, role, None, by()).await).await
    }

    async fn publish(&mut self, tenant: &TenantId, version: &str, component: &'static [u8]) -> Result<Digest, PublishError> {
        let (version, component) = (number(version), Bytes::from_static(component));
        let published = self.durably(async |of| of.publish(tenant, &plugin(), version, component, by()).await).await;
        published.map(|published| published.component)
    }

    async fn unpublish(&mut self, tenant: &TenantId, version: &str) -> Result<(), PublishError> {
        let version = number(version);
        self.durably(async |coordinator| coordinator.unpublish(tenant, &plugin(), &version, by()).await).await
    }

    async fn start(&mut self, start: StartRun) -> Result<StartedRun, StartError> {
        self.durably(async |coordinator| coordinator.start(start).await).await
    }

    fn apply(&self, tenant: &TenantId, document: &str) -> u32 {
        self.coordinator.apply(tenant, &Arc::new(read(document).expect("it is right"))).expect("the store answers")
    }

    fn meaning(&self, tenant: &TenantId) -> Option<Digest> {
        self.store.plugin(tenant, &plugin()).expect("the store answers")
    }
}

fn id(name: &str) -> TenantId {
    name.parse().expect("a name")
}

fn by() -> String {
    "op".to_owned()
}

fn plugin() -> PluginName {
    "p".parse().expect("a name")
}

fn number(version: &str) -> PluginVersion {
    version.parse().expect("a version")
}

fn start_run(tenant: &TenantId, version: Option<u32>, key: Option<&str>) -> StartRun {
    let (tenant, saga, key) = (tenant.clone(), "s".parse().expect("a name"), key.map(str::to_owned));
    StartRun { tenant, saga, version, input: Payload::from("1"), key, begin: None, parent: None }
}

fn suspended() -> TenantEvent {
    TenantEvent::TenantSuspended { reason: "unpaid".to_owned(), by: by() }
}

fn reopened() -> TenantEvent {
    TenantEvent::TenantReopened { by: by() }
}

fn code<T: std::fmt::Debug>(refused: Result<T, AlterError>) -> &'static str {
    refused.expect_err("it is refused").code()
}

const WAITS: &str = r#"{"saga":"s","steps":[{"id":"w","wait":{"signal":"go"}}]}"#;
const WAITS_LONGER: &str = r#"{"saga":"s","steps":[{"id":"w","wait":{"signal":"go"}},{"id":"x","wait":{"signal":"go"}}]}"#;
const USES: &str = r#"{"saga":"s","steps":[{"id":"w","wait":{"signal":"go"}},{"id":"a","uses":"p/p"}]}"#;

#[tokio::test]
async fn what_tenants_are_is_found_again_in_the_order_of_their_names() {
    let mut host = Host::new();
    for name in ["c", "a", "b"] {
        host.created(name).await;
    }
    assert_eq!(host.alter(&id("b"), suspended()).await.expect("it is open"), Admitted::New);
    assert_eq!(host.alter(&id("b"), suspended()).await.expect("it is so"), Admitted::Already);
    assert_eq!(host.alter(&id("a"), TenantEvent::TenantDeleted { by: by() }).await.expect("it is open"), Admitted::New);
    for (name, event, expected) in [
        ("a", TenantEvent::TenantCreated { by: by() }, "tenant_deleted"),
        ("b", TenantEvent::TenantCreated { by: by() }, "tenant_exists"),
        ("nobody", suspended(), "tenant_unknown"),
    ] {
        assert_eq!(code(host.alter(&id(name), event).await), expected);
    }
    let standings = |host: &Host, after: Option<&str>, limit| {
        let page = host.coordinator.tenants(after.map(id).as_ref(), limit);
        page.into_iter().map(|(name, tenant)| (name.to_string(), tenant.standing())).collect::<Vec<_>>()
    };
    let all = [("a", Standing::Deleted), ("b", Standing::Suspended), ("c", Standing::Open)];
    let all = all.map(|(name, standing)| (name.to_owned(), standing));
    assert_eq!(standings(&host, None, 9), all);
    let host = host.again();
    assert_eq!(standings(&host, None, 9), all);
    assert_eq!(standings(&host, Some("a"), 1), all[1..2]);
    assert_eq!(host.coordinator.tenant(&id("nobody")).standing(), Standing::Absent);
}

#[tokio::test]
async fn a_tenant_is_told_of_as_it_is_on_the_disk_and_judged_as_it_is_ahead_of_it() {
    let mut host = Host::new();
    let tenant = host.created("a").await;
    host.apply(&tenant, WAITS);
    assert!(host.hand.commit());
    let coordinator = host.coordinator.clone();
    let mut first = pin!(coordinator.alter(&tenant, suspended()));
    let mut second = pin!(coordinator.alter(&tenant, suspended()));
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none(), "nothing is durable yet");
    assert_eq!(coordinator.tenant(&tenant).standing(), Standing::Open);
    let mut start = pin!(coordinator.start(start_run(&tenant, None, None)));
    assert!(start.as_mut().now_or_never().is_none(), "a refusal says how the tenant stands, and waits");
    assert!(host.hand.commit());
    assert_eq!((first.await.expect("noted"), second.await.expect("noted")), (Admitted::New, Admitted::Already));
    assert!(matches!(start.await, Err(StartError::TenantSuspended)));
    assert_eq!(coordinator.tenant(&tenant).standing(), Standing::Suspended);
}

#[tokio::test]
async fn a_wish_that_nobody_waits_for_any_more_is_told_of_when_it_is_durable() {
    let mut host = Host::new();
    let tenant = host.created("a").await;
    for event in [suspended(), reopened(), suspended()] {
        assert!(host.coordinator.alter(&tenant, event).now_or_never().is_none());
    }
    assert_eq!(host.coordinator.tenant(&tenant).standing(), Standing::Open);
    assert!(host.hand.commit());
    assert_eq!(host.coordinator.tenant(&tenant).standing(), Standing::Suspended);
    let created = host.coordinator.clone();
    assert!(created.alter(&id("b"), TenantEvent::TenantCreated { by: by() }).now_or_never().is_none());
    assert_eq!(created.tenants(None, 9).len(), 1, "its creation is not durable yet");
    assert!(host.hand.commit());
    assert_eq!(created.tenants(None, 9).len(), 2);
}

#[tokio::test]
async fn a_token_opens_what_its_key_is_for() {
    let mut host = Host::new();
    let (tenant, of_host) = (host.created("a").await, host.created(HOST_TENANT).await);
    assert_eq!(of_host, host_tenant());
    let ada = host.key(&tenant, "ada", Role::TenantAdmin).await.expect("a new key");
    let op = host.key(&of_host, "op", Role::Operator).await.expect("a new key");
    assert_eq!(code(host.key(&tenant, "op", Role::Operator).await), "role_not_of_tenant");
    assert_eq!(code(host.key(&tenant, "ada", Role::Viewer).await), "key_name_taken");
    assert_eq!(code(host.key(&id("nobody"), "ada", Role::Viewer).await), "tenant_unknown");
    let mut host = host.again();
    for (token, scope, role) in [(&ada, Scope::Tenant(tenant.clone()), Role::TenantAdmin), (&op, Scope::Host, Role::Operator)] {
        assert_eq!(host.coordinator.last_used(token.key()), None);
        let who = host.coordinator.who(token).expect("a key");
        assert_eq!((who.scope(), who.role()), (&scope, role));
        assert!(host.coordinator.last_used(token.key()).is_some());
    }
    for wrong in [Token::new(ada.key(), [7; 32]), Token::new(KeyId(7), [7; 32])] {
        assert_eq!(host.coordinator.who(&wrong), Err(KeyRefused::Unknown));
        assert_eq!(host.coordinator.last_used(KeyId(7)), None);
    }
    let revoked = TenantEvent::KeyRevoked { key: ada.key(), by: by() };
    host.alter(&tenant, revoked).await.expect("there is such a key");
    assert!(matches!(host.coordinator.who(&ada), Err(KeyRefused::Revoked(_))));
    let bea = host.key(&tenant, "bea", Role::Viewer).await.expect("a new key");
    assert!(host.coordinator.who(&bea).is_ok());
    host.alter(&tenant, TenantEvent::TenantDeleted { by: by() }).await.expect("there is such a tenant");
    let host = host.again();
    assert_eq!([host.coordinator.who(&ada), host.coordinator.who(&bea)], [Err(KeyRefused::Unknown), Err(KeyRefused::Unknown)]);
}

#[tokio::test]
async fn the_host_itself_is_not_suspended_or_deleted() {
    let mut host = Host::new();
    let (tenant, of_host) = (host.created("a").await, host.created(HOST_TENANT).await);
    for event in [suspended(), TenantEvent::TenantDeleted { by: by() }] {
        assert_eq!(code(host.alter(&of_host, event.clone()).await), "tenant_is_host");
        assert_eq!(host.alter(&tenant, event).await.expect("it is a tenant as any other"), Admitted::New);
    }
}

#[tokio::test]
async fn a_tenant_that_stands_still_starts_nothing_and_one_of_which_nothing_is_known_does() {
    let mut host = Host::new();
    let (tenant, local) = (host.created("a").await, id("local"));
    for tenant in [&tenant, &local] {
        host.apply(tenant, WAITS);
        assert!(host.start(start_run(tenant, None, Some("k"))).await.is_ok());
    }
    host.alter(&tenant, suspended()).await.expect("it is open");
    for key in [None, Some("k")] {
        assert!(matches!(host.start(start_run(&tenant, None, key)).await, Err(StartError::TenantSuspended)));
    }
    host.alter(&tenant, reopened()).await.expect("it is suspended");
    assert!(matches!(host.start(start_run(&tenant, None, Some("k"))).await, Ok(StartedRun::Existing(_))));
    host.alter(&tenant, TenantEvent::TenantDeleted { by: by() }).await.expect("it is open");
    assert!(matches!(host.start(start_run(&tenant, None, None)).await, Err(StartError::TenantDeleted)));
}

#[tokio::test]
async fn a_run_is_of_the_version_that_was_asked_for() {
    let mut host = Host::new();
    let tenant = id("local");
    // Neither is durable when the first is asked for.
    assert_eq!([host.apply(&tenant, WAITS), host.apply(&tenant, WAITS_LONGER)], [1, 2]);
    for (asked, key, expected) in [(Some(1), None, 1), (Some(2), None, 2), (None, None, 2), (Some(1), Some("k"), 1)] {
        let StartedRun::New(driven) = host.start(start_run(&tenant, asked, key)).await.expect("there is such a version") else {
            panic!("a new run")
        };
        assert!(host.hand.commit());
        let head = host.store.run(&tenant, driven.run).expect("the store answers").expect("it was started");
        assert_eq!(head.version, expected);
    }
    for asked in [0, 3] {
        let refused = host.start(start_run(&tenant, Some(asked), None)).await;
        assert!(matches!(refused, Err(StartError::UnknownVersion { version, newest: 2, .. }) if version == asked), "{refused:?}");
    }
    // A key stands for what was started with it, whatever is the newest since.
    for (asked, same) in [(None, true), (Some(1), true), (Some(2), false)] {
        let again = host.start(start_run(&tenant, asked, Some("k"))).await;
        assert_eq!(matches!(again, Ok(StartedRun::Existing(_))), same, "{asked:?}");
        assert_eq!(matches!(again, Err(StartError::KeyReused(_))), !same, "{asked:?}");
    }
}

#[tokio::test]
async fn a_plugin_means_the_version_that_was_published_last_of_those_it_has() {
    let mut host = Host::new();
    let tenant = host.created("a").await;
    let digest = |component: &[u8]| Some(Digest::of(component));
    for (version, component) in [("1", &b"one"[..]), ("2", b"two"), ("3", b"three")] {
        assert_eq!(Some(host.publish(&tenant, version, component).await.expect("a new version")), digest(component));
        assert_eq!(host.meaning(&tenant), digest(component));
    }
    assert_eq!(host.publish(&tenant, "1", b"one").await.expect("it is so"), Digest::of(b"one"));
    assert_eq!(host.meaning(&tenant), digest(b"three"), "what was so already changes nothing");
    let other = host.publish(&tenant, "1", b"other").await.expect_err("the version is taken");
    assert_eq!(other.code(), "version_exists");
    let unknown = host.unpublish(&tenant, "4").await.expect_err("there is no such version");
    assert_eq!(unknown.code(), "version_unknown");
    for (version, meaning) in [("1", digest(b"three")), ("3", digest(b"two")), ("2", None)] {
        host.unpublish(&tenant, version).await.expect("nothing pins it");
        assert_eq!(host.meaning(&tenant), meaning, "without {version}");
    }
    host.apply(&tenant, USES);
    assert!(matches!(host.start(start_run(&tenant, None, None)).await, Err(StartError::UnknownPlugin(_))));
    host.publish(&tenant, "1", b"one").await.expect("it has none");
    assert!(host.start(start_run(&tenant, None, None)).await.is_ok());
    assert_eq!(host.again().meaning(&tenant), digest(b"one"));
}

#[tokio::test]
async fn a_version_stays_while_an_open_run_pins_it() {
    let mut host = Host::new();
    let (tenant, neighbour) = (host.created("a").await, host.created("b").await);
    for tenant in [&tenant, &neighbour] {
        host.publish(tenant, "1", b"one").await.expect("a new version");
        host.publish(tenant, "2", b"two").await.expect("a new version");
    }
    host.unpublish(&tenant, "2").await.expect("nothing pins it");
    host.apply(&tenant, USES);
    // Not durable yet when the deletion is asked for.
    let StartedRun::New(driven) = host.coordinator.start(start_run(&tenant, None, None)).await.expect("it starts") else {
        panic!("a new run")
    };
    let pinned = host.unpublish(&tenant, "1").await.expect_err("the run pins it");
    assert_eq!(pinned.code(), "version_pinned");
    assert!(pinned.to_string().contains(&driven.run.to_string()), "{pinned}");
    host.unpublish(&neighbour, "1").await.expect("what others run does not count");
    let journal = host.store.journal(&tenant, driven.run).expect("the store answers").expect("it was started");
    let Some(Entry { event: Event::Started(started), .. }) = journal.first() else { panic!("a start") };
    assert_eq!(started.components, [(plugin(), Digest::of(b"one"))]);
}

#[tokio::test]
async fn only_a_tenant_at_work_publishes() {
    let mut host = Host::new();
    let tenant = host.created("a").await;
    let unknown = host.publish(&id("nobody"), "1", b"one").await.expect_err("there is no such tenant");
    assert_eq!(unknown.code(), "tenant_unknown");
    host.alter(&tenant, suspended()).await.expect("it is open");
    assert_eq!(host.publish(&tenant, "1", b"one").await.expect_err("it is suspended").code(), "tenant_suspended");
    host.alter(&tenant, reopened()).await.expect("it is suspended");
    assert!(host.publish(&tenant, "1", b"one").await.is_ok());
}

#[tokio::test]
async fn facts_that_do_not_fit_keep_a_host_from_starting() {
    let mut host = Host::new();
    host.created("a").await;
    let (writer, mut hand) = Writer::by_hand(Arc::clone(&host.store) as Arc<dyn Store>).expect("the store answers");
    let again =
        amends_domain::event::TenantEntry { at: amends_domain::time::Timestamp(0), event: TenantEvent::TenantCreated { by: by() } };
    let what = amends::store::writer::What::Tenant { entries: vec![again], components: Vec::new() };
    writer.append(amends::store::writer::Append { tenant: id("a"), lane: amends_domain::id::Lane(0), what });
    assert!(hand.commit());
    let refused = Host::over(host.store).err().expect("the second creation does not fit");
    assert!(matches!(&refused, StoreError::Damaged { place, .. } if place == "tenant_facts a, fact 2"), "{refused}");
}
