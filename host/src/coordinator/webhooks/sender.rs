//! What is done for one webhook, again and again, one request after the other: so its events keep their order. What has to be known of it is
//! looked at anew before each turn, so that nothing is sent any more to one that was removed or paused when that is durable.

use super::gather::{Gathered, Wanted, gather};
use super::office::Office;
use super::places::{Manner, OfTenant, Place};
use super::{LastDelivery, signing};
use crate::coordinator::telling::{Of, Reader};
use crate::coordinator::{Coordinator, HOST_TENANT};
use crate::sandbox::{Carried, Letter, Line};
use crate::store::WebhookCursor;
use crate::vault::{Thing, VaultError};
use amends_domain::access::Standing;
use amends_domain::catalogue::Position;
use amends_domain::event::{TenantEvent, WebhookKey};
use amends_domain::id::{TenantId, WebhookName};
use amends_domain::tenant::Webhook;
use amends_domain::time::{Span, Timestamp};
use amends_domain::webhook::{Answered, BATCH_LEN_MAX, Pause, Target, Verdict, len_max_after, message_id};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// What is sent: a list of events (`CloudEvents` 1.0, JSON batch format).
const MEDIA: &str = "application/cloudevents-batch+json";
/// Whoever answers later is slow.
const PROMPT_MAX: Span = Span(1_000);
/// Requests of one turn; then others may have the place.
const TURN_LEN_MAX: usize = 64;
/// A connection is kept for so long though there is nothing to send, if nobody else wants its place.
const LINGER: Duration = Duration::from_secs(2);
/// Between the call that there is more and the look: commits come every few milliseconds, and their events go together.
const GATHER_PAUSE: Duration = Duration::from_millis(5);
/// How long is waited when this host itself cannot go on.
const OWN_TROUBLE_PAUSE: Duration = Duration::from_secs(5);

/// Sends the events of one tenant to one webhook.
pub(super) struct Sender {
    coordinator: Coordinator,
    office: Arc<Office>,
    tenant: TenantId,
    webhook: WebhookName,
    places: Arc<OfTenant>,
    /// How far it is.
    cursor: WebhookCursor,
    /// When the next request is, if the last one failed, and up to which event it went: the same is sent again.
    next: Option<Timestamp>,
    to: Option<Position>,
    len_max: usize,
    manner: Manner,
    /// Behind the cursor, or behind what is gathered. None: it begins at the cursor.
    reader: Option<Reader>,
    /// What it was when it was looked at last.
    known: Option<Webhook>,
    /// Changes when something has to be looked at anew.
    changed: watch::Receiver<u64>,
}

/// What a webhook is, ready to use.
struct Setting {
    target: Target,
    types: Vec<String>,
    /// The newest first, and until when each is used.
    keys: Vec<(Vec<u8>, Option<Timestamp>)>,
}

/// What there is to do.
enum Work {
    /// Send.
    Send(Setting),
    /// Nothing, until something changes; and what is the matter, if it is on this side.
    Rest(Option<String>),
    /// Nothing any more.
    End,
}

/// What follows a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    On,
    Stop,
}

impl Sender {
    /// For a webhook that there is, from where it is.
    pub(super) fn new(
        coordinator: Coordinator,
        office: Arc<Office>,
        (tenant, webhook): (TenantId, WebhookName),
        cursor: WebhookCursor,
    ) -> Self {
        let (changed, places) = (coordinator.parts.news.of(&tenant).webhooks, office.places.of(&tenant));
        coordinator.parts.board.begins(&tenant, &webhook, cursor);
        Self {
            coordinator,
            office,
            tenant,
            webhook,
            places,
            cursor,
            next: None,
            to: None,
            len_max: BATCH_LEN_MAX,
            manner: if cursor.failing.is_some() { Manner::Slow } else { Manner::Prompt },
            reader: None,
            known: None,
            changed,
        }
    }

    /// Until the webhook is removed. Dropping the future is safe: what was sent and is not known to have been taken is sent again.
    pub(super) async fn run(mut self) {
        loop {
            self.changed.mark_unchanged();
            match self.work() {
                Work::Send(setting) => self.turn(&setting).await,
                Work::Rest(trouble) => {
                    self.reader = None;
                    self.coordinator.parts.board.is_troubled(&self.tenant, &self.webhook, trouble);
                    self.heard().await;
                }
                Work::End => break,
            }
        }
        self.coordinator.parts.board.ends(&self.tenant, &self.webhook);
    }

