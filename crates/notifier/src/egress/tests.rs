//! Every special range at its edges, every way to wrap or spell an address, and what rules make of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::special::special;
use super::*;

fn id(name: &str) -> EndpointId {
    EndpointId::new(name).unwrap()
}

fn config(text: &str) -> EgressConfig {
    toml::from_str(text).unwrap()
}

fn egress(text: &str) -> Egress {
    Egress::new(&config(text))
}

/// What the general rules say of a URL.
fn said(rules: &str, url: &str) -> Result<(), String> {
    let url = Url::parse(url).unwrap();
    let egress = egress(rules);
    egress
        .policy(&id("any"))
        .check(&url)
        .map_err(|refusal| refusal.to_string())
}

fn permitted(rules: &str, address: &str) -> bool {
    let address: IpAddr = address.parse().unwrap();
    egress(rules).policy(&id("any")).permit(address).is_ok()
}

/// Each range as first and last address, and whether their neighbours outside are public.
const V4_EDGES: [(&str, &str, &str, bool, bool); 15] = [
    ("0.0.0.0", "0.255.255.255", "this network", true, true),
    ("10.0.0.0", "10.255.255.255", "private", true, true),
    ("100.64.0.0", "100.127.255.255", "CGNAT", true, true),
    ("127.0.0.0", "127.255.255.255", "loopback", true, true),
    ("169.254.0.0", "169.254.255.255", "link-local", true, true),
    ("172.16.0.0", "172.31.255.255", "private", true, true),
    ("192.0.0.0", "192.0.0.255", "protocol", true, true),
    ("192.0.2.0", "192.0.2.255", "documentation", true, true),
    ("192.88.99.0", "192.88.99.255", "6to4", true, true),
    ("192.168.0.0", "192.168.255.255", "private", true, true),
    ("198.18.0.0", "198.19.255.255", "benchmark", true, true),
    (
        "198.51.100.0",
        "198.51.100.255",
        "documentation",
        true,
        true,
    ),
    ("203.0.113.0", "203.0.113.255", "documentation", true, true),
    ("224.0.0.0", "239.255.255.255", "multicast", true, false),
    ("240.0.0.0", "255.255.255.255", "broadcast", false, true),
];

#[test]
fn each_special_range_of_ipv4_is_refused_from_edge_to_edge_and_no_further() {
    for (first, last, word, below, above) in V4_EDGES {
        let (first, last): (Ipv4Addr, Ipv4Addr) = (first.parse().unwrap(), last.parse().unwrap());
        for inside in [first, last] {
            let why = special(inside.into()).map(|special| special.as_str());
            assert!(
                why.is_some_and(|why| why.contains(word)),
                "{inside}: {why:?}"
            );
        }
        let public = |bits: u32| special(Ipv4Addr::from_bits(bits).into()).is_none();
        if let Some(bits) = first.to_bits().checked_sub(1) {
            assert_eq!(public(bits), below, "below {first}");
        }
        if let Some(bits) = last.to_bits().checked_add(1) {
            assert_eq!(public(bits), above, "above {last}");
        }
    }
}

#[test]
fn of_ipv6_global_unicast_alone_is_public() {
    for refused in [
        "::",
        "::1",
        "::2",
        "::127.0.0.1",
        "::8.8.8.8",
        "64:ff9b:1::1",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        "100::1",
        "100:0:0:1::1",
        "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001::",
        "2001:0:4136:e378::1",
        "2001:2::1",
        "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "2002::1",
        "2002:7f00:1::1",
        "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff::",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        "4000::",
        "5f00::1",
        "fbff::1",
        "fc00::",
        "fd00:ec2::254",
        "fd12:3456::1",
        "fdff:ffff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ] {
        assert!(!permitted("", refused), "{refused}");
    }
    for public in [
        "2000::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7:ffff::1",
        "2001:db9::1",
        "2001:ffff::1",
        "2003::1",
        "2606:4700:4700::1111",
        "3ffe:ffff::1",
        "3fff:1000::1",
    ] {
        assert!(permitted("", public), "{public}");
    }
}

