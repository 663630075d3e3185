//! Lanes, with a clock that moves only when everything waits.

use futures::FutureExt;

use super::*;

const LIMITS: LaneLimits = LaneLimits {
    queue: 3,
    concurrency: 2,
    rate: None,
    breaker: None,
};
const ALONE: Company = Company::Alone;
const CROWD: Company = Company::Shared {
    free: 1_000,
    all: 1_000,
};
const WELL: Heard = Heard {
    health: Health::Well,
    pause: None,
};
const SILENT: Heard = Heard {
    health: Health::Silent,
    pause: None,
};

fn with_breaker() -> Lane {
    Lane::new(LaneLimits {
        breaker: Some(BreakerRule::default()),
        ..LIMITS
    })
}

async fn ring(lane: &Lane) -> Turn {
    lane.enter(CROWD).await.unwrap().turn().await.unwrap()
}

/// Opens a lane's breaker.
async fn give_up_on(lane: &Lane) -> Duration {
    loop {
        let change = ring(lane).await.report(SILENT, Duration::from_secs(1));
        if let Some(Change::Opened { probe_in, .. }) = change {
            return probe_in;
        }
    }
}

fn sleepers() -> Sleepers {
    Sleepers::new(Instant::now())
}

#[tokio::test(start_paused = true)]
async fn who_is_not_due_counts_towards_the_share_and_keeps_nobody_out_who_is() {
    let lane = Lane::new(LIMITS);
    let few = Company::Shared { free: 8, all: 8 };
    let until_due = || Box::pin(lane.until_due(Duration::from_secs(3), few));
    let mut early = Vec::new();
    let busy = loop {
        let mut wait = until_due();
        match wait.as_mut().now_or_never() {
            None => early.push(wait),
            Some(ended) => break ended.unwrap_err(),
        }
    };
    assert_eq!(busy, Busy::Full);
    assert!((1..=2).contains(&early.len()), "a quarter: {}", early.len());
    assert_eq!(lane.view().waiting, 0);
    drop(lane.enter(few).await.unwrap());
    // Whether they are due or are cut off, they count no more.
    early.truncate(1);
    early.remove(0).await.unwrap();
    assert!(until_due().now_or_never().is_none());
    drop(early);
    assert!(until_due().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_turns_others_messages_away_at_once() {
    let lane = Lane::new(LIMITS);
    let _ringing = (ring(&lane).await, ring(&lane).await);
    let mut places = Vec::new();
    for _ in 0..3 {
        places.push(lane.enter(CROWD).await.unwrap());
    }
    let began = Instant::now();
    assert_eq!(lane.enter(CROWD).await.unwrap_err(), Busy::Full);
    assert_eq!(began.elapsed(), Duration::ZERO);
    places.pop();
    assert!(lane.enter(CROWD).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn alone_in_its_group_a_message_waits_at_the_door_of_a_lane_that_moves() {
    let lane = Lane::new(LIMITS);
    let ringing = (ring(&lane).await, ring(&lane).await);
    let places = [
        lane.enter(ALONE).await,
        lane.enter(ALONE).await,
        lane.enter(ALONE).await,
    ];
    let mut door = Box::pin(lane.enter(ALONE));
    assert!((&mut door).now_or_never().is_none());
    drop(ringing);
    assert!(door.await.is_ok());
    drop(places);
}

#[tokio::test(start_paused = true)]
async fn who_gets_no_turn_within_its_patience_goes_away() {
    let lane = Lane::new(LIMITS);
    let _ringing = (ring(&lane).await, ring(&lane).await);
    let place = lane.enter(CROWD).await.unwrap();
    let began = Instant::now();
    assert_eq!(place.turn().await.unwrap_err(), Busy::Full);
    assert_eq!(began.elapsed(), PATIENCE);
    assert_eq!(lane.view().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_stands_lets_few_wait_long_before_its_first_deadline() {
    let roomy = LaneLimits {
        queue: 256,
        ..LIMITS
    };
    let lane = Lane::new(roomy);
    let _ringing = (ring(&lane).await, ring(&lane).await);
    tokio::time::advance(Duration::from_secs(4)).await;
    // Two at a time that take four seconds: within five there is a turn for two or three.
    let mut places = Vec::new();
    while let Ok(place) = lane.enter(CROWD).await {
        places.push(place);
    }
    assert!(places.len() <= 3, "{}", places.len());
}

/// What lanes of a shared group take, one after the other, of a thousand permits.
async fn take_all(lanes: impl Iterator<Item = Lane>) -> Vec<usize> {
    let all = 1_000;
    let mut held = Vec::new();
    let mut each = Vec::new();
    for lane in lanes {
        let before = held.len();
        loop {
            let free = all - held.len() - 1;
            match lane.enter(Company::Shared { free, all }).await {
                Ok(place) => held.push(place),
                Err(_) => break,
            }
        }
        each.push(held.len() - before);
    }
    each
}

const ROOMY: LaneLimits = LaneLimits {
    queue: 256,
    concurrency: 16,
    ..LIMITS
};

#[tokio::test(start_paused = true)]
async fn a_hundred_lanes_that_stand_leave_half_of_the_permits_to_those_that_move() {
    let hanging = take_all((0..100).map(|_| Lane::new(ROOMY))).await;
    assert!(hanging[0] <= 125, "{hanging:?}");
    assert!(
        hanging.iter().all(|held| *held > 0),
        "each may be tried: {hanging:?}"
    );
    assert!(hanging.iter().sum::<usize>() <= 600, "{hanging:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_moves_takes_its_share_and_many_leave_some() {
    let mut moving = Vec::new();
    for _ in 0..200 {
        let lane = Lane::new(ROOMY);
        ring(&lane).await.report(WELL, Duration::from_millis(5));
        moving.push(lane);
    }
    let held = take_all(moving.into_iter()).await;
    assert!((150..=250).contains(&held[0]), "{held:?}");
    assert!(held.iter().sum::<usize>() <= 950, "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_of_one_permit_still_moves() {
    let one = Company::Shared { free: 0, all: 1 };
    assert!(Lane::new(LIMITS).enter(one).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn lanes_do_not_share_their_bounds() {
    let (hanging, healthy) = (Lane::new(LIMITS), Lane::new(LIMITS));
    let _ringing = (ring(&hanging).await, ring(&hanging).await);
    let turn = healthy.enter(CROWD).await.unwrap().turn();
    assert!(turn.now_or_never().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_turns_away_at_the_door_and_in_the_queue() {
    let lane = with_breaker();
    let early = lane.enter(CROWD).await.unwrap();
    give_up_on(&lane).await;
    assert!(matches!(lane.enter(CROWD).await, Err(Busy::Open(_))));
    assert!(matches!(early.turn().await, Err(Busy::Open(_))));
    assert!(lane.is_open() && lane.is_busy());
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_that_wants_a_probe_is_not_busy() {
    let lane = with_breaker();
    let probe_in = give_up_on(&lane).await;
    assert!(lane.is_busy());
    tokio::time::advance(probe_in).await;
    assert!(lane.is_open() && !lane.is_busy());
    let _probe = ring(&lane).await;
    assert!(lane.is_busy(), "one is enough");
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_and_one_that_is_dropped_is_free_again() {
    let lane = with_breaker();
    let probe_in = give_up_on(&lane).await;
    tokio::time::advance(probe_in).await;
    let probe = ring(&lane).await;
    assert!(matches!(lane.enter(CROWD).await, Err(Busy::Open(_))));
    drop(probe);
    let probe = ring(&lane).await;
    let closed = probe.report(WELL, Duration::from_millis(5));
    assert!(matches!(closed, Some(Change::Closed { .. })));
    let _both = (ring(&lane).await, ring(&lane).await);
    assert!(!lane.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_and_who_would_wait_too_long_is_turned_away() {
    let rate = Some("2/s".parse().unwrap());
    let lane = Lane::new(LaneLimits {
        queue: 100,
        concurrency: 50,
        rate,
        breaker: None,
    });
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let lane = lane.clone();
        all.spawn(async move {
            let place = lane.enter(CROWD).await.map_err(drop)?;
            place.turn().await.map(drop).map_err(drop)
        });
    }
    let began = Instant::now();
    let turns = all
        .join_all()
        .await
        .into_iter()
        .filter(Result::is_ok)
        .count();
    assert!((9..=12).contains(&turns), "{turns} within five seconds");
    assert!(began.elapsed() <= PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_a_pause_closes_its_lane_for_so_long() {
    let lane = Lane::new(LIMITS);
    let pause = Some(Duration::from_secs(120));
    let heard = Heard {
        health: Health::Refusing,
        pause,
    };
    ring(&lane).await.report(heard, Duration::from_millis(5));
    let busy = lane.enter(CROWD).await.unwrap_err();
    assert_eq!(busy, Busy::AskedToWait(Duration::from_secs(120)));
    let step = lane.put_away(busy, &sleepers(), 0.5);
    assert!(step >= Duration::from_secs(120), "{step:?}");
    tokio::time::advance(Duration::from_secs(120)).await;
    drop(ring(&lane).await);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_for_those_too_that_wait_for_the_rate() {
    let lane = Lane::new(LaneLimits {
        rate: Some("1/s".parse().unwrap()),
        ..LIMITS
    });
    let first = ring(&lane).await;
    let second = lane.enter(CROWD).await.unwrap();
    let second = tokio::spawn(second.turn());
    tokio::task::yield_now().await;
    let pause = Some(Duration::from_secs(120));
    let heard = Heard {
        health: Health::Refusing,
        pause,
    };
    first.report(heard, Duration::from_millis(5));
    let turned_away = second.await.unwrap().map(drop).unwrap_err();
    assert!(
        matches!(turned_away, Busy::AskedToWait(_)),
        "{turned_away:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn of_what_an_open_breaker_keeps_out_one_comes_for_the_probe_and_the_rest_is_spread() {
    let lane = with_breaker();
    let sleepers = sleepers();
    give_up_on(&lane).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    // Two hundred probes have failed: it has been closed for a long while.
    for _ in 0..8 {
        let turn = ring(&lane).await;
        turn.report(SILENT, Duration::from_secs(1));
        let Err(Busy::Open(shut)) = lane.enter(CROWD).await else {
            panic!("it is open");
        };
        tokio::time::advance(shut.probe_at - Instant::now()).await;
    }
    ring(&lane).await.report(SILENT, Duration::from_secs(1));
    let busy = lane.enter(CROWD).await.unwrap_err();
    let Busy::Open(shut) = busy else {
        panic!("{busy:?}");
    };
    let probe_in = shut.probe_at - Instant::now();
    assert_eq!(
        lane.put_away(busy, &sleepers, 0.9),
        probe_in,
        "for the probe"
    );
    let mut dice = fastrand::Rng::with_seed(1);
    let steps: Vec<Duration> = (0..1_000)
        .map(|_| lane.put_away(busy, &sleepers, dice.f64()))
        .collect();
    assert!(steps.iter().all(|step| *step >= probe_in), "none before it");
    let half = steps
        .iter()
        .filter(|step| **step > probe_in + shut.since.elapsed() / 2)
        .count();
    assert!((400..600).contains(&half), "{half} in the second half");
    assert_eq!(lane.view().asleep, 1_001);
    assert_eq!(sleepers.count(Instant::now()), 1_001);
}

#[tokio::test(start_paused = true)]
async fn a_large_backlog_of_a_full_lane_comes_back_no_faster_than_it_moves() {
    let lane = Lane::new(LIMITS);
    for _ in 0..100 {
        ring(&lane).await.report(WELL, Duration::from_millis(100));
    }
    // Two at a time, a tenth of a second each: twenty a second.
    let sleepers = sleepers();
    let mut dice = fastrand::Rng::with_seed(1);
    let steps: Vec<Duration> = (0..10_000)
        .map(|_| lane.put_away(Busy::Full, &sleepers, dice.f64()))
        .collect();
    for minute in 1..8_u64 {
        let within = |step: &&Duration| **step <= Duration::from_secs(60 * minute);
        let woken = steps.iter().filter(within).count() as u64;
        assert!(woken <= 20 * 60 * minute + 1, "{woken} within {minute} min");
    }
    assert!(steps.iter().max().unwrap() <= &Duration::from_secs(700));
    assert_eq!(sleepers.count(Instant::now()), 0, "it is not closed");
}

#[tokio::test(start_paused = true)]
async fn what_a_lane_that_stands_has_no_room_for_is_back_soon() {
    let lane = Lane::new(LIMITS);
    let _hanging = (ring(&lane).await, ring(&lane).await);
    tokio::time::advance(Duration::from_secs(8)).await;
    let (sleepers, mut dice) = (sleepers(), fastrand::Rng::with_seed(1));
    let longest = (0..1_000)
        .map(|_| lane.put_away(Busy::Full, &sleepers, dice.f64()))
        .max();
    assert!(longest <= Some(Duration::from_secs(20)), "{longest:?}");
    assert_eq!(sleepers.count(Instant::now()), 1_000);
}

#[tokio::test(start_paused = true)]
async fn other_limits_hold_from_now_on() {
    let lane = Lane::new(LIMITS);
    let ringing = (ring(&lane).await, ring(&lane).await);
    lane.resize(LaneLimits {
        concurrency: 3,
        ..LIMITS
    });
    let third = ring(&lane).await;
    lane.resize(LaneLimits {
        concurrency: 1,
        rate: Some("1/s".parse().unwrap()),
        ..LIMITS
    });
    drop((ringing, third));
    let turn = ring(&lane).await;
    let place = lane.enter(CROWD).await.unwrap();
    let mut second = Box::pin(place.turn());
    assert!((&mut second).now_or_never().is_none(), "one at a time");
    drop(turn);
    let began = Instant::now();
    assert!(second.await.is_ok());
    assert!(
        began.elapsed() >= Duration::from_millis(900),
        "one a second"
    );
}
