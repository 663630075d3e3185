//! `ringback health <url>`: whether a service answers, as an exit code. For the health checks of containers, whose
//! image has no other HTTP client.

use std::process::ExitCode;
use std::time::Duration;

use service::http_client::{self, HttpOptions};

use crate::failure::{Failure, Outcome};

/// Flags of `health`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to ask, such as http://127.0.0.1:8190/health/ready
    #[arg(value_name = "URL")]
    pub url: reqwest::Url,
    /// How long the answer may take
    #[arg(long, env = "RINGBACK_TIMEOUT", value_name = "SPAN", default_value = "4s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
}

/// Asks; healthy is any status from 200 to 299.
pub async fn run(args: Args) -> Outcome {
    let Args { url, timeout } = args;
    let options = HttpOptions {
        timeout,
        ..HttpOptions::default()
    };
    let http = http_client::build(&options)?;
    let answer = http.get(url.clone()).send().await;
    let response = answer
        .map_err(|error| anyhow::Error::from(error.without_url()).context(format!("{url}")))?;
    let status = response.status();
    if status.is_success() {
        return Ok(ExitCode::SUCCESS);
    }
    // The body says why; a health check's log has room for a line.
    let text = response.text().await.unwrap_or_default();
    Err(Failure::operation(format!(
        "{url} answered {status} {}",
        text.trim()
    )))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Asks a server that gives this answer to one request.
    async fn asked(answer: &'static str) -> Outcome {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ready", listener.local_addr().unwrap());
        let serve = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let outcome = run(Args {
            url: url.parse().unwrap(),
            timeout: Duration::from_secs(4),
        })
        .await;
        serve.await.unwrap();
        outcome
    }

    #[tokio::test]
    async fn a_service_that_is_not_ready_is_unhealthy_and_says_why() {
        assert!(
            asked("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await
                .is_ok()
        );
        let unready = asked("HTTP/1.1 503 No\r\ncontent-length: 12\r\n\r\nbroker: away").await;
        let message = unready.unwrap_err().message;
        assert!(
            message.contains("503") && message.contains("broker: away"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn where_nobody_listens_nothing_is_healthy() {
        // Bound, so that nobody else is given it, and not listening.
        let vacant = tokio::net::TcpSocket::new_v4().unwrap();
        vacant.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}/", vacant.local_addr().unwrap());
        let args = Args {
            url: url.parse().unwrap(),
            timeout: Duration::from_secs(4),
        };
        let failure = run(args).await.unwrap_err();
        assert!(failure.message.contains("refused"), "{}", failure.message);
    }
}
