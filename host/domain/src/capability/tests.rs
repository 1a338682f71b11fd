//! Every deny beside its allow, as tables.

use super::*;

fn grant(place: &str, methods: &[&str], transport: Transport, reach: Reach) -> Result<HostGrant, GrantError> {
    let methods: Vec<_> = methods.iter().map(|method| (*method).to_owned()).collect();
    HostGrant::read(place, &methods, transport, reach)
}

fn tls(place: &str) -> HostGrant {
    grant(place, &[], Transport::Tls, Reach::Public).expect("a grant")
}

#[test]
fn a_host_is_written_in_one_way_only() {
    for (authority, read) in [
        ("api.example.com", Some("https://api.example.com:443")),
        ("API.Example.COM:8443", Some("https://api.example.com:8443")),
        ("localhost", Some("https://localhost:443")),
        ("xn--bcher-kva.example", Some("https://xn--bcher-kva.example:443")),
        ("my_service.example", Some("https://my_service.example:443")),
        ("7.example", Some("https://7.example:443")),
        ("192.0.2.7:1", Some("https://192.0.2.7:1")),
        ("[2001:DB8::7]:65535", Some("https://[2001:db8::7]:65535")),
        ("[::1]", Some("https://[::1]:443")),
        ("", None),
        (".", None),
        ("api.example.com.", None),
        ("api..example.com", None),
        (".example.com", None),
        ("*.example.com", None),
        ("-a.example", None),
        ("a-.example", None),
        ("bücher.example", None),
        ("a b.example", None),
        ("a/b", None),
        ("user@api.example.com", None),
        ("user:secret@api.example.com", None),
        ("api.example.com@127.0.0.1", None),
        ("@api.example.com", None),
        ("api.example.com:", None),
        ("api.example.com:0", None),
        ("api.example.com:00443", None),
        ("api.example.com:65536", None),
        ("api.example.com:+443", None),
        ("api.example.com:443:443", None),
        ("2130706433", None),
        ("0x7f000001", None),
        ("017700000001", None),
        ("0177.0.0.1", None),
        ("127.1", None),
        ("127.0.0.01", None),
        ("0x7f.0.0.1", None),
        ("127.0.0.1.", None),
        ("1.2.3.4.5", None),
        ("256.1.1.1", None),
        ("::1", None),
        ("[::1", None),
        ("[127.0.0.1]", None),
        ("[::1]x:443", None),
        ("[fe80::1%eth0]", None),
    ] {
        let found = Destination::read(Scheme::Https, authority).map(|to| to.to_string()).ok();
        assert_eq!(found.as_deref(), read, "{authority}");
    }
    assert!(Host::read(&format!("{}.example", "a".repeat(63))).is_ok());
    assert!(Host::read(&format!("{}.example", "a".repeat(64))).is_err());
    assert!(Host::read(&["abcdefghi"; 25].join(".")).is_ok());
    assert!(Host::read(&["abcdefghi"; 26].join(".")).is_err());
    assert_eq!(Destination::read(Scheme::Http, "a.example").expect("a host").port(), 80);
}

#[test]
fn only_what_the_whole_internet_reaches_is_reachable() {
    for (address, public, loopback) in [
        ("93.184.216.34", true, true),
        ("1.1.1.1", true, true),
        ("172.15.255.255", true, true),
        ("172.32.0.0", true, true),
        ("100.63.255.255", true, true),
        ("100.128.0.0", true, true),
        ("223.255.255.255", true, true),
        ("2606:4700::1111", true, true),
        ("2a00:1450:4001::8a", true, true),
        ("::ffff:1.1.1.1", true, true),
        ("64:ff9b::1.1.1.1", true, true),
        ("2001:200::1", true, true),
        // This machine's own.
        ("127.0.0.1", false, true),
        ("127.255.255.254", false, true),
        ("::1", false, true),
        ("::ffff:127.0.0.1", false, true),
        ("64:ff9b::127.0.0.1", false, true),
        // Private, link-local, shared, unspecified, multicast, reserved, documentation: never.
        ("0.0.0.0", false, false),
        ("0.1.2.3", false, false),
        ("10.0.0.1", false, false),
        ("100.64.0.1", false, false),
        ("100.100.100.200", false, false),
        ("168.63.129.16", false, false),
        ("169.254.169.254", false, false),
        ("172.16.0.1", false, false),
        ("172.31.255.255", false, false),
        ("192.0.0.192", false, false),
        ("192.0.2.1", false, false),
        ("192.88.99.1", false, false),
        ("192.168.1.1", false, false),
        ("198.19.255.255", false, false),
        ("198.51.100.1", false, false),
        ("203.0.113.1", false, false),
        ("224.0.0.1", false, false),
        ("240.0.0.1", false, false),
        ("255.255.255.255", false, false),
        ("::", false, false),
        ("::10.0.0.1", false, false),
        ("::ffff:10.0.0.1", false, false),
        ("::ffff:169.254.169.254", false, false),
        ("::ffff:0.0.0.0", false, false),
        ("64:ff9b::10.0.0.1", false, false),
        ("64:ff9b::169.254.169.254", false, false),
        ("64:ff9b:1::1.1.1.1", false, false),
        ("2001::1", false, false),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", false, false),
        ("2001:10::1", false, false),
        ("2001:db8::1", false, false),
        ("2002:7f00:1::", false, false),
        ("2002:808:808::", false, false),
        ("3fff::1", false, false),
        ("5f00::1", false, false),
        ("100::1", false, false),
        ("fc00::1", false, false),
        ("fd00:ec2::254", false, false),
        ("fe80::1", false, false),
        ("fec0::1", false, false),
        ("ff02::1", false, false),
    ] {
        let parsed: IpAddr = address.parse().expect("an address");
        assert_eq!(is_reachable(parsed, Reach::Public), public, "{address}");
        assert_eq!(is_reachable(parsed, Reach::Loopback), loopback, "{address} with a grant for loopback");
    }
}

