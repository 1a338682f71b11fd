//! Who is next: fair between tenants, first come first served within one. Pure, so that its promises can be tested without time or threads.
//!
//! Each tenant has an account of what it was given. Whoever was given least is next; who comes new, or comes back, starts where the
//! others are, so that nobody saves up turns by being away. The idea is that of start-time fair queueing (Goyal, Vin & Cheng 1996).
//!
//! Within a tenant, what takes something back gets every other turn, however much there is to do.

use crate::quota::Purpose;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;

/// Accounts of idle tenants are cleared after so many turns.
const SWEEP_EVERY: u32 = 1024;

/// Names somebody who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What was answered to whoever came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// There is room.
    Now,
    /// It is told later.
    Waits(Ticket),
}

/// The places, those who have them and those who wait. `K` names a tenant.
#[derive(Debug)]
pub struct Queue<K> {
    free: u32,
    /// Most places of one tenant, but always enough for one of its own.
    share_max: u32,
    tenants: HashMap<K, Account>,
    /// Tenants for whom somebody waits: what they were given, who came first, and which.
    waiting: BTreeSet<(u64, Ticket, K)>,
    /// What the tenant had been given that was next most recently.
    level: u64,
    next: u64,
    turns: u32,
}

#[derive(Debug, Default)]
struct Account {
    given: u64,
    held: u32,
    /// Who waits, and for how many places.
    forward: VecDeque<(Ticket, u32)>,
    backward: VecDeque<(Ticket, u32)>,
    /// What the last turn was for.
    last: Option<Purpose>,
}

