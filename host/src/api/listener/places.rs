//! How many connections there are, in all and from one address: whoever opens many must leave room for others.

use super::Connections;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All places. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Places {
    connections: Connections,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only of those that have one.
    of: HashMap<IpAddr, usize>,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// There are as many as there may be.
    Full,
    /// From this address.
    OfOne,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    pub(super) fn new(connections: Connections) -> Self {
        Self { connections, taken: Arc::default() }
    }

    /// Takes a place for a connection from `address`.
    pub(super) fn take(&self, address: IpAddr) -> Result<Place, Refused> {
        let address = network(address);
        let mut taken = self.taken();
        if taken.all >= self.connections.max {
            return Err(Refused::Full);
        }
        let of_one = taken.of.entry(address).or_default();
        if *of_one >= self.connections.of_one_max {
            return Err(Refused::OfOne);
        }
        *of_one += 1;
        taken.all += 1;
        Ok(Place { places: self.clone(), address })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(of_one) = taken.of.get_mut(&self.address) {
            *of_one -= 1;
            if *of_one == 0 {
                taken.of.remove(&self.address);
            }
        }
    }
}

/// Whoever has one address of version 6 has 2⁶⁴ of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            v6.to_ipv4_mapped().map_or_else(|| IpAddr::V6(Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64))), IpAddr::V4)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_places_are_given_back() {
        let places = Places::new(Connections { max: 3, of_one_max: 2 });
        let address = |text: &str| text.parse().expect("an address");
        let take = |text: &str| places.take(address(text));
        let (one, _two) = (take("192.0.2.1").expect("there is room"), take("192.0.2.1").expect("there is room"));
        assert_eq!(take("192.0.2.1").map(drop), Err(Refused::OfOne));
        let other = take("2001:db8::1").expect("another address");
        assert_eq!(take("192.0.2.9").map(drop), Err(Refused::Full));
        drop(one);
        assert_eq!(take("192.0.2.1").map(drop), Ok(()));
        drop(other);
        assert_eq!(places.taken().of.len(), 1, "nothing is kept of those that are gone");
        // Addresses of one network of version 6 are one, and so is one of version 4 in another dress.
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff:1")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }
}
