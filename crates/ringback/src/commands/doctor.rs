//! `ringback doctor`: whether everything is set up so that nothing can get lost.

use std::process::ExitCode;
use std::time::Duration;

use notification::Ladder;
use service::http_client::HttpOptions;

use crate::administer::BrokerSide;
use crate::cli::{Output, ServiceDatabases, ServiceUrls, Services};
use crate::config::{File, compose, usual};
use crate::doctor::evidence::{Deadlines, Evidence};
use crate::doctor::{self, Finding, Level, gather};
use crate::failure::{Failure, Outcome};
use crate::reach::Reach;
use crate::render;
use crate::screen::{self, Format, Paint};
use crate::setup::{self, Wanted};

const EXAMPLES: &str = "\
Examples:
  ringback doctor
  ringback doctor --databases notifier=mysql://ringback@db-1/notifier
  ringback doctor --mend
  ringback doctor --json | jq '.findings[] | select(.level != \"ok\")'

Nothing is changed, consumed or posted by looking; a line whose fix is `ringback doctor --mend` says what that would do.
With --mend the notifier brings to the dead-letter topic what its letters say it lacks: each message goes out once more,
for its group alone, and rings nobody; `ringback audit --action forward` lists them.
A line that begins with ? could not be checked, and says why.
Exit code 0 if nothing is wrong or there are only warnings, 1 if there is a failure.";

/// What a busy machine may add to the way of a letter into its topic, or back.
const BUSY: Duration = Duration::from_secs(60);

/// Flags of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The ladder of every endpoint, as the notifier is told by the same flag
    #[arg(long, env = "RINGBACK_LADDER", value_name = "LADDER")]
    pub ladder: Option<Ladder>,
    /// Bring to the dead-letter topic what the record holds and the topic lacks
    #[arg(long, env = "RINGBACK_MEND", value_parser = clap::builder::FalseyValueParser::new())]
    pub mend: bool,
    /// The operator's token, for --mend [default: as the data folder holds it]
    #[arg(long, env = "RINGBACK_TOKEN", value_name = "TOKEN")]
    pub token: Option<String>,
    /// Where the broker is.
    #[command(flatten)]
    pub broker: BrokerSide,
    /// Where the services are.
    #[command(flatten)]
    pub services: ServiceUrls,
    /// Where their databases are.
    #[command(flatten)]
    pub databases: ServiceDatabases,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Asks, judges, tells.
pub async fn run(args: Args) -> Outcome {
    let file = args.broker.read()?;
    let wanted = setup::wanted(&file, args.ladder.as_ref())?;
    let evidence = Box::pin(gather(&args, &file, wanted)).await?;
    let mut findings = doctor::findings(&evidence);
    if args.mend {
        let reach = Reach::find(&Services {
            data: args.broker.data.clone(),
            urls: args.services.clone(),
            token: args.token.clone(),
        })?;
        findings.extend(Box::pin(doctor::mend(&reach, &evidence)).await?);
    }
    match args.output.format() {
        Format::Text => screen::line(&render::doctor::text(&findings, Paint::for_stdout())),
        Format::Json => screen::json(&serde_json::json!({ "findings": findings }))?,
    }
    Ok(exit_code(&findings))
}

fn exit_code(findings: &[Finding]) -> ExitCode {
    if findings.iter().any(|finding| finding.level == Level::Fail) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// bank1, bank2, notifier: as the flags say, else where the configuration lets them listen.
fn urls(services: &ServiceUrls, file: &File) -> [String; 3] {
    let base = |flag: &Option<String>, listen| flag.clone().unwrap_or_else(|| usual::url(listen));
    [
        base(&services.bank1, file.bank1.listen.unwrap_or(usual::BANK1)),
        base(&services.bank2, file.bank2.listen.unwrap_or(usual::BANK2)),
        base(&services.notifier, file.notifier.listen),
    ]
}

async fn gather(args: &Args, file: &File, wanted: Wanted) -> Result<Evidence, Failure> {
    let client = args.broker.client(file, "doctor")?;
    let admin = match args.broker.admin_config(file)? {
        Some(_) => Some(args.broker.admin(file)?),
        None => None,
    };
    let http = service::http_client::build(&HttpOptions::default())
        .map_err(|error| Failure::operation(format!("no HTTP client: {error:#}")))?;
    let data = &args.broker.data.data_dir;
    let database = |service| compose::database(service, file, args.databases.of(service), data);
    let (at_bank1, at_bank2, at_notifier) = (
        database("bank1")?,
        database("bank2")?,
        database("notifier")?,
    );
    let [(_, bank1_sets), (_, bank2_sets), (_, notifier_sets)] = setup::databases::SETS;
    let urls = urls(&args.services, file);
    let broker = async {
        match &admin {
            Some(admin) => Some(gather::broker(admin, &wanted).await),
            None => None,
        }
    };
    let dead = async {
        match &admin {
            Some(admin) => Some(gather::dead(admin, &wanted, &at_notifier).await),
            None => None,
        }
    };
    let endpoints = async {
        let mut answers = Vec::new();
        for endpoint in &file.endpoint {
            let (address, answer) = gather::endpoint(&file.egress, endpoint).await;
            answers.push((endpoint.id.to_string(), address, answer));
        }
        answers
    };
    let (grpc, broker, dead, endpoints, db1, db2, db3, bank1, bank2, notifier) = tokio::join!(
        gather::grpc(&client, &wanted),
        broker,
        dead,
        endpoints,
        gather::database("bank1", &at_bank1, bank1_sets),
        gather::database("bank2", &at_bank2, bank2_sets),
        gather::database("notifier", &at_notifier, notifier_sets),
        gather::service(&http, "bank1", &urls[0], "/accounts"),
        gather::service(&http, "bank2", &urls[1], "/accounts"),
        gather::service(&http, "notifier", &urls[2], "/health/ready"),
    );
    let settings = &file.notifier;
    Ok(Evidence {
        now_ms: service::clock::now_ms(),
        // A redelivery after a lease, a look into the topic, and what a busy machine adds.
        under_way: settings
            .lease
            .saturating_add(settings.dlq_interval)
            .saturating_mul(2)
            .saturating_add(BUSY),
        config: args.broker.path().display().to_string(),
        initiator: file.initiator.as_ref().map(|initiator| Deadlines {
            transaction: initiator.transaction_deadline,
            check_back_after: initiator.check_back_after,
        }),
        crashes_workers_after: file.notifier.crashes_workers_after,
        grpc: (args.broker.grpc_shown(file)?, grpc),
        broker,
        databases: vec![db1, db2, db3],
        services: vec![bank1, bank2, notifier],
        endpoints,
        dead,
        wanted,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_flag_says_where_a_service_is_and_one_that_listens_everywhere_is_asked_at_loopback() {
        let toml = "[bank1]\nlisten = \"0.0.0.0:8181\"\n[bank2]\nlisten = \"[::]:8182\"\n[notifier]\nlisten = \"0.0.0.0:8190\"\n";
        let file = File::parse(toml, Path::new("ringback.toml")).unwrap();
        let services = ServiceUrls {
            notifier: Some("http://notifier:8190".to_owned()),
            ..ServiceUrls::default()
        };
        assert_eq!(
            urls(&services, &file),
            [
                "http://127.0.0.1:8181",
                "http://[::1]:8182",
                "http://notifier:8190"
            ]
        );
    }
}
