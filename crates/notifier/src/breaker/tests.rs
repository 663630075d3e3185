//! The breaker's rules, each with a clock that only the test moves.

use super::*;

const RULE: BreakerRule = BreakerRule {
    failures: 50,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(300),
};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A breaker and its time.
struct Bench {
    breaker: Breaker,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            breaker: Breaker::new(Some(RULE), now),
            now,
        }
    }

    fn attempt(&mut self, health: Health) -> Option<Change> {
        let pass = self.breaker.admit(self.now).unwrap();
        self.breaker.report(pass, health, self.now)
    }

    /// How many attempts like this it takes until it opens, `apart` from each other.
    fn until_open(&mut self, health: Health, apart: Duration) -> usize {
        let opened = (1..10_000).find(|_| {
            self.now += apart;
            matches!(self.attempt(health), Some(Change::Opened { .. }))
        });
        opened.unwrap()
    }

    fn shut_for(&self) -> Duration {
        self.breaker.shut(self.now).unwrap().probe_at - self.now
    }
}

#[test]
fn fifty_refusals_or_ten_silences_in_a_row_open_it() {
    assert_eq!(
        Bench::new().until_open(Health::Refusing, Duration::ZERO),
        50
    );
    assert_eq!(Bench::new().until_open(Health::Silent, Duration::ZERO), 10);
    let apart = Duration::from_millis(20);
    assert_eq!(Bench::new().until_open(Health::Silent, apart), 10);
}

#[test]
fn a_single_good_answer_among_many_bad_ones_does_not_keep_it_closed() {
    let mut bench = Bench::new();
    let opened = (0..200).any(|n| {
        let health = if n % 10 == 0 {
            Health::Well
        } else {
            Health::Refusing
        };
        bench.attempt(health).is_some()
    });
    assert!(opened, "nine of ten fail");
}

#[test]
fn an_endpoint_that_mostly_works_stays_closed() {
    let mut bench = Bench::new();
    for n in 0..10_000 {
        let health = if n % 4 == 0 {
            Health::Well
        } else {
            Health::Refusing
        };
        assert_eq!(bench.attempt(health), None, "three of four fail");
    }
}

#[test]
fn one_notification_on_an_ordinary_ladder_never_opens_it() {
    let mut bench = Bench::new();
    for rung in notification::Ladder::default().rungs() {
        assert_eq!(bench.attempt(Health::Silent), None);
        bench.now += *rung;
    }
}

#[test]
fn slow_silences_open_it_too() {
    // One at a time, each ten seconds long.
    let mut bench = Bench::new();
    assert!(bench.until_open(Health::Silent, s(10)) < 20);
}

#[test]
fn open_it_lets_nothing_through_and_then_one_probe() {
    let mut bench = Bench::new();
    bench.until_open(Health::Silent, Duration::ZERO);
    assert!(bench.breaker.admit(bench.now).is_err());
    bench.now += s(1);
    let probe = bench.breaker.admit(bench.now).unwrap();
    assert!(bench.breaker.admit(bench.now).is_err(), "one at a time");
    bench.now += s(10);
    let closed = bench.breaker.report(probe, Health::Well, bench.now);
    assert_eq!(closed, Some(Change::Closed { after: s(11) }));
    assert!(bench.breaker.admit(bench.now).is_ok());
    assert!(bench.breaker.admit(bench.now).is_ok());
}

#[test]
fn failed_probes_double_the_interval_up_to_the_longest() {
    let mut bench = Bench::new();
    bench.until_open(Health::Silent, Duration::ZERO);
    let mut seconds = Vec::new();
    for _ in 0..10 {
        seconds.push(bench.shut_for().as_secs());
        bench.now += bench.shut_for();
        let first = false;
        let opened = bench.attempt(Health::Refusing);
        assert!(matches!(opened, Some(Change::Opened { first: f, .. }) if f == first));
    }
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
}

#[test]
fn a_relapse_goes_on_where_it_was_and_a_later_failure_begins_anew() {
    let mut bench = Bench::new();
    bench.until_open(Health::Silent, Duration::ZERO);
    for _ in 0..3 {
        bench.now += bench.shut_for();
        bench.attempt(Health::Silent);
    }
    bench.now += bench.shut_for();
    assert!(matches!(
        bench.attempt(Health::Well),
        Some(Change::Closed { .. })
    ));
    bench.until_open(Health::Silent, Duration::ZERO);
    assert_eq!(bench.shut_for(), s(16), "after 8 s");
    bench.now += s(16);
    bench.attempt(Health::Well);
    bench.now += RULE.longest;
    bench.until_open(Health::Silent, Duration::ZERO);
    assert_eq!(bench.shut_for(), s(1));
}

#[test]
fn what_was_under_way_when_it_opened_says_nothing_any_more() {
    let mut bench = Bench::new();
    let early = bench.breaker.admit(bench.now).unwrap();
    bench.until_open(Health::Silent, Duration::ZERO);
    assert_eq!(bench.breaker.report(early, Health::Well, bench.now), None);
    assert!(bench.breaker.admit(bench.now).is_err(), "still open");
    bench.now += s(1);
    let probe = bench.breaker.admit(bench.now).unwrap();
    bench.breaker.report(early, Health::Silent, bench.now);
    bench.breaker.give_back(early, bench.now);
    assert!(
        bench.breaker.admit(bench.now).is_err(),
        "the probe is under way"
    );
    assert!(
        bench
            .breaker
            .report(probe, Health::Well, bench.now)
            .is_some()
    );
}

#[test]
fn a_probe_that_was_not_made_is_somebody_elses() {
    let mut bench = Bench::new();
    bench.until_open(Health::Silent, Duration::ZERO);
    bench.now += s(1);
    let probe = bench.breaker.admit(bench.now).unwrap();
    bench.breaker.give_back(probe, bench.now);
    let probe = bench.breaker.admit(bench.now).unwrap();
    assert!(
        bench
            .breaker
            .report(probe, Health::Well, bench.now)
            .is_some()
    );
}

#[test]
fn without_a_rule_it_never_opens_and_taking_the_rule_away_closes_it() {
    let mut bench = Bench::new();
    bench.until_open(Health::Silent, Duration::ZERO);
    bench.breaker.rule(None, bench.now);
    for _ in 0..1_000 {
        assert_eq!(bench.attempt(Health::Silent), None);
    }
    assert!(bench.breaker.is_closed());
}
