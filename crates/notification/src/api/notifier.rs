//! The notifier's HTTP: a notification with its attempts, the outcome feed, dead letters,
//! and who may ask.

mod access;
mod listing;

pub use access::{
    AuditAction, AuditEntry, AuditPage, AuditQuery, RevokeRequest, Role, TokenLine, TokenMade,
    TokenRequest, TokensPage, TokensQuery,
};

pub use listing::{
    AttemptsPage, AttemptsQuery, NotificationsPage, NotificationsQuery, RingAsked, RingRequest,
    WithdrawRequest, Withdrawn,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::letters::LetterFilter;
use crate::{
    AttemptError, DeadReason, EndpointId, EventType, Group, LetterClass, LetterState,
    NotificationState, OutcomeKind, Source, TxNo, Verdict,
};

/// `GET /v1/notifications/{ending}?source=&group=`: what narrows an ending down.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationQuery {
    /// Only of this initiator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Only of this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
}

/// A notification as the notifier has it on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotificationView {
    /// The record.
    pub notification: Record,
    /// The ladder's rungs.
    pub ladder_ms: Vec<u64>,
    /// Every attempt, oldest first.
    pub attempts: Vec<Attempt>,
    /// A letter for each generation that died.
    pub letters: Vec<LetterLine>,
}

/// The record's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The subscription.
    pub group: Group,
    /// The initiator.
    pub source: Source,
    /// Its number.
    pub tx_no: TxNo,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// What happened.
    pub event_type: String,
    /// What a person searches for.
    pub business_key: String,
    /// Where it stands.
    pub state: NotificationState,
    /// 0, and one more for each resend.
    pub generation: u32,
    /// Attempts of this generation.
    pub attempts: u32,
    /// Times it was put off without an attempt.
    pub parks: u32,
    /// When the next attempt is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_ms: Option<i64>,
    /// When the record came into being.
    pub accepted_ms: i64,
    /// When it last changed.
    pub updated_ms: i64,
}

/// One HTTP request that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// The generation it belongs to.
    pub generation: u32,
    /// 1 for the first of its generation.
    pub number: u32,
    /// Where it went.
    pub url: String,
    /// When it began.
    pub started_ms: i64,
    /// How long it took.
    pub took_ms: u64,
    /// What it meant.
    pub verdict: Verdict,
    /// The status, if an answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The failure, if none did or its body was not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
    /// The beginning of the answer's body, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// When the next one is due because of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_ms: Option<i64>,
    /// The process that made it.
    pub worker: String,
    /// How often the broker had handed the copy out, by its own count: shown, and never counted on.
    #[serde(default)]
    pub delivery_attempt: u32,
}

/// A letter as its notification shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LetterLine {
    /// The generation that died.
    pub generation: u32,
    /// What has been done about it.
    pub state: LetterState,
    /// Whose fault.
    pub class: LetterClass,
    /// Why.
    pub reason: DeadReason,
    /// When.
    pub died_ms: i64,
}

/// `POST /v1/notifications/states`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatesRequest {
    /// Whose numbers.
    pub source: Source,
    /// At most [`super::MOST_TX_NOS`].
    pub tx_nos: Vec<TxNo>,
}

/// The records among the numbers asked about; an absent one is not accepted yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct States {
    /// One entry a record: a number has one for each group.
    pub states: Vec<StateLine>,
}

/// Where one notification stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StateLine {
    /// Its number.
    pub tx_no: TxNo,
    /// The subscription.
    pub group: Group,
    /// Where it stands.
    pub state: NotificationState,
    /// 0, and one more for each resend.
    pub generation: u32,
    /// Attempts of this generation.
    pub attempts: u32,
    /// When the next one is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_ms: Option<i64>,
}

/// `GET /v1/outcomes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomesQuery {
    /// Whose.
    pub source: Source,
    /// The cursor: `next` of the page before, or empty.
    #[serde(default)]
    pub after: String,
    /// At most 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of the feed. It ends ten seconds before now, so that no line can still slip in behind
/// the cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomesPage {
    /// The identity of the record store: another one means to start anew from the empty cursor.
    pub epoch: String,
    /// In the order of their ids.
    pub outcomes: Vec<OutcomeLine>,
    /// The cursor to ask with next.
    pub next: String,
    /// Whether this page reached the feed's end.
    pub at_end: bool,
}

