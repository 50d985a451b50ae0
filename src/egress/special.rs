//! Addresses that are not for everybody: pure tables.
//!
//! From IANA's registries of special-purpose addresses, IPv4 and IPv6 (RFC 6890 and what came after it), and from the
//! documentation of the clouds. No address is looked up here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(first: u16, second: u16, third: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0), length)
}

/// IPv4, smaller ranges before those that hold them.
const SPECIAL_V4: [(Ipv4Net, &str); 16] = [
    (Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32), "the broadcast address"),
    (v4(0, 0, 0, 8), "an unspecified address"),
    (v4(10, 0, 0, 8), "a private address"),
    (v4(100, 64, 0, 10), "an address shared within a provider's network"),
    (v4(127, 0, 0, 8), "a loopback address"),
    (v4(169, 254, 0, 16), "a link-local address"),
    (v4(172, 16, 0, 12), "a private address"),
    (v4(192, 0, 0, 24), "an address kept for protocols"),
    (v4(192, 0, 2, 24), "an address for documentation"),
    (v4(192, 88, 99, 24), "a relay's address"),
    (v4(192, 168, 0, 16), "a private address"),
    (v4(198, 18, 0, 15), "an address for benchmarks"),
    (v4(198, 51, 100, 24), "an address for documentation"),
    (v4(203, 0, 113, 24), "an address for documentation"),
    (v4(224, 0, 0, 4), "a multicast address"),
    (v4(240, 0, 0, 4), "a reserved address"),
];

/// The only part of IPv6 that is handed out for general use (RFC 4291 section 2.4, IANA's registry of the address space).
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// IPv6, within [`GLOBAL_V6`] and outside of it; what is in no list and outside of it is reserved.
const SPECIAL_V6: [(Ipv6Net, &str); 11] = [
    (
        Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128),
        "an unspecified address",
    ),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "a loopback address"),
    // Where in such an address the IPv4 one is depends on the network, so it cannot be judged by that one.
    (v6(0x64, 0xff9b, 1, 48), "an address of a local translation to IPv4"),
    // Tunnels carry an IPv4 address that whoever writes the address chooses. All are out of use.
    (v6(0x2001, 0, 0, 32), "a Teredo tunnel's address"),
    (v6(0x2002, 0, 0, 16), "a 6to4 tunnel's address"),
    (v6(0x2001, 0, 0, 23), "an address kept for protocols"),
    (v6(0x2001, 0xdb8, 0, 32), "an address for documentation"),
    (v6(0x3fff, 0, 0, 20), "an address for documentation"),
    (v6(0xfc00, 0, 0, 7), "a private address"),
    (v6(0xfe80, 0, 0, 10), "a link-local address"),
    (v6(0xff00, 0, 0, 8), "a multicast address"),
];

/// IPv4-mapped addresses (RFC 4291 section 2.5.5.2): the system connects to the IPv4 address.
const MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
/// The well-known prefix of NAT64 (RFC 6052): a translator connects to the IPv4 address. It cannot be refused whole: in
/// a cluster that has IPv6 alone, every public IPv4 host has such an address.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// Where a cloud gives out credentials and settings of the machine, by its documentation: 169.254.169.254 for nearly all,
/// with its IPv6 forms (AWS, Google, `OpenStack`); credentials of containers and Pods at AWS; the wire server of Azure;
/// Oracle's and Alibaba's and Tencent's own.
const METADATA: [IpAddr; 12] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 253)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 0, 23)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
];

/// The address that a connection to `address` ends at, as far as the address says: the IPv4 address within one that is
/// mapped or translated, else itself.
pub(super) fn end(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) if MAPPED.contains(&six) || NAT64.contains(&six) => {
            let [.., a, b, c, d] = six.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        other => other,
    }
}

/// Whether a cloud gives out credentials at this address.
pub(super) fn is_metadata(address: IpAddr) -> bool {
    METADATA.contains(&end(address))
}

