//! Jobs on dead letters: what one would do, how far it is, how it ended.

use notification::api::letters::{
    JobFate, JobKind, JobLettersPage, JobPreview, JobRequest, JobState, JobView, LetterFilter,
    ResendRate,
};

use super::moment::{Now, span};
use super::{attempt, columns, count, ending, endings, grouped};

/// The word for what was done with a letter.
fn done(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Resend => "resent",
        JobKind::Discard => "discarded",
    }
}

/// What was asked for, as flags: empty for all.
fn filter(filter: &LetterFilter, now: &Now) -> String {
    let mut parts = Vec::new();
    let mut part = |name: &str, value: Option<String>| {
        parts.extend(value.map(|value| format!("{name} {value}")));
    };
    part(
        "endpoint",
        filter.endpoint.as_ref().map(ToString::to_string),
    );
    part("group", filter.group.as_ref().map(ToString::to_string));
    part("source", filter.source.as_ref().map(ToString::to_string));
    part("class", filter.class.map(|class| class.to_string()));
    part(
        "died of",
        filter.reason.map(|reason| attempt::words(reason.as_str())),
    );
    part(
        "event type",
        filter.event_type.as_ref().map(ToString::to_string),
    );
    part("since", filter.since_ms.map(|ms| now.clock(ms)));
    part("until", filter.until_ms.map(|ms| now.clock(ms)));
    part("key", filter.key.clone());
    if parts.is_empty() {
        "all open ones".to_owned()
    } else {
        parts.join(", ")
    }
}

/// What a dry run tells.
pub fn preview(request: &JobRequest, preview: &JobPreview, now: &Now) -> String {
    let which = filter(&request.filter, now);
    if preview.selected == 0 {
        return format!("dry run: no open dead letter is selected by: {which}");
    }
    let oldest = preview
        .oldest_ms
        .map(|ms| format!(", the oldest dead for {}", now.ago(ms)))
        .unwrap_or_default();
    let rate = request.rate.unwrap_or(match request.kind {
        JobKind::Resend => ResendRate::USUAL,
        JobKind::Discard => ResendRate::DISCARD,
    });
    let minutes_ms = preview.selected.saturating_mul(60_000) / u64::from(rate.minutely());
    let takes = span(i64::try_from(minutes_ms).unwrap_or(i64::MAX));
    let mut lines = vec![
        format!("dry run: nothing is changed ({which})"),
        format!("selected {}{oldest}", grouped(preview.selected)),
    ];
    let head = ["ENDPOINT", "LETTERS", ""].map(ToOwned::to_owned);
    let rows = preview.endpoints.iter().map(|line| {
        let failing = match &line.failing {
            Some(answers) => format!("failing, its last answers: {answers} (needs --anyway)"),
            None => String::new(),
        };
        [line.endpoint.to_string(), grouped(line.selected), failing]
    });
    lines.push(columns(std::iter::once(head).chain(rows).collect()));
    for reason in &preview.unsendable {
        let why = attempt::words(&reason.why);
        lines.push(format!(
            "{} can't be sent anew: {why}",
            grouped(reason.count)
        ));
    }
    lines.push(format!("at {rate} it takes {takes} at least"));
    lines.join("\n")
}

/// What is told when a job has begun.
pub fn begun(job: &JobView, data: &str) -> String {
    let id = ending(&job.id);
    let what = match job.kind {
        JobKind::Resend => "resending",
        JobKind::Discard => "discarding",
    };
    let of = match job.matched {
        0 => String::new(),
        matched => format!("{} of ", grouped(job.selected.saturating_sub(matched))),
    };
    let all = count(job.selected, "dead letter");
    format!(
        "job {id}: {what} {of}{all} at {}   stop it: ringback dlq job stop {id}{data}",
        job.rate
    )
}

/// The line that is written over.
pub fn progress(job: &JobView, now: &Now) -> String {
    let percent = percent(job);
    let note = job
        .note
        .as_ref()
        .map(|note| format!("   waits: {note}"))
        .unwrap_or_default();
    format!(
        "{percent}%  {}   {}{note}",
        counts(job),
        now.ago(job.created_ms)
    )
}

/// `, 25%, 5 min left at least` of one that is not over.
fn left(job: &JobView) -> Option<String> {
    if job.state == JobState::Done {
        return None;
    }
    let left = job.selected.saturating_sub(job.matched);
    let left_ms = left.saturating_mul(60_000) / u64::from(job.rate.minutely());
    let left = span(i64::try_from(left_ms).unwrap_or(i64::MAX));
    Some(format!(", {}%, {left} left at least", percent(job)))
}

fn percent(job: &JobView) -> u64 {
    let share = (job.matched * 100).checked_div(job.selected);
    share.unwrap_or(100).min(100)
}

