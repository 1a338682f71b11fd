//! The facts of a tenant that belong to no run, as events.

use super::inline::{KEYS_SHOWN_MAX, text};
use super::{CloudEvent, Data, Origin, Position, data};
use crate::event::{HostGrant, Reach, Resolvers, TenantEntry, TenantEvent, Transport, Write};
use crate::id::{PluginName, SecretName};

/// The events that a fact of a tenant gives, at least one. `fact`: its number in the record, from 1.
pub fn tell(origin: &Origin<'_>, fact: u32, entry: &TenantEntry) -> Vec<CloudEvent> {
    let (subject, data) = of_fact(&entry.event);
    vec![CloudEvent {
        source: origin.tenant.clone(),
        position: Position { lane: origin.lane, seq: origin.seq, fact, part: 1 },
        subject,
        time: entry.at,
        audithash: origin.link,
        data,
    }]
}

fn of_fact(event: &TenantEvent) -> (Option<String>, Data) {
    match event {
        TenantEvent::SagaApplied { saga, version, definition, .. } => {
            let applied = data::SagaApplied { saga: saga.to_string(), version: *version, definition: definition.to_string() };
            (Some(format!("saga/{saga}")), Data::SagaApplied(applied))
        }
        TenantEvent::PluginInstalled { plugin, component, size } => {
            let installed = data::PluginInstalled { plugin: plugin.to_string(), component: component.to_string(), size: *size };
            (Some(of_plugin(plugin)), Data::PluginInstalled(installed))
        }
        TenantEvent::StateWritten { writes } => (None, Data::TenantStateWritten(written(writes))),
        TenantEvent::ResolversSet { resolvers, by } => {
            let resolvers = match resolvers {
                Resolvers::One => 1,
                Resolvers::Two => 2,
            };
            (None, Data::TenantResolversSet(data::ResolversSet { resolvers, by: text(by) }))
        }
        TenantEvent::HostGranted { plugin, grant, by } => {
            (Some(of_plugin(plugin)), Data::PluginHostGranted(granted(plugin, grant, by)))
        }
        TenantEvent::HostRevoked { plugin, place, by } => {
            let revoked = data::HostRevoked { plugin: plugin.to_string(), place: text(place), by: text(by) };
            (Some(of_plugin(plugin)), Data::PluginHostRevoked(revoked))
        }
        TenantEvent::SecretSet { secret, by, .. } => (Some(of_secret(secret)), Data::TenantSecretSet(of_value(secret, by))),
        TenantEvent::SecretRemoved { secret, by, .. } => (Some(of_secret(secret)), Data::TenantSecretRemoved(of_value(secret, by))),
        TenantEvent::SecretGranted { secret, plugin, by } => {
            (Some(of_plugin(plugin)), Data::PluginSecretGranted(of_use(secret, plugin, by)))
        }
        TenantEvent::SecretWithdrawn { secret, plugin, by } => {
            (Some(of_plugin(plugin)), Data::PluginSecretWithdrawn(of_use(secret, plugin, by)))
        }
        TenantEvent::PluginPublished { plugin, version, component, size, by } => {
            let (version, component, by) = (version.to_string(), component.to_string(), text(by));
            let published = data::PluginPublished { plugin: plugin.to_string(), version, component, size: *size, by };
            (Some(of_plugin(plugin)), Data::PluginPublished(published))
        }
        TenantEvent::PluginVersionDeleted { plugin, version, by } => {
            let deleted = data::PluginVersionDeleted { plugin: plugin.to_string(), version: version.to_string(), by: text(by) };
            (Some(of_plugin(plugin)), Data::PluginVersionDeleted(deleted))
        }
        TenantEvent::HostPartChanged { part, state, says } => {
            let changed = data::PartChanged { part: text(part), state: state.word().to_owned(), says: text(says) };
            (Some(format!("part/{}", text(part))), Data::HostPartChanged(changed))
        }
        TenantEvent::RunsRemoved { ended_before, runs, used, .. } => {
            let shown = runs.iter().take(KEYS_SHOWN_MAX).map(|removed| removed.run.to_string()).collect();
            let (ended_before, runs_count) = (ended_before.to_string(), runs.len() as u64);
            let removed = data::RunsRemoved { ended_before, runs: shown, runs_count, bytes: used.stored_bytes };
            (None, Data::TenantRunsRemoved(removed))
        }
        TenantEvent::RequestsDenied { who, code, count, since } => {
            let (who, code, since) = (who.as_deref().map(text), text(code), since.to_string());
            (None, Data::RequestDenied(data::RequestDenied { who, code, count: *count, since }))
        }
        TenantEvent::TenantCreated { .. }
        | TenantEvent::LimitsSet { .. }
        | TenantEvent::TenantSuspended { .. }
        | TenantEvent::TenantReopened { .. }
        | TenantEvent::TenantDeleted { .. }
        | TenantEvent::KeyCreated { .. }
        | TenantEvent::KeyRevoked { .. }
        | TenantEvent::WebhookSet { .. }
        | TenantEvent::WebhookRemoved { .. }
        | TenantEvent::WebhookKeysSet { .. }
        | TenantEvent::WebhookPaused { .. } => of_itself(event),
    }
}

