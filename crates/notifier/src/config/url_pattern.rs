//! Where a message's own `notify-url` may lead: the endpoint's pattern.
//!
//! `https://*.merchant.example/hooks/*`. A message may change host and path and nothing else:
//! scheme and port are the pattern's; a user, a query or a fragment is refused. `*.` at the
//! beginning of the host stands for one or more labels, `*` in the path for any characters.
//! What is compared is the URL as it would be sent, with `..` resolved and the host in lower case.

use std::fmt;
use std::str::FromStr;

use notification::Invalid;
use reqwest::Url;
use serde::{Deserialize, Serialize};

const FIELD: &str = "notify_url_pattern";
const LIMIT: &str = "a URL such as https://*.merchant.example/hooks/*: `*.` may begin the host, `*` may stand in the path";
const LONGEST: usize = 1024;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UrlPattern {
    text: String,
    scheme: String,
    /// Without the `*.` before it.
    host: String,
    below: Below,
    port: Option<u16>,
    path: String,
}

/// Whether the host is meant, or what lies below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    Itself,
    Below,
}

impl UrlPattern {
    /// The URL that a message names, if it lies within the pattern.
    ///
    /// # Errors
    /// It is no URL, or lies outside.
    pub(crate) fn admit(&self, notify_url: &str) -> Result<Url, Invalid> {
        let outside = |why: &str| {
            let limit = format!("{why} {}", self.text);
            Err(Invalid::new("notify_url", notify_url, limit))
        };
        let Ok(url) = Url::parse(notify_url) else {
            return outside("a URL within");
        };
        if url.scheme() != self.scheme || url.port_or_known_default() != self.port {
            return outside("scheme and port of");
        }
        let named = !url.username().is_empty() || url.password().is_some();
        if named || url.query().is_some() || url.fragment().is_some() {
            return outside("only another host and path, no user, query or fragment, within");
        }
        let host = url.host_str().unwrap_or_default();
        let fits = match self.below {
            Below::Itself => host == self.host,
            Below::Below => host
                .strip_suffix(&self.host)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|labels| !labels.is_empty()),
        };
        if !fits {
            return outside("a host within");
        }
        if !matches(&self.path, url.path()) {
            return outside("a path within");
        }
        Ok(url)
    }
}

/// Whether a text has the pattern's pieces in their order, from beginning to end.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl FromStr for UrlPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new(FIELD, text, LIMIT);
        // A star is no character of a host: the rest is read by whoever reads URLs.
        let (below, plain) = match text.split_once("://*.") {
            Some((scheme, rest)) => (Below::Below, format!("{scheme}://{rest}")),
            None => (Below::Itself, text.to_owned()),
        };
        let url = Url::parse(&plain).map_err(|_| wrong())?;
        let host = url.host_str().ok_or_else(wrong)?;
        let plain_host = !host.contains('*') && !host.is_empty();
        // Whatever stands below an address, it is no host.
        let named =
            matches!(below, Below::Itself) || url.domain().is_some_and(|name| name.contains('.'));
        let extras = url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some();
        let http = matches!(url.scheme(), "http" | "https");
        if !http || !plain_host || !named || extras || text.len() > LONGEST {
            return Err(wrong());
        }
        Ok(Self {
            text: text.to_owned(),
            scheme: url.scheme().to_owned(),
            host: host.to_owned(),
            below,
            port: url.port_or_known_default(),
            path: url.path().to_owned(),
        })
    }
}

impl TryFrom<String> for UrlPattern {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<UrlPattern> for String {
    fn from(pattern: UrlPattern) -> String {
        pattern.text
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(pattern: &str, url: &str) -> bool {
        pattern.parse::<UrlPattern>().unwrap().admit(url).is_ok()
    }

    #[test]
    fn host_and_path_may_change_within_the_pattern() {
        let pattern = "https://*.merchant.example/hooks/*";
        for inside in [
            "https://a.merchant.example/hooks/1",
            "https://a.b.merchant.example/hooks/",
            "https://A.Merchant.Example/hooks/x/y",
            "https://a.merchant.example:443/hooks/x/../y",
        ] {
            assert!(admits(pattern, inside), "{inside}");
        }
        for outside in [
            "https://merchant.example/hooks/1",
            "https://amerchant.example/hooks/1",
            "https://.merchant.example/hooks/1",
            "https://evil.example/hooks/1",
            "https://evil.example/.merchant.example/hooks/1",
            "https://a.merchant.example.evil.example/hooks/1",
            "https://evil.example#.merchant.example/hooks/1",
            "https://a.merchant.example@evil.example/hooks/1",
            "https://u:p@a.merchant.example/hooks/1",
            "http://a.merchant.example/hooks/1",
            "https://a.merchant.example:8443/hooks/1",
            "https://a.merchant.example/hooks",
            "https://a.merchant.example/other/1",
            "https://a.merchant.example/hooks/../other",
            "https://a.merchant.example/hooks/%2e%2e/other",
            "https://a.merchant.example/hooks/1?x=1",
            "https://a.merchant.example/hooks/1#x",
            "ftp://a.merchant.example/hooks/1",
            "nonsense",
            "",
        ] {
            assert!(!admits(pattern, outside), "{outside}");
        }
    }

    #[test]
    fn without_a_star_it_is_that_host_and_that_path() {
        let pattern = "http://127.0.0.1:8182/n";
        assert!(admits(pattern, "http://127.0.0.1:8182/n"));
        assert!(!admits(pattern, "http://127.0.0.1:8182/n/"));
        assert!(!admits(pattern, "http://127.0.0.1:8183/n"));
        // Another spelling of the same address is the same address.
        assert!(admits(pattern, "http://0x7f.1:8182/n"));
    }

    #[test]
    fn stars_in_the_path_stand_for_anything_in_its_order() {
        let pattern = "https://m.example/v1/*/hooks/*/end";
        assert!(admits(pattern, "https://m.example/v1/a/hooks/b/end"));
        assert!(!admits(pattern, "https://m.example/v1/a/hooks/end"));
        assert!(!admits(pattern, "https://m.example/v1/a/hooks/b/end/more"));
        assert!(!admits(pattern, "https://m.example/v1/a/b/end"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in [
            "",
            "merchant.example/*",
            "ftp://m.example/*",
            "https://*/x",
            "https://*.example/x",
            "https://*.10.0.0.1/x",
            "https://a.*.example/x",
            "https://m.example/?x=*",
            "https://u@m.example/",
            "https://*.a*b.example/",
        ] {
            assert!(bad.parse::<UrlPattern>().is_err(), "{bad}");
        }
        let pattern: UrlPattern = "https://*.m.example/*".parse().unwrap();
        assert_eq!(pattern.to_string(), "https://*.m.example/*");
    }
}
