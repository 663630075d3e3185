//! A night with dead letters, played for real: a receiver is down until very many notifications are dead, is
//! repaired, and they are resent at a rate while fresh traffic flows. Prints what an operator types and sees.
//!
//! `scripts/dead-letters.sh` builds what it needs and runs it.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap ends the run, which is its failure"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use clap::Parser;
use notification::TxNo;
use ringback_tests::{Setting, Straight, TestStage, run_within};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What is played.
#[derive(Debug, Parser)]
struct Args {
    /// The program `ringback`
    #[arg(long)]
    program: PathBuf,
    /// How many notifications die
    #[arg(long, default_value_t = 100_000)]
    count: usize,
    /// At which rate they are resent
    #[arg(long, default_value = "1000/s")]
    rate: String,
    /// Fresh notifications a second meanwhile
    #[arg(long, default_value_t = 50)]
    fresh: u32,
}

/// A receiver that answers what it is told, and measures fresh notifications.
#[derive(Clone, Default)]
struct Sink(Arc<Shared>);

#[derive(Default)]
struct Shared {
    answer: AtomicU16,
    /// When each fresh one was sent; taken out when it arrives.
    fresh: Mutex<HashMap<String, Instant>>,
    took: Mutex<Vec<Duration>>,
    /// How often each other one was taken.
    taken: Mutex<HashMap<String, u32>>,
}

async fn take(State(sink): State<Sink>, headers: HeaderMap) -> StatusCode {
    let status = StatusCode::from_u16(sink.0.answer.load(Ordering::Relaxed)).unwrap();
    if status.is_success() {
        let id = headers["webhook-id"].to_str().unwrap().to_owned();
        let sent = sink.0.fresh.lock().unwrap().remove(&id);
        match sent {
            Some(sent) => sink.0.took.lock().unwrap().push(sent.elapsed()),
            None => *sink.0.taken.lock().unwrap().entry(id).or_default() += 1,
        }
    }
    status
}

impl Sink {
    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/notifications", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/notifications", post(take))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }

    fn answers(&self, status: u16) {
        self.0.answer.store(status, Ordering::Relaxed);
    }

    /// Median, 99th percentile and worst of what came since the last look.
    fn latencies(&self) -> String {
        let mut took = std::mem::take(&mut *self.0.took.lock().unwrap());
        took.sort_unstable();
        let at = |per_mille: usize| took[(took.len() - 1) * per_mille / 1000].as_millis();
        format!(
            "{} fresh notifications, sent to delivered: p50 {} ms, p99 {} ms, worst {} ms",
            took.len(),
            at(500),
            at(990),
            at(1000)
        )
    }
}

/// Sends fresh notifications until it is told to stop.
fn fresh(on: &TestStage, sink: &Sink, straight: &Straight, per_s: u32) -> Fresh {
    let stop = CancellationToken::new();
    let (world, sink, straight, until) = (
        on.world.clone(),
        sink.clone(),
        straight.clone(),
        stop.clone(),
    );
    let sending = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_s);
        while until.run_until_cancelled(ticks.tick()).await.is_some() {
            let (tx_no, straight) = (world.fresh_tx_no(), straight.clone());
            let now = Instant::now();
            sink.0.fresh.lock().unwrap().insert(tx_no.to_string(), now);
            tokio::spawn(async move { straight.one(tx_no).await });
        }
    });
    Fresh { stop, sending }
}

struct Fresh {
    stop: CancellationToken,
    sending: JoinHandle<()>,
}

/// Runs a command as it would be typed, and prints it with what it says.
async fn typed(program: &Path, on: &TestStage, line: &str) -> i32 {
    let data = on.folder.path().display().to_string();
    let words = shell_words(line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let args = [&words[..], &["--data-dir", &data]].concat();
    let within = Duration::from_secs(3600);
    let finished = run_within(within, program, on.folder.path(), &args).await;
    println!("$ ringback {line}");
    for said in [&finished.stdout, &finished.stderr] {
        print!("{}", said.replace(&format!(" --data-dir {data}"), ""));
    }
    println!();
    finished.code()
}

/// Words, of which one in quotes may hold blanks.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, part) in line.split('\'').enumerate() {
        if place % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(ToOwned::to_owned));
        }
    }
    words
}

async fn open_letters(program: &Path, on: &TestStage) -> usize {
    let data = on.folder.path().display().to_string();
    let args = ["dlq", "list", "--limit", "1", "--json", "--data-dir", &data];
    let within = Duration::from_secs(60);
    let finished = run_within(within, program, on.folder.path(), &args).await;
    let page: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    usize::try_from(page["total_open"].as_u64().unwrap()).unwrap()
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let sink = Sink::default();
    sink.answers(503);
    let url = sink.serve().await;
    let setting = Setting {
        ladder: "1s",
        config: Box::new(move |text| {
            let bank2 = text
                .lines()
                .find(|line| line.starts_with("url = "))
                .unwrap();
            let settings = format!("url = \"{url}\"\nconcurrency = 64\nbreaker = \"off\"");
            text.replace(bank2, &settings)
        }),
        ..Setting::default()
    };
    let on = TestStage::raise(&args.program, setting).await;
    let straight = Straight::to(&on).await;
    let numbers: Vec<TxNo> = (0..args.count).map(|_| on.world.fresh_tx_no()).collect();
    let begun = Instant::now();
    straight.send(&numbers).await;
    println!(
        "# {} sent in {:.0?}; the receiver answers 503",
        args.count,
        begun.elapsed()
    );
    while open_letters(&args.program, &on).await < args.count {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    println!("# all dead after {:.0?}\n", begun.elapsed());
    let resend = format!("dlq resend --endpoint bank2 --rate {}", args.rate);
    typed(&args.program, &on, "dlq list --limit 3").await;
    assert_eq!(typed(&args.program, &on, &resend).await, 1, "it is refused");
    typed(&args.program, &on, &format!("{resend} --dry-run")).await;

    sink.answers(200);
    on.world.repaired("bank2").await.unwrap();
    println!(
        "# the receiver is repaired; fresh traffic flows, {} a second",
        args.fresh
    );
    let fresh = fresh(&on, &sink, &straight, args.fresh);
    tokio::time::sleep(Duration::from_secs(10)).await;
    println!("# before the resend:  {}\n", sink.latencies());
    let begun = Instant::now();
    let line = format!("{resend} --reason 'bank2 is repaired' --wait --timeout 1h");
    assert_eq!(
        typed(&args.program, &on, &line).await,
        0,
        "all is delivered"
    );
    println!("# resent and delivered in {:.0?}", begun.elapsed());
    println!("# during the resend:  {}\n", sink.latencies());
    fresh.stop.cancel();
    fresh.sending.await.unwrap();
    let waited = Instant::now();
    while !sink.0.fresh.lock().unwrap().is_empty() {
        assert!(
            waited.elapsed() < Duration::from_secs(60),
            "a fresh one is missing"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    typed(&args.program, &on, "dlq list").await;
    typed(&args.program, &on, "dlq job list").await;
    let taken = sink.0.taken.lock().unwrap();
    let once = numbers
        .iter()
        .filter(|tx_no| taken.get(&tx_no.to_string()) == Some(&1));
    println!(
        "# of {} dead ones, {} were taken exactly once",
        args.count,
        once.count()
    );
    assert_eq!(taken.len(), args.count);
}
