//! A payment service on this machine: charges and refunds, remembers every request, and can be slow or forget idempotency keys. What the
//! tests of requests believe, for it is outside of the host.

use crate::site::{Arrived, Reply, Site};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What it does with `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// A request with a key that it has seen is answered as the first one was.
    Honoured,
    /// Each request counts.
    Ignored,
}

/// Money that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// What the customer says that it was for.
    pub reference: String,
    /// How much.
    pub cents: u64,
    /// Whether it was given back.
    pub refunded: bool,
}

/// The service. Ends when it is dropped.
pub struct Bank {
    site: Site,
    books: Arc<Mutex<Books>>,
}

#[derive(Default)]
struct Books {
    charges: Vec<Charged>,
    answered: HashMap<String, Reply>,
    requests: u64,
}

impl Bank {
    /// Opens. Each answer takes up to `slow`, partly before and partly behind what is done.
    ///
    /// # Panics
    /// If this machine has no port left.
    pub fn open(keys: Keys, slow: Duration) -> Self {
        let books = Arc::new(Mutex::new(Books::default()));
        let own = Arc::clone(&books);
        let site = Site::start(move |request| {
            let number = {
                let mut books = lock(&own);
                books.requests += 1;
                books.requests
            };
            let pause = |salt: u64| slow.mul_f64(f64::from(u32::try_from((number * salt) % 64).expect("few")) / 128.0);
            std::thread::sleep(pause(37));
            let reply = lock(&own).book(request, keys);
            std::thread::sleep(pause(29));
            reply
        });
        Self { site, books }
    }

    /// Where its API is.
    pub fn url(&self) -> String {
        self.site.url("")
    }

    /// `127.0.0.1:PORT`.
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.site.port())
    }

    /// All charges, oldest first.
    pub fn charges(&self) -> Vec<Charged> {
        lock(&self.books).charges.clone()
    }

    /// How many requests arrived.
    pub fn requests(&self) -> u64 {
        lock(&self.books).requests
    }

    /// Waits until nobody is being served: what a process that was killed has sent is booked by then.
    pub fn wait_until_idle(&self) {
        self.site.wait_until_idle();
    }
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Books {
    fn book(&mut self, request: &Arrived, keys: Keys) -> Reply {
        let key = request.header("idempotency-key").expect("every request of a guest has a key").to_owned();
        if let Some(before) = self.answered.get(&key).filter(|_| keys == Keys::Honoured) {
            return before.clone();
        }
        let body: Value = serde_json::from_slice(&request.body).expect("the plugin sends JSON");
        let reference = body["reference"].as_str().expect("a reference").to_owned();
        let reply = match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/charges") => {
                self.charges.push(Charged { reference, cents: body["cents"].as_u64().expect("a number"), refunded: false });
                Reply::new(201, &json!({ "charge": format!("ch_{}", self.charges.len()) }).to_string())
            }
            ("POST", "/refunds") => self.refund(&reference),
            (method, path) => panic!("nobody asked for {method} {path}"),
        };
        self.answered.insert(key, reply.clone());
        reply
    }

    fn refund(&mut self, reference: &str) -> Reply {
        let charges: Vec<_> = self.charges.iter_mut().filter(|charge| charge.reference == reference).collect();
        if charges.is_empty() {
            return Reply::new(404, "{}");
        }
        for charge in charges {
            charge.refunded = true;
        }
        Reply::new(200, "{}")
    }
}