/// What is about the tenant itself.
fn of_itself(event: &TenantEvent) -> (Option<String>, Data) {
    let tenant = |by: &str| data::Tenant { by: text(by) };
    match event {
        TenantEvent::TenantCreated { by } => (None, Data::TenantCreated(tenant(by))),
        TenantEvent::LimitsSet { limits, by } => {
            let limits = limits.iter().map(|(name, value)| (name.word().to_owned(), *value)).collect();
            (None, Data::TenantLimitsSet(data::LimitsSet { limits, by: text(by) }))
        }
        TenantEvent::TenantSuspended { reason, by } => {
            (None, Data::TenantSuspended(data::Suspended { reason: text(reason), by: text(by) }))
        }
        TenantEvent::TenantReopened { by } => (None, Data::TenantReopened(tenant(by))),
        TenantEvent::TenantDeleted { by } => (None, Data::TenantDeleted(tenant(by))),
        // What is kept of its token is nobody's business.
        TenantEvent::KeyCreated { key, name, role, expires, by, token: _ } => {
            let (role, expires) = (role.word().to_owned(), expires.map(|expires| expires.to_string()));
            let created = data::KeyCreated { key: key.to_string(), name: name.to_string(), role, expires, by: text(by) };
            (Some(format!("key/{key}")), Data::KeyCreated(created))
        }
        TenantEvent::KeyRevoked { key, by } => {
            (Some(format!("key/{key}")), Data::KeyRevoked(data::KeyRevoked { key: key.to_string(), by: text(by) }))
        }
        TenantEvent::WebhookSet { webhook, url, types, by, .. } => {
            let (place, types) = (place_of(url), types.iter().map(|pattern| text(pattern)).collect());
            let set = data::WebhookSet { webhook: webhook.to_string(), place, types, by: text(by) };
            (Some(format!("webhook/{webhook}")), Data::TenantWebhookSet(set))
        }
        TenantEvent::WebhookRemoved { webhook, by } => {
            let removed = data::WebhookRemoved { webhook: webhook.to_string(), by: text(by) };
            (Some(format!("webhook/{webhook}")), Data::TenantWebhookRemoved(removed))
        }
        TenantEvent::WebhookKeysSet { webhook, keys, by, destroyed: _ } => {
            let previous_until = keys.iter().find_map(|key| key.until).map(|until| until.to_string());
            let set = data::WebhookKeysSet { webhook: webhook.to_string(), keys: keys.len() as u64, previous_until, by: text(by) };
            (Some(format!("webhook/{webhook}")), Data::TenantWebhookKeysSet(set))
        }
        TenantEvent::WebhookPaused { webhook, reason, by } => {
            let paused = data::WebhookPaused { webhook: webhook.to_string(), reason: text(reason), by: text(by) };
            (Some(format!("webhook/{webhook}")), Data::TenantWebhookPaused(paused))
        }
        TenantEvent::SagaApplied { .. }
        | TenantEvent::PluginInstalled { .. }
        | TenantEvent::StateWritten { .. }
        | TenantEvent::ResolversSet { .. }
        | TenantEvent::HostGranted { .. }
        | TenantEvent::HostRevoked { .. }
        | TenantEvent::SecretSet { .. }
        | TenantEvent::SecretRemoved { .. }
        | TenantEvent::SecretGranted { .. }
        | TenantEvent::SecretWithdrawn { .. }
        | TenantEvent::HostPartChanged { .. }
        | TenantEvent::RunsRemoved { .. }
        | TenantEvent::RequestsDenied { .. }
        | TenantEvent::PluginPublished { .. }
        | TenantEvent::PluginVersionDeleted { .. } => unreachable!("`of_fact` tells these"),
    }
}

fn of_plugin(plugin: &PluginName) -> String {
    format!("plugin/{plugin}")
}

fn of_secret(secret: &SecretName) -> String {
    format!("secret/{secret}")
}

fn of_value(secret: &SecretName, by: &str) -> data::Secret {
    data::Secret { secret: secret.to_string(), by: text(by) }
}

fn of_use(secret: &SecretName, plugin: &PluginName, by: &str) -> data::SecretGrant {
    data::SecretGrant { secret: secret.to_string(), plugin: plugin.to_string(), by: text(by) }
}

fn granted(plugin: &PluginName, grant: &HostGrant, by: &str) -> data::HostGranted {
    let transport = match grant.transport {
        Transport::Tls => "tls",
        Transport::Any => "any",
    };
    let reach = match grant.reach {
        Reach::Public => "public",
        Reach::Loopback => "loopback",
    };
    data::HostGranted {
        plugin: plugin.to_string(),
        place: text(&grant.place()),
        methods: grant.methods.clone(),
        transport: transport.to_owned(),
        reach: reach.to_owned(),
        by: text(by),
    }
}

fn written(writes: &[Write]) -> data::StateWritten {
    let key = |write: &Write| data::WrittenKey { key: text(&write.key), version: write.version, removed: write.value.is_none() };
    data::StateWritten { keys: writes.iter().take(KEYS_SHOWN_MAX).map(key).collect(), keys_count: writes.len() as u64 }
}

/// `SCHEME://HOST` of a URL: paths of webhooks are often secrets.
pub fn place_of(url: &str) -> String {
    let authority_at = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority_at..].find(['/', '?', '#']).map_or(url.len(), |at| authority_at + at);
    text(&url[..end])
}
