//! Dead letters: the list, one of them whole, and what came of a resend.

use base64::Engine;
use notification::api::notifier::{Letter, LetterDetail, LettersPage, NotificationView};
use notification::{InboxState, LetterState};

use super::moment::{Now, span};
use super::{attempt, columns, count, ending, endings, grouped};

/// The most characters of a body that `show` repeats.
const LONGEST_BODY: usize = 2_000;

/// What was asked of `dlq list`, and what the broker's topics say about it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// In which state.
    pub state: LetterState,
    /// Whether some were left out by a filter.
    pub filtered: bool,
    /// The second half of the line below the table; absent without administration.
    pub topics: Option<&'a str>,
}

/// The second half of that line: whether the topics hold what the letters say.
pub fn topics(names: &[String], in_topics: u64, absent: usize) -> String {
    let plural = if names.len() == 1 { "topic" } else { "topics" };
    let (names, in_topics) = (names.join(", "), grouped(in_topics));
    match absent {
        0 => format!("Broker {plural} {names}: {in_topics}, agrees."),
        1 => format!(
            "Broker {plural} {names}: {in_topics}, 1 of these letters is NOT there. See: ringback doctor"
        ),
        more => {
            format!(
                "Broker {plural} {names}: {in_topics}, {more} of these letters are NOT there. See: ringback doctor"
            )
        }
    }
}

/// The table of `dlq list`, and the line below it.
pub fn list(page: &LettersPage, asked: Asked<'_>, now: &Now) -> String {
    let mut foot = foot(page, asked, now);
    if let Some(topics) = asked.topics {
        foot = format!("{foot}    {topics}");
    }
    if page.letters.is_empty() {
        return foot;
    }
    let numbers: Vec<_> = page.letters.iter().map(|letter| letter.tx_no).collect();
    let head = ["ID", "WHEN", "ENDPOINT", "TRIED", "CLASS", "REASON", "KEY"].map(ToOwned::to_owned);
    let rows = page
        .letters
        .iter()
        .zip(endings(&numbers))
        .map(|(letter, end)| row(letter, &end, now));
    let table = columns(std::iter::once(head).chain(rows).collect());
    format!("{table}\n{foot}")
}

fn row(letter: &Letter, end: &str, now: &Now) -> [String; 7] {
    [
        format!("…{end}"),
        now.clock(letter.died_ms),
        letter.endpoint.to_string(),
        letter.attempts.to_string(),
        letter.class.to_string(),
        attempt::words(letter.reason.as_str()),
        letter.business_key.clone(),
    ]
}

fn foot(page: &LettersPage, asked: Asked<'_>, now: &Now) -> String {
    if asked.state != LetterState::Open || asked.filtered {
        return filtered_foot(page, asked);
    }
    let oldest = page
        .oldest_ms
        .map(|ms| format!(", oldest {}", now.ago(ms)))
        .unwrap_or_default();
    let open = match page.total_open {
        0 => "No open dead letters".to_owned(),
        open => count(open, "dead letter"),
    };
    format!("{open}{oldest}.{}", more(page))
}

/// How to see what the page leaves out.
fn more(page: &LettersPage) -> String {
    match &page.next {
        Some(next) => format!(" Older ones come first; see more with --limit, or --after {next}"),
        None => String::new(),
    }
}

/// The line below a list that leaves some out: what is shown, and what is open in all.
fn filtered_foot(page: &LettersPage, asked: Asked<'_>) -> String {
    let shown = u64::try_from(page.letters.len()).unwrap_or(u64::MAX);
    let letters = match shown {
        0 => format!("No {} dead letters", asked.state),
        shown => count(shown, &format!("{} dead letter", asked.state)),
    };
    let chosen = if asked.filtered { " chosen" } else { "" };
    format!(
        "{letters}{chosen}; {} open in all.{}",
        grouped(page.total_open),
        more(page)
    )
}