/// One outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeLine {
    /// Its place in the feed.
    pub id: String,
    /// The subscription.
    pub group: Group,
    /// The initiator.
    pub source: Source,
    /// Its number.
    pub tx_no: TxNo,
    /// The generation.
    pub generation: u32,
    /// What happened.
    pub kind: OutcomeKind,
    /// When.
    pub at_ms: i64,
}

/// `GET /v1/dead-letters`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LettersQuery {
    /// Only in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<LetterState>,
    /// Only of this endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointId>,
    /// Only of this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Only of this initiator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Only of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<LetterClass>,
    /// Only those that died of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeadReason>,
    /// Only of this event type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// Only those that died at this moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// Only those that died before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
    /// Only with this business key, or whose number ends so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The cursor: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The page's size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl LettersQuery {
    /// Asks for the letters of a filter.
    #[must_use]
    pub fn of(filter: LetterFilter) -> Self {
        Self {
            endpoint: filter.endpoint,
            group: filter.group,
            source: filter.source,
            class: filter.class,
            reason: filter.reason,
            event_type: filter.event_type,
            since_ms: filter.since_ms,
            until_ms: filter.until_ms,
            key: filter.key,
            ..Self::default()
        }
    }

    /// What it asks for, but for the state.
    #[must_use]
    pub fn filter(&self) -> LetterFilter {
        LetterFilter {
            endpoint: self.endpoint.clone(),
            group: self.group.clone(),
            source: self.source.clone(),
            class: self.class,
            reason: self.reason,
            event_type: self.event_type.clone(),
            since_ms: self.since_ms,
            until_ms: self.until_ms,
            key: self.key.clone(),
        }
    }
}

/// A page of dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LettersPage {
    /// Oldest first.
    pub letters: Vec<Letter>,
    /// The cursor to ask with next; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many are open in all.
    pub total_open: u64,
    /// When the oldest open one died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_ms: Option<i64>,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Letter {
    /// `group/source/tx_no/generation`.
    pub id: String,
    /// Its number.
    pub tx_no: TxNo,
    /// Where it should have gone.
    pub endpoint: EndpointId,
    /// How often it was tried.
    pub attempts: u32,
    /// Whose fault.
    pub class: LetterClass,
    /// Why.
    pub reason: DeadReason,
    /// The last answer's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<u16>,
    /// When it died.
    pub died_ms: i64,
    /// What happened at the initiator.
    pub event_type: String,
    /// What a person searches for.
    pub business_key: String,
}

/// `GET /v1/dead-letters/{ending}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LetterDetail {
    /// What the list shows.
    #[serde(flatten)]
    pub letter: Letter,
    /// The body's media type.
    pub content_type: String,
    /// The body.
    pub body_base64: String,
    /// When it reached the dead-letter topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_ms: Option<i64>,
    /// What has been done about it.
    pub state: LetterState,
}

/// `POST /v1/dead-letters/{ending}/resend`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendRequest {
    /// Send even though the endpoint's last answers failed.
    #[serde(default)]
    pub anyway: bool,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The 202 answer to a resend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resent {
    /// The new generation.
    pub generation: u32,
}

/// `POST /v1/dead-letters/{ending}/discard`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscardRequest {
    /// Why, for the record.
    pub reason: String,
}

/// `POST /v1/dead-letters/{ending}/forward`: the dead-letter topic lacks it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardRequest {
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `POST /v1/endpoints/{id}/repaired`: an operator's word that the receiver works again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepairedRequest {
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// From when on an endpoint's failures count against a resend again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repaired {
    /// Which.
    pub endpoint: EndpointId,
    /// When it was said.
    pub repaired_ms: i64,
}

/// The 200 answer of `GET /health/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    /// For how long the oldest result has been waiting to be on record; absent if none waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unflushed_for_ms: Option<u64>,
    /// Endpoints that take less than is due for them.
    pub busy_lanes: Vec<EndpointId>,
}

/// What a program reads of the 503 answer of `GET /health/ready`, which is a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotReady {
    /// What is missing.
    pub reasons: Vec<String>,
}
