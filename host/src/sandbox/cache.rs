//! Compiled components in memory, by digest. Bounded by number and by bytes of code; what was used longest ago goes first. Attempts
//! keep what they run alive, so to be dropped from here disturbs nobody.

use super::component::Component;
use super::refusal::Refusal;
use amends_domain::digest::Digest;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::OnceCell;

/// A place in the cache: empty while the component is being compiled, so that others who ask for it wait and compile nothing.
type Place = Arc<OnceCell<Arc<Component>>>;

pub(super) struct Cache {
    components_max: usize,
    code_len_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    places: HashMap<Digest, (Place, u64)>,
    /// Counts uses; the place with the lowest number was used longest ago.
    uses: u64,
}

impl Cache {
    /// At least the component used last is kept, however large.
    pub(super) fn new(components_max: usize, code_len_max: usize) -> Self {
        Self { components_max: components_max.max(1), code_len_max, kept: Mutex::default() }
    }

    /// The component, if it is here and compiled.
    pub(super) fn get(&self, digest: Digest) -> Option<Arc<Component>> {
        let mut kept = self.lock();
        kept.uses += 1;
        let now = kept.uses;
        let (place, used) = kept.places.get_mut(&digest)?;
        *used = now;
        place.get().cloned()
    }

    /// The component, made by `compile` unless it is here or being made. A refusal is not kept. If the one who compiles is dropped,
    /// the next one who waits compiles.
    pub(super) async fn get_or_compile<F>(&self, digest: Digest, compile: impl FnOnce() -> F) -> Result<Arc<Component>, Refusal>
    where
        F: Future<Output = Result<Component, Refusal>>,
    {
        let place = self.place(digest);
        let made = place.get_or_try_init(async || compile().await.map(Arc::new)).await.cloned();
        self.trim(digest);
        made
    }

    fn place(&self, digest: Digest) -> Place {
        let mut kept = self.lock();
        kept.uses += 1;
        let now = kept.uses;
        let (place, used) = kept.places.entry(digest).or_insert_with(|| (Place::default(), now));
        *used = now;
        Arc::clone(place)
    }

    /// Removes what is refused and nobody waits for, and then what was used longest ago until the bounds hold.
    fn trim(&self, used_last: Digest) {
        let mut kept = self.lock();
        kept.places.retain(|_, (place, _)| place.initialized() || Arc::strong_count(place) > 1);
        while kept.is_over(self.components_max, self.code_len_max) {
            let oldest = kept.places.iter().filter(|(digest, (place, _))| **digest != used_last && place.initialized());
            let Some(digest) = oldest.min_by_key(|(_, (_, used))| *used).map(|(digest, _)| *digest) else { return };
            kept.places.remove(&digest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nothing panics while it holds this lock")
    }
}

impl Kept {
    fn is_over(&self, components_max: usize, code_len_max: usize) -> bool {
        let compiled = || self.places.values().filter_map(|(place, _)| place.get());
        compiled().count() > components_max || compiled().map(|component| component.code_len()).sum::<usize>() > code_len_max
    }
}
