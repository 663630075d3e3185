//! A night with dead letters, played for real: bank2 is down until very many notifications are dead, is
//! repaired, and they are resent at a rate while fresh traffic flows. Prints what an operator types and sees.
//!
//! In front of bank2 stands a gate: closed it answers 503 to everything, as a proxy does whose service is down; open
//! it hands on, and notes which numbers were answered 200. What was applied is told by bank2's own account.
//! `scripts/dead-letters.sh` builds what it needs and runs it.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap ends the run, which is its failure"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use clap::Parser;
use demo::Bank;
use notification::TxNo;
use notification::api::letters::JobView;
use ringback_tests::{Finished, Setting, Straight, TestStage, http, run_within, spawn};
use tempfile::NamedTempFile;
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
    /// At which rate they are resent at first ...
    #[arg(long, default_value = "200/s")]
    rate: String,
    /// ... and after the stop, at a third of the way
    #[arg(long, default_value = "500/s")]
    then: String,
    /// Fresh notifications a second meanwhile
    #[arg(long, default_value_t = 50)]
    fresh: u32,
}

/// The way to bank2.
#[derive(Clone)]
struct Gate(Arc<Shared>);

struct Shared {
    open: AtomicBool,
    http: reqwest::Client,
    bank2: OnceLock<String>,
    /// When each fresh one was sent; taken out when bank2 has applied it.
    fresh: Mutex<HashMap<String, Instant>>,
    took: Mutex<Vec<Duration>>,
    /// How often bank2 said 200 to each other one.
    taken: Mutex<HashMap<String, u32>>,
}

async fn pass(State(gate): State<Gate>, headers: HeaderMap, body: Bytes) -> (StatusCode, Bytes) {
    let shared = &gate.0;
    if !shared.open.load(Ordering::Relaxed) {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            Bytes::from("no bank2 here"),
        );
    }
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let asked = shared.http.post(shared.bank2.get().unwrap());
    let Ok(answer) = asked.headers(headers).body(body).send().await else {
        return (StatusCode::BAD_GATEWAY, Bytes::new());
    };
    let status = answer.status();
    let said = answer.bytes().await.unwrap_or_default();
    if status.is_success() {
        let sent = shared.fresh.lock().unwrap().remove(&id);
        match sent {
            Some(sent) => shared.took.lock().unwrap().push(sent.elapsed()),
            None => *shared.taken.lock().unwrap().entry(id).or_default() += 1,
        }
    }
    (status, said)
}

impl Gate {
    fn closed() -> Gate {
        Gate(Arc::new(Shared {
            open: AtomicBool::new(false),
            http: http(),
            bank2: OnceLock::new(),
            fresh: Mutex::default(),
            took: Mutex::default(),
            taken: Mutex::default(),
        }))
    }

    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/notifications", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/notifications", post(pass))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }

    /// Median, 99th percentile and worst of what came since the last look.
    fn latencies(&self) -> String {
        let mut took = std::mem::take(&mut *self.0.took.lock().unwrap());
        took.sort_unstable();
        let at = |per_mille: usize| took[(took.len() - 1) * per_mille / 1000].as_millis();
        format!(
            "{} fresh notifications, sent to applied: p50 {} ms, p99 {} ms, worst {} ms",
            took.len(),
            at(500),
            at(990),
            at(1000)
        )
    }
}

/// Fresh traffic, until it is told to stop.
struct Fresh {
    stop: CancellationToken,
    sending: JoinHandle<u32>,
}

impl Fresh {
    fn flows(on: &TestStage, gate: &Gate, straight: &Straight, per_s: u32) -> Fresh {
        let stop = CancellationToken::new();
        let until = stop.clone();
        let (world, gate, straight) = (on.world.clone(), gate.clone(), straight.clone());
        let sending = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_s);
            let mut sent = 0;
            while until.run_until_cancelled(ticks.tick()).await.is_some() {
                let (tx_no, straight) = (world.fresh_tx_no(), straight.clone());
                let now = Instant::now();
                gate.0.fresh.lock().unwrap().insert(tx_no.to_string(), now);
                tokio::spawn(async move { straight.one(tx_no).await });
                sent += 1;
            }
            sent
        });
        Fresh { stop, sending }
    }

    /// Stops, waits for what is under way, and says how many there were.
    async fn end(self, gate: &Gate) -> u32 {
        self.stop.cancel();
        let sent = self.sending.await.unwrap();
        let waited = Instant::now();
        while !gate.0.fresh.lock().unwrap().is_empty() {
            assert!(
                waited.elapsed() < Duration::from_secs(60),
                "a fresh one is missing"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        sent
    }
}

/// Where commands are typed.
struct Shell<'a> {
    program: &'a Path,
    on: &'a TestStage,
    begun: Instant,
}

