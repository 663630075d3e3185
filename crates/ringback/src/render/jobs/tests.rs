//! What a person reads of a job.

use notification::api::letters::{JobLetter, JobResult, PreviewLine, ReasonCount};

use super::*;
use crate::render::moment::Zone;
use crate::render::samples::{T0, tx_no};

fn now() -> Now {
    Now {
        ms: T0 + 90_000,
        zone: Zone::Utc,
    }
}

fn by_endpoint() -> LetterFilter {
    LetterFilter {
        endpoint: Some("bank2".parse().unwrap()),
        ..LetterFilter::default()
    }
}

fn job() -> JobView {
    JobView {
        id: tx_no(),
        kind: JobKind::Resend,
        state: JobState::Running,
        note: None,
        filter: by_endpoint(),
        rate: ResendRate::USUAL,
        anyway: false,
        reason: Some("bank2 is repaired".into()),
        asked_by: "operator".into(),
        created_ms: T0,
        ended_ms: None,
        selected: 100_000,
        matched: 25_000,
        dealt: 24_998,
        failed: 2,
        failures: vec![ReasonCount {
            why: "it is not open any more".into(),
            count: 2,
        }],
        fate: None,
    }
}

#[test]
fn a_dry_run_says_how_many_where_and_how_long() {
    let request = JobRequest {
        kind: JobKind::Resend,
        filter: by_endpoint(),
        all: false,
        rate: None,
        anyway: false,
        reason: None,
    };
    let shown = preview(
        &request,
        &JobPreview {
            selected: 100_000,
            oldest_ms: Some(T0),
            endpoints: vec![PreviewLine {
                endpoint: "bank2".parse().unwrap(),
                selected: 100_000,
                failing: Some("503".into()),
            }],
            unsendable: vec![ReasonCount {
                why: "malformed".into(),
                count: 3,
            }],
        },
        &now(),
    );
    assert_eq!(
        shown,
        "\
dry run: nothing is changed (endpoint bank2)
selected 100,000, the oldest dead for 1 min 30 s
ENDPOINT  LETTERS
bank2     100,000  failing, its last answers: 503 (needs --anyway)
3 can't be sent anew: malformed
at 50/s it takes 33 min 20 s at least"
    );
}

#[test]
fn its_beginning_says_how_many_and_so_does_its_resumption() {
    let first = JobView {
        matched: 0,
        ..job()
    };
    assert_eq!(
        begun(&first, ""),
        format!(
            "job {0}: resending 100,000 dead letters at 50/s   stop it: ringback dlq job stop {0}",
            ending(&tx_no())
        )
    );
    assert!(begun(&job(), "").contains("resending 75,000 of 100,000 dead letters"));
}

#[test]
fn its_progress_is_one_line() {
    assert_eq!(
        progress(&job(), &now()),
        "25%  selected 100,000 · matched 25,000 · resent 24,998 · failed 2   1 min 30 s"
    );
    let waiting = JobView {
        note: Some("endpoint bank2 is busy".into()),
        ..job()
    };
    assert!(progress(&waiting, &now()).ends_with("waits: endpoint bank2 is busy"));
}

#[test]
fn its_end_says_what_came_of_it_and_what_to_type() {
    let paused = JobView {
        state: JobState::Paused,
        note: Some("endpoint bank2's last 4 answers were 503".into()),
        ..job()
    };
    assert_eq!(
        ended(&paused, "9f52", ""),
        "\
selected 100,000 · matched 25,000 · resent 24,998 · failed 2
  failed 2: it is not open any more
job 9f52 PAUSED: endpoint bank2's last 4 answers were 503
Go on: ringback dlq job resume 9f52"
    );
    let settled = JobView {
        state: JobState::Done,
        matched: 100_000,
        dealt: 100_000,
        failed: 0,
        failures: vec![],
        fate: Some(JobFate {
            delivered: 100_000,
            ..JobFate::default()
        }),
        ..job()
    };
    assert_eq!(
        ended(&settled, "9f52", ""),
        "\
selected 100,000 · matched 100,000 · resent 100,000 · failed 0
of the resent: delivered 100,000 · waiting 0 · dead again 0"
    );
}

#[test]
fn jobs_are_listed_and_shown_with_their_letters() {
    assert_eq!(
        list(&[job()], &now()),
        "\
ID     BEGUN     WHAT    STATE    SELECTED  DONE    FAILED  WHICH
…9f52  14:03:07  resend  running  100,000   24,998  2       endpoint bank2"
    );
    let page = JobLettersPage {
        letters: vec![JobLetter {
            id: format!("bank2/bank1/{}/0", tx_no()),
            tx_no: tx_no(),
            result: JobResult::Failed,
            why: Some("it is not open any more".into()),
            at_ms: T0,
        }],
        next: None,
    };
    let waiting = JobView {
        note: Some("endpoint bank2 is busy".into()),
        ..job()
    };
    assert_eq!(
        show(&waiting, Some(&page), &now()),
        format!(
            "\
job {0}
  resend endpoint bank2, at 50/s
  asked for by operator at 14:03:07: bank2 is repaired
  running, 25%, 25 min left at least: endpoint bank2 is busy
  selected 100,000 · matched 25,000 · resent 24,998 · failed 2
    failed 2: it is not open any more
failed  bank2/bank1/{0}/0  it is not open any more
1 letter",
            tx_no()
        )
    );
}
