//! Which addresses a guest may reach: those that anybody on the Internet could reach as well. Whatever belongs to this machine, to the
//! network that it stands in or to the provider that runs it is refused, also where it hides inside another address.
//!
//! Sources: the special-purpose registries of IANA (RFC 6890 and its updates) for both families. Of IPv6 only what is global unicast is
//! allowed at all, so that a block nobody thought of is refused.

use crate::event::Reach;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 blocks that are refused: first address, bits of the prefix.
const REFUSED_V4: [(Ipv4Addr, u32); 17] = [
    (Ipv4Addr::UNSPECIFIED, 8),            // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // carrier-grade NAT; metadata of some clouds
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // a cloud's own services, though it looks public
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local; metadata of most clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments; metadata of a cloud
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24),  // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24),  // multicast tunnels
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 3),      // multicast, reserved, broadcast
];

/// IPv6 blocks inside `2000::/3` that are refused.
const REFUSED_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, among them Teredo and ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: an IPv4 address inside, reached through whoever answers
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether a request may be sent to `address`.
pub fn is_reachable(address: IpAddr, reach: Reach) -> bool {
    let address = plain(address);
    match reach {
        Reach::Loopback if address.is_loopback() => true,
        Reach::Public | Reach::Loopback => is_public(address),
    }
}

/// The address behind one that only wraps it: IPv4-mapped (RFC 4291 §2.5.5.2), or NAT64 with the well-known prefix (RFC 6052 §2.1).
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let wraps = matches!(v6.segments(), [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..]);
    if !wraps {
        return address;
    }
    let [.., a, b, c, d] = v6.octets();
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !REFUSED_V4.iter().any(|(block, bits)| is_in(v4.to_bits().into(), block.to_bits().into(), 32 - bits)),
        IpAddr::V6(v6) => {
            let global = v6.segments()[0] & 0xe000 == 0x2000;
            global && !REFUSED_V6.iter().any(|(block, bits)| is_in(v6.to_bits(), block.to_bits(), 128 - bits))
        }
    }
}

fn is_in(address: u128, block: u128, free_bits: u32) -> bool {
    address >> free_bits == block >> free_bits
}
