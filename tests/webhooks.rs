//! Events sent where tenants say, by the real server: at least once and in order, whatever becomes of the other side and of the host; signed;
//! never where nothing may be sent; and nobody waits for another's other side.

#[path = "webhooks/courier.rs"]
mod courier;
#[path = "webhooks/delivery.rs"]
mod delivery;
#[path = "webhooks/egress.rs"]
mod egress;
#[path = "webhooks/fairness.rs"]
mod fairness;
#[path = "webhooks/keys.rs"]
mod keys;
#[path = "webhooks/stage.rs"]
mod stage;
#[path = "webhooks/standing.rs"]
mod standing;