#[test]
fn a_metadata_service_is_opened_by_its_own_address_and_by_no_range() {
    let wide = r#"allow = ["0.0.0.0/0", "::/0"]"#;
    for address in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
    ] {
        assert!(!permitted("", address), "{address}");
        assert!(!permitted(wide, address), "{address}");
    }
    assert!(permitted(wide, "169.254.169.253") && permitted(wide, "fe80::1"));
    assert!(permitted(
        r#"allow = ["169.254.169.254"]"#,
        "::ffff:169.254.169.254"
    ));
}

#[test]
fn an_address_is_found_in_whatever_spelling_a_url_may_have_it() {
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "127.0.0.1.",
        "127.0.0.1%2e",
        "１２７.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "0",
        "0.0.0.0",
        "[::]",
    ] {
        let url = format!("http://{host}/");
        let said = said("", &url).expect_err(host);
        assert!(said.contains("not in [egress] allow"), "{host}: {said}");
    }
    assert_eq!(said("", "http://93.184.216.34/"), Ok(()));
    assert_eq!(said("", "http://[64:ff9b::93.184.216.34]/"), Ok(()));
}

#[test]
fn schemes_ports_and_credentials_are_checked() {
    let https = "schemes = [\"https\"]\nports = [443, \"8000-8999\"]";
    for (rules, url, word) in [
        (
            https,
            "http://shop.example/",
            "http is not among [egress] schemes",
        ),
        (https, "https://shop.example:7999/", "port 7999"),
        (https, "https://shop.example:9000/", "port 9000"),
        ("", "http://shop.example:25/", "port 25"),
        ("", "http://shop.example:22/", "port 22"),
        ("", "http://shop.example:0/", "port 0"),
        ("", "ftp://shop.example/", "ftp"),
        ("", "https://user:pass@shop.example/", "`basic`"),
        ("", "https://user@shop.example/", "`basic`"),
    ] {
        let said = said(rules, url).expect_err(url);
        assert!(said.contains(word), "{url}: {said}");
        assert!(!said.contains("pass@"), "{said}");
    }
    for (rules, url) in [
        (https, "https://shop.example/"),
        (https, "https://shop.example:8000/"),
        (https, "https://shop.example:8999/"),
        ("", "http://shop.example/"),
        ("", "https://shop.example:1024/"),
        ("", "https://shop.example:65535/"),
    ] {
        assert_eq!(said(rules, url), Ok(()), "{url}");
    }
}

#[test]
fn deny_wins_over_allow_and_over_being_public() {
    let rules =
        "allow = [\"10.0.0.0/8\"]\ndeny = [\"10.9.0.0/16\", \"93.184.216.34\", \"2606:4700::/32\"]";
    for refused in [
        "10.9.0.1",
        "::ffff:10.9.0.1",
        "93.184.216.34",
        "64:ff9b::5db8:d822",
        "2606:4700::1",
    ] {
        assert!(!permitted(rules, refused), "{refused}");
    }
    for good in ["10.8.255.255", "10.10.0.0", "93.184.216.35"] {
        assert!(permitted(rules, good), "{good}");
    }
}

#[test]
fn an_endpoint_has_the_general_rules_but_for_what_it_says_itself() {
    let egress = egress(
        "ports = [443]\nallow = [\"10.0.0.0/8\"]\n[endpoint.inner]\nallow = [\"192.168.7.0/24\"]\n",
    );
    let refused =
        |endpoint: &str, url: &str| egress.check(&id(endpoint), &Url::parse(url).unwrap());
    assert!(refused("other", "https://10.1.1.1/").is_ok());
    assert!(refused("inner", "https://192.168.7.9/").is_ok());
    assert!(
        refused("inner", "https://10.1.1.1/").is_err(),
        "in place of the general list"
    );
    let error = refused("inner", "https://192.168.7.9:444/").unwrap_err();
    assert_eq!(error.field, "endpoint inner: url");
    assert!(error.limit.contains("port 444"), "{error}");
    let hidden = refused("other", "https://me:hunter2@shop.example/").unwrap_err();
    assert!(!hidden.to_string().contains("hunter2"), "{hidden}");
}

