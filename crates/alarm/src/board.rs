//! Which alarms go on, and what is to be told of them: pure, with the time as an argument.
//!
//! Events of one name share a group, and in it each subject has its entry. A group is told a little after its first
//! event, so that what comes together is told together, and then at most once an interval, with what has changed
//! since. What ended before it was told is not told: it stands in the log.

mod merge;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::catalogue::{self, Alarm, Ends};
use crate::notice::{Notice, State, Subject};

pub(crate) use merge::{AllTold, Sight, Told};

/// More subjects of one name than this are counted together, as one.
const MOST_SUBJECTS: usize = 10_000;

/// The longest name of a subject, in characters.
const LONGEST_ABOUT: usize = 400;

/// What those are called.
const OTHERS: &str = "others";

/// The spans that a board goes by.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// From a name's first event to its first notice.
    pub wait: Duration,
    /// Between two notices of one name.
    pub interval: Duration,
    /// After this long without a change, what goes on is told again.
    pub repeat: Duration,
    /// Without an event for this long, an alarm without an ending event is over.
    pub quiet: Duration,
}

/// One event, as it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// UTC milliseconds.
    pub at_ms: i64,
    /// Its fields, the name aside.
    pub fields: BTreeMap<String, String>,
}

/// What goes on.
#[derive(Debug)]
pub struct Board {
    rules: Rules,
    groups: BTreeMap<&'static str, Group>,
}

#[derive(Debug)]
struct Group {
    alarm: &'static Alarm,
    entries: BTreeMap<String, Entry>,
    /// Not told again before this.
    next_ms: i64,
    /// When everything that went on was last told.
    told_ms: Option<i64>,
}

#[derive(Debug)]
struct Entry {
    count: u64,
    first_ms: i64,
    last_ms: i64,
    fields: BTreeMap<String, String>,
    told: bool,
    ended: bool,
}

impl Board {
    /// An empty one.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            groups: BTreeMap::new(),
        }
    }

    /// Takes an event in: one that is an alarm, one that ends an alarm, or any other.
    pub fn hear(&mut self, event: Event) {
        for alarm in catalogue::ended_by(&event.name) {
            if let Some(group) = self.groups.get_mut(alarm.name) {
                group.end(&about(alarm, &event.fields), event.at_ms);
            }
        }
        if let Some(alarm) = catalogue::find(&event.name) {
            let first_told_ms = event.at_ms + ms(self.rules.wait);
            let group = self.groups.entry(alarm.name).or_insert_with(|| Group {
                alarm,
                entries: BTreeMap::new(),
                next_ms: first_told_ms,
                told_ms: None,
            });
            group.take(event);
        }
    }

    /// What is to be told now.
    pub fn due(&mut self, now_ms: i64) -> Vec<Notice> {
        let rules = self.rules;
        let notices = self
            .groups
            .values_mut()
            .filter_map(|group| group.due(now_ms, rules))
            .collect();
        // An interval after its last notice an empty group may go: until then it keeps the next one back.
        self.groups
            .retain(|_, group| !group.entries.is_empty() || now_ms < group.next_ms);
        notices
    }

    /// Whether nothing goes on.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

impl Group {
    fn take(&mut self, event: Event) {
        let mut about = about(self.alarm, &event.fields);
        if self.entries.len() >= MOST_SUBJECTS && !self.entries.contains_key(&about) {
            OTHERS.clone_into(&mut about);
        }
        let entry = self.entries.entry(about).or_insert_with(|| Entry {
            count: 0,
            first_ms: event.at_ms,
            last_ms: event.at_ms,
            fields: BTreeMap::new(),
            told: false,
            ended: false,
        });
        entry.count += 1;
        entry.last_ms = entry.last_ms.max(event.at_ms);
        entry.fields = event.fields;
        entry.ended = false;
    }

    fn end(&mut self, about: &str, at_ms: i64) {
        match self.entries.get_mut(about) {
            Some(entry) if entry.told => {
                entry.ended = true;
                entry.last_ms = at_ms;
            }
            Some(_) => {
                self.entries.remove(about);
            }
            None => {}
        }
    }

    fn due(&mut self, now_ms: i64, rules: Rules) -> Option<Notice> {
        if self.alarm.ends == Ends::Quiet {
            for entry in self.entries.values_mut().filter(|entry| entry.told) {
                entry.ended = entry.ended || now_ms - entry.last_ms >= ms(rules.quiet);
            }
        }
        // A clock that was set back must not silence it for that long.
        let longest = ms(rules.interval.max(rules.wait));
        self.next_ms = self.next_ms.min(now_ms.saturating_add(longest));
        self.told_ms = self.told_ms.map(|told_ms| told_ms.min(now_ms));
        if now_ms < self.next_ms {
            return None;
        }
        let changed = |entry: &Entry| entry.ended || !entry.told;
        let told_long_ago = self
            .told_ms
            .is_some_and(|told_ms| now_ms - told_ms >= ms(rules.repeat));
        let again = told_long_ago && !self.entries.is_empty();
        if !again && !self.entries.values().any(changed) {
            return None;
        }
        let notice = self.notice(now_ms, |entry| again || changed(entry));
        self.entries.retain(|_, entry| !entry.ended);
        for entry in self.entries.values_mut() {
            entry.told = true;
        }
        self.next_ms = now_ms + ms(rules.interval);
        if again || self.told_ms.is_none() {
            self.told_ms = Some(now_ms);
        }
        if self.entries.is_empty() {
            self.told_ms = None;
        }
        Some(notice)
    }

    fn notice(&self, now_ms: i64, tell: impl Fn(&Entry) -> bool) -> Notice {
        let firing = self.entries.values().filter(|entry| !entry.ended).count();
        let mut told: Vec<(&String, &Entry)> = self
            .entries
            .iter()
            .filter(|(_, entry)| tell(entry))
            .collect();
        // The longest first: whoever reads only the top reads the worst.
        told.sort_by_key(|(_, entry)| (entry.ended, entry.first_ms));
        let left_out = told.len().saturating_sub(Notice::MOST_SUBJECTS);
        Notice {
            name: self.alarm.name.to_owned(),
            meaning: self.alarm.meaning.to_owned(),
            severity: self.alarm.severity,
            state: state(firing == 0),
            subjects: told
                .into_iter()
                .take(Notice::MOST_SUBJECTS)
                .map(|(about, entry)| Subject {
                    about: about.clone(),
                    state: state(entry.ended),
                    count: entry.count,
                    first_ms: entry.first_ms,
                    last_ms: entry.last_ms,
                    fields: entry.fields.clone(),
                })
                .collect(),
            firing,
            left_out,
            at_ms: now_ms,
        }
    }
}

fn state(ended: bool) -> State {
    if ended {
        State::Resolved
    } else {
        State::Firing
    }
}

/// `endpoint=bank2`, or several of these.
fn about(alarm: &Alarm, fields: &BTreeMap<String, String>) -> String {
    let named = |field: &&str| Some(format!("{field}={}", fields.get(*field)?));
    let parts: Vec<String> = alarm.about.iter().filter_map(named).collect();
    parts.join(" ").chars().take(LONGEST_ABOUT).collect()
}

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests;
