//! The notifier's HTTP about endpoints: `/v1/endpoints`.
//!
//! An endpoint's settings are an object with the keys of `[[endpoint]]` in `ringback.toml`. What
//! is secret in them goes in and never comes out again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::words::words;
use crate::{AttemptError, EndpointId, Operation, TxNo, Verdict};

words!(
    /// Where an endpoint is defined, which says where it is changed.
    DefinedIn, "defined_in" {
        /// In the notifier's `ringback.toml`.
        File = "file",
        /// In the notifier's database, through the API.
        Table = "table",
    }
);

/// One endpoint as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointView {
    /// Its settings, without what is secret.
    pub endpoint: Map<String, Value>,
    /// Where it is defined.
    pub defined_in: DefinedIn,
    /// Whether it may be rung.
    pub operation: Operation,
    /// When that was said; absent if nobody ever said anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_ms: Option<i64>,
    /// Who said it; `rule` if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_reason: Option<String>,
    /// The secrets that sign just now, newest first.
    #[serde(default)]
    pub secrets: Vec<SecretView>,
    /// The settings that are set and not shown, such as `headers.x-api-key`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<String>,
    /// Of its last change; 0 if it never was changed here.
    pub revision: i64,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_ms: Option<i64>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_ms: Option<i64>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
    /// Why the notifier that was asked can't use it; absent if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
    /// What is under way in the notifier that was asked; absent if it does not know the endpoint yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<LaneShown>,
    /// Its clock, as the notifier that was asked has read it; absent until an answer had a `Date`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockShown>,
}

/// A receiver's clock, by the `Date` of its newest answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockShown {
    /// How many seconds it is ahead of ours; negative: behind. Beyond 60 either way an alarm is raised.
    pub ahead_s: i64,
    /// When it was read, by ours.
    pub read_ms: i64,
}

/// A lane in one notifier, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LaneShown {
    /// Messages that wait for their turn.
    pub waiting: u64,
    /// Attempts under way.
    pub under_way: u64,
    /// Messages parked by this notifier for want of room.
    pub asleep: u64,
    /// For how long the breaker has kept the endpoint alone; absent: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_for_ms: Option<u64>,
    /// When the breaker lets a probe through, from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_in_ms: Option<u64>,
    /// How much longer the receiver asked to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_to_wait_ms: Option<u64>,
}

/// A secret, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretView {
    /// The first eight characters of the hex SHA-256 over its text `whsec_…`, to tell it from others.
    pub fingerprint: String,
    /// It signs until then; absent: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
}

/// `GET /v1/endpoints?after=&limit=`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointsQuery {
    /// Only those in this operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<EndpointId>,
    /// 1 to 1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of endpoints, by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointsPage {
    /// The endpoints.
    pub endpoints: Vec<EndpointView>,
    /// Where the next page begins; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<EndpointId>,
}

/// `POST /v1/endpoints`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEndpoint {
    /// Its settings; `id` and `url` at least. Without `secrets` one is made.
    pub endpoint: Map<String, Value>,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `PATCH /v1/endpoints/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointChange {
    /// What changes, as a merge patch (RFC 7396): what is absent stays, `null` takes a setting away.
    pub endpoint: Map<String, Value>,
    /// Refuse if it is not at this revision any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer to what may have made a secret: it is told this once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointMade {
    /// The endpoint as it is now.
    #[serde(flatten)]
    pub view: EndpointView,
    /// The secret that was made, in clear; absent if the caller brought one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// `POST /v1/endpoints/{id}/pause|resume|disable|enable|test`, and the query of DELETE.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointAction {
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `POST /v1/endpoints/{id}/rotate-secret`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// The new one, `whsec_…`; absent: one is made, and told in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How long the old ones go on signing beside it, such as `24h`; absent: as the endpoint's
    /// `secret_overlap` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a test notification met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestResult {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Where it was posted.
    pub url: String,
    /// Its number.
    pub tx_no: TxNo,
    /// What the answer means by the endpoint's rule.
    pub verdict: Verdict,
    /// The answer's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was no answer, or none that is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
    /// The same in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How long it took.
    pub took_ms: u64,
    /// The beginning of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}