#[test]
fn of_several_addresses_all_must_be_reachable() {
    let to = Destination::read(Scheme::Https, "api.example.com").expect("a host");
    let check = |addresses: &[&str]| {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().expect("an address")).collect();
        check_addresses(&tls("api.example.com"), &to, &addresses)
    };
    assert_eq!(check(&["1.1.1.1", "2606:4700::1111"]), Ok(()));
    let refused = check(&["1.1.1.1", "10.0.0.1"]).expect_err("one is private").to_string();
    assert_eq!(refused, "https://api.example.com:443 has the address 10.0.0.1, which is not public: requests to it are refused");
}

#[test]
fn a_grant_covers_its_host_its_port_its_scheme_and_its_methods() {
    let any = |place| grant(place, &[], Transport::Any, Reach::Public).expect("a grant");
    let posts = grant("api.example.com", &["POST", "GET", "POST"], Transport::Tls, Reach::Public).expect("a grant");
    assert_eq!(posts.methods, ["GET", "POST"]);
    for (granted, method, scheme, authority, covered) in [
        (tls("api.example.com"), "GET", Scheme::Https, "api.example.com", true),
        (tls("API.example.com"), "GET", Scheme::Https, "api.EXAMPLE.com:443", true),
        (tls("api.example.com"), "GET", Scheme::Http, "api.example.com", false),
        (tls("api.example.com"), "GET", Scheme::Http, "api.example.com:443", false),
        (tls("api.example.com"), "GET", Scheme::Https, "api.example.com:8443", false),
        (tls("api.example.com"), "GET", Scheme::Https, "example.com", false),
        (tls("api.example.com"), "GET", Scheme::Https, "x.api.example.com", false),
        (tls("api.example.com"), "GET", Scheme::Https, "api.example.com.evil.example", false),
        (tls("api.example.com:8443"), "GET", Scheme::Https, "api.example.com:8443", true),
        (tls("api.example.com:8443"), "GET", Scheme::Https, "api.example.com", false),
        (any("api.example.com"), "GET", Scheme::Http, "api.example.com", true),
        (any("api.example.com"), "GET", Scheme::Https, "api.example.com", true),
        (any("api.example.com"), "GET", Scheme::Http, "api.example.com:443", false),
        (tls("*.example.com"), "GET", Scheme::Https, "api.example.com", true),
        (tls("*.example.com"), "GET", Scheme::Https, "example.com", false),
        (tls("*.example.com"), "GET", Scheme::Https, "a.b.example.com", false),
        (tls("*.example.com"), "GET", Scheme::Https, "apiexample.com", false),
        (tls("*.example.com"), "GET", Scheme::Https, "1.1.1.1", false),
        (tls("1.1.1.1"), "GET", Scheme::Https, "1.1.1.1", true),
        (tls("1.1.1.1"), "GET", Scheme::Https, "[::ffff:1.1.1.1]", false),
        (tls("[2606:4700::1111]"), "GET", Scheme::Https, "[2606:4700:0::1111]", true),
        (tls("api.example.com"), "PURGE", Scheme::Https, "api.example.com", true),
        (tls("api.example.com"), "CONNECT", Scheme::Https, "api.example.com", false),
        (tls("api.example.com"), "TRACE", Scheme::Https, "api.example.com", false),
        (posts.clone(), "POST", Scheme::Https, "api.example.com", true),
        (posts, "DELETE", Scheme::Https, "api.example.com", false),
    ] {
        let to = Destination::read(scheme, authority).expect("a host");
        let found = grant_for(std::slice::from_ref(&granted), method, &to);
        assert_eq!(found.is_ok(), covered, "{} {method} {to}: {found:?}", granted.place());
    }
    let to = Destination::read(Scheme::Https, "api.example.com").expect("a host");
    assert_eq!(grant_for(&[], "GET", &to), Err(Denial::Place("https://api.example.com:443".into())));
}

#[test]
fn what_is_no_grant_is_refused() {
    for (place, methods, says) in [
        ("*", &[][..], "not a host"),
        ("*.com", &[], "covers too much"),
        ("*.1.1.1.1", &[], "covers too much"),
        ("a.*.example.com", &[], "not a host"),
        ("**.example.com", &[], "not a host"),
        ("https://api.example.com", &[], "port `//api.example.com`"),
        ("api.example.com/charges", &[], "not a host"),
        ("api.example.com:0", &[], "port `0`"),
        ("api.example.com:https", &[], "port `https`"),
        ("2130706433", &[], "four decimal numbers"),
        ("bea@api.example.com", &[], "names a user"),
        ("api.example.com", &["post"], "not a method"),
        ("api.example.com", &["GET POST"], "not a method"),
        ("api.example.com", &[""], "not a method"),
        ("api.example.com", &["CONNECT"], "never granted"),
        ("api.example.com", &["A"; 17], "17 methods"),
    ] {
        let refused = grant(place, methods, Transport::Tls, Reach::Public).expect_err(place).to_string();
        assert!(refused.contains(says), "{place} {methods:?}: {refused}");
    }
    assert!(grant("api.example.com:65535", &["A"; 16], Transport::Tls, Reach::Public).is_ok());
    assert!(grant("api.example.com", &["VERSION-CONTROL", "TRACE"], Transport::Tls, Reach::Public).is_ok());
}
