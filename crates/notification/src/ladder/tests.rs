//! Spellings that are taken, and what the others are told.

use super::*;

fn seconds(text: &str) -> Vec<u64> {
    let ladder: Ladder = text.parse().unwrap();
    ladder.rungs().iter().map(Duration::as_secs).collect()
}

#[test]
fn lists_take_commas_and_blanks() {
    for text in ["1s,2s,3s", "1s 2s 3s", " 1s, 2s,  3s "] {
        assert_eq!(seconds(text), [1, 2, 3], "{text:?}");
    }
    assert_eq!(seconds("10s 30s 1m"), [10, 30, 60]);
    assert_eq!(seconds("1m30s"), [90]);
}

#[test]
fn fixed_and_exponential_are_computed() {
    assert_eq!(seconds("fixed(10s, 5)"), [10; 5]);
    assert_eq!(
        seconds("exponential(1s, 2, 1h, 14)"),
        [
            1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600
        ]
    );
    assert_eq!(seconds("exponential(2s,1.5,1h,3)"), [2, 3, 4]);
    assert_eq!(seconds("exponential(29d, 1000, 30d, 100)").len(), 100);
}

#[test]
fn every_preset_reads_and_the_default_is_rocketmqs() {
    for (name, rungs) in PRESETS {
        let ladder: Ladder = name.parse().unwrap();
        assert_eq!(ladder, rungs.parse().unwrap(), "{name}");
    }
    assert_eq!(Ladder::default(), "rocketmq".parse().unwrap());
    assert_eq!(Ladder::default().attempts(), 17);
}

#[test]
fn the_stripe_preset_lasts_three_days() {
    let ladder: Ladder = "stripe".parse().unwrap();
    let total: Duration = ladder.rungs().iter().sum();
    assert!((71..=73).contains(&(total.as_secs() / 3600)));
}

#[test]
fn a_maximum_age_may_follow_any_of_them() {
    for text in [
        "rocketmq max 2d",
        "1s,2s max 2d",
        "fixed(1s, 3) max 2d",
        "exponential(1s, 2, 1h, 3) max 2d",
    ] {
        let ladder: Ladder = text.parse().unwrap();
        assert_eq!(ladder.max_age(), Some(Duration::from_secs(2 * 86_400)));
    }
    assert_eq!(Ladder::default().max_age(), None);
}

#[test]
fn jitter_may_follow_and_lengthens_a_rung_by_at_most_its_share() {
    for text in ["10s,20s jitter 0.1 max 2d", "10s,20s max 2d jitter 0.1"] {
        let ladder: Ladder = text.parse().unwrap();
        assert_eq!(ladder.max_age(), Some(Duration::from_secs(2 * 86_400)));
        let rung = |dice| ladder.rung_with_jitter(2, dice).unwrap().as_millis();
        assert_eq!([rung(0.0), rung(0.5), rung(1.0)], [20_000, 21_000, 22_000]);
        assert_eq!([rung(-1.0), rung(9.0)], [20_000, 22_000]);
        assert_eq!(ladder.rung(2), Some(Duration::from_secs(20)));
        assert_eq!(ladder.rung_with_jitter(3, 0.5), None);
    }
    let plain = Ladder::default();
    assert_eq!(plain.rung_with_jitter(1, 1.0), plain.rung(1));
}

#[test]
fn exponential_gives_up_to_a_hundred_rungs_and_stays_at_its_cap() {
    let ladder: Ladder = "exponential(10s, 2, 1h, 100)".parse().unwrap();
    assert_eq!((ladder.rungs().len(), ladder.attempts()), (100, 101));
    let (first, last) = (ladder.rungs()[0], ladder.rungs()[99]);
    assert_eq!((first.as_secs(), last.as_secs()), (10, 3_600));
    assert!(ladder.rungs().windows(2).all(|pair| pair[0] <= pair[1]));
}

