//! `[broker.credentials]` and `[broker.tls]`, and the variables that say the same: who we are to the broker, and how
//! we tell it from an impostor.
//!
//! A secret is no flag, because everybody on a machine can read a command line. It comes from the file, from a file
//! that the file names, or from a variable; each value from exactly one place, and a variable wins over the file. A
//! path in the configuration is looked for beside it. No secret is in a `Debug`, and no error repeats one.

use std::fmt;
use std::path::{Path, PathBuf};

use rocketmq::{Credentials, TlsConfig, TlsIdentity};
use serde::Deserialize;

use crate::failure::Failure;

/// A value that nobody is shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

/// `[broker.credentials]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialsSection {
    /// The access key: ACL 2.0's user name.
    pub access_key: Option<String>,
    /// Its secret: the user's password. Either this
    pub secret_key: Option<Secret>,
    /// or a file that holds it and nothing else.
    pub secret_key_file: Option<PathBuf>,
    /// The token of temporary credentials. Either this
    pub session_token: Option<Secret>,
    /// or a file that holds it and nothing else.
    pub session_token_file: Option<PathBuf>,
}

/// `[broker.tls]`. Its presence asks for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// Certificates that are trusted, PEM; absent: the system's.
    pub ca_file: Option<PathBuf>,
    /// The name in the broker's certificate; absent: the host of the address.
    pub server_name: Option<String>,
    /// A certificate of our own, PEM,
    pub client_certificate_file: Option<PathBuf>,
    /// and its key: both or neither.
    pub client_key_file: Option<PathBuf>,
}

/// What the variables say: `RINGBACK_BROKER_` and the key in capitals. An empty one counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    credentials: CredentialsSection,
    tls: TlsSection,
}

impl Environment {
    /// Whether a variable is one of these.
    pub fn asks(name: &str) -> bool {
        const KEYS: [&str; 9] = [
            "ACCESS_KEY",
            "SECRET_KEY",
            "SECRET_KEY_FILE",
            "SESSION_TOKEN",
            "SESSION_TOKEN_FILE",
            "CA_FILE",
            "SERVER_NAME",
            "CLIENT_CERTIFICATE_FILE",
            "CLIENT_KEY_FILE",
        ];
        let key = name.strip_prefix("RINGBACK_BROKER_");
        key.is_some_and(|key| KEYS.contains(&key))
    }

    /// The process's own variables.
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate reads the environment"
    )]
    pub fn read() -> Self {
        Self::from(|name| std::env::var(name).ok())
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let said = |key: &str| {
            variable(&format!("RINGBACK_BROKER_{key}")).filter(|value| !value.is_empty())
        };
        let path = |key: &str| said(key).map(PathBuf::from);
        Self {
            credentials: CredentialsSection {
                access_key: said("ACCESS_KEY"),
                secret_key: said("SECRET_KEY").map(Secret),
                secret_key_file: path("SECRET_KEY_FILE"),
                session_token: said("SESSION_TOKEN").map(Secret),
                session_token_file: path("SESSION_TOKEN_FILE"),
            },
            tls: TlsSection {
                ca_file: path("CA_FILE"),
                server_name: said("SERVER_NAME"),
                client_certificate_file: path("CLIENT_CERTIFICATE_FILE"),
                client_key_file: path("CLIENT_KEY_FILE"),
            },
        }
    }
}

/// How the broker is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Absent: requests are not signed.
    pub credentials: Option<Credentials>,
    /// Absent: plain text, unless an address begins with `https://`.
    pub tls: Option<TlsConfig>,
}

impl Access {
    /// Out of the two sections and the variables. Files with secrets are read; those of TLS are only named, the
    /// client reads them.
    ///
    /// # Errors
    /// A secret from two places or from none, a file that can't be read or is empty, a value that no broker takes,
    /// half a client certificate.
    pub fn of(
        credentials: Option<&CredentialsSection>,
        tls: Option<&TlsSection>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        Ok(Self {
            credentials: who(credentials, &environment.credentials)?,
            tls: how(tls, &environment.tls)?,
        })
    }
}

impl CredentialsSection {
    /// Looks for its files in `folder`, unless they say where they are.
    pub(super) fn beside(&mut self, folder: &Path) {
        for path in [&mut self.secret_key_file, &mut self.session_token_file] {
            beside(path, folder);
        }
    }
}

impl TlsSection {
    /// Looks for its files in `folder`, unless they say where they are.
    pub(super) fn beside(&mut self, folder: &Path) {
        for path in [
            &mut self.ca_file,
            &mut self.client_certificate_file,
            &mut self.client_key_file,
        ] {
            beside(path, folder);
        }
    }
}

