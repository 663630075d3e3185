//! Asking the running services over HTTP: where they are, and what their refusals mean to a person.
//!
//! An address comes from its flag or variable, else from `run.json` (written by `up` and `demo`), else from
//! `ringback.toml`, else it is the usual one. The operator's token is read from the data folder.

mod known;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notification::api::Problem;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use service::http_client::HttpOptions;

use crate::cli::Services;
use crate::config;
use crate::failure::Failure;
use known::Known;

/// How long a service that is there may take to answer: a hung one freezes nobody's terminal.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Longer than an endpoint's deadline may be: a test is answered when its attempt has ended.
pub const ATTEMPT_WITHIN: Duration = Duration::from_secs(65);
/// For what reads very much at once; the notifier itself gives up after half a minute.
pub const LONG_READ_WITHIN: Duration = Duration::from_secs(35);
/// Longer than bank1's longest transaction: whoever gives up earlier would not hear how it ended.
pub const TRANSACTION_WITHIN: Duration = Duration::from_secs(40);

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The initiator.
    Bank1,
    /// The receiver.
    Bank2,
    /// The notifier; its API wants the operator's token.
    Notifier,
}

impl Who {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bank1 => "bank1",
            Self::Bank2 => "bank2",
            Self::Notifier => "notifier",
        }
    }
}

/// Why a question got no answer that can be used.
#[derive(Debug)]
pub enum AskError {
    /// Nobody listens there: the service saw nothing of the question.
    NotThere(Failure),
    /// Nobody was asked: the notifier answers only who has its operator's token, and there is none.
    NoToken(Failure),
    /// The connection broke or the answer took too long: the service may have acted on it.
    Broken(Failure),
    /// The service refused, and said why.
    Refused(Box<Problem>),
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NotThere(failure)
            | AskError::NoToken(failure)
            | AskError::Broken(failure) => failure,
            AskError::Refused(problem) => refusal(&problem),
        }
    }
}

/// A refusal in one line, with what is allowed.
pub fn refusal(problem: &Problem) -> Failure {
    let failure = Failure::refused(problem.to_string());
    match StatusCode::from_u16(problem.status) {
        Ok(StatusCode::UNAUTHORIZED) => {
            failure.help("The token must be the one in the notifier's data folder: --data-dir, or RINGBACK_TOKEN.")
        }
        Ok(StatusCode::CONFLICT) if !problem.matches.is_empty() => {
            failure.help(format!("Give more of the number: {}", problem.matches.join(", ")))
        }
        _ => failure,
    }
}

/// The services, as one command asks them.
#[derive(Debug)]
pub struct Reach {
    http: reqwest::Client,
    bank1: String,
    bank2: String,
    notifier: String,
    token: Option<String>,
    token_file: PathBuf,
    data: PathBuf,
}

impl Reach {
    /// Finds the services.
    ///
    /// # Errors
    /// `run.json` or `ringback.toml` is there and can't be read.
    pub fn find(services: &Services) -> Result<Self, Failure> {
        let data = &services.data.data_dir;
        let http = service::http_client::build(&HttpOptions {
            timeout: ANSWER_WITHIN,
            ..HttpOptions::default()
        })
        .map_err(|error| Failure::operation(format!("no HTTP client: {error:#}")))?;
        let known = Known::read(data)?;
        let url = |flag: &Option<String>, known: SocketAddr| match flag {
            Some(url) => url.clone(),
            None => config::usual::url(known),
        };
        Ok(Self {
            http,
            bank1: url(&services.urls.bank1, known.bank1),
            bank2: url(&services.urls.bank2, known.bank2),
            notifier: url(&services.urls.notifier, known.notifier),
            token: services.token.clone(),
            token_file: config::paths::token(data),
            data: data.clone(),
        })
    }

