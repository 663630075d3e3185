//! One board out of what several processes see, and one process's share of it.

use std::collections::BTreeMap;

use super::{Board, Entry, Group, Rules, ms};
use crate::catalogue;

/// What somebody sees of one subject of an alarm, or what was told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    /// The alarm, as the catalogue calls it.
    pub name: &'static str,
    pub about: String,
    pub count: u64,
    pub first_ms: i64,
    pub last_ms: i64,
    pub fields: BTreeMap<String, String>,
}

/// What was told of one alarm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    /// Not told again before this.
    pub next_ms: i64,
    /// When everything that went on was last told.
    pub told_ms: Option<i64>,
    /// Whose end is to be told.
    pub subjects: BTreeMap<String, Sight>,
}

impl Told {
    /// With what somebody told alone; `None` if that was nothing. Nothing is told before `rejoined_ms`.
    pub(crate) fn and(mut self, alone: Told, rejoined_ms: i64) -> Option<Told> {
        if alone.subjects.is_empty() {
            return None;
        }
        self.next_ms = self.next_ms.max(alone.next_ms).max(rejoined_ms);
        self.told_ms = self.told_ms.max(alone.told_ms);
        self.subjects.extend(alone.subjects);
        Some(self)
    }
}

/// By the alarm's name.
pub(crate) type AllTold = BTreeMap<&'static str, Told>;

impl Board {
    /// What all of them see, on top of what was told. What was told and nobody sees any more has ended.
    pub(crate) fn merged(
        rules: Rules,
        sights: impl IntoIterator<Item = Sight>,
        told: &AllTold,
        now_ms: i64,
    ) -> Self {
        let mut board = Self::new(rules);
        for sight in sights {
            let Some(group) = board.group(sight.name) else {
                continue;
            };
            let entry = group.entries.entry(sight.about).or_insert_with(|| Entry {
                count: 0,
                first_ms: sight.first_ms,
                last_ms: i64::MIN,
                fields: BTreeMap::new(),
                told: false,
                ended: false,
            });
            entry.count += sight.count;
            entry.first_ms = entry.first_ms.min(sight.first_ms);
            if sight.last_ms > entry.last_ms {
                entry.last_ms = sight.last_ms;
                entry.fields = sight.fields;
            }
        }
        for (name, told) in told {
            let Some(group) = board.group(name) else {
                continue;
            };
            group.told_ms = told.told_ms;
            for (about, sight) in &told.subjects {
                let entry = group.entries.entry(about.clone());
                let entry = entry.or_insert_with(|| Entry {
                    count: sight.count,
                    first_ms: sight.first_ms,
                    last_ms: now_ms,
                    fields: sight.fields.clone(),
                    told: true,
                    ended: true,
                });
                entry.told = true;
            }
        }
        for (name, group) in &mut board.groups {
            let known = told.get(name);
            let rested = known.map_or(i64::MIN, |told| told.next_ms);
            let is_new = known.is_none_or(|told| told.subjects.is_empty());
            let first_ms = group.entries.values().map(|entry| entry.first_ms).min();
            group.next_ms = match first_ms {
                Some(first_ms) if is_new => rested.max(first_ms + ms(rules.wait)),
                _ => rested,
            };
        }
        board
    }

    fn group(&mut self, name: &str) -> Option<&mut Group> {
        let alarm = catalogue::find(name)?;
        Some(self.groups.entry(alarm.name).or_insert_with(|| Group {
            alarm,
            entries: BTreeMap::new(),
            next_ms: 0,
            told_ms: None,
        }))
    }

    /// What goes on here.
    pub(crate) fn sights(&self) -> Vec<Sight> {
        let groups = self.groups.values();
        let entries = groups.flat_map(|group| {
            let going_on = group.entries.iter().filter(|(_, entry)| !entry.ended);
            going_on.map(|(about, entry)| entry.sight(group.alarm.name, about))
        });
        entries.collect()
    }

    /// What was told from here.
    pub(crate) fn told(&self) -> AllTold {
        let told = |group: &Group| {
            let entries = group.entries.iter().filter(|(_, entry)| entry.told);
            let sight = |(about, entry): (&String, &Entry)| {
                (about.clone(), entry.sight(group.alarm.name, about))
            };
            Told {
                next_ms: group.next_ms,
                told_ms: group.told_ms,
                subjects: entries.map(sight).collect(),
            }
        };
        let groups = self.groups.iter();
        groups.map(|(name, group)| (*name, told(group))).collect()
    }

    /// Others tell from now on: what has ended is theirs to tell, and what goes on is as if untold.
    pub(crate) fn hand_over(&mut self) {
        for group in self.groups.values_mut() {
            group.entries.retain(|_, entry| !entry.ended);
            for entry in group.entries.values_mut() {
                entry.told = false;
            }
        }
        self.groups.retain(|_, group| !group.entries.is_empty());
    }

    /// Nobody else tells from now on: what they told of what goes on here is not told again.
    pub(crate) fn take_over(&mut self, told: &AllTold) {
        for (name, told) in told {
            let Some(group) = self.groups.get_mut(name) else {
                continue;
            };
            group.next_ms = group.next_ms.max(told.next_ms);
            for (about, entry) in &mut group.entries {
                entry.told = told.subjects.contains_key(about);
            }
            if group.entries.values().any(|entry| entry.told) {
                group.told_ms = told.told_ms;
            }
        }
    }

    /// Its end was told.
    pub(crate) fn forget(&mut self, name: &str, about: &str) {
        if let Some(group) = self.groups.get_mut(name) {
            group.entries.remove(about);
        }
    }
}