#[test]
fn a_section_that_says_something_else_than_it_means_is_refused() {
    for (bad, word) in [
        ("allow = [\"10.0.0.1/8\"]", "10.0.0.0/8"),
        ("allow = [\"10.0.0.0/33\"]", "CIDR"),
        ("allow = [\"localhost\"]", "CIDR"),
        (
            "allow = [\"::ffff:10.0.0.0/104\"]",
            "IPv4 addresses themselves",
        ),
        ("deny = [\"64:ff9b::/96\"]", "IPv4 addresses themselves"),
        ("schemes = [\"ftp\"]", "ftp"),
        ("ports = [\"9-8\"]", "8000-8999"),
        ("ports = [65536]", "a port"),
        ("proxy = \"socks5://p:1\"", "http"),
        ("alow = []", "alow"),
        ("[endpoint.\"a b\"]\nallow = []", "a b"),
        ("[endpoint.inner]\nendpoint = 1", "endpoint"),
    ] {
        let error = toml::from_str::<EgressConfig>(bad).unwrap_err().to_string();
        assert!(error.contains(word), "{bad}: {error}");
    }
    let error = toml::from_str::<EgressConfig>("proxy = \"ftp://u:hunter2@p\"").unwrap_err();
    assert!(!error.message().contains("hunter2"), "{error}");
    let shown = format!("{:?}", config("proxy = \"http://u:hunter2@p:3128\""));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn of_what_a_name_leads_to_only_the_permitted_is_left() {
    let answers = |list: &'static [&'static str]| {
        let addresses = list
            .iter()
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0));
        let addresses: Vec<SocketAddr> = addresses.collect();
        Names::asking(Arc::new(move |_| {
            let addresses = addresses.clone();
            Box::pin(async move { Ok(addresses) })
        }))
    };
    let url = Url::parse("https://shop.example/").unwrap();
    let leads = async |rules: &str, list| {
        let egress = Egress::resolving(&config(rules), answers(list));
        egress
            .addresses(&id("any"), &url)
            .await
            .map_err(|why| why.to_string())
    };
    let mixed: &[&str] = &["10.0.0.5", "93.184.216.34", "::1"];
    assert_eq!(
        leads("", mixed).await,
        Ok(vec![([93, 184, 216, 34], 443).into()])
    );
    let said = leads("", &["10.0.0.5", "fd00::1"]).await.unwrap_err();
    assert!(
        said.starts_with("shop.example leads to a refused address: "),
        "{said}"
    );
    let inner = leads("allow = [\"10.0.0.0/8\"]", mixed).await.unwrap();
    assert_eq!(inner.len(), 2);
}

#[tokio::test]
async fn through_a_proxy_its_name_is_the_one_that_is_asked_and_addresses_are_refused_all_the_same()
{
    let names = Names::asking(Arc::new(|name| {
        assert_eq!(name, "proxy.inner");
        Box::pin(async { Ok(vec![([10, 0, 0, 9], 0).into()]) })
    }));
    let egress = Egress::resolving(&config("proxy = \"http://u:p@proxy.inner:3128\""), names);
    let leads = async |url: &str| {
        egress
            .addresses(&id("any"), &Url::parse(url).unwrap())
            .await
    };
    assert_eq!(
        leads("https://shop.example/").await.unwrap(),
        [([10, 0, 0, 9], 3128).into()]
    );
    assert!(leads("https://10.0.0.9/").await.is_err());
}

#[tokio::test]
async fn who_asks_for_a_name_that_is_being_asked_for_waits_for_the_same_answer() {
    let asked = Arc::new(AtomicUsize::new(0));
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let (count, gate) = (asked.clone(), go.clone());
    let names = Names::asking(Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let gate = gate.clone();
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            Ok(vec![([93, 184, 216, 34], 0).into()])
        })
    }));
    let mut waiting: Vec<_> = (0..100)
        .map(|_| Box::pin(names.lookup("slow.example")))
        .collect();
    for one in &mut waiting {
        assert!(futures::FutureExt::now_or_never(one).is_none());
    }
    // The one who began gives up; the others are answered.
    drop(waiting.remove(0));
    go.add_permits(1);
    let answers = tokio::time::timeout(Duration::from_secs(10), futures::future::join_all(waiting));
    for answer in answers.await.expect("one answer serves all") {
        assert_eq!(answer.unwrap().len(), 1);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    go.add_permits(1);
    names.lookup("slow.example").await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2, "an answer is not kept");
}