    /// Asks with GET. `path` begins with a slash.
    pub async fn get<T: DeserializeOwned>(
        &self,
        who: Who,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, AskError> {
        self.get_within(ANSWER_WITHIN, who, path, query).await
    }

    /// Asks with GET, and waits no longer than this.
    pub async fn get_within<T: DeserializeOwned>(
        &self,
        within: Duration,
        who: Who,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, AskError> {
        let request = self.request(who, Method::GET, path)?.query(query);
        self.send(who, request, within).await
    }

    /// Asks with POST and a JSON body.
    pub async fn post<T: DeserializeOwned>(
        &self,
        who: Who,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, AskError> {
        self.post_within(ANSWER_WITHIN, who, path, body).await
    }

    /// Asks with POST and a JSON body, and waits no longer than this.
    pub async fn post_within<T: DeserializeOwned>(
        &self,
        within: Duration,
        who: Who,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, AskError> {
        let request = self.request(who, Method::POST, path)?.json(body);
        self.send(who, request, within).await
    }

    /// Asks with PATCH and a JSON body.
    pub async fn patch<T: DeserializeOwned>(
        &self,
        who: Who,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, AskError> {
        let request = self.request(who, Method::PATCH, path)?.json(body);
        self.send(who, request, ANSWER_WITHIN).await
    }

    /// Asks with DELETE.
    pub async fn delete<T: DeserializeOwned>(
        &self,
        who: Who,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, AskError> {
        let request = self.request(who, Method::DELETE, path)?.query(query);
        self.send(who, request, ANSWER_WITHIN).await
    }

    fn base(&self, who: Who) -> &str {
        match who {
            Who::Bank1 => &self.bank1,
            Who::Bank2 => &self.bank2,
            Who::Notifier => &self.notifier,
        }
    }

    fn request(&self, who: Who, method: Method, path: &str) -> Result<RequestBuilder, AskError> {
        let request = self
            .http
            .request(method, format!("{}{path}", self.base(who)));
        match who {
            Who::Notifier => Ok(request.bearer_auth(self.token().map_err(AskError::NoToken)?)),
            Who::Bank1 | Who::Bank2 => Ok(request),
        }
    }

    fn token(&self) -> Result<String, Failure> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        match std::fs::read_to_string(&self.token_file) {
            Ok(token) => Ok(token.trim().to_owned()),
            Err(error) => {
                let why = match error.kind() {
                    std::io::ErrorKind::NotFound => String::new(),
                    _ => format!(": {error}"),
                };
                let failure = Failure::operation(format!(
                    "no operator's token at {}{why}",
                    self.token_file.display()
                ));
                Err(failure.help(format!(
                    "Name the running system's data folder with --data-dir, or give its token with --token. \
                     If nothing runs yet: {}",
                    self.start_command()
                )))
            }
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        who: Who,
        request: RequestBuilder,
        within: Duration,
    ) -> Result<T, AskError> {
        let response = request
            .timeout(within)
            .send()
            .await
            .map_err(|error| self.silence(who, &error, within))?;
        let status = response.status();
        let body = response
            .bytes()
            .await
            .map_err(|error| self.silence(who, &error, within))?;
        if !status.is_success() {
            return Err(AskError::Refused(Box::new(problem(status, &body))));
        }
        // 204 and an empty body read as JSON's null.
        let text: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(text).map_err(|error| {
            let (name, base) = (who.name(), self.base(who));
            AskError::Broken(Failure::operation(format!(
                "{name} at {base} answered something else: {error}"
            )))
        })
    }

    /// What an error of the connection means.
    fn silence(&self, who: Who, error: &reqwest::Error, within: Duration) -> AskError {
        let cause = innermost(error);
        let (name, base) = (who.name(), self.base(who));
        if error.is_timeout() {
            let failure = Failure::operation(format!(
                "{name} at {base} does not answer within {}",
                humantime::format_duration(within)
            ));
            let failure = failure.help(format!(
                "Does it hang? Its process: {}",
                self.data.join("run.json").display()
            ));
            if error.is_connect() {
                AskError::NotThere(failure)
            } else {
                AskError::Broken(failure)
            }
        } else if error.is_connect() || error.is_builder() {
            let failure = Failure::operation(format!("{name} at {base} does not answer: {cause}"));
            AskError::NotThere(failure.help(self.start_help()))
        } else {
            AskError::Broken(Failure::operation(format!(
                "{name} at {base} broke off: {cause}"
            )))
        }
    }

    fn start_help(&self) -> String {
        format!("Start the system: {}", self.start_command())
    }

    fn start_command(&self) -> String {
        let usual = self.data == Path::new(".ringback");
        let folder = if usual {
            String::new()
        } else {
            format!(" --data-dir {}", self.data.display())
        };
        format!("ringback up{folder}")
    }
}

/// The refusal's document, or one made of whatever else was answered.
fn problem(status: StatusCode, body: &[u8]) -> Problem {
    let fallback = || Problem {
        status: status.as_u16(),
        title: status.to_string(),
        detail: format!("{status}: {}", String::from_utf8_lossy(body).trim()),
        ..Problem::default()
    };
    serde_json::from_slice::<Problem>(body)
        .ok()
        .filter(|problem| problem.status == status.as_u16())
        .unwrap_or_else(fallback)
}

/// The last cause in its own words: reqwest's own text repeats the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_found_before_what_is_configured_and_that_before_what_is_usual() {
        let data = tempfile::tempdir().unwrap();
        let known = Known::read(data.path()).unwrap();
        assert_eq!(
            (known.bank1, known.notifier.port()),
            (config::usual::BANK1, 8190)
        );

        let text = "[bank1]\nlisten = \"127.0.0.1:7001\"\n[bank2]\nlisten = \"127.0.0.1:7002\"\n";
        std::fs::write(data.path().join("ringback.toml"), text).unwrap();
        let run = r#"{"services":{"bank1":{"address":"127.0.0.1:6001","pid":1}}}"#;
        std::fs::write(data.path().join("run.json"), run).unwrap();
        let known = Known::read(data.path()).unwrap();
        assert_eq!(known.bank1.port(), 6001);
        assert_eq!(known.bank2.port(), 7002);
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_shown_as_it_is() {
        let told = problem(StatusCode::BAD_GATEWAY, b"<h1>nginx</h1>");
        assert_eq!(
            (told.status, told.detail.as_str()),
            (502, "502 Bad Gateway: <h1>nginx</h1>")
        );
    }

    #[test]
    fn an_ambiguous_ending_lists_what_it_fits() {
        let matches = vec!["a-9f52".to_owned(), "b-9f52".to_owned()];
        let problem = Problem {
            status: 409,
            detail: "2 numbers end in 9f52".into(),
            matches,
            ..Problem::default()
        };
        let failure = refusal(&problem);
        assert_eq!(
            failure.help.as_deref(),
            Some("Give more of the number: a-9f52, b-9f52")
        );
    }
}
