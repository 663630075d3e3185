//! One list of behaviours, judged on the embedded broker always and on Apache RocketMQ where one is
//! given. It is the raw protocol that is judged: a plain gRPC stub, not our client.
//!
//! - `suite`: what a behaviour is, and all of them; `behaviours/`: the functions, by subject;
//! - `bench`: the broker, with topics and groups made for each behaviour, so that they run beside
//!   each other; `client`, `consuming`, `telemetry`, `wire`, `remote`: what is said to it and heard
//!   from it;
//! - `run`: the brokers and the order; `table`: what is printed; `coverage`: COVERAGE.md keeps to
//!   the list.
//!
//! `cargo test --test conformance -- [--list] [--slow] [words that ids contain]`. Apache RocketMQ
//! takes part when RINGBACK_ROCKETMQ (gRPC) and RINGBACK_ROCKETMQ_ADMIN (remoting of the broker or
//! of a name server) are set; RINGBACK_ROCKETMQ_RESTART is a program that knows `kill9` and `start`.
//! RINGBACK_ROCKETMQ_ACCESS_KEY, _SECRET_KEY and _CA (a file) make it sign each call and speak TLS.
//! Its check-backs are to come after 3 s and every 2 s, as scripts/rocketmq.sh has it.
//!
//! A difference that is meant is declared: the function asserts what either broker does, so that a
//! change of either is noticed. ARCHITECTURE.md lists them with their reasons.

mod behaviours;
mod bench;
mod client;
mod consuming;
mod coverage;
mod remote;
mod restart;
mod run;
mod suite;
mod table;
mod telemetry;
mod wire;

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let asked = Asked::from(std::env::args().skip(1));
    let chosen = asked.choose(suite::all());
    if asked.list {
        for behaviour in &chosen {
            println!("{}: {}", behaviour.id, behaviour.says);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    // The behaviours share this thread; the embedded broker has the runtime's.
    let table = tokio::task::LocalSet::new().block_on(&runtime, run::run(&chosen))?;
    // Clients that are still there are not waited for.
    runtime.shutdown_background();
    print!("{table}");
    let covered = coverage::check(&suite::all());
    if let Err(wrong) = &covered {
        println!("COVERAGE.md: {wrong:#}");
    }
    println!("{}", table.last_line());
    let good = table.good() && covered.is_ok();
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The command line. What a test harness may be told and this is not is passed over.
struct Asked {
    list: bool,
    slow: bool,
    words: Vec<String>,
}

impl Asked {
    fn from(arguments: impl Iterator<Item = String>) -> Self {
        let (flags, words): (Vec<_>, Vec<_>) = arguments.partition(|a| a.starts_with('-'));
        let flag = |name: &str| flags.iter().any(|flag| flag == name);
        Self {
            list: flag("--list"),
            slow: flag("--slow"),
            words,
        }
    }

    fn choose(&self, all: Vec<suite::Behaviour>) -> Vec<suite::Behaviour> {
        let named = |id: &str| {
            self.words.is_empty() || self.words.iter().any(|word| id.contains(word.as_str()))
        };
        let timely = |needs| self.slow || needs != suite::Needs::Patience;
        all.into_iter()
            .filter(|behaviour| named(behaviour.id) && timely(behaviour.needs))
            .collect()
    }
}
