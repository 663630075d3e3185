//! Asks everybody at once, each under a deadline. Nothing is changed, consumed or posted.

use std::future::Future;
use std::time::Duration;

use database::{Database, Migrations};
use notification::LetterState;
use notifier::LetterOnRecord;
use rocketmq::{Admin, Client, Error, ErrorKind};
use tokio::net::TcpStream;

use super::evidence::{
    Asked, BrokerFacts, DatabaseFacts, DeadFacts, LetterId, NodeFacts, ServiceFacts, Unreached,
};
use crate::browse::dead::DLQ;
use crate::browse::{Cursor, DeadMessage, Walk};
use crate::setup::Wanted;
use crate::setup::carry_out;

/// How long one question may take.
const WITHIN: Duration = Duration::from_secs(5);
/// How long reading whole topics may take.
const READING_WITHIN: Duration = Duration::from_secs(30);
/// The format of an HTTP date, which ends in GMT.
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// Under a deadline, the error in words.
async fn asked<T, E: std::fmt::Display>(
    within: Duration,
    question: impl Future<Output = Result<T, E>>,
) -> Asked<T> {
    match tokio::time::timeout(within, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!(
            "no answer within {}",
            humantime::format_duration(within)
        )),
    }
}

/// Whether the gRPC service answers for any of the topics; that one does not exist is told elsewhere.
pub async fn grpc(client: &Client, wanted: &Wanted) -> Asked<()> {
    for topic in wanted.topics.keys() {
        let route = async {
            match client.route(topic).await {
                Err(error) if !matches!(error.kind(), ErrorKind::TopicNotFound { .. }) => {
                    Err(error)
                }
                _ => Ok(()),
            }
        };
        asked(WITHIN, route).await?;
    }
    Ok(())
}

/// What administration tells.
pub async fn broker(admin: &Admin, wanted: &Wanted) -> Asked<BrokerFacts> {
    let found = asked(WITHIN * 2, carry_out::read(admin, wanted)).await?;
    let cluster = asked(WITHIN, admin.cluster()).await?;
    let mut nodes = Vec::new();
    for node in cluster.masters() {
        nodes.push(NodeFacts {
            name: node.name.clone(),
            address: node.address.clone(),
            version: asked(WITHIN, admin.broker_version(node)).await,
            settings: asked(WITHIN, admin.broker_settings(node)).await,
        });
    }
    let out_of_checks = asked(WITHIN, async {
        match admin.queues("TRANS_CHECK_MAX_TIME_TOPIC").await {
            Ok(queues) => Ok(queues
                .iter()
                .map(|queue| queue.max.saturating_sub(queue.min))
                .fold(0, i64::saturating_add)),
            Err(error) if matches!(error.kind(), ErrorKind::TopicNotFound { .. }) => Ok(0),
            Err(error) => Err(error),
        }
    })
    .await;
    Ok(BrokerFacts {
        clock_ahead_ms: asked(WITHIN * 2, newest(admin, wanted))
            .await
            .ok()
            .flatten(),
        found,
        nodes,
        out_of_checks: out_of_checks.map(|lie| u64::try_from(lie).unwrap_or(0)),
    })
}

/// How far the broker's clock is ahead, at least: a message that was stored in the future, or before it was born.
async fn newest(admin: &Admin, wanted: &Wanted) -> Result<Option<i64>, Error> {
    let mut shown: Option<i64> = None;
    for topic in wanted.topics.keys() {
        let queues = match admin.queues(topic).await {
            Ok(queues) => queues,
            Err(error) if matches!(error.kind(), ErrorKind::TopicNotFound { .. }) => continue,
            Err(error) => return Err(error),
        };
        for queue in queues.iter().filter(|queue| queue.max > queue.min) {
            let pulled = admin.pull(&queue.queue(), queue.max - 1, 1).await?;
            for message in pulled.messages {
                let now_ms = service::clock::now_ms();
                let ahead = message.stored_ms.saturating_sub(now_ms).max(0);
                let behind = message.born_ms.saturating_sub(message.stored_ms).max(0);
                let seen = if ahead >= behind { ahead } else { -behind };
                shown = Some(match shown {
                    Some(other) if other.unsigned_abs() >= seen.unsigned_abs() => other,
                    _ => seen,
                });
            }
        }
    }
    Ok(shown)
}

/// How far a service's tables are.
pub async fn database(
    service: &str,
    config: &database::Config,
    sets: &[Migrations],
) -> DatabaseFacts {
    // Looking must not make the file.
    let file = config.url.strip_prefix("sqlite://");
    let absent = file.is_some_and(|file| !std::path::Path::new(file).exists());
    let schemas = if absent {
        Ok(None)
    } else {
        asked(WITHIN, async {
            let database = Database::open(config).await?;
            let mut schemas = Vec::new();
            for set in sets {
                schemas.push(database.schema(set).await?);
            }
            database.close().await;
            Ok::<_, database::DatabaseError>(Some(schemas))
        })
        .await
    };
    DatabaseFacts {
        service: service.to_owned(),
        schemas,
    }
}

