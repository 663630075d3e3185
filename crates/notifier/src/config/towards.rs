//! What a receiver wants to see beside the signature: headers, credentials, a certificate.
//!
//! Each is a key of the endpoint's own. What a header may not say is refused when the configuration is read, so that no
//! attempt can fail of it: values that would break the request apart, and names that the request needs for itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use notification::Invalid;
use serde::{Deserialize, Serialize};
use service::http_client::TlsOptions;

use super::EndpointConfig;

/// The most headers of an endpoint's own.
const MOST_HEADERS: usize = 32;

/// The most bytes of one value.
const LONGEST_VALUE: usize = 4096;

/// What the request itself says, or the connection needs. `webhook-` and `ringback-` are ours as a whole.
const OURS: [&str; 18] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// `basic = { user = …, password = … }` (RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// Without a colon.
    pub user: String,
    /// Or `password_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Hidden>,
    /// A file that holds it, white space around it aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// `[endpoint.tls]`: each in PEM, or a file that holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TowardsTls {
    /// Only these certificates vouch for the receiver; absent, those that the system trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// A file with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Our certificate, and those that lead from it to its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// A file with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<PathBuf>,
    /// The key of our certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Hidden>,
    /// A file with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

impl EndpointConfig {
    /// The first key that names a file of this machine: only the configuration file may.
    pub fn names_files(&self) -> Option<&'static str> {
        let basic = self
            .basic
            .as_ref()
            .is_some_and(|b| b.password_file.is_some());
        let tls = self.tls.as_ref();
        let within =
            |file: fn(&TowardsTls) -> &Option<PathBuf>| tls.is_some_and(|tls| file(tls).is_some());
        let named = [
            (self.secrets_file.is_some(), "secrets_file"),
            (basic, "basic.password_file"),
            (self.bearer_file.is_some(), "bearer_file"),
            (within(|tls| &tls.ca_file), "tls.ca_file"),
            (within(|tls| &tls.certificate_file), "tls.certificate_file"),
            (within(|tls| &tls.key_file), "tls.key_file"),
        ];
        named.into_iter().find_map(|(is, key)| is.then_some(key))
    }

    /// The headers that every attempt carries, `authorization` among them; files are read.
    pub(crate) fn request_headers(&self) -> Result<HeaderMap, Invalid> {
        if self.headers.len() > MOST_HEADERS {
            let limit = format!("at most {MOST_HEADERS} headers");
            return Err(self.invalid("headers", self.headers.len(), limit));
        }
        let mut headers = HeaderMap::new();
        for (name, Hidden(value)) in &self.headers {
            let field = format!("headers.{name}");
            let parsed: HeaderName = name
                .parse()
                .map_err(|_| self.invalid("headers", name, "names of HTTP headers"))?;
            let text = parsed.as_str();
            if OURS.contains(&text) || text.starts_with("webhook-") || text.starts_with("ringback-")
            {
                let limit = "a header that the request does not set itself";
                return Err(self.invalid("headers", name, limit));
            }
            if headers.insert(parsed, self.value(&field, value)?).is_some() {
                return Err(self.invalid("headers", name, "each name once, whatever its case"));
            }
        }
        let authorization = self.authorization()?;
        if let Some(authorization) = authorization
            && headers.insert(AUTHORIZATION, authorization).is_some()
        {
            let limit = "one of headers.authorization, `basic` and `bearer`";
            return Err(self.invalid("headers", "authorization", limit));
        }
        Ok(headers)
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, Invalid> {
        let token = self.text_or_file(
            "bearer",
            self.bearer.as_ref().map(|text| &text.0),
            self.bearer_file.as_deref(),
        )?;
        let text = match (&self.basic, token) {
            (Some(_), Some(_)) => {
                return Err(self.invalid(
                    "bearer",
                    "(hidden)",
                    "give `basic` or `bearer`, not both",
                ));
            }
            (Some(basic), None) => {
                let given = basic.password.as_ref().map(|text| &text.0);
                let file = basic.password_file.as_deref();
                let password = self.text_or_file("basic.password", given, file)?;
                let password = password.ok_or_else(|| {
                    self.invalid("basic", "no password", "give `password` or `password_file`")
                })?;
                if basic.user.contains(':') {
                    return Err(self.invalid("basic.user", &basic.user, "without a colon"));
                }
                format!(
                    "Basic {}",
                    STANDARD.encode(format!("{}:{password}", basic.user))
                )
            }
            (None, Some(token)) if token.is_empty() || token.contains(char::is_whitespace) => {
                let limit = "a token without blanks";
                return Err(self.invalid("bearer", "(hidden)", limit));
            }
            (None, Some(token)) => format!("Bearer {token}"),
            (None, None) => return Ok(None),
        };
        self.value("authorization", &text).map(Some)
    }

    /// Who is trusted, and who we are; files are read. That it is well-formed shows when a client is built of it.
    pub(crate) fn tls_options(&self) -> Result<TlsOptions, Invalid> {
        let Some(tls) = &self.tls else {
            return Ok(TlsOptions::default());
        };
        if !self.url.starts_with("https://") {
            return Err(self.invalid("tls", &self.url, "only for a url with https://"));
        }
        let ca_pem = self.text_or_file("tls.ca", tls.ca.as_ref(), tls.ca_file.as_deref())?;
        let certificate = self.text_or_file(
            "tls.certificate",
            tls.certificate.as_ref(),
            tls.certificate_file.as_deref(),
        )?;
        let key = tls.key.as_ref().map(|text| &text.0);
        let key = self.text_or_file("tls.key", key, tls.key_file.as_deref())?;
        let identity_pem = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(format!("{certificate}\n{key}\n")),
            (None, None) => None,
            _ => {
                let limit = "a certificate and its key, or neither";
                return Err(self.invalid("tls", "one of the two", limit));
            }
        };
        Ok(TlsOptions {
            ca_pem,
            identity_pem,
        })
    }

    fn text_or_file(
        &self,
        name: &str,
        text: Option<&String>,
        file: Option<&Path>,
    ) -> Result<Option<String>, Invalid> {
        match (text, file) {
            (None, None) => Ok(None),
            (Some(text), None) => Ok(Some(text.clone())),
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(Some(text.trim().to_owned())),
                Err(error) => {
                    let limit = format!("readable: {error}");
                    Err(self.invalid(&format!("{name}_file"), path.display(), limit))
                }
            },
            (Some(_), Some(_)) => {
                let limit = "the text or its file, not both";
                Err(self.invalid(name, "both given", limit))
            }
        }
    }

    /// A value that is never shown.
    fn value(&self, field: &str, text: &str) -> Result<HeaderValue, Invalid> {
        let printable = |b: u8| (b' '..=b'~').contains(&b) || b == b'\t';
        let value = HeaderValue::from_str(text).ok().filter(|_| {
            text.len() <= LONGEST_VALUE && text.trim() == text && text.bytes().all(printable)
        });
        let Some(mut value) = value else {
            let limit = format!(
                "at most {LONGEST_VALUE} printable ASCII characters, none of them a line break, no blank at either end"
            );
            return Err(self.invalid(field, "(hidden)", limit));
        };
        value.set_sensitive(true);
        Ok(value)
    }

    fn invalid(&self, name: &str, value: impl fmt::Display, limit: impl Into<String>) -> Invalid {
        Invalid::new(format!("endpoint {}: {name}", self.id), value, limit)
    }
}

