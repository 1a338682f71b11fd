//! Where events are sent: set, shown with how it fares, given another key, removed. A key is told once, and the path of a URL, which may be
//! somebody's secret, only to those who may set it.

use super::Api;
use super::asked::Path;
use super::auth::{Caller, Tenant};
use super::body::Given;
use super::conditional::{Conditions, failed, tag};
use super::contract::{Must, Operation, delete, get, post, put, shapes};
use super::problem::Problem;
use crate::coordinator::{LastDelivery, WebhookChange, WebhookStatus, WebhookWish};
use amends_domain::access::{Action, Target as About, decide};
use amends_domain::catalogue::{Position, place_of};
use amends_domain::digest::Digest;
use amends_domain::event::Reach;
use amends_domain::id::{TenantId, WebhookName};
use amends_domain::tenant::{EVENT_TYPES_MAX, Webhook, webhook_mistakes};
use amends_domain::time::{Span, Timestamp};
use amends_domain::webhook::{Target, URL_LEN_MAX};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const ALL: &str = "/v1/tenants/{tenant}/webhooks";
const ONE: &str = "/v1/tenants/{tenant}/webhooks/{webhook}";
const ROTATE: &str = "/v1/tenants/{tenant}/webhooks/{webhook}/rotate";

/// How long the key before signs as well where nobody says it: a day.
const OVERLAP: Span = Span(86_400_000);
/// The longest that may be: a week.
const OVERLAP_MAX: Span = Span(7 * 86_400_000);

/// What can be asked here.
pub(super) fn operations() -> Vec<Operation> {
    let sealing: &[&str] = &["master_key_missing", "text_length"];
    let conditional: &[&str] = &["precondition_failed", "precondition_malformed"];
    let conditions = || [shapes::if_match(), shapes::if_none_match()];
    vec![
        get(ALL, "listWebhooks", list)
            .says("Where events of a tenant are sent, and how each webhook fares.")
            .needs(Action::ListWebhooks)
            .answers::<Webhooks>(200, "The webhooks, at most as many as the limit `webhooks` says."),
        get(ONE, "showWebhook", show)
            .says("A webhook, and how it fares.")
            .needs(Action::ListWebhooks)
            .answers::<WebhookView>(200, "The webhook.")
            .telling(&shapes::etag(), &[200])
            .fails(&["webhook_unknown"]),
        put(ONE, "setWebhook", set)
            .says(
                "Has events sent to a place from now on, or elsewhere, or others; a webhook that was paused goes on where it was.",
            )
            .notes(
                "Only operators set a URL that is an address of this machine itself. A new webhook gets a key, which is told once.",
            )
            .needs(Action::SetWebhook)
            .headers(conditions())
            .json::<Wanted>(Must::Be)
            .answers::<WebhookView>(200, "The webhook, which there was.")
            .answers::<KeyedView>(201, "The webhook, which is new, and its key.")
            .telling(&shapes::etag(), &[200, 201])
            .telling(&shapes::location(), &[201])
            .fails(&["webhook_name", "webhook_refused", "too_many_webhooks"])
            .fails(conditional)
            .fails(sealing),
        delete(ONE, "removeWebhook", remove)
            .says("Has no events sent there any more, and destroys its keys.")
            .needs(Action::SetWebhook)
            .headers(conditions())
            .empty(204, "Nothing is sent any more but a request that was on its way.")
            .fails(&["webhook_unknown"])
            .fails(conditional),
        post(ROTATE, "rotateWebhook", rotate)
            .says("Gives a webhook another key, which is told once.")
            .notes("What is sent is signed with the key before as well until the overlap is over.")
            .needs(Action::SetWebhook)
            .json::<Rotate>(Must::NotBe)
            .answers::<KeyedView>(200, "The webhook and its new key.")
            .fails(&["webhook_unknown", "webhook_overlap"])
            .fails(sealing),
    ]
}

/// All webhooks of a tenant.
#[derive(Debug, Serialize, JsonSchema)]
struct Webhooks {
    items: Vec<WebhookView>,
}

