//! What lies in the broker's dead-letter topics: the list, and one message whole.

use std::collections::BTreeSet;

use super::moment::Now;
use super::{columns, count};
use crate::browse::DeadMessage;
use crate::commands::dlq::Page;

/// The most characters of a body that `show` writes out.
const LONGEST_BODY: usize = 8_000;
/// The longest base64 that `show` writes out.
const LONGEST_BASE64: usize = 4_000;
/// How much of a number's end is shown.
const ENDING: usize = 6;

/// The table of `dlq topic list`, and the lines below it.
pub fn list(page: &Page, now: &Now) -> String {
    let mut foot = foot(page);
    if page.unreadable > 0 {
        foot.push_str(&format!(
            "\n{} can't be decoded and were stepped over; the log names their places.",
            count(page.unreadable, "message")
        ));
    }
    if page.messages.is_empty() {
        return foot;
    }
    let head = ["ID", "DIED", "GROUP", "EVENT", "BYTES", "PLACE", "KEY"].map(ToOwned::to_owned);
    let rows = page.messages.iter().map(|message| row(message, now));
    let table = columns(std::iter::once(head).chain(rows).collect());
    format!("{table}\n{foot}")
}

fn row(message: &DeadMessage, now: &Now) -> [String; 7] {
    let dash = || "-".to_owned();
    [
        ending(message.number()),
        now.clock(message.stored_ms),
        message.group.clone(),
        message.event_type.clone().unwrap_or_else(dash),
        message.body_len().to_string(),
        message.place(),
        message.business_key.clone().unwrap_or_else(dash),
    ]
}

fn ending(number: &str) -> String {
    let skip = number.chars().count().saturating_sub(ENDING);
    let end: String = number.chars().skip(skip).collect();
    if skip == 0 { end } else { format!("…{end}") }
}

fn foot(page: &Page) -> String {
    let topics = page.topics.join(", ");
    if page.queues == 0 {
        return format!("{topics} does not exist yet: nothing has died there.");
    }
    if page.messages.is_empty() {
        return match page.lie {
            0 => format!("{topics} is empty."),
            lie => format!(
                "None of the {} in {topics} is what was asked for.",
                count(lie, "message")
            ),
        };
    }
    let shown = u64::try_from(page.messages.len()).unwrap_or(u64::MAX);
    let letters: BTreeSet<_> = page.messages.iter().map(DeadMessage::letter).collect();
    let copies = page.messages.len() - letters.len();
    let copies = match copies {
        0 => String::new(),
        1 => ", 1 of them a copy of another".to_owned(),
        more => format!(", {more} of them copies of others"),
    };
    let mut foot = format!(
        "{}{copies}; {} in {topics} in all.",
        count(shown, "message"),
        page.lie
    );
    if let Some(after) = &page.after {
        foot.push_str(&format!("\nMore: ringback dlq topic list --after {after}"));
    }
    foot
}

/// One message whole; `older` are other copies of it.
pub fn show(message: &DeadMessage, older: &[DeadMessage], now: &Now) -> String {
    let mut lines = vec![
        format!(
            "{}   tx {}",
            message
                .business_key
                .as_deref()
                .unwrap_or("(no business key)"),
            message.tx_no.as_deref().unwrap_or("(none)")
        ),
        format!(
            "  in {} at {} since {}, sent {}{}",
            message.topic,
            message.place(),
            now.clock(message.stored_ms),
            now.clock(message.born_ms),
            message
                .origin_topic
                .as_ref()
                .map(|topic| format!(" to {topic}"))
                .unwrap_or_default()
        ),
        format!(
            "  message id {}, delivered {} by the broker before",
            message.message_id.as_deref().unwrap_or("(none)"),
            count(message.reconsume_times.unsigned_abs().into(), "time")
        ),
    ];
    for copy in older {
        lines.push(format!(
            "  another copy at {} since {}",
            copy.place(),
            now.clock(copy.stored_ms)
        ));
    }
    lines.push("properties".to_owned());
    let properties = message
        .properties
        .iter()
        .map(|(name, value)| [format!("  {name}"), value.clone()])
        .collect();
    lines.push(columns(properties));
    lines.push(body(message));
    lines.join("\n")
}