#[test]
fn what_is_refused_is_told_the_limit() {
    for (text, limit) in [
        ("", "one of rocketmq"),
        ("rocket", "one of rocketmq"),
        ("0s", "from 1ms to 30d"),
        ("1s,0s", "from 1ms to 30d"),
        ("31d", "from 1ms to 30d"),
        ("10", "a delay such as"),
        ("1s;2s", "a delay such as"),
        ("-1s", "a delay such as"),
        (",", "1 to 100 rungs"),
        ("fixed(1s)", "fixed(interval, rungs)"),
        ("fixed 1s", "fixed(…)"),
        ("fixed(1s, 0)", "1 to 100 rungs"),
        ("fixed(1s, 101)", "1 to 100 rungs"),
        ("fixed(1s, 99999999999999999999)", "1 to 100 rungs"),
        ("exponential(1s, 2, 1h)", "exponential(first"),
        ("exponential(1s, 0.5, 1h, 3)", "a factor from 1 to 1000"),
        ("exponential(1s, NaN, 1h, 3)", "a factor from 1 to 1000"),
        ("exponential(2h, 2, 1h, 3)", "a cap from"),
        ("exponential(1s, 2, 99d, 3)", "a cap from"),
        ("1s max 0s", "a maximum age"),
        ("1s max 366d", "a maximum age"),
        ("1s max", "a delay such as"),
        ("1s jitter", "a delay such as"),
        ("1s jitter 0", "jitter from 0.001 to 1"),
        ("1s jitter 1.1", "jitter from 0.001 to 1"),
        ("1s jitter -0.1", "jitter from 0.001 to 1"),
        ("1s jitter 10%", "jitter as a share"),
        ("1s jitter inf", "jitter as a share"),
        ("1s jitter 0.1 jitter 0.2", "one jitter clause"),
        ("1s max 1d max 2d", "one max clause"),
        ("jitter 0.1", "one of rocketmq"),
        ("18446744073709551615d", "a delay such as"),
    ] {
        let error = text.parse::<Ladder>().unwrap_err();
        assert_eq!(error.field, "ladder");
        assert!(error.limit.contains(limit), "{text:?}: {error}");
    }
    let long = vec!["1s"; MAX_RUNGS + 1].join(",");
    assert_eq!(long.parse::<Ladder>().unwrap_err().value, "101 rungs");
}

#[test]
fn rungs_are_counted_from_attempt_1() {
    let ladder: Ladder = "1s,2s".parse().unwrap();
    let rungs: Vec<_> = (0..=3)
        .map(|n| ladder.rung(n).map(|d| d.as_secs()))
        .collect();
    assert_eq!(rungs, [None, Some(1), Some(2), None]);
    assert_eq!(ladder.rungs_ms(), [1000, 2000]);
}

#[test]
fn json_takes_a_text_or_a_list() {
    let text: Ladder = serde_json::from_str(r#""1s,2s""#).unwrap();
    let list: Ladder = serde_json::from_str(r#"["1s","2s"]"#).unwrap();
    assert_eq!(text, list);
    assert_eq!(serde_json::to_string(&text).unwrap(), r#""1s 2s""#);
    let error = serde_json::from_str::<Ladder>("5").unwrap_err().to_string();
    assert!(error.contains("rocketmq"), "{error}");
}

proptest::proptest! {
    #[test]
    fn what_is_shown_reads_back(
        ms in proptest::collection::vec(1_u64..=2_592_000_000, 1..=MAX_RUNGS),
        age in proptest::option::of(1_u64..=31_536_000_000),
        jitter in proptest::option::of(1_u32..=1_000),
    ) {
        let rungs = ms.into_iter().map(Duration::from_millis).collect();
        let mut ladder = Ladder::from_delays(rungs).unwrap();
        if let Some(age) = age {
            ladder = ladder.with_max_age(Duration::from_millis(age)).unwrap();
        }
        if let Some(thousandths) = jitter {
            ladder = ladder.with_jitter(f64::from(thousandths) / 1000.0).unwrap();
        }
        proptest::prop_assert_eq!(ladder.to_string().parse::<Ladder>().unwrap(), ladder);
    }
}