    /// What there is to do, by what is durable.
    fn work(&mut self) -> Work {
        let tenant = self.coordinator.tenant(&self.tenant);
        let Some(webhook) = tenant.webhook(&self.webhook).filter(|_| tenant.standing() != Standing::Deleted) else {
            return Work::End;
        };
        if self.known.as_ref() != Some(webhook) {
            if self.known.is_some() {
                self.begin_anew();
            }
            self.known = Some(webhook.clone());
        }
        let is_still = webhook.paused.is_some() || tenant.standing() != Standing::Open;
        match self.setting(webhook) {
            _ if is_still => Work::Rest(None),
            Ok(setting) => Work::Send(setting),
            Err(trouble) => {
                tracing::warn!(tenant = %self.tenant, webhook = %self.webhook, trouble, "a webhook stands still");
                Work::Rest(Some(trouble))
            }
        }
    }

    /// Somebody set it again: what failed is forgotten. If it was removed and set again meanwhile, it begins where that one does.
    fn begin_anew(&mut self) {
        (self.next, self.to, self.reader, self.len_max, self.manner) = (None, None, None, BATCH_LEN_MAX, Manner::Prompt);
        let kept = self.coordinator.webhook_cursor(&self.tenant, &self.webhook).ok().flatten();
        let position = kept.map_or(self.cursor.position, |kept| kept.position.max(self.cursor.position));
        self.moved(WebhookCursor { position, failing: None });
        self.coordinator.parts.board.is_troubled(&self.tenant, &self.webhook, None);
    }

    fn setting(&self, webhook: &Webhook) -> Result<Setting, String> {
        let target = Target::read(&webhook.url).map_err(|error| error.to_string())?;
        let (newest, before) = webhook.keys.split_first().ok_or_else(|| "it has no key: have it rotated".to_owned())?;
        let mut keys = vec![self.key(newest)?];
        // One that does not open any more keeps nobody from using the one that took its place.
        keys.extend(before.iter().filter_map(|key| self.key(key).ok()));
        Ok(Setting { target, types: webhook.types.clone(), keys })
    }

    /// What a key is, and until when it is used.
    fn key(&self, key: &WebhookKey) -> Result<(Vec<u8>, Option<Timestamp>), String> {
        let parts = &self.coordinator.parts;
        let sealed = parts.store.component(key.sealed).map_err(|error| error.to_string())?;
        let sealed = sealed.ok_or_else(|| "its key is not stored: have it rotated".to_owned())?;
        let vault = parts.vault.as_ref().ok_or_else(|| VaultError::NoKey.to_string())?;
        let shown = vault.open(&self.tenant, Thing::WebhookKey(&self.webhook), &sealed).map_err(|error| error.to_string())?;
        Ok((signing::bytes_of(&shown).ok_or_else(|| "its key is none: have it rotated".to_owned())?, key.until))
    }

    /// Sends what there is, for as long as others let it.
    async fn turn(&mut self, setting: &Setting) {
        if let Some(next) = self.next {
            let wait = next.since(self.now()).to_std();
            tokio::select! {
                () = sleep(wait) => self.next = None,
                () = heard(&mut self.changed) => return,
            }
        }
        let Some(mut gathered) = self.more(setting, None).await else { return };
        let place = self.office.places.take(&self.places, self.manner).await;
        let mut line = Line::default();
        for _ in 0..TURN_LEN_MAX {
            if !self.is_as_known() {
                // What was gathered may be for nobody any more.
                self.reader = None;
                return;
            }
            if self.send(&mut line, setting, gathered).await == Then::Stop {
                return;
            }
            match self.more(setting, Some(&place)).await {
                Some(more) => gathered = more,
                None => return,
            }
        }
        // Gathered and not sent: it is read again.
        self.reader = None;
    }

    /// The next events, when there are any; none: something has to be looked at first, or another one wants `place`.
    async fn more(&mut self, setting: &Setting, place: Option<&Place>) -> Option<Gathered> {
        loop {
            let gathered = self.gather(setting).await?;
            if !gathered.batch.is_empty() {
                return Some(gathered);
            }
            if let Some(position) = gathered.until {
                if !self.is_as_known() {
                    // What was passed over may be wanted now.
                    self.reader = None;
                    return None;
                }
                self.moved(WebhookCursor { position, ..self.cursor });
                continue;
            }
            let Self { reader: Some(reader), changed, .. } = self else { return None };
            let more = async {
                match place {
                    None => {
                        reader.more().await;
                        Some(())
                    }
                    Some(place) if place.others_are_free() => timeout(LINGER, reader.more()).await.ok(),
                    Some(_) => None,
                }
            };
            tokio::select! {
                more = more => more?,
                () = heard(changed) => return None,
            }
            sleep(GATHER_PAUSE).await;
        }
    }