#[test]
fn a_thousand_endpoints_share_one_client_and_what_differs_does_not() {
    let egress = egress("[endpoint.inner]\nallow = [\"10.0.0.0/8\"]\n");
    let plain = TlsOptions::default();
    let first = egress.client(&id("e0"), &plain).unwrap();
    for n in 1..1000 {
        let client = egress.client(&id(&format!("e{n}")), &plain).unwrap();
        assert!(Arc::ptr_eq(&first, &client));
    }
    let inner = egress.client(&id("inner"), &plain).unwrap();
    assert!(!Arc::ptr_eq(&first, &inner));
    let bad = TlsOptions {
        ca_pem: Some("no certificate".into()),
        ..TlsOptions::default()
    };
    assert!(egress.client(&id("e0"), &bad).is_err());
    let kept = Arc::downgrade(&first);
    drop(first);
    assert!(kept.upgrade().is_none(), "nobody else keeps it");
}

proptest! {
    /// By what the standard library knows of addresses, which is a list of its own.
    #[test]
    fn nothing_is_public_that_the_standard_library_calls_otherwise(bits: u32) {
        let address = Ipv4Addr::from_bits(bits);
        let otherwise = address.is_private() || address.is_loopback() || address.is_link_local()
            || address.is_broadcast() || address.is_documentation() || address.is_multicast() || address.is_unspecified();
        prop_assert!(!otherwise || special(address.into()).is_some(), "{address}");
    }

    #[test]
    fn nothing_of_ipv6_is_public_that_the_standard_library_calls_otherwise(bits: u128, prefix in 0_usize..6) {
        let prefixes = [0, 0xfe80_u128 << 112, 0xfc00_u128 << 112, 0xff00_u128 << 112, 0xffff_u128 << 32, 0];
        let kept = [u128::MAX, u128::MAX >> 10, u128::MAX >> 7, u128::MAX >> 8, 0xffff_ffff, 0xffff_ffff];
        let address = Ipv6Addr::from_bits(prefixes[prefix] | (bits & kept[prefix]));
        let otherwise = address.is_unique_local() || address.is_unicast_link_local() || address.is_loopback()
            || address.is_multicast() || address.is_unspecified();
        let plain = canonical(address.into());
        prop_assert!(!otherwise || special(plain).is_some(), "{address}");
    }

    /// Wrapped as the system or a gateway unwraps it, an address is judged as it is.
    #[test]
    fn a_wrapped_address_is_judged_as_what_it_wraps(bits: u32) {
        let v4 = Ipv4Addr::from_bits(bits);
        let mapped = v4.to_ipv6_mapped();
        let nat64 = Ipv6Addr::from_bits((0x0064_ff9b_u128 << 96) | u128::from(bits));
        for wrapped in [mapped, nat64] {
            prop_assert_eq!(permitted("", &wrapped.to_string()), permitted("", &v4.to_string()));
        }
        // What nobody unwraps reliably is refused.
        let compatible = Ipv6Addr::from_bits(u128::from(bits));
        let sixto4 = Ipv6Addr::from_bits((0x2002_u128 << 112) | (u128::from(bits) << 80));
        prop_assert!(!permitted("", &compatible.to_string()) && !permitted("", &sixto4.to_string()));
    }

    /// Whatever is written where a host stands: if it is an address to anybody, the filter saw one.
    #[test]
    fn no_host_of_a_url_is_an_address_that_was_not_judged(host in "[0-9a-fx.:%\\[\\]]{1,24}") {
        if let Ok(url) = Url::parse(&format!("http://{host}/")) {
            let text = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
            if let Ok(address) = text.trim_end_matches('.').parse::<IpAddr>() {
                let policy = egress("").policy(&id("any"));
                prop_assert_eq!(policy.check(&url).is_ok(), special(canonical(address)).is_none() && url.username().is_empty());
            }
        }
    }
}
