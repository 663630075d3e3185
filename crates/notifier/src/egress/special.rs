//! Which addresses are not public: the special-purpose registries of IANA
//! (<https://www.iana.org/assignments/iana-ipv4-special-registry>, `…/iana-ipv6-special-registry`) and RFC 6890, and
//! where the large clouds tell a machine its credentials.
//!
//! Of IPv6 only 2000::/3 is public at all, so whatever is assigned one day is refused until somebody adds it here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// One of a range with this purpose.
    Range(&'static str),
    /// Where a cloud's machines learn their credentials.
    Metadata,
}

impl Special {
    /// As in "it is …".
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Range(purpose) => purpose,
            Self::Metadata => "a cloud's metadata service",
        }
    }
}

/// AWS, Azure, GCP and others; ECS and EKS; Alibaba; Azure's wire server; Oracle.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// AWS; EKS; GCP.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0023),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
];

/// First address, prefix length, purpose.
type Row<A> = (A, u32, &'static str);

const V4: [Row<Ipv4Addr>; 15] = [
    (
        Ipv4Addr::new(0, 0, 0, 0),
        8,
        "an address of \"this network\"",
    ),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private address"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a shared (CGNAT) address"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "a loopback address"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "a link-local address"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private address"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "a protocol assignment"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "a documentation address"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private address"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "a benchmark address"),
    (
        Ipv4Addr::new(198, 51, 100, 0),
        24,
        "a documentation address",
    ),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "a documentation address"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "a multicast address"),
    (
        Ipv4Addr::new(240, 0, 0, 0),
        4,
        "a reserved or broadcast address",
    ),
];

const V6: [Row<Ipv6Addr>; 15] = [
    (Ipv6Addr::UNSPECIFIED, 128, "the unspecified address"),
    (Ipv6Addr::LOCALHOST, 128, "the loopback address"),
    (Ipv6Addr::UNSPECIFIED, 96, "an IPv4-compatible address"),
    (v6(0x0064, 0xff9b, 1), 48, "a local NAT64 address"),
    (v6(0x0100, 0, 0), 32, "a discard-only or dummy address"),
    (v6(0x2001, 0, 0), 32, "a Teredo address"),
    (v6(0x2001, 2, 0), 48, "a benchmark address"),
    (v6(0x2001, 0, 0), 23, "a protocol assignment"),
    (v6(0x2001, 0x0db8, 0), 32, "a documentation address"),
    (v6(0x2002, 0, 0), 16, "a 6to4 address"),
    (v6(0x3fff, 0, 0), 20, "a documentation address"),
    (v6(0xfc00, 0, 0), 7, "a private (unique local) address"),
    (v6(0xfe80, 0, 0), 10, "a link-local address"),
    (v6(0xfec0, 0, 0), 10, "a site-local address"),
    (v6(0xff00, 0, 0), 8, "a multicast address"),
];

/// What is public of IPv6.
const GLOBAL_UNICAST: Row<Ipv6Addr> = (v6(0x2000, 0, 0), 3, "");

const fn v6(first: u16, second: u16, third: u16) -> Ipv6Addr {
    Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0)
}

/// Why this address is not public; `None` if it is. It must be [`canonical`].
pub(crate) fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) if METADATA_V4.contains(&address) => Some(Special::Metadata),
        IpAddr::V6(address) if METADATA_V6.contains(&address) => Some(Special::Metadata),
        IpAddr::V4(address) => {
            let row = V4.iter().find(|row| v4_within(address, row));
            row.map(|(.., purpose)| Special::Range(purpose))
        }
        IpAddr::V6(address) => match V6.iter().find(|row| v6_within(address, row)) {
            Some((.., purpose)) => Some(Special::Range(purpose)),
            None if v6_within(address, &GLOBAL_UNICAST) => None,
            None => Some(Special::Range("not a global address")),
        },
    }
}

/// The IPv4 address that an IPv6 one only wraps, as the system unwraps it (`::ffff:…`) or a gateway does (NAT64,
/// 64:ff9b::/96): what holds for the one holds for the other.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    match v6.segments() {
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => address,
    }
}

fn v4_within(address: Ipv4Addr, (first, length, _): &Row<Ipv4Addr>) -> bool {
    let other = address.to_bits() ^ first.to_bits();
    other.leading_zeros() >= *length
}

fn v6_within(address: Ipv6Addr, (first, length, _): &Row<Ipv6Addr>) -> bool {
    let other = address.to_bits() ^ first.to_bits();
    other.leading_zeros() >= *length
}