impl Entry {
    fn sight(&self, name: &'static str, about: &str) -> Sight {
        Sight {
            name,
            about: about.to_owned(),
            count: self.count,
            first_ms: self.first_ms,
            last_ms: self.last_ms,
            fields: self.fields.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Event;
    use crate::board::tests::RULES;
    use crate::notice::State;

    const S: i64 = 1000;

    fn heard(name: &str, endpoints: &[(&str, i64)]) -> Board {
        let mut board = Board::new(RULES);
        for (endpoint, at_ms) in endpoints {
            let fields = BTreeMap::from([("endpoint".to_owned(), (*endpoint).to_owned())]);
            let (name, at_ms) = (name.to_owned(), *at_ms);
            board.hear(Event {
                name,
                at_ms,
                fields,
            });
        }
        board
    }

    fn merged(boards: &[&Board], told: &AllTold, now_ms: i64) -> Board {
        let sights = boards.iter().flat_map(|board| board.sights());
        Board::merged(RULES, sights, told, now_ms)
    }

    #[test]
    fn what_two_see_is_told_as_one_and_ends_when_neither_sees_it() {
        let here = heard("endpoint_failing", &[("a", 0), ("both", 2 * S)]);
        let there = heard("endpoint_failing", &[("both", 4 * S), ("c", 5 * S)]);
        let nothing = AllTold::new();
        assert_eq!(merged(&[&here, &there], &nothing, 9 * S).due(9 * S), []);
        let mut board = merged(&[&here, &there], &nothing, 10 * S);
        let notices = board.due(10 * S);
        let counts = |notices: &[crate::Notice]| -> Vec<(String, u64, State)> {
            let subjects = notices.iter().flat_map(|notice| &notice.subjects);
            subjects
                .map(|s| (s.about.clone(), s.count, s.state))
                .collect()
        };
        let firing = |about: &str, count| (format!("endpoint={about}"), count, State::Firing);
        assert_eq!(
            counts(&notices),
            [firing("a", 1), firing("both", 2), firing("c", 1)]
        );
        // From what was written down the next one goes on: one has ended, and one is seen by one alone.
        let told = board.told();
        let here = heard("endpoint_failing", &[]);
        assert_eq!(merged(&[&here, &there], &told, 30 * S).due(30 * S), []);
        let mut board = merged(&[&here, &there], &told, 70 * S);
        let notices = board.due(70 * S);
        let resolved = ("endpoint=a".to_owned(), 1, State::Resolved);
        assert_eq!(counts(&notices), [resolved]);
        assert_eq!((notices[0].firing, notices[0].state), (2, State::Firing));
        let told = board.told();
        let notices = merged(&[], &told, 140 * S).due(140 * S);
        assert_eq!((notices[0].firing, notices[0].state), (0, State::Resolved));
    }

    #[test]
    fn what_was_over_before_is_waited_for_again_and_no_sooner_than_the_interval() {
        let over = |next_ms| {
            AllTold::from([(
                "endpoint_failing",
                Told {
                    next_ms,
                    ..Told::default()
                },
            )])
        };
        let here = heard("endpoint_failing", &[("a", 100 * S)]);
        for (rested, due) in [(0, 110), (130 * S, 130)] {
            let at = |s: i64| merged(&[&here], &over(rested), s * S).due(s * S).len();
            assert_eq!((at(due - 1), at(due)), (0, 1), "{rested}");
        }
    }

    #[test]
    fn an_alarm_without_an_end_is_over_once_nobody_has_heard_it_for_a_while() {
        let here = heard("dead_letter_receiver", &[("a", 0)]);
        let there = heard("dead_letter_receiver", &[("a", 100 * S)]);
        let mut board = merged(&[&here, &there], &AllTold::new(), 110 * S);
        assert_eq!(board.due(110 * S).len(), 1);
        let told = board.told();
        assert_eq!(merged(&[&here, &there], &told, 999 * S).due(999 * S), []);
        let mut board = merged(&[&here, &there], &told, 1000 * S);
        assert_eq!(board.due(1000 * S)[0].state, State::Resolved);
        assert_eq!(board.sights(), []);
    }

    #[test]
    fn alone_it_tells_what_the_others_did_not_and_hands_over_what_it_told() {
        let mut here = heard("endpoint_failing", &[("a", 0), ("b", 0)]);
        let mut first = merged(
            &[&heard("endpoint_failing", &[("a", 0)])],
            &AllTold::new(),
            10 * S,
        );
        assert_eq!(first.due(10 * S).len(), 1);
        here.take_over(&first.told());
        assert_eq!(here.due(69 * S), []);
        let alone = here.due(70 * S);
        let told: Vec<&str> = alone[0].subjects.iter().map(|s| s.about.as_str()).collect();
        assert_eq!(told, ["endpoint=b"]);
        let fields = BTreeMap::from([("endpoint".to_owned(), "a".to_owned())]);
        let name = "endpoint_recovered".to_owned();
        here.hear(Event {
            name,
            at_ms: 80 * S,
            fields,
        });
        let told = here.told();
        here.hand_over();
        assert_eq!(here.sights().len(), 1);
        assert!(here.told()["endpoint_failing"].subjects.is_empty());
        let mut both = merged(&[&here], &told, 200 * S);
        let notices = both.due(200 * S);
        assert_eq!(
            notices[0].subjects.len(),
            1,
            "the end of a, and b not again"
        );
        assert_eq!(notices[0].subjects[0].state, State::Resolved);
        let mut here = heard("endpoint_failing", &[("a", 0)]);
        here.forget("endpoint_failing", "endpoint=a");
        assert_eq!(here.sights(), []);
    }
}