/// One letter whole: what it is, why it died, every attempt, its body, what can be done.
pub fn show(detail: &LetterDetail, view: &NotificationView, now: &Now) -> String {
    let letter = &detail.letter;
    let record = &view.notification;
    let generation = letter.id.rsplit('/').next().unwrap_or("0");
    let mut lines = vec![
        format!("{}   tx {}", letter.business_key, letter.tx_no),
        format!(
            "  {} from {} for group {}, endpoint {}, generation {generation}",
            letter.event_type, record.source, record.group, letter.endpoint
        ),
        format!(
            "  died {} after {}: {} (class {}); the letter is {}",
            now.clock(letter.died_ms),
            count(u64::from(letter.attempts), "attempt"),
            attempt::words(letter.reason.as_str()),
            letter.class,
            detail.state
        ),
        match detail.forwarded_ms {
            Some(ms) => format!(
                "  in the broker's topic %DLQ%{} since {}",
                record.group,
                now.clock(ms)
            ),
            None => format!("  not in the broker's topic %DLQ%{} yet", record.group),
        },
        format!("  {} {}", detail.content_type, body(&detail.body_base64)),
    ];
    for attempt in view
        .attempts
        .iter()
        .filter(|attempt| attempt.generation.to_string() == generation)
    {
        lines.push(format!(
            "  {}  {}",
            now.clock(attempt.started_ms),
            attempt::line(view, attempt)
        ));
    }
    if detail.state == LetterState::Open {
        let end = ending(&letter.tx_no);
        lines.push(format!("Send it again: ringback dlq resend {end}"));
        lines.push(format!(
            "Give it up:    ringback dlq discard {end} --reason '…'"
        ));
    }
    lines.join("\n")
}

/// The body as text if it is some, else its size.
fn body(base64: &str) -> String {
    let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(base64) else {
        return "(a body that is no base64)".to_owned();
    };
    match std::str::from_utf8(&bytes) {
        Ok(text)
            if !text
                .chars()
                .any(|c| c.is_control() && c != '\n' && c != '\t') =>
        {
            let shown: String = text.chars().take(LONGEST_BODY).collect();
            if shown.len() < text.len() {
                format!("{shown}… ({} bytes)", bytes.len())
            } else {
                shown
            }
        }
        _ => format!("({} bytes that are no text)", bytes.len()),
    }
}

/// The account of a resend: `selected 1 · matched 1 · resent 1 · failed 0`.
pub fn resent(resent: u64, failed: u64) -> String {
    let matched = resent + failed;
    format!("selected {matched} · matched {matched} · resent {resent} · failed {failed}")
}

/// What is told once the resent one was delivered: that it was applied once only if the receiver's inbox, which has
/// one row a number, says that it was applied.
pub fn delivered_again(generation: u32, inbox: Option<InboxState>) -> String {
    let applied = if inbox == Some(InboxState::Applied) {
        ", applied once"
    } else {
        ""
    };
    format!("(same id, {} ladder{applied})", ordinal(generation + 1))
}

fn ordinal(number: u32) -> String {
    match number {
        1 => "first".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        other => format!("{other}th"),
    }
}

/// What is told once a letter was given up.
pub fn discarded(end: &str, died_ms: i64, now: &Now) -> String {
    format!(
        "discarded …{end}, dead for {}; it stays on record",
        span(now.ms - died_ms)
    )
}

#[cfg(test)]
mod tests {
    use notification::{DeadReason, LetterClass};

    use super::*;
    use crate::render::moment::Zone;
    use crate::render::samples::{T0, dead, tx_no};

    fn letter() -> Letter {
        Letter {
            id: format!("bank2/bank1/{}/0", tx_no()),
            tx_no: tx_no(),
            endpoint: "bank2".parse().unwrap(),
            attempts: 4,
            class: LetterClass::Receiver,
            reason: DeadReason::LadderUsedUp,
            last_status: Some(500),
            died_ms: T0,
            event_type: "transfer".into(),
            business_key: "transfer 5.00".into(),
        }
    }

    fn now() -> Now {
        Now {
            ms: T0 + 21_000,
            zone: Zone::Utc,
        }
    }

    #[test]
    fn the_list_reads_like_the_readme() {
        let page = LettersPage {
            letters: vec![letter()],
            next: None,
            total_open: 1,
            oldest_ms: Some(T0),
        };
        assert_eq!(
            list(&page, all(), &now()),
            "\
ID     WHEN      ENDPOINT  TRIED  CLASS     REASON          KEY
…9f52  14:03:07  bank2     4      receiver  ladder used up  transfer 5.00
1 dead letter, oldest 21 s."
        );
    }