/// The line that is written over once all are resent.
pub fn on_the_way(job: &JobView) -> String {
    job.fate.as_ref().map(fate).unwrap_or_default()
}

/// `selected 100,000 · matched 100,000 · resent 100,000 · failed 0`.
fn counts(job: &JobView) -> String {
    format!(
        "selected {} · matched {} · {} {} · failed {}",
        grouped(job.selected),
        grouped(job.matched),
        done(job.kind),
        grouped(job.dealt),
        grouped(job.failed)
    )
}

fn fate(fate: &JobFate) -> String {
    let mut text = format!(
        "of the resent: delivered {} · waiting {} · dead again {}",
        grouped(fate.delivered),
        grouped(fate.waiting),
        grouped(fate.dead)
    );
    if fate.cancelled > 0 {
        text.push_str(&format!(" · cancelled {}", grouped(fate.cancelled)));
    }
    text
}

/// The account of a job that does not run any more.
pub fn ended(job: &JobView, id: &str, data: &str) -> String {
    let mut lines = vec![counts(job)];
    lines.extend(
        job.failures
            .iter()
            .map(|failure| format!("  failed {}: {}", grouped(failure.count), failure.why)),
    );
    lines.extend(job.fate.as_ref().map(fate));
    let why = job
        .note
        .as_ref()
        .map(|note| format!(": {note}"))
        .unwrap_or_default();
    match job.state {
        JobState::Done => {
            if job.failed > 0 {
                lines.push(format!(
                    "See which: ringback dlq job show {id} --letters failed{data}"
                ));
            }
        }
        JobState::Running => lines.push(format!("job {id} goes on")),
        JobState::Paused | JobState::Stopped => {
            let word = if job.state == JobState::Paused {
                "PAUSED"
            } else {
                "stopped"
            };
            lines.push(format!("job {id} {word}{why}"));
            lines.push(format!("Go on: ringback dlq job resume {id}{data}"));
        }
    }
    lines.join("\n")
}

/// The table of `dlq job list`.
pub fn list(jobs: &[JobView], now: &Now) -> String {
    if jobs.is_empty() {
        return "No jobs yet. Begin one: ringback dlq resend --endpoint … --rate 50/s".to_owned();
    }
    let numbers: Vec<_> = jobs.iter().map(|job| job.id).collect();
    let head = [
        "ID", "BEGUN", "WHAT", "STATE", "SELECTED", "DONE", "FAILED", "WHICH",
    ]
    .map(ToOwned::to_owned);
    let rows = jobs.iter().zip(endings(&numbers)).map(|(job, end)| {
        [
            format!("…{end}"),
            now.clock(job.created_ms),
            job.kind.to_string(),
            job.state.to_string(),
            grouped(job.selected),
            grouped(job.dealt),
            grouped(job.failed),
            filter(&job.filter, now),
        ]
    });
    columns(std::iter::once(head).chain(rows).collect())
}

/// One job whole.
pub fn show(job: &JobView, listed: Option<&JobLettersPage>, now: &Now) -> String {
    let anyway = if job.anyway {
        ", failing endpoints too"
    } else {
        ""
    };
    let reason = job
        .reason
        .as_ref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    let note = job
        .note
        .as_ref()
        .map(|note| format!(": {note}"))
        .unwrap_or_default();
    let took = job
        .ended_ms
        .map(|ms| format!(", took {}", span(ms - job.created_ms)));
    let mut lines = vec![
        format!("job {}", job.id),
        format!(
            "  {} {}, at {}{anyway}",
            job.kind,
            filter(&job.filter, now),
            job.rate
        ),
        format!(
            "  asked for by {} at {}{reason}",
            job.asked_by,
            now.clock(job.created_ms)
        ),
        format!(
            "  {}{}{}{note}",
            job.state,
            took.unwrap_or_default(),
            left(job).unwrap_or_default()
        ),
        format!("  {}", counts(job)),
    ];
    lines.extend(
        job.failures
            .iter()
            .map(|failure| format!("    failed {}: {}", grouped(failure.count), failure.why)),
    );
    if job.kind == JobKind::Resend {
        lines.extend(job.fate.as_ref().map(|known| format!("  {}", fate(known))));
    }
    if let Some(page) = listed {
        let rows = page.letters.iter().map(|letter| {
            let why = letter.why.clone().unwrap_or_default();
            [letter.result.to_string(), letter.id.clone(), why]
        });
        lines.push(columns(rows.collect()));
        lines.push(match &page.next {
            Some(next) => format!("more: --after {next}"),
            None => count(
                u64::try_from(page.letters.len()).unwrap_or(u64::MAX),
                "letter",
            ),
        });
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
