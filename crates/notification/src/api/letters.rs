//! Many dead letters at once: which are chosen, the job that deals with them, and their export.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::words;
use crate::{
    DeadReason, EndpointId, EventType, Group, Invalid, LetterClass, LetterState, Source, TxNo,
};

/// Which dead letters; what is absent asks for all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LetterFilter {
    /// Of this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// Of this initiator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Of this endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointId>,
    /// Of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<LetterClass>,
    /// That died of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeadReason>,
    /// Of this event type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// That died at this moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// That died before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
    /// With this business key, or whose number ends so (4 characters or more).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

words!(
    /// What a job does with its letters.
    JobKind, "kind" {
        /// Sends each anew, one generation on.
        Resend = "resend",
        /// Gives each up, with a reason.
        Discard = "discard",
    }
);

words!(
    /// Where a job stands.
    JobState, "state" {
        /// Some replica carries it.
        Running = "running",
        /// It stopped by itself: its endpoint fails again.
        Paused = "paused",
        /// An operator stopped it.
        Stopped = "stopped",
        /// It has dealt with all its letters.
        Done = "done",
    }
);

words!(
    /// What became of one letter of a job.
    JobResult, "result" {
        /// It lives again, and its message goes out.
        Resent = "resent",
        /// It was given up.
        Discarded = "discarded",
        /// Nothing was done; the letter is as it was.
        Failed = "failed",
    }
);

/// How fast a job goes: `50/s`, `30/m`; a bare number is a second's. 1 a minute to 5,000 a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResendRate {
    per_minute: u32,
}

impl ResendRate {
    /// What a resend goes at that names no rate.
    pub const USUAL: Self = Self::of(50 * 60);
    /// What a discard goes at: it rings nobody.
    pub const DISCARD: Self = Self::of(1_000 * 60);
    const MOST: u32 = 5_000 * 60;

    const fn of(per_minute: u32) -> Self {
        Self { per_minute }
    }

    /// Letters a minute.
    ///
    /// # Errors
    /// None, or more than 300,000.
    pub fn per_minute(per_minute: u32) -> Result<Self, Invalid> {
        if (1..=Self::MOST).contains(&per_minute) {
            Ok(Self::of(per_minute))
        } else {
            Err(Self::refused(&format!("{per_minute}/m")))
        }
    }

    /// The same as a number.
    #[must_use]
    pub const fn minutely(self) -> u32 {
        self.per_minute
    }

    fn refused(text: &str) -> Invalid {
        Invalid::new("rate", text, "1/m to 5000/s, such as 50/s")
    }
}

impl JsonSchema for ResendRate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ResendRate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl FromStr for ResendRate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (number, times) = match text.split_once('/') {
            None => (text, 60),
            Some((number, "s")) => (number, 60),
            Some((number, "m")) => (number, 1),
            Some(_) => return Err(Self::refused(text)),
        };
        let number: Option<u32> = number.trim().parse().ok();
        let per_minute = number.and_then(|number| number.checked_mul(times));
        per_minute
            .and_then(|per_minute| Self::per_minute(per_minute).ok())
            .ok_or_else(|| Self::refused(text))
    }
}

impl fmt::Display for ResendRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per_minute {
            minutely if minutely % 60 == 0 => write!(f, "{}/s", minutely / 60),
            minutely => write!(f, "{minutely}/m"),
        }
    }
}

impl TryFrom<String> for ResendRate {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<ResendRate> for String {
    fn from(rate: ResendRate) -> Self {
        rate.to_string()
    }
}

/// `POST /v1/dead-letter-jobs`, and `POST /v1/dead-letter-jobs/dry-run`, which changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// What to do.
    pub kind: JobKind,
    /// With which open letters.
    #[serde(default)]
    pub filter: LetterFilter,
    /// With all of them: a job without a filter has to say so.
    #[serde(default)]
    pub all: bool,
    /// How fast; absent: 50/s for a resend, 1000/s for a discard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<ResendRate>,
    /// Resend to endpoints whose last answers all failed, too.
    #[serde(default)]
    pub anyway: bool,
    /// Why, for the record. A discard needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a job would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobPreview {
    /// How many open letters the filter selects.
    pub selected: u64,
    /// When the oldest of them died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_ms: Option<i64>,
    /// By endpoint, the most letters first.
    pub endpoints: Vec<PreviewLine>,
    /// What can't be sent anew, by reason.
    pub unsendable: Vec<ReasonCount>,
}

/// One endpoint's part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreviewLine {
    /// Which.
    pub endpoint: EndpointId,
    /// How many.
    pub selected: u64,
    /// Its last answers, if all of them failed: a resend needs `anyway`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
}

/// How many for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReasonCount {
    /// Why.
    pub why: String,
    /// How many.
    pub count: u64,
}

/// A job: `GET /v1/dead-letter-jobs/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobView {
    /// Its id.
    pub id: TxNo,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// What it waits for, or why it paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Which letters.
    pub filter: LetterFilter,
    /// How fast at most.
    pub rate: ResendRate,
    /// Whether failing endpoints are rung too.
    pub anyway: bool,
    /// The operator's word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asked for it.
    pub asked_by: String,
    /// When.
    pub created_ms: i64,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// Open letters that the filter selected when it began.
    pub selected: u64,
    /// Those that were still open when their turn came.
    pub matched: u64,
    /// Those resent, or discarded.
    pub dealt: u64,
    /// Those for which nothing was done.
    pub failed: u64,
    /// Why, the most frequent first; at most ten.
    pub failures: Vec<ReasonCount>,
    /// What has become of the resent ones by now, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fate: Option<JobFate>,
}

