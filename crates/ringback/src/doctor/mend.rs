//! What `doctor --mend` does about what it found: the dead-letter topic gets from the letters what it lacks.
//!
//! The letter's row is the truth. The notifier does the work, for it holds the key to the letters' bodies and writes down
//! who asked; all that is changed here is asked of it, letter by letter.

use notification::api::notifier::ForwardRequest;

use super::dead::{SUBJECT, lacking, named};
use super::evidence::LetterId;
use super::{Evidence, Finding, Level};
use crate::failure::Failure;
use crate::reach::{AskError, Reach, Who};
use crate::render::count;

/// Asks for each letter that the topic lacks, and says what came of it.
///
/// # Errors
/// Letters and topic were not compared, so nothing is known to mend.
pub async fn mend(reach: &Reach, evidence: &Evidence) -> Result<Vec<Finding>, Failure> {
    let Some(letters) = lacking(evidence) else {
        let failure = Failure::operation("nothing is mended: letters and topic were not compared");
        return Err(failure.help(
            "It needs [broker] admin (or --broker-admin) and the notifier's database; ringback doctor says what is wrong",
        ));
    };
    let mut asked = 0;
    let mut refused: Vec<(&LetterId, String)> = Vec::new();
    let mut broken = None;
    let request = ForwardRequest {
        reason: Some("ringback doctor --mend".to_owned()),
    };
    for letter in &letters {
        let answer: Result<serde_json::Value, AskError> =
            reach.post(Who::Notifier, &path(letter), &request).await;
        match answer {
            Ok(_) => asked += 1,
            Err(AskError::Refused(problem)) if problem.status == 409 || problem.status == 404 => {
                refused.push((letter, problem.detail));
            }
            Err(error) => {
                broken = Some(Failure::from(error));
                break;
            }
        }
    }
    Ok(told(letters.len(), asked, &refused, broken.as_ref()))
}

/// The route of one letter, whose id is one segment of it.
fn path((group, source, number, generation): &LetterId) -> String {
    let id = format!("{group}/{source}/{number}/{generation}");
    let id = id.replace('%', "%25").replace('/', "%2F");
    format!("/v1/dead-letters/{id}/forward")
}

fn told(
    of: usize,
    asked: usize,
    refused: &[(&LetterId, String)],
    broken: Option<&Failure>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if asked > 0 || of == 0 {
        let letters = count(asked.try_into().unwrap_or(u64::MAX), "letter");
        let is = match of {
            0 => "nothing to mend".to_owned(),
            _ => format!(
                "{letters} on the way to the topic; the notifier forwards what it is given: look again"
            ),
        };
        findings.push(Finding::ok(SUBJECT, is));
    }
    if let Some((_, why)) = refused.first() {
        let ids: Vec<&LetterId> = refused.iter().map(|(id, _)| *id).collect();
        findings.push(Finding::bad(
            Level::Warn,
            SUBJECT,
            format!(
                "{} not mended: {}; the first: {why}",
                ids.len(),
                named(&ids)
            ),
            "a letter whose message can be sent as it was",
            "nothing is lost: the letters hold the messages; ringback dlq show, then resend or discard",
        ));
    }
    if let Some(failure) = broken {
        findings.push(Finding::bad(
            Level::Fail,
            SUBJECT,
            format!(
                "{} of {of} asked for, then: {}",
                asked + refused.len(),
                failure.message
            ),
            "each asked for",
            failure
                .help
                .clone()
                .unwrap_or_else(|| "again: ringback doctor --mend".to_owned()),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(end: &str) -> LetterId {
        ("bank%2".into(), "bank1".into(), format!("0198-{end}"), 1)
    }

    #[test]
    fn a_letters_id_is_one_segment_of_the_path() {
        assert_eq!(
            path(&letter("000001")),
            "/v1/dead-letters/bank%252%2Fbank1%2F0198-000001%2F1/forward"
        );
    }

    #[test]
    fn what_was_asked_for_refused_and_left_is_told_apart() {
        let (first, second) = (letter("000001"), letter("000002"));
        let [nothing] = &told(0, 0, &[], None)[..] else {
            panic!("one line")
        };
        assert_eq!(
            (nothing.level, nothing.is.as_str()),
            (Level::Ok, "nothing to mend")
        );
        let refused = [
            (&first, "malformed".to_owned()),
            (&second, "gone".to_owned()),
        ];
        let away = Failure::operation("notifier does not answer");
        let all = told(9, 3, &refused, Some(&away));
        let levels: Vec<Level> = all.iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Ok, Level::Warn, Level::Fail]);
        assert!(all[0].is.starts_with("3 letters on the way"), "{all:?}");
        assert_eq!(
            all[1].is,
            "2 not mended: …000001, …000002; the first: malformed"
        );
        assert_eq!(
            all[2].is,
            "5 of 9 asked for, then: notifier does not answer"
        );
        assert_eq!(all[2].fix.as_deref(), Some("again: ringback doctor --mend"));
    }
}