/// Whether a service is ready, and what its clock says. `path` is what it is asked.
pub async fn service(http: &reqwest::Client, name: &str, base: &str, path: &str) -> ServiceFacts {
    let url = format!("{base}{path}");
    let mut clock_ahead_ms = None;
    let lacks = asked(WITHIN, async {
        let began = service::clock::now_ms();
        let response = http
            .get(&url)
            .send()
            .await
            .map_err(|error| innermost(&error))?;
        let date = response.headers().get(reqwest::header::DATE);
        let date = date.and_then(|date| date.to_str().ok());
        let date =
            date.and_then(|date| chrono::NaiveDateTime::parse_from_str(date, HTTP_DATE).ok());
        if let Some(date) = date {
            let between = i64::midpoint(began, service::clock::now_ms());
            // The header has whole seconds: half of one is the best guess.
            clock_ahead_ms = Some(date.and_utc().timestamp_millis() + 500 - between);
        }
        if response.status().is_success() {
            return Ok(Vec::new());
        }
        let status = response.status();
        let body = response.bytes().await.map_err(|error| innermost(&error))?;
        let said = serde_json::from_slice::<notification::api::notifier::NotReady>(&body);
        Ok::<_, String>(said.map_or_else(|_| vec![status.to_string()], |said| said.reasons))
    })
    .await
    .map_err(|why| format!("{base} does not answer: {why}"));
    ServiceFacts {
        name: name.to_owned(),
        url: base.to_owned(),
        lacks,
        clock_ahead_ms,
    }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Whether a receiver takes connections where the notifier would connect to: nothing is sent to it.
pub async fn endpoint(
    egress: &notifier::EgressConfig,
    endpoint: &notifier::EndpointConfig,
) -> (String, Result<(), Unreached>) {
    let url = &endpoint.url;
    let found = asked(WITHIN, async {
        Ok::<_, String>(notifier::whither(egress, &endpoint.id, url).await)
    });
    let addresses = match found.await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(notifier::Nowhere::Refused { why, address })) => {
            let allow = address.map(|address| address.to_string());
            return (url.clone(), Err(Unreached::Refused { why, allow }));
        }
        Ok(Err(notifier::Nowhere::Unknown(why))) | Err(why) => {
            return (url.clone(), Err(Unreached::Silent(why)));
        }
    };
    let shown = addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    let connected = asked(WITHIN, TcpStream::connect(addresses.as_slice())).await;
    (
        shown.join(", "),
        connected.map(drop).map_err(Unreached::Silent),
    )
}

/// Letters on record, and what lies in the dead-letter topics.
pub async fn dead(admin: &Admin, wanted: &Wanted, config: &database::Config) -> Asked<DeadFacts> {
    asked(READING_WITHIN, async {
        let database = Database::open(config)
            .await
            .map_err(|error| error.to_string())?;
        let compared = compare(admin, wanted, &database).await;
        database.close().await;
        compared
    })
    .await
}

async fn compare(admin: &Admin, wanted: &Wanted, database: &Database) -> Result<DeadFacts, String> {
    let letters = async || {
        let letters = notifier::letters_on_record(database).await;
        letters.map_err(|error| error.to_string())
    };
    let mut facts = DeadFacts::default();
    for letter in letters().await? {
        if letter.state != LetterState::Open {
            continue;
        }
        if let Some(forwarded_ms) = letter.forwarded_ms {
            facts.forwarded.insert(id(letter), forwarded_ms);
        }
    }
    in_topics(admin, wanted, &mut facts)
        .await
        .map_err(|error| error.to_string())?;
    // A letter comes before its message: of what was found none is without it now, unless nobody wrote it.
    for letter in letters().await? {
        let (state, died_ms, forwarded_ms) = (letter.state, letter.died_ms, letter.forwarded_ms);
        let id = id(letter);
        if state == LetterState::Open && forwarded_ms.is_none() {
            facts.unforwarded.insert(id.clone(), died_ms);
        }
        facts.known.insert(id);
    }
    Ok(facts)
}

fn id(letter: LetterOnRecord) -> LetterId {
    (letter.group, letter.source, letter.tx_no, letter.generation)
}

async fn in_topics(admin: &Admin, wanted: &Wanted, facts: &mut DeadFacts) -> Result<(), Error> {
    let groups = wanted.groups.keys();
    let topics: Vec<String> = groups.map(|group| format!("{DLQ}{group}")).collect();
    let mut walk = Walk::begin(admin, &topics, &Cursor::default()).await?;
    while let Some(found) = walk.next().await? {
        let message = DeadMessage::read(&found.broker, &found.message);
        // A malformed one lies on record under a number that only its notifier knows.
        if message.source.is_none() || message.tx_no.is_none() {
            facts.strangers += 1;
            continue;
        }
        let (group, source, number, generation) = message.letter();
        let id = (
            group.to_owned(),
            source.to_owned(),
            number.to_owned(),
            generation,
        );
        facts.in_topic.insert(id, message.stored_ms);
    }
    facts.unreadable = walk.unreadable();
    Ok(())
}