impl Shell<'_> {
    fn at(&self) -> String {
        let s = self.begun.elapsed().as_secs();
        format!("{:02}:{:02}", s / 60, s % 60)
    }

    /// What happens beside the commands.
    fn note(&self, what: &str) {
        println!("{}   # {what}", self.at());
    }

    /// Runs a command as it would be typed, and prints it with what it says.
    async fn typed(&self, line: &str) -> i32 {
        let at = self.at();
        let finished = self.run(line).await;
        self.print(&at, line, &finished);
        finished.code()
    }

    /// Begins one whose end is printed when it comes.
    fn begin(&self, line: &str) -> (String, tokio::process::Child) {
        let args = self.args(line);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        println!("{} $ ringback {line} &", self.at());
        println!();
        let child = spawn(self.program, self.on.folder.path(), &args);
        (line.to_owned(), child)
    }

    async fn ended(&self, (line, child): (String, tokio::process::Child)) -> i32 {
        let output = child.wait_with_output().await.unwrap();
        let finished = Finished {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        self.print(&self.at(), &format!("{line}   (its end)"), &finished);
        finished.code()
    }

    async fn run(&self, line: &str) -> Finished {
        let args = self.args(line);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let within = Duration::from_secs(3600);
        run_within(within, self.program, self.on.folder.path(), &args).await
    }

    fn args(&self, line: &str) -> Vec<String> {
        let mut words = shell_words(line);
        words.extend(["--data-dir".to_owned(), self.data()]);
        words
    }

    fn data(&self) -> String {
        self.on.folder.path().display().to_string()
    }

    fn print(&self, at: &str, line: &str, finished: &Finished) {
        println!("{at} $ ringback {line}");
        for said in [&finished.stdout, &finished.stderr] {
            print!(
                "{}",
                said.replace(&format!(" --data-dir {}", self.data()), "")
            );
        }
        println!();
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, line: &str) -> T {
        let finished = self.run(&format!("{line} --json")).await;
        serde_json::from_str(&finished.stdout).unwrap()
    }

    async fn open_letters(&self) -> usize {
        let page: serde_json::Value = self.json("dlq list --limit 1").await;
        usize::try_from(page["total_open"].as_u64().unwrap()).unwrap()
    }

    /// Waits until the job has dealt with so many.
    async fn reached(&self, id: &str, letters: usize) {
        loop {
            let job: JobView = self.json(&format!("dlq job show {id}")).await;
            if usize::try_from(job.matched).unwrap() >= letters {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
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

/// A ladder of one rung, so that dying takes a second and not a day; and without a breaker, which would hold back
/// what an endpoint that is down can't take.
fn setting(gate: &Gate, url: String, pages: &Path) -> Setting {
    let (gate, pages) = (gate.clone(), pages.display().to_string());
    let config = move |text: String| {
        let bank2 = text.lines().find(|line| line.starts_with("url = "));
        let bank2 = bank2.unwrap();
        let real = bank2.split('"').nth(1).unwrap();
        gate.0.bank2.get_or_init(|| real.to_owned());
        let settings = format!("url = \"{url}\"\nconcurrency = 32\nbreaker = \"off\"");
        let text = text.replace(bank2, &settings);
        format!("{text}\n[alarm]\ncommand = [\"/bin/sh\", \"-c\", \"cat >> {pages}\"]\n")
    };
    Setting {
        ladder: "1s",
        config: Box::new(config),
        ..Setting::default()
    }
}

/// What the alarm's command was given about dead letters.
fn paged(pages: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(pages).unwrap();
    let notices = serde_json::Deserializer::from_str(&text).into_iter();
    let notices = notices.map_while(Result::ok);
    let of_letters = |notice: &serde_json::Value| notice["name"] == "dead_letter_receiver";
    notices.filter(of_letters).collect()
}

async fn balance_fen(on: &TestStage) -> i64 {
    let accounts = on.world.accounts(Bank::Bank2).await.unwrap();
    accounts.iter().map(|account| account.balance_fen).sum()
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let (gate, pages) = (Gate::closed(), NamedTempFile::new().unwrap());
    let url = gate.serve().await;
    let on = TestStage::raise(&args.program, setting(&gate, url, pages.path())).await;
    let straight = Straight::to(&on).await;
    let numbers: Vec<TxNo> = (0..args.count).map(|_| on.world.fresh_tx_no()).collect();
    let opening_fen = balance_fen(&on).await;
    let shell = Shell {
        program: &args.program,
        on: &on,
        begun: Instant::now(),
    };

    shell.note(&format!("bank2 is down; {} are sent", args.count));
    straight.send(&numbers).await;
    shell.note("all are sent");
    while shell.open_letters().await < args.count {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    shell.note("all are dead");
    if let Some(notice) = paged(pages.path()).first() {
        println!("{} # the pager was given: {notice}\n", shell.at());
    }

    let resend = format!("dlq resend --endpoint bank2 --rate {}", args.rate);
    shell.typed("dlq list --limit 3").await;
    let page: serde_json::Value = shell.json("dlq list --limit 1").await;
    let one = page["letters"][0]["tx_no"].as_str().unwrap().to_owned();
    let ending = &one[one.len() - 6..];
    shell.typed(&format!("dlq show {ending}")).await;
    assert_eq!(shell.typed(&resend).await, 1, "it is refused");
    shell.typed(&format!("{resend} --dry-run")).await;

    gate.0.open.store(true, Ordering::Relaxed);
    let repaired = "endpoint repaired bank2 --reason 'the node is back'";
    assert_eq!(shell.typed(repaired).await, 0);
    shell.note(&format!("fresh traffic flows, {} a second", args.fresh));
    let fresh = Fresh::flows(&on, &gate, &straight, args.fresh);
    tokio::time::sleep(Duration::from_secs(10)).await;
    shell.note(&format!("before the resend: {}\n", gate.latencies()));

    let first = shell.begin(&format!("{resend} --reason 'the node is back'"));
    let id = loop {
        let jobs: serde_json::Value = shell.json("dlq job list").await;
        if let Some(id) = jobs["jobs"][0]["id"].as_str() {
            break id[id.len() - 4..].to_owned();
        }
    };
    shell.reached(&id, args.count / 10).await;
    shell.typed("dlq job list").await;
    shell.reached(&id, args.count / 3).await;
    shell.typed(&format!("dlq job stop {id}")).await;
    assert_eq!(shell.ended(first).await, 1, "it was stopped");
    shell.note(&format!("until the stop: {}\n", gate.latencies()));
    tokio::time::sleep(Duration::from_secs(5)).await;
    shell.typed(&format!("dlq job show {id}")).await;
    let _while_it_stood = gate.latencies();
    let resume = format!(
        "dlq job resume {id} --rate {} --wait --timeout 1h",
        args.then
    );
    let second = shell.begin(&resume);
    shell.reached(&id, args.count * 2 / 3).await;
    shell.typed(&format!("dlq job show {id}")).await;
    assert_eq!(shell.ended(second).await, 0, "all is delivered");
    shell.note(&format!("from the resumption on: {}\n", gate.latencies()));
    let fresh = fresh.end(&gate).await;
    shell.typed("dlq list").await;
    shell.typed("dlq job list").await;

    let credited_fen = balance_fen(&on).await - opening_fen;
    let taken = gate.0.taken.lock().unwrap();
    let each = i64::try_from(args.count).unwrap() + i64::from(fresh);
    println!(
        "# of {} dead ones bank2 answered 200 to {}",
        args.count,
        taken.len()
    );
    println!(
        "# more than once to {}; bank2's account has {} times 10.00 more: {} resent, {fresh} fresh",
        taken.values().filter(|times| **times > 1).count(),
        credited_fen / Straight::AMOUNT_FEN,
        args.count
    );
    let all_taken = numbers
        .iter()
        .all(|tx_no| taken.contains_key(&tx_no.to_string()));
    let once = credited_fen == each * Straight::AMOUNT_FEN;
    match all_taken && taken.len() == args.count && once {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