/// The endpoint's own headers, by name.
pub type Headers = BTreeMap<String, Hidden>;

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(more: &str) -> EndpointConfig {
        let text = format!(
            "id = \"shop\"\nurl = \"https://shop.example/in\"\n\
             secrets = [\"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"]\n{more}"
        );
        toml::from_str(&text).unwrap()
    }

    fn refused(more: &str) -> String {
        let endpoint = endpoint(more);
        let said = match (endpoint.request_headers(), endpoint.tls_options()) {
            (Err(said), _) | (_, Err(said)) => said.to_string(),
            both => panic!("taken: {more}: {both:?}"),
        };
        assert!(said.starts_with("endpoint shop: "), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        said
    }

    #[test]
    fn headers_and_credentials_become_the_requests() {
        let headers =
            endpoint("headers = { X-Tenant = \"7\", x-team = \"pay ments\" }").request_headers();
        let headers = headers.unwrap();
        assert_eq!(headers["x-tenant"], "7");
        assert_eq!(headers["x-team"], "pay ments");
        let of = |more: &str| endpoint(more).request_headers().unwrap()["authorization"].clone();
        assert_eq!(
            of("basic = { user = \"Aladdin\", password = \"open sesame\" }"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(of("bearer = \"mF_9.B5f\""), "Bearer mF_9.B5f");
        assert_eq!(of("headers = { authorization = \"ApiKey 1\" }"), "ApiKey 1");
    }

    #[test]
    fn secrets_may_stand_in_files_and_are_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "hunter2\n").unwrap();
        let more = format!("bearer_file = {path:?}");
        let headers = endpoint(&more).request_headers().unwrap();
        assert_eq!(headers["authorization"], "Bearer hunter2");
        assert!(!format!("{headers:?}").contains("hunter2"));
        let basic = endpoint(
            "basic = { user = \"u\", password = \"hunter2\" }\nheaders = { x-key = \"hunter2\" }",
        );
        assert!(!format!("{basic:?}").contains("hunter2"));
        assert!(refused("bearer_file = \"/nowhere/at/all\"").contains("bearer_file"));
    }

    #[test]
    fn what_would_break_the_request_is_refused() {
        for (more, word) in [
            ("headers = { x-a = \"a\\r\\nx-b: hunter2\" }", "headers.x-a"),
            ("headers = { x-a = \"\\u0000\" }", "headers.x-a"),
            ("headers = { x-a = \"grüße\" }", "headers.x-a"),
            ("headers = { x-a = \" padded\" }", "headers.x-a"),
            ("headers = { \"x a\" = \"1\" }", "names of HTTP headers"),
            ("headers = { \"\" = \"1\" }", "names of HTTP headers"),
            ("headers = { Host = \"evil\" }", "does not set itself"),
            (
                "headers = { Content-Length = \"1\" }",
                "does not set itself",
            ),
            ("headers = { webhook-id = \"1\" }", "does not set itself"),
            (
                "headers = { Ringback-Source = \"1\" }",
                "does not set itself",
            ),
            ("headers = { x-a = \"1\", X-A = \"2\" }", "each name once"),
            ("basic = { user = \"u\" }", "`password` or `password_file`"),
            (
                "basic = { user = \"u:v\", password = \"hunter2\" }",
                "without a colon",
            ),
            ("bearer = \"hunter2 hunter2\"", "without blanks"),
            (
                "bearer = \"a\"\nbasic = { user = \"u\", password = \"hunter2\" }",
                "not both",
            ),
            (
                "bearer = \"a\"\nheaders = { authorization = \"hunter2\" }",
                "one of",
            ),
            ("bearer = \"a\"\nbearer_file = \"b\"", "not both"),
            ("tls = { certificate = \"x\" }", "or neither"),
        ] {
            let said = refused(more);
            assert!(said.contains(word), "{more}: {said}");
        }
        let long = format!(
            "headers = {{ x-a = \"{}\" }}",
            "a".repeat(LONGEST_VALUE + 1)
        );
        assert!(refused(&long).contains("4096"));
        let many: Vec<String> = (0..33).map(|n| format!("x-{n} = \"1\"")).collect();
        assert!(refused(&format!("headers = {{ {} }}", many.join(", "))).contains("32"));
    }

    #[test]
    fn tls_is_for_https_alone() {
        let mut plain = endpoint("tls = { ca = \"x\" }");
        plain.url = "http://shop.example/in".into();
        assert!(plain.tls_options().unwrap_err().limit.contains("https"));
    }

    #[test]
    fn every_key_that_names_a_file_is_known() {
        for key in [
            "secrets_file",
            "bearer_file",
            "basic.password_file",
            "tls.ca_file",
            "tls.certificate_file",
            "tls.key_file",
        ] {
            let mut given = endpoint("");
            let line = format!("basic.user = \"u\"\n{key} = \"/x\"\n");
            let more: toml::Table = line.parse().unwrap();
            given.secrets_file = more.contains_key("secrets_file").then(|| "/x".into());
            let with = endpoint(if key == "secrets_file" { "" } else { &line });
            let found = given.names_files().or_else(|| with.names_files());
            assert_eq!(found, Some(key));
        }
        assert_eq!(endpoint("").names_files(), None);
    }
}
