//! Names that mean what a test says, and may change their mind.

use amends::sandbox::Names;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// The next answer each time a name is asked for, the last one for ever. No other name is known.
pub struct ScriptedNames(HashMap<&'static str, Mutex<Vec<Vec<IpAddr>>>>, Mutex<Vec<String>>);

impl ScriptedNames {
    /// Each name with its answers in order, at least one, each of which is a list of addresses.
    ///
    /// # Panics
    /// If one of them is no address.
    pub fn new(names: &[(&'static str, &[&[&str]])]) -> Arc<Self> {
        let parsed = |addresses: &[&str]| addresses.iter().map(|address| address.parse().expect("an address")).collect();
        let names =
            names.iter().map(|(name, answers)| (*name, Mutex::new(answers.iter().rev().map(|list| parsed(list)).collect())));
        Arc::new(Self(names.collect(), Mutex::default()))
    }

    /// What was asked for, in order.
    ///
    /// # Panics
    /// Never: nothing panics while it holds the lock.
    pub fn asked(&self) -> Vec<String> {
        self.1.lock().expect("nothing panics while it holds this lock").clone()
    }
}

impl Names for ScriptedNames {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.1.lock().expect("nothing panics while it holds this lock").push(name.to_owned());
        let answer = self.0.get(name).map(|answers| {
            let mut answers = answers.lock().expect("nothing panics while it holds this lock");
            if answers.len() > 1 { answers.pop().expect("there are some") } else { answers[0].clone() }
        });
        Box::pin(async move { answer.ok_or_else(|| io::ErrorKind::NotFound.into()) })
    }
}