pub(super) fn beside(path: &mut Option<PathBuf>, folder: &Path) {
    if let Some(path) = path {
        *path = folder.join(&*path);
    }
}

fn who(
    file: Option<&CredentialsSection>,
    variables: &CredentialsSection,
) -> Result<Option<Credentials>, Failure> {
    let nothing = CredentialsSection::default();
    let listed = file.unwrap_or(&nothing);
    let secret = either(
        ("secret_key", "RINGBACK_BROKER_SECRET_KEY"),
        (&variables.secret_key, &variables.secret_key_file),
        (&listed.secret_key, &listed.secret_key_file),
    )?;
    let token = either(
        ("session_token", "RINGBACK_BROKER_SESSION_TOKEN"),
        (&variables.session_token, &variables.session_token_file),
        (&listed.session_token, &listed.session_token_file),
    )?;
    let access_key = variables.access_key.as_ref().or(listed.access_key.as_ref());
    let (access_key, secret) = match (access_key, secret) {
        (Some(access_key), Some(secret)) => (access_key, secret),
        (None, None) if token.is_none() && file.is_none() => return Ok(None),
        (Some(_), None) => {
            return Err(Failure::usage(
                "[broker.credentials] has an access_key and no secret: give secret_key, secret_key_file or \
                 RINGBACK_BROKER_SECRET_KEY",
            ));
        }
        (None, _) => {
            return Err(Failure::usage(
                "[broker.credentials] has no access_key: give it there or as RINGBACK_BROKER_ACCESS_KEY",
            ));
        }
    };
    let made = Credentials::new(access_key, secret.0).and_then(|made| match token {
        Some(token) => made.with_session_token(token.0),
        None => Ok(made),
    });
    made.map(Some)
        .map_err(|error| Failure::usage(format!("[broker.credentials] {}", error.kind())))
}

/// A secret from where it is said: a variable before the file, and in either place in one way only.
fn either(
    (key, variable): (&str, &str),
    said: (&Option<Secret>, &Option<PathBuf>),
    listed: (&Option<Secret>, &Option<PathBuf>),
) -> Result<Option<Secret>, Failure> {
    match (said, listed) {
        ((Some(_), Some(_)), _) => Err(Failure::usage(format!(
            "{variable} and {variable}_FILE are both set: exactly one says it"
        ))),
        ((None, None), (Some(_), Some(_))) => Err(Failure::usage(format!(
            "[broker.credentials] has both {key} and {key}_file: exactly one says it"
        ))),
        ((Some(secret), None), _) | ((None, None), (Some(secret), None)) => {
            Ok(Some(secret.clone()))
        }
        ((None, Some(path)), _) => content(path, &format!("{variable}_FILE")).map(Some),
        ((None, None), (None, Some(path))) => {
            content(path, &format!("[broker.credentials] {key}_file")).map(Some)
        }
        ((None, None), (None, None)) => Ok(None),
    }
}

/// The file's one line.
fn content(path: &Path, name: &str) -> Result<Secret, Failure> {
    let complaint =
        |reason: &dyn fmt::Display| Failure::usage(format!("{name}: {}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| complaint(&error))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(complaint(&"is empty"));
    }
    if text.contains('\n') {
        return Err(complaint(&"has more than one line"));
    }
    Ok(Secret(text.to_owned()))
}

fn how(file: Option<&TlsSection>, variables: &TlsSection) -> Result<Option<TlsConfig>, Failure> {
    if file.is_none() && *variables == TlsSection::default() {
        return Ok(None);
    }
    let nothing = TlsSection::default();
    let listed = file.unwrap_or(&nothing);
    let path = |said: &Option<PathBuf>, listed: &Option<PathBuf>| said.clone().or(listed.clone());
    let certificate = path(
        &variables.client_certificate_file,
        &listed.client_certificate_file,
    );
    let key = path(&variables.client_key_file, &listed.client_key_file);
    let identity = match (certificate, key) {
        (Some(certificate_file), Some(key_file)) => Some(TlsIdentity {
            certificate_file,
            key_file,
        }),
        (None, None) => None,
        (given, _) => {
            let missing = match given {
                Some(_) => "client_key_file",
                None => "client_certificate_file",
            };
            return Err(Failure::usage(format!(
                "[broker.tls] {missing} is missing: a client certificate is client_certificate_file and \
                 client_key_file, both or neither"
            )));
        }
    };
    Ok(Some(TlsConfig {
        ca_file: path(&variables.ca_file, &listed.ca_file),
        server_name: variables.server_name.clone().or(listed.server_name.clone()),
        identity,
    }))
}

#[cfg(test)]
mod tests;