    async fn gather(&mut self, setting: &Setting) -> Option<Gathered> {
        let turn = self.office.gatherings.acquire().await.expect("never closed");
        let begun = || self.coordinator.events(&self.tenant, Of::Tenant, Some(self.cursor.position));
        let read = match self.reader.take().map_or_else(begun, Ok) {
            Ok(mut reader) => {
                let wanted = Wanted { types: setting.types.clone(), len_max: self.len_max, to: self.to };
                let gathered = tokio::task::spawn_blocking(move || (gather(&mut reader, &wanted), reader)).await;
                gathered
                    .map_err(|error| error.to_string())
                    .and_then(|(gathered, reader)| Ok((gathered.map_err(|error| error.to_string())?, reader)))
            }
            Err(error) => Err(error.to_string()),
        };
        drop(turn);
        match read {
            Ok((gathered, reader)) => {
                self.reader = Some(reader);
                Some(gathered)
            }
            Err(error) => {
                tracing::error!(tenant = %self.tenant, webhook = %self.webhook, error, "the events for a webhook cannot be read");
                self.coordinator.parts.board.is_troubled(&self.tenant, &self.webhook, Some(error));
                sleep(OWN_TROUBLE_PAUSE).await;
                None
            }
        }
    }

    async fn send(&mut self, line: &mut Line, setting: &Setting, gathered: Gathered) -> Then {
        let (Some(ends), Some(until)) = (gathered.batch.ends(), gathered.until) else { return Then::On };
        let (at, events) = (self.now(), gathered.batch.len());
        let body = Bytes::from(gathered.batch.into_body());
        let in_use = setting.keys.iter().filter(|(_, until)| until.is_none_or(|until| until > at));
        let keys: Vec<_> = in_use.map(|(key, _)| key.clone()).collect();
        let id = message_id(&self.tenant, &self.webhook, ends);
        let letter = Letter { media: MEDIA, headers: signing::headers(&keys, &id, at, &body), body };
        let (answered, said) = match self.office.courier.carry(line, &setting.target, &letter, self.office.timeout).await {
            Ok(Carried { status, retry_after }) => {
                (Answered::Status { status, again: retry_after.as_deref().and_then(Pause::read) }, format!("answered {status}"))
            }
            Err(error) => (Answered::Nothing, error.to_string()),
        };
        let now = self.now();
        let last = LastDelivery { at, took: now.since(at), events, said };
        self.len_max = len_max_after(&answered, events, self.len_max);
        let salt = format!("{} {}", self.tenant, self.webhook);
        let verdict = self.office.pace.judge(&answered, self.cursor.failing, now, &salt);
        self.follow(verdict, last, until).await
    }

    /// Does what follows from an answer. `until`: what is behind it, if it was taken.
    async fn follow(&mut self, verdict: Verdict, last: LastDelivery, until: Position) -> Then {
        let parts = &self.coordinator.parts;
        let delivered = verdict == Verdict::Delivered;
        parts.metrics.sent_to_webhook(&self.tenant, delivered.then_some(last.events), last.took.to_std());
        self.manner = if delivered && last.took <= PROMPT_MAX { Manner::Prompt } else { Manner::Slow };
        let (then, next) = match verdict {
            Verdict::Delivered => {
                self.to = None;
                self.moved(WebhookCursor { position: until, failing: None });
                (Then::On, None)
            }
            Verdict::Again { at, failing } => {
                self.moved(WebhookCursor { failing: Some(failing), ..self.cursor });
                (Then::Stop, Some(at))
            }
            Verdict::Pause { reason } => {
                let (webhook, by) = (self.webhook.clone(), HOST_TENANT.to_owned());
                let event = TenantEvent::WebhookPaused { webhook, reason, by };
                if let Err(error) = self.coordinator.alter(&self.tenant, event).await {
                    tracing::warn!(tenant = %self.tenant, webhook = %self.webhook, %error, "a webhook could not be paused");
                }
                // Where that could not be noted, it goes on as before.
                (Then::Stop, Some(self.now().plus(self.office.pace.max)))
            }
        };
        if then == Then::Stop {
            (self.reader, self.next, self.to) = (None, next, Some(until));
        }
        self.coordinator.parts.board.sent(&self.tenant, &self.webhook, last, next);
        then
    }

    fn moved(&mut self, cursor: WebhookCursor) {
        self.cursor = cursor;
        self.coordinator.parts.board.moved(&self.tenant, &self.webhook, cursor);
    }

    /// Whether the webhook is what it was when it was looked at. Asked behind a look at the chain, so that whatever became durable behind a
    /// change is judged by that change: the call that something changed may come later than either.
    fn is_as_known(&self) -> bool {
        let tenant = self.coordinator.tenant(&self.tenant);
        tenant.standing() == Standing::Open && tenant.webhook(&self.webhook) == self.known.as_ref()
    }

    async fn heard(&mut self) {
        heard(&mut self.changed).await;
    }

    fn now(&self) -> Timestamp {
        self.coordinator.parts.clock.now()
    }
}

/// Waits until something has to be looked at anew.
async fn heard(changed: &mut watch::Receiver<u64>) {
    if changed.changed().await.is_err() {
        // Whoever calls lives as long as the host.
        std::future::pending::<()>().await;
    }
}