/// What a turn counts that cost `spent`, for a tenant whose share is `weight` where others have `usual`: who has twice the share pays half.
pub fn charge(spent: u64, weight: u64, usual: u64) -> u64 {
    let charged = u128::from(spent) * u128::from(usual) / u128::from(weight.max(1));
    u64::try_from(charged).unwrap_or(u64::MAX)
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    /// With so many places, of which one tenant may have `share_max`.
    pub fn new(places: u32, share_max: u32) -> Self {
        let (tenants, waiting) = (HashMap::new(), BTreeSet::new());
        Self { free: places, share_max, tenants, waiting, level: 0, next: 0, turns: 0 }
    }

    /// Somebody comes for `weight` places, at most as many as there are. Gives those others, too, who are next because of that: what is taken
    /// back goes ahead of its tenant's forward, and then it may be another's turn.
    pub fn enter(&mut self, tenant: &K, weight: u32, purpose: Purpose) -> (Entered, Vec<Ticket>) {
        let level = self.level;
        if !self.tenants.contains_key(tenant) {
            self.tenants.insert(tenant.clone(), Account::default());
        }
        let account = self.tenants.get_mut(tenant).expect("it is there now");
        if account.held == 0 && account.first().is_none() {
            account.given = account.given.max(level);
        }
        // Mostly nobody waits: then nothing has to be put in order.
        if self.waiting.is_empty() && weight <= self.free && account.may_have(weight, self.share_max) {
            self.give(tenant, weight);
            return (Entered::Now, Vec::new());
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.account(tenant, |account| account.line(purpose).push_back((ticket, weight)));
        let mut called = self.call();
        match called.iter().position(|called| *called == ticket) {
            Some(at) => {
                called.remove(at);
                (Entered::Now, called)
            }
            None => (Entered::Waits(ticket), called),
        }
    }

    /// Somebody of `tenant` gives `weight` places back, after having had `cost` of whatever is shared. Gives those who are next.
    pub fn leave(&mut self, tenant: &K, weight: u32, cost: u64) -> Vec<Ticket> {
        self.free += weight;
        self.account(tenant, |account| {
            account.held -= weight;
            account.given = account.given.saturating_add(cost);
        });
        self.call()
    }

    /// Somebody waits no longer. Gives those who are next because of that.
    pub fn give_up(&mut self, tenant: &K, ticket: Ticket) -> Vec<Ticket> {
        self.account(tenant, |account| {
            account.forward.retain(|(waits, _)| *waits != ticket);
            account.backward.retain(|(waits, _)| *waits != ticket);
        });
        self.call()
    }

    /// Whether `tenant` waits, has nothing, and is the first of those: somebody who has something should give way.
    pub fn is_pressing(&self, tenant: &K) -> bool {
        let has_nothing = |tenant: &K| self.tenants.get(tenant).is_some_and(|account| account.held == 0);
        self.waiting.iter().map(|(_, _, waits)| waits).find(|waits| has_nothing(waits)) == Some(tenant)
    }

    /// Changes an account and keeps its place among those who wait.
    fn account(&mut self, tenant: &K, change: impl FnOnce(&mut Account)) {
        let Some(account) = self.tenants.get_mut(tenant) else { return };
        if let Some(first) = account.first() {
            self.waiting.remove(&(account.given, first, tenant.clone()));
        }
        change(account);
        if let Some(first) = account.first() {
            self.waiting.insert((account.given, first, tenant.clone()));
        }
    }

    /// Who is next of a tenant, for how many places, if it may have them.
    fn head(&self, tenant: &K) -> Option<(Ticket, u32)> {
        let account = self.tenants.get(tenant)?;
        account.next().filter(|(_, weight)| account.may_have(*weight, self.share_max))
    }

    /// How many places nobody has.
    pub fn free(&self) -> u32 {
        self.free
    }

    /// Lets in whoever is next, as long as there is room. One who needs more places than are free keeps the others waiting: else it
    /// would wait for ever.
    fn call(&mut self) -> Vec<Ticket> {
        let mut called = Vec::new();
        while let Some((tenant, ticket, weight)) = self.first().filter(|(_, _, weight)| *weight <= self.free) {
            self.account(&tenant, Account::pop);
            self.give(&tenant, weight);
            called.push(ticket);
        }
        called
    }

    fn first(&self) -> Option<(K, Ticket, u32)> {
        let mut waiting = self.waiting.iter();
        waiting.find_map(|(_, _, tenant)| self.head(tenant).map(|(ticket, weight)| (tenant.clone(), ticket, weight)))
    }

    fn give(&mut self, tenant: &K, weight: u32) {
        self.free -= weight;
        self.account(tenant, |account| account.held += weight);
        self.level = self.level.max(self.tenants.get(tenant).map_or(0, |account| account.given));
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(SWEEP_EVERY) {
            let level = self.level;
            self.tenants.retain(|_, account| account.held > 0 || account.first().is_some() || account.given > level);
        }
    }
}

impl Account {
    fn line(&mut self, purpose: Purpose) -> &mut VecDeque<(Ticket, u32)> {
        match purpose {
            Purpose::Forward => &mut self.forward,
            Purpose::Compensation => &mut self.backward,
        }
    }

    /// Who came first of those who wait.
    fn first(&self) -> Option<Ticket> {
        let first = |line: &VecDeque<(Ticket, u32)>| line.front().map(|(ticket, _)| *ticket);
        first(&self.forward).into_iter().chain(first(&self.backward)).min()
    }

    /// What the next turn is for.
    fn purpose(&self) -> Purpose {
        match (self.forward.is_empty(), self.backward.is_empty(), self.last) {
            (_, true, _) | (false, false, Some(Purpose::Compensation)) => Purpose::Forward,
            (true, false, _) | (false, false, Some(Purpose::Forward) | None) => Purpose::Compensation,
        }
    }

    fn next(&self) -> Option<(Ticket, u32)> {
        match self.purpose() {
            Purpose::Forward => self.forward.front().copied(),
            Purpose::Compensation => self.backward.front().copied(),
        }
    }

    /// Takes the next one out of its line.
    fn pop(&mut self) {
        let purpose = self.purpose();
        self.last = Some(purpose);
        self.line(purpose).pop_front();
    }

    fn may_have(&self, weight: u32, share_max: u32) -> bool {
        self.held == 0 || self.held.saturating_add(weight) <= share_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One place and tenants that always want another turn: who had how many after `rounds`, if a turn costs so much.
    fn turns(costs: &[(u8, u64)], rounds: u32) -> HashMap<u8, u32> {
        let mut queue = Queue::new(1, 1);
        let (mut had, mut tickets) = (HashMap::new(), HashMap::new());
        assert_eq!(queue.enter(&255, 1, Purpose::Forward).0, Entered::Now);
        for (tenant, _) in costs {
            let Entered::Waits(ticket) = queue.enter(tenant, 1, Purpose::Forward).0 else { panic!("the place is taken") };
            tickets.insert(ticket, *tenant);
        }
        let mut called = queue.leave(&255, 1, 0);
        for _ in 0..rounds {
            let tenant = tickets.remove(&called.pop().expect("somebody is next")).expect("it waits");
            *had.entry(tenant).or_default() += 1;
            let Entered::Waits(ticket) = queue.enter(&tenant, 1, Purpose::Forward).0 else { panic!("the place is taken") };
            tickets.insert(ticket, tenant);
            let cost = costs.iter().find(|(named, _)| *named == tenant).map_or(0, |(_, cost)| *cost);
            called = queue.leave(&tenant, 1, cost);
        }
        had
    }

    #[test]
    fn tenants_get_the_same_of_what_is_shared_whatever_a_turn_costs() {
        let had = turns(&[(1, 10), (2, 10), (3, 40)], 900);
        assert_eq!((had[&1], had[&2], had[&3]), (400, 400, 100));
    }

    #[test]
    fn a_tenant_with_many_in_its_line_does_not_keep_another_waiting() {
        let mut queue = Queue::new(1, 1);
        assert_eq!(queue.enter(&'a', 1, Purpose::Forward).0, Entered::Now);
        let crowd: Vec<_> = (0..100).map(|_| queue.enter(&'a', 1, Purpose::Forward).0).collect();
        let Entered::Waits(late) = queue.enter(&'b', 1, Purpose::Forward).0 else { panic!("the place is taken") };
        assert_eq!(queue.leave(&'a', 1, 1), [late]);
        let Entered::Waits(first) = crowd[0] else { panic!("the place is taken") };
        assert_eq!(queue.leave(&'b', 1, 1), [first], "within a tenant, who came first is first");
    }

    #[test]
    fn who_has_nothing_and_is_next_presses_the_others() {
        let mut queue = Queue::new(1, 1);
        assert_eq!(queue.enter(&'a', 1, Purpose::Forward).0, Entered::Now);
        assert!(
            matches!(queue.enter(&'a', 1, Purpose::Forward).0, Entered::Waits(_)) && !queue.is_pressing(&'a'),
            "it has a place"
        );
        assert!(
            matches!(queue.enter(&'b', 1, Purpose::Forward).0, Entered::Waits(_)) && queue.is_pressing(&'b'),
            "what `a` has is not reckoned yet"
        );
        assert!(
            matches!(queue.enter(&'c', 1, Purpose::Forward).0, Entered::Waits(_)) && !queue.is_pressing(&'c'),
            "another one is next"
        );
        assert!(!queue.is_pressing(&'d'), "it does not wait");
    }

    #[test]
    fn nobody_saves_up_turns_by_being_away() {
        let mut queue = Queue::new(1, 1);
        for _ in 0..50 {
            assert_eq!(queue.enter(&'a', 1, Purpose::Forward).0, Entered::Now);
            assert_eq!(queue.leave(&'a', 1, 10), []);
        }
        assert_eq!(queue.enter(&'a', 1, Purpose::Forward).0, Entered::Now);
        let [first, second] = [(); 2].map(|()| queue.enter(&'b', 1, Purpose::Forward).0);
        let Entered::Waits(again) = queue.enter(&'a', 1, Purpose::Forward).0 else { panic!("the place is taken") };
        let (Entered::Waits(first), Entered::Waits(second)) = (first, second) else { panic!("the place is taken") };
        assert_eq!(queue.leave(&'a', 1, 10), [first]);
        assert_eq!(queue.leave(&'b', 1, 30), [again], "b has had its part of the time that both were there");
        assert_eq!(queue.leave(&'a', 1, 10), [second]);
    }

    #[test]
    fn one_tenant_never_has_all_places_but_always_one() {
        let mut queue = Queue::new(4, 2);
        assert_eq!([(); 2].map(|()| queue.enter(&'a', 1, Purpose::Forward).0), [Entered::Now; 2]);
        assert!(matches!(queue.enter(&'a', 1, Purpose::Forward).0, Entered::Waits(_)), "it has its share");
        assert_eq!(queue.enter(&'b', 2, Purpose::Forward).0, Entered::Now, "another one does not wait for it");
        let mut small = Queue::new(4, 1);
        assert_eq!(small.enter(&'a', 3, Purpose::Forward).0, Entered::Now, "more than its share, because it has nothing else");
    }

    #[test]
    fn who_needs_many_places_is_not_overtaken_for_ever() {
        let mut queue = Queue::new(4, 4);
        assert_eq!([(); 4].map(|()| queue.enter(&'a', 1, Purpose::Forward).0), [Entered::Now; 4]);
        let Entered::Waits(heavy) = queue.enter(&'b', 4, Purpose::Forward).0 else { panic!("all is taken") };
        assert_eq!(queue.leave(&'a', 1, 0), []);
        assert!(matches!(queue.enter(&'c', 1, Purpose::Forward).0, Entered::Waits(_)), "there is room, but b was there before");
        assert_eq!([(); 2].map(|()| queue.leave(&'a', 1, 0)), [vec![], vec![]]);
        assert_eq!(queue.leave(&'a', 1, 0), [heavy]);
    }

    #[test]
    fn what_takes_something_back_gets_every_other_turn_of_its_tenant_and_no_more() {
        let mut queue = Queue::new(1, 1);
        assert_eq!(queue.enter(&'a', 1, Purpose::Forward).0, Entered::Now);
        let waits = |queue: &mut Queue<char>, tenant, purpose| match queue.enter(&tenant, 1, purpose).0 {
            Entered::Waits(ticket) => ticket,
            Entered::Now => panic!("the place is taken"),
        };
        let forward = [(); 3].map(|()| waits(&mut queue, 'a', Purpose::Forward));
        let back = [(); 2].map(|()| waits(&mut queue, 'a', Purpose::Compensation));
        let other = waits(&mut queue, 'b', Purpose::Forward);
        // Another tenant is not behind them for it.
        let turns: Vec<_> = (0..6).map(|turn| queue.leave(if turn == 1 { &'b' } else { &'a' }, 1, 10)[0]).collect();
        assert_eq!(turns, [other, back[0], forward[0], back[1], forward[1], forward[2]]);
    }

    #[test]
    fn a_share_twice_as_large_gets_twice_as_many_turns() {
        let had = turns(&[(1, charge(10, 200, 100)), (2, charge(10, 100, 100))], 900);
        assert_eq!((had[&1], had[&2]), (600, 300));
        assert_eq!((charge(u64::MAX, 1, 100), charge(7, 0, 1)), (u64::MAX, 7));
    }

    proptest! {
        /// Whatever comes and goes: places are neither lost nor made, and nobody waits while there is room for it.
        #[test]
        fn places_are_neither_lost_nor_made(moves in prop::collection::vec((0_u8..4, 1_u32..4, 0_u8..4, any::<bool>()), 1..300)) {
            const PLACES: u32 = 6;
            let mut queue = Queue::new(PLACES, 3);
            let mut held: Vec<(u8, u32)> = Vec::new();
            let mut waits: HashMap<Ticket, (u8, u32)> = HashMap::new();
            for (tenant, weight, what, back) in moves {
                let purpose = if back { Purpose::Compensation } else { Purpose::Forward };
                let called = match what {
                    0 | 1 => {
                        let (entered, called) = queue.enter(&tenant, weight, purpose);
                        match entered {
                            Entered::Now => held.push((tenant, weight)),
                            Entered::Waits(ticket) => drop(waits.insert(ticket, (tenant, weight))),
                        }
                        called
                    }
                    2 => held.pop().map_or_else(Vec::new, |(tenant, weight)| queue.leave(&tenant, weight, u64::from(weight))),
                    _ => {
                        let leaver = waits.keys().min().copied();
                        leaver.map_or_else(Vec::new, |ticket| {
                            let (tenant, _) = waits.remove(&ticket).expect("it waits");
                            queue.give_up(&tenant, ticket)
                        })
                    }
                };
                held.extend(called.iter().map(|ticket| waits.remove(ticket).expect("only who waits is called")));
                let taken: u32 = held.iter().map(|(_, weight)| weight).sum();
                prop_assert!(taken <= PLACES);
                prop_assert_eq!(queue.free, PLACES - taken);
                prop_assert!(queue.first().is_none_or(|(_, _, weight)| weight > queue.free), "there is room for who is next");
            }
            while let Some((tenant, weight)) = held.pop() {
                let called = queue.leave(&tenant, weight, 1);
                held.extend(called.iter().map(|ticket| waits.remove(ticket).expect("only who waits is called")));
            }
            prop_assert!(waits.is_empty(), "in the end everybody had a turn");
            prop_assert_eq!(queue.free, PLACES);
        }
    }
}
