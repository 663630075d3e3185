//! What a job does with its next letters, by what their endpoints say.

use notification::api::letters::{JobState, LetterFilter, ResendRate};

use super::*;
use crate::copy::tests::copy;
use crate::letters::id::{LetterId, Place};

fn job(endpoint: Option<&str>) -> Job {
    Job {
        id: copy().key.tx_no,
        kind: JobKind::Resend,
        state: JobState::Running,
        note: None,
        filter: LetterFilter::default(),
        endpoint: endpoint.map(|id| id.parse().unwrap()),
        rate: ResendRate::USUAL,
        anyway: false,
        reason: None,
        asked_by: "operator".to_owned(),
        created_ms: 0,
        ended_ms: None,
        selected: 3,
        matched: 0,
        dealt: 0,
        failed: 0,
        reached: None,
        worker: None,
        claimed_until_ms: 0,
    }
}

fn letters(of: &[&str]) -> Vec<Candidate> {
    let letter = |endpoint: &&str| Candidate {
        place: Place {
            died_ms: 1,
            id: LetterId {
                key: copy().key,
                generation: 0,
            },
        },
        endpoint: endpoint.parse().unwrap(),
        refused: None,
    };
    of.iter().map(letter).collect()
}

fn arranged(endpoint: Option<&str>, of: &[&str], now: &[(&str, Now)]) -> Next {
    let now = now
        .iter()
        .map(|(id, now)| (id.parse().unwrap(), now.clone()));
    arrange(&job(endpoint), &mut letters(of), now.collect())
}

fn takes(next: Next) -> Vec<Option<String>> {
    match next {
        Next::Take(letters) => letters.into_iter().map(|letter| letter.refused).collect(),
        Next::Wait(why) => panic!("waits: {why}"),
        Next::Pause(why) => panic!("pauses: {why}"),
        Next::Finish => panic!("finishes"),
    }
}

#[test]
fn no_more_go_than_the_endpoint_takes() {
    let two = [("e", Now::Takes(2))];
    assert_eq!(takes(arranged(Some("e"), &["e"; 5], &two)).len(), 2);
    let none = [("e", Now::Wait("busy".into()))];
    assert!(matches!(arranged(Some("e"), &["e"], &none), Next::Wait(why) if why == "busy"));
    // The first one's endpoint decides whether anything goes; a later one's how far it goes.
    let mixed = [("e", Now::Takes(9)), ("f", Now::Wait("busy".into()))];
    assert_eq!(
        takes(arranged(None, &["e", "e", "f", "e"], &mixed)).len(),
        2
    );
}

#[test]
fn a_job_for_one_endpoint_pauses_when_it_fails_and_one_for_many_passes_over_it() {
    let failing = || ("bad", Now::Failing("500".into()));
    let next = arranged(Some("bad"), &["bad", "bad"], &[failing()]);
    assert!(matches!(next, Next::Pause(why) if why == "500"));
    let mixed = [failing(), ("good", Now::Takes(9))];
    let taken = takes(arranged(None, &["bad", "good", "bad"], &mixed));
    assert_eq!(
        taken,
        [Some("500".to_owned()), None, Some("500".to_owned())]
    );
}