/// Where the notifications stand that a job has resent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct JobFate {
    /// The receiver took them.
    pub delivered: u64,
    /// Still tried.
    pub waiting: u64,
    /// Dead again.
    pub dead: u64,
    /// Cancelled.
    pub cancelled: u64,
}

/// `GET /v1/dead-letter-jobs/{id}?fate=true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobQuery {
    /// Also count what has become of the resent ones.
    #[serde(default)]
    pub fate: bool,
}

/// `GET /v1/dead-letter-jobs`: the newest hundred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Jobs {
    /// Newest first.
    pub jobs: Vec<JobView>,
}

/// `POST /v1/dead-letter-jobs/{id}/resume`; `…/stop` takes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeRequest {
    /// From now on also to endpoints that fail; once said it stays.
    #[serde(default)]
    pub anyway: bool,
    /// Another rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<ResendRate>,
}

/// `GET /v1/dead-letter-jobs/{id}/letters`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobLettersQuery {
    /// Only these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<JobResult>,
    /// The cursor: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The page's size, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What a job did, letter by letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobLettersPage {
    /// In the order of their ids.
    pub letters: Vec<JobLetter>,
    /// The cursor to ask with next; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One letter of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobLetter {
    /// `group/source/tx_no/generation`, as it was.
    pub id: String,
    /// Its number.
    pub tx_no: TxNo,
    /// What became of it.
    pub result: JobResult,
    /// Why nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When.
    pub at_ms: i64,
}

/// `GET /v1/dead-letters/export`: a page of whole letters, oldest first, asked for like
/// `GET /v1/dead-letters`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LettersExport {
    /// One line of the file each.
    pub letters: Vec<LetterExport>,
    /// The cursor to ask with next; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A whole letter, as `docs/dead-letter-export.md` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LetterExport {
    /// `group/source/tx_no/generation`.
    pub id: String,
    /// The subscription.
    pub group: Group,
    /// The initiator.
    pub source: Source,
    /// Its number.
    pub tx_no: TxNo,
    /// The generation that died.
    pub generation: u32,
    /// Where it should have gone.
    pub endpoint: EndpointId,
    /// What has been done about it.
    pub state: LetterState,
    /// Whose fault.
    pub class: LetterClass,
    /// Why it died.
    pub reason: DeadReason,
    /// How often it was tried.
    pub attempts: u32,
    /// The last answer's status.
    pub last_status: Option<u16>,
    /// The last failure in words.
    pub last_error: Option<String>,
    /// When it died.
    pub died_ms: i64,
    /// When it reached the broker's dead-letter topic.
    pub forwarded_ms: Option<i64>,
    /// When it was dealt with.
    pub closed_ms: Option<i64>,
    /// By whom.
    pub closed_by: Option<String>,
    /// Why.
    pub closed_reason: Option<String>,
    /// The topic that it was sent to.
    pub origin_topic: String,
    /// What happened at the initiator.
    pub event_type: String,
    /// What a person searches for.
    pub business_key: String,
    /// The body's media type.
    pub content_type: String,
    /// Where this one was to go instead of the endpoint's own URL.
    pub notify_url: Option<String>,
    /// The initiator's database.
    pub initiator_id: String,
    /// The body, byte for byte.
    pub body_base64: String,
    /// The body once more where it is printable UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_text: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_by_the_second_or_the_minute() {
        for (text, minutely, shown) in [
            ("50/s", 3_000, "50/s"),
            ("50", 3_000, "50/s"),
            ("30/m", 30, "30/m"),
            ("120/m", 120, "2/s"),
            ("5000/s", 300_000, "5000/s"),
        ] {
            let rate: ResendRate = text.parse().unwrap();
            assert_eq!(
                (rate.minutely(), rate.to_string().as_str()),
                (minutely, shown)
            );
        }
        for bad in [
            "",
            "0/s",
            "5001/s",
            "50/h",
            "-1/s",
            "50/s/s",
            "4294967295/s",
        ] {
            let error = bad.parse::<ResendRate>().unwrap_err();
            assert_eq!(error.limit, "1/m to 5000/s, such as 50/s", "{bad}");
        }
    }

    #[test]
    fn a_job_is_asked_for_in_few_words_and_refuses_unknown_ones() {
        let asked: JobRequest = serde_json::from_str(
            r#"{"kind":"resend","filter":{"endpoint":"bank2","reason":"rejected"},"rate":"50/s"}"#,
        )
        .unwrap();
        assert_eq!(asked.filter.reason, Some(DeadReason::Rejected));
        assert!(!asked.anyway);
        for bad in [
            r#"{"kind":"resend","filter":{"endpiont":"bank2"}}"#,
            r#"{"kind":"send"}"#,
        ] {
            assert!(serde_json::from_str::<JobRequest>(bad).is_err(), "{bad}");
        }
    }
}