/// What is special about an address, as in "a loopback address"; `None` for one that anybody on the internet may reach.
pub(super) fn kind(address: IpAddr) -> Option<&'static str> {
    match end(address) {
        IpAddr::V4(four) => SPECIAL_V4
            .iter()
            .find(|(range, _)| range.contains(&four))
            .map(|(_, kind)| *kind),
        IpAddr::V6(six) => SPECIAL_V6
            .iter()
            .find(|(range, _)| range.contains(&six))
            .map(|(_, kind)| *kind)
            .or_else(|| (!GLOBAL_V6.contains(&six)).then_some("a reserved address")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn kind_of(address: &str) -> Option<&'static str> {
        kind(address.parse().unwrap())
    }

    #[test]
    fn the_first_and_last_address_of_each_range_are_special_and_their_public_neighbours_are_not() {
        for (first, last, before, after) in [
            ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0")),
            ("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0")),
            (
                "100.64.0.0",
                "100.127.255.255",
                Some("100.63.255.255"),
                Some("100.128.0.0"),
            ),
            (
                "127.0.0.0",
                "127.255.255.255",
                Some("126.255.255.255"),
                Some("128.0.0.0"),
            ),
            (
                "169.254.0.0",
                "169.254.255.255",
                Some("169.253.255.255"),
                Some("169.255.0.0"),
            ),
            (
                "172.16.0.0",
                "172.31.255.255",
                Some("172.15.255.255"),
                Some("172.32.0.0"),
            ),
            ("192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0")),
            ("192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0")),
            (
                "192.88.99.0",
                "192.88.99.255",
                Some("192.88.98.255"),
                Some("192.88.100.0"),
            ),
            (
                "192.168.0.0",
                "192.168.255.255",
                Some("192.167.255.255"),
                Some("192.169.0.0"),
            ),
            (
                "198.18.0.0",
                "198.19.255.255",
                Some("198.17.255.255"),
                Some("198.20.0.0"),
            ),
            (
                "198.51.100.0",
                "198.51.100.255",
                Some("198.51.99.255"),
                Some("198.51.101.0"),
            ),
            (
                "203.0.113.0",
                "203.0.113.255",
                Some("203.0.112.255"),
                Some("203.0.114.0"),
            ),
            ("224.0.0.0", "255.255.255.255", Some("223.255.255.255"), None),
            (
                "2001::",
                "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
                None,
                Some("2001:200::"),
            ),
            (
                "2001:db8::",
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                Some("2001:db7:ffff::"),
                Some("2001:db9::"),
            ),
            (
                "2002::",
                "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                Some("2001:ffff::"),
                Some("2003::"),
            ),
            (
                "3fff::",
                "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
                Some("3ffe:ffff::"),
                Some("3fff:1000::"),
            ),
            (
                "4000::",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                Some("3fff:ffff::"),
                None,
            ),
            ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, Some("2000::")),
        ] {
            for special in [first, last] {
                assert!(kind_of(special).is_some(), "{special}");
            }
            for public in [before, after].into_iter().flatten() {
                assert_eq!(kind_of(public), None, "{public}");
            }
        }
    }

    #[test]
    fn an_address_that_carries_another_is_judged_by_it_or_refused() {
        for (address, kind) in [
            ("::ffff:127.0.0.1", Some("a loopback address")),
            ("::ffff:8.8.8.8", None),
            ("64:ff9b::10.0.0.1", Some("a private address")),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b:1::8.8.8.8", Some("an address of a local translation to IPv4")),
            // IPv4-compatible and IPv4-translated.
            ("::127.0.0.1", Some("a reserved address")),
            ("::8.8.8.8", Some("a reserved address")),
            ("::ffff:0:8.8.8.8", Some("a reserved address")),
            ("2002:808:808::1", Some("a 6to4 tunnel's address")),
            ("2001:0:808:808::1", Some("a Teredo tunnel's address")),
            ("fec0::1", Some("a reserved address")),
        ] {
            assert_eq!(kind_of(address), kind, "{address}");
        }
    }

    #[test]
    fn metadata_is_metadata_in_every_form() {
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fd00:ec2::254",
            "168.63.129.16",
        ] {
            assert!(is_metadata(address.parse().unwrap()), "{address}");
        }
        assert!(!is_metadata("169.254.169.252".parse().unwrap()));
    }
}