/// A webhook, without its keys.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
struct WebhookView {
    name: WebhookName,
    /// The scheme and the host of its URL.
    place: String,
    /// The whole URL, for those who may set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Types of events, or beginnings of them; none: all.
    events: Vec<String>,
    created_at: Timestamp,
    /// Why nothing is sent until it is set again.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<PausedView>,
    /// Until when the key before signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_key_until: Option<Timestamp>,
    /// Everything up to this event was taken, or was not for it.
    #[schemars(with = "Position")]
    cursor: String,
    /// How many records of the chain lie behind that.
    records_behind: u64,
    /// That nothing is delivered at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<FailingView>,
    /// The last request, since this host was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_request: Option<RequestView>,
    /// When the next one is, if it waits for an instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_request_at: Option<Timestamp>,
    /// What keeps this host from sending anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

/// A webhook and a key that nobody can show again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyedWebhook")]
struct KeyedView {
    #[serde(flatten)]
    webhook: WebhookView,
    /// `whsec_` and the key in base64, as libraries of Standard Webhooks take it.
    key: String,
}

/// Why and since when nothing is sent.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookPaused")]
struct PausedView {
    since: Timestamp,
    reason: String,
    /// Who says so: somebody with a key, or `host`.
    by: String,
}

/// Since when nothing is delivered, and how often it was tried.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookFailing")]
struct FailingView {
    since: Timestamp,
    attempts: u32,
}

/// A request to a webhook.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookRequest")]
struct RequestView {
    at: Timestamp,
    took_ms: u64,
    /// How many events were in it.
    events: usize,
    /// `answered 204`, or why there was no answer.
    result: String,
}

/// What a webhook shall be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SetWebhook")]
struct Wanted {
    /// Over https, or to an address of this machine itself.
    #[schemars(length(max = URL_LEN_MAX))]
    url: String,
    /// Such as `workflow.saga.failed` or `workflow.*`; all without any.
    #[serde(default)]
    #[schemars(length(max = EVENT_TYPES_MAX))]
    events: Vec<String>,
    /// Whether nothing is sent until it is set again.
    #[serde(default)]
    paused: bool,
}

/// How a webhook gets another key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RotateWebhook")]
struct Rotate {
    /// How long the key before signs as well: `24h` without it, `0s` not at all, 7 days at most.
    overlap: Option<String>,
}

/// What a webhook is, as far as somebody set it.
fn version(webhook: &Webhook) -> String {
    let paused = webhook.paused.as_ref().map_or(0, |paused| paused.since.0).to_be_bytes();
    let said = format!("{} {} {}", webhook.url, webhook.types.join(" "), webhook.created);
    Digest::of_parts(&[said.as_bytes(), &paused]).hex()[..16].to_owned()
}

/// Whether somebody may see the whole URL.
fn sees_all(api: &Api, caller: &Caller, tenant: &TenantId) -> bool {
    let about = About::Tenant(tenant, api.coordinator().tenant(tenant).standing());
    decide(caller.principal(), about, Action::SetWebhook).is_ok()
}

fn view(api: &Api, tenant: &TenantId, name: &WebhookName, webhook: &Webhook, caller: &Caller) -> Result<WebhookView, Problem> {
    let status = api.coordinator().webhook_status(tenant, name).map_err(|error| Problem::of(&error))?;
    let WebhookStatus { position, records_behind, failing, last, next, trouble } = status.ok_or_else(|| unknown(name))?;
    let request = |LastDelivery { at, took, events, said }| RequestView { at, took_ms: took.0, events, result: said };
    let paused = webhook.paused.as_ref();
    Ok(WebhookView {
        name: name.clone(),
        place: place_of(&webhook.url),
        url: sees_all(api, caller, tenant).then(|| webhook.url.clone()),
        events: webhook.types.clone(),
        created_at: webhook.created,
        paused: paused.map(|paused| PausedView { since: paused.since, reason: paused.reason.clone(), by: paused.by.clone() }),
        previous_key_until: webhook.keys.iter().find_map(|key| key.until),
        cursor: position.to_string(),
        records_behind,
        failing: failing.map(|failing| FailingView { since: failing.since, attempts: failing.attempts }),
        last_request: last.map(request),
        next_request_at: next,
        trouble,
    })
}

fn unknown(name: &WebhookName) -> Problem {
    Problem::new("webhook_unknown", format!("there is no webhook `{name}`"))
}

fn name(webhook: &str) -> Result<WebhookName, Problem> {
    webhook.parse().map_err(|_| Problem::not_found())
}

async fn list(State(api): State<Api>, caller: Caller, Tenant(tenant): Tenant) -> Result<Json<Webhooks>, Problem> {
    let known = api.coordinator().tenant(&tenant);
    let items = known.webhooks().map(|(name, webhook)| view(&api, &tenant, name, webhook, &caller));
    Ok(Json(Webhooks { items: items.collect::<Result<_, _>>()? }))
}

async fn show(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([webhook]): Path<1>,
) -> Result<Response, Problem> {
    let (name, known) = (name(&webhook)?, api.coordinator().tenant(&tenant));
    let webhook = known.webhook(&name).ok_or_else(|| unknown(&name))?;
    let view = view(&api, &tenant, &name, webhook, &caller)?;
    Ok((tag(&version(webhook)), Json(view)).into_response())
}

async fn set(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([webhook]): Path<1>,
    headers: HeaderMap,
    Given(Wanted { url, events, paused }): Given<Wanted>,
) -> Result<Response, Problem> {
    let name: WebhookName = webhook.parse().map_err(|error| Problem::new("webhook_name", format!("{error}")))?;
    let conditions = Conditions::read(&headers)?;
    let mistakes = webhook_mistakes(&url, &events);
    if !mistakes.0.is_empty() {
        return Err(Problem::of_mistakes("webhook_refused", &mistakes));
    }
    // What listens on this machine is not the tenant's. Whoever sets the same again did not choose it.
    let of_host = Target::read(&url).is_ok_and(|target| target.reach() == Reach::Loopback);
    let refused = if of_host { caller.may(&api, Some(&tenant), Action::GrantLoopback).err() } else { None };
    let (mut found, mut is_chosen) = (None, false);
    let fits = |before: Option<&Webhook>| {
        found = before.map(version);
        is_chosen = refused.is_some() && before.is_none_or(|before| before.url != url);
        !is_chosen && conditions.hold(found.as_deref())
    };
    let sends = if paused { WebhookChange::Pauses } else { WebhookChange::Sends };
    let wish = WebhookWish { url: url.clone(), types: events, sends };
    let done =
        api.coordinator().set_webhook(&tenant, &name, wish, fits, caller.who()).await.map_err(|error| Problem::of(&error))?;
    let Some((webhook, key)) = done else {
        return Err(refused.filter(|_| is_chosen).unwrap_or_else(|| failed(found.as_deref())));
    };
    let view = view(&api, &tenant, &name, &webhook, &caller)?;
    let tag = tag(&version(&webhook));
    Ok(match key {
        Some(key) => {
            let location = [("location", format!("/v1/tenants/{tenant}/webhooks/{name}"))];
            (StatusCode::CREATED, tag, location, Json(KeyedView { webhook: view, key })).into_response()
        }
        None => (tag, Json(view)).into_response(),
    })
}

async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([webhook]): Path<1>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (name, conditions) = (name(&webhook)?, Conditions::read(&headers)?);
    let mut found = None;
    let fits = |before: Option<&Webhook>| {
        found = before.map(version);
        conditions.hold(found.as_deref())
    };
    let removed = api.coordinator().remove_webhook(&tenant, &name, fits, caller.who()).await;
    if removed.map_err(|error| Problem::of(&error))? { Ok(StatusCode::NO_CONTENT) } else { Err(failed(found.as_deref())) }
}

async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    Tenant(tenant): Tenant,
    Path([webhook]): Path<1>,
    Given(Rotate { overlap }): Given<Rotate>,
) -> Result<Json<KeyedView>, Problem> {
    let name = name(&webhook)?;
    let overlap = overlap.map_or(Ok(OVERLAP), |overlap| overlap.parse());
    let overlap = overlap
        .and_then(|span: Span| if span > OVERLAP_MAX { Err(format!("`{span}` is longer than {OVERLAP_MAX}")) } else { Ok(span) });
    let overlap = overlap.map_err(|error| Problem::new("webhook_overlap", error))?;
    let rotated = api.coordinator().rotate_webhook(&tenant, &name, overlap, caller.who()).await;
    let (webhook, key) = rotated.map_err(|error| Problem::of(&error))?;
    Ok(Json(KeyedView { webhook: view(&api, &tenant, &name, &webhook, &caller)?, key }))
}