    fn all() -> Asked<'static> {
        Asked {
            state: LetterState::Open,
            filtered: false,
            topics: None,
        }
    }

    #[test]
    fn what_the_broker_holds_stands_behind_it() {
        let page = LettersPage {
            letters: vec![letter()],
            next: None,
            total_open: 1,
            oldest_ms: Some(T0),
        };
        let names = ["%DLQ%bank2".to_owned()];
        let agrees = topics(&names, 1, 0);
        let asked = Asked {
            topics: Some(&agrees),
            ..all()
        };
        let text = list(&page, asked, &now());
        assert!(
            text.ends_with("1 dead letter, oldest 21 s.    Broker topic %DLQ%bank2: 1, agrees."),
            "{text}"
        );
        assert_eq!(
            topics(&names, 1, 2),
            "Broker topic %DLQ%bank2: 1, 2 of these letters are NOT there. See: ringback doctor"
        );
    }

    #[test]
    fn a_filtered_list_says_what_it_shows_and_what_is_open_in_all() {
        let page = LettersPage {
            letters: vec![letter()],
            next: None,
            total_open: 7,
            oldest_ms: Some(T0),
        };
        let asked = Asked {
            state: LetterState::Resent,
            filtered: true,
            topics: None,
        };
        let text = list(&page, asked, &now());
        assert!(
            text.ends_with("1 resent dead letter chosen; 7 open in all."),
            "{text}"
        );
        let none = LettersPage {
            letters: vec![],
            ..page
        };
        assert_eq!(
            list(&none, asked, &now()),
            "No resent dead letters chosen; 7 open in all."
        );
    }

    #[test]
    fn nothing_dead_is_good_news() {
        let page = LettersPage {
            letters: vec![],
            next: None,
            total_open: 0,
            oldest_ms: None,
        };
        assert_eq!(list(&page, all(), &now()), "No open dead letters.");
    }

    #[test]
    fn one_letter_tells_why_it_died_and_what_to_type() {
        let detail = LetterDetail {
            letter: letter(),
            content_type: "application/json".into(),
            body_base64: "eyJhbW91bnRfZmVuIjo1MDB9".into(),
            forwarded_ms: Some(T0 + 10),
            state: LetterState::Open,
        };
        let text = show(&detail, &dead(), &now());
        assert_eq!(
            text,
            "\
transfer 5.00   tx 0198f3c2-91d0-7aa3-8c02-77ab41e09f52
  transfer from bank1 for group bank2, endpoint bank2, generation 0
  died 14:03:07 after 4 attempts: ladder used up (class receiver); the letter is open
  in the broker's topic %DLQ%bank2 since 14:03:07
  application/json {\"amount_fen\":500}
  14:03:07  attempt 1 → 500 \"bank2 is broken\"   retry 1/3 in 1 s
  14:03:08  attempt 2 → 500 \"bank2 is broken\"   retry 2/3 in 2 s
  14:03:10  attempt 3 → 500 \"bank2 is broken\"   retry 3/3 in 3 s
  14:03:13  attempt 4 → 500 \"bank2 is broken\"   ladder used up
Send it again: ringback dlq resend 9f52
Give it up:    ringback dlq discard 9f52 --reason '…'"
        );
    }

    #[test]
    fn applied_once_is_said_only_if_the_inbox_says_applied() {
        assert_eq!(
            delivered_again(1, Some(InboxState::Applied)),
            "(same id, second ladder, applied once)"
        );
        assert_eq!(delivered_again(2, None), "(same id, third ladder)");
    }

    #[test]
    fn a_letter_that_was_dealt_with_suggests_nothing() {
        let detail = LetterDetail {
            letter: letter(),
            content_type: "application/octet-stream".into(),
            body_base64: "AAEC".into(),
            forwarded_ms: None,
            state: LetterState::Discarded,
        };
        let text = show(&detail, &dead(), &now());
        assert!(
            text.contains("(3 bytes that are no text)") && text.contains("the letter is discarded")
        );
        assert!(!text.contains("Send it again"));
    }
}