fn body(message: &DeadMessage) -> String {
    let size = count(u64::try_from(message.body_len()).unwrap_or(0), "byte");
    let packed = message
        .body_not_unpacked
        .as_ref()
        .map(|why| format!(", still packed: {why}"))
        .unwrap_or_default();
    match &message.body_text {
        Some(text) => {
            let shown: String = text.chars().take(LONGEST_BODY).collect();
            let cut = if shown.len() < text.len() {
                "…\n(cut here; the whole of it: ringback dlq topic show --json)"
            } else {
                ""
            };
            format!("body, {size} of text{packed}\n{shown}{cut}")
        }
        None => {
            let shown: String = message.body_base64.chars().take(LONGEST_BASE64).collect();
            let cut = if shown.len() < message.body_base64.len() {
                "…\n(cut here; the whole of it: ringback dlq topic show --json)"
            } else {
                ""
            };
            format!("body, {size}, as base64{packed}\n{shown}{cut}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browse::dead::tests::{stored, transfer};
    use crate::render::moment::Zone;
    use crate::render::samples::T0;

    fn now() -> Now {
        Now {
            ms: T0 + 21_000,
            zone: Zone::Utc,
        }
    }

    fn page(messages: Vec<DeadMessage>, lie: u64, queues: usize) -> Page {
        Page {
            topics: vec!["%DLQ%bank2".into()],
            queues,
            lie,
            unreadable: 0,
            messages,
            after: None,
        }
    }

    #[test]
    fn the_list_tells_copies_apart_from_letters_and_how_to_go_on() {
        let message = DeadMessage::read("broker-a", &transfer());
        let mut shown = page(vec![message.clone(), message], 7, 1);
        shown.after = Some("%DLQ%bank2/broker-a/0/2".into());
        assert_eq!(
            list(&shown, &now()),
            "\
ID       DIED      GROUP  EVENT     BYTES  PLACE          KEY
…e09f52  14:03:07  bank2  transfer  18     broker-a/0/17  transfer 5.00
…e09f52  14:03:07  bank2  transfer  18     broker-a/0/17  transfer 5.00
2 messages, 1 of them a copy of another; 7 in %DLQ%bank2 in all.
More: ringback dlq topic list --after %DLQ%bank2/broker-a/0/2"
        );
    }

    #[test]
    fn an_absent_and_an_empty_topic_are_told_in_a_sentence() {
        assert_eq!(
            list(&page(vec![], 0, 0), &now()),
            "%DLQ%bank2 does not exist yet: nothing has died there."
        );
        assert_eq!(list(&page(vec![], 0, 1), &now()), "%DLQ%bank2 is empty.");
        assert_eq!(
            list(&page(vec![], 3, 1), &now()),
            "None of the 3 messages in %DLQ%bank2 is what was asked for."
        );
        let mut broken = page(vec![], 3, 1);
        broken.unreadable = 1;
        assert!(list(&broken, &now()).contains("\n1 message can't be decoded"));
    }

    #[test]
    fn one_message_is_shown_with_its_properties_and_its_body() {
        let text = show(&DeadMessage::read("broker-a", &transfer()), &[], &now());
        assert!(
            text.starts_with("transfer 5.00   tx 0198f3c2-91d0-7aa3-8c02-77ab41e09f52\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "  in %DLQ%bank2 at broker-a/0/17 since 14:03:07, sent 14:03:01 to topic_txmsg\n"
            ),
            "{text}"
        );
        assert!(text.contains("\n  rb-source        bank1\n"), "{text}");
        assert!(
            text.ends_with("body, 18 bytes of text\n{\"amount_fen\":500}"),
            "{text}"
        );
        let mut packed = stored(&[]);
        packed.body = vec![0x1f, 0x8b, 0x00].into();
        let text = show(&DeadMessage::read("broker-a", &packed), &[], &now());
        assert!(text.ends_with("body, 3 bytes, as base64\nH4sA"), "{text}");
    }
}
