//! What a job does with its next letters, by what their endpoints say: pure.

use notification::EndpointId;

use super::endpoint_now::Now;
use super::id::Place;
use super::job::Job;
use super::step::{Candidate, Endpoints};

/// What becomes of them.
#[derive(Debug)]
pub(super) enum Arranged {
    /// These, in one step.
    Take(Vec<Candidate>),
    Wait(String),
    Pause(String),
}

/// Letters that are all of one endpoint. A job for one endpoint pauses when it fails; one for many
/// passes over its letters, and each stays open.
pub(super) fn of_one(job: &Job, mut letters: Vec<Candidate>, now: &Now) -> Arranged {
    match now {
        Now::Wait(why) => Arranged::Wait(why.clone()),
        Now::Failing(why) if job.endpoint.is_some() => Arranged::Pause(why.clone()),
        Now::Failing(why) => {
            for letter in &mut letters {
                letter.refused.get_or_insert_with(|| why.clone());
            }
            Arranged::Take(letters)
        }
        Now::Takes(most) => {
            let mut left = *most;
            let taken = letters.iter().take_while(|letter| {
                let goes = letter.refused.is_some() || left > 0;
                left -= usize::from(letter.refused.is_none() && left > 0);
                goes
            });
            let taken = taken.count();
            letters.truncate(taken);
            match letters.is_empty() {
                true => Arranged::Wait("its endpoint takes no more now".to_owned()),
                false => Arranged::Take(letters),
            }
        }
    }
}

/// Letters of several endpoints, some of which take none.
#[derive(Debug)]
pub(super) struct Parted {
    pub take: Vec<Candidate>,
    /// Endpoints whose letters were left out, and the place before the first of each.
    pub left: Vec<(EndpointId, Option<Place>)>,
    /// Why the first of them was.
    pub why: Option<String>,
}

/// Takes what can be taken. Who takes none is left to a walk of its own, so that nobody waits for it.
pub(super) fn of_many(
    letters: Vec<Candidate>,
    mut now: Endpoints,
    mut before: Option<Place>,
) -> Parted {
    let mut parted = Parted {
        take: Vec::with_capacity(letters.len()),
        left: Vec::new(),
        why: None,
    };
    for mut letter in letters {
        let place = letter.place.clone();
        if !parted.left.iter().any(|(id, _)| *id == letter.endpoint) {
            match (&letter.refused, now.get_mut(&letter.endpoint)) {
                (Some(_), _) => parted.take.push(letter),
                (None, Some(Now::Failing(why))) => {
                    letter.refused = Some(why.clone());
                    parted.take.push(letter);
                }
                (None, Some(Now::Takes(free @ 1..))) => {
                    *free -= 1;
                    parted.take.push(letter);
                }
                (None, now) => {
                    let why = match now {
                        Some(Now::Wait(why)) => why.clone(),
                        _ => "its endpoint takes no more now".to_owned(),
                    };
                    parted.why.get_or_insert(why);
                    parted.left.push((letter.endpoint, before.take()));
                }
            }
        }
        before = Some(place);
    }
    parted
}

#[cfg(test)]
mod tests {
    use notification::TxNo;
    use notification::api::letters::{JobKind, JobState, LetterFilter, ResendRate};

    use super::*;
    use crate::copy::tests::copy;
    use crate::letters::id::LetterId;

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

    /// The n-th letter to have died.
    fn place(n: u8) -> Place {
        let mut key = copy().key;
        key.tx_no = TxNo::from_parts(1, [n; 10]);
        let generation = 0;
        Place {
            died_ms: i64::from(n),
            id: LetterId { key, generation },
        }
    }

    fn letters(of: &[&str]) -> Vec<Candidate> {
        let letter = |(n, endpoint): (u8, &&str)| Candidate {
            place: place(n),
            endpoint: endpoint.parse().unwrap(),
            refused: None,
        };
        (1..).zip(of).map(letter).collect()
    }

    fn now(of: &[(&str, Now)]) -> Endpoints {
        let each = of.iter();
        each.map(|(id, now)| (id.parse().unwrap(), now.clone()))
            .collect()
    }

    fn refused(letters: Vec<Candidate>) -> Vec<Option<String>> {
        letters.into_iter().map(|letter| letter.refused).collect()
    }

    #[test]
    fn no_more_go_than_the_endpoint_takes() {
        let (job, five) = (job(Some("e")), || letters(&["e"; 5]));
        let two = of_one(&job, five(), &Now::Takes(2));
        assert!(matches!(two, Arranged::Take(letters) if letters.len() == 2));
        let none = of_one(&job, five(), &Now::Takes(0));
        assert!(matches!(none, Arranged::Wait(_)));
        let busy = of_one(&job, five(), &Now::Wait("busy".into()));
        assert!(matches!(busy, Arranged::Wait(why) if why == "busy"));
        // What can't be sent at all takes nobody's place.
        let mut some = five();
        some[1].refused = Some("malformed".to_owned());
        let two = of_one(&job, some, &Now::Takes(2));
        assert!(matches!(two, Arranged::Take(letters) if letters.len() == 3));
    }

    #[test]
    fn a_job_for_one_endpoint_pauses_when_it_fails_and_one_for_many_passes_over_it() {
        let failing = Now::Failing("500".into());
        let next = of_one(&job(Some("bad")), letters(&["bad", "bad"]), &failing);
        assert!(matches!(next, Arranged::Pause(why) if why == "500"));
        let Arranged::Take(passed) = of_one(&job(None), letters(&["bad"]), &failing) else {
            panic!("it does not stand still");
        };
        assert_eq!(refused(passed), [Some("500".to_owned())]);
        let mixed = now(&[("bad", failing), ("good", Now::Takes(9))]);
        let parted = of_many(letters(&["bad", "good", "bad"]), mixed, None);
        let why = Some("500".to_owned());
        assert_eq!(refused(parted.take), [why.clone(), None, why]);
        assert!(parted.left.is_empty());
    }

    #[test]
    fn who_takes_none_is_left_and_the_others_go() {
        let mixed = now(&[
            ("e", Now::Takes(2)),
            ("busy", Now::Wait("busy".into())),
            ("f", Now::Takes(9)),
        ]);
        let of = ["e", "busy", "f", "e", "e", "busy", "f", "e"];
        let parted = of_many(letters(&of), mixed, None);
        let taken: Vec<i64> = parted.take.iter().map(|l| l.place.died_ms).collect();
        assert_eq!(taken, [1, 3, 4, 7]);
        assert_eq!(parted.why.as_deref(), Some("busy"));
        // Each goes on by itself behind the letter before its first that was left.
        let left: Vec<(&str, Option<i64>)> = parted
            .left
            .iter()
            .map(|(id, place)| (id.as_str(), place.as_ref().map(|place| place.died_ms)))
            .collect();
        assert_eq!(left, [("busy", Some(1)), ("e", Some(4))]);
        let first = now(&[("busy", Now::Wait("busy".into()))]);
        let parted = of_many(letters(&["busy"]), first, Some(place(0)));
        assert_eq!(parted.left[0].1, Some(place(0)));
    }
}
