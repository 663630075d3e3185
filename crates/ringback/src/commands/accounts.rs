//! `ringback accounts`: both banks, and what is under way between them.
//!
//! What is under way is counted one by one: every transfer that bank1 has committed and bank2 does not know. It is
//! never the difference that is missing, or a lost notification would look like one on its way.

use std::process::ExitCode;

use notification::api::MOST_TX_NOS;
use notification::api::bank1::{Accounts, Transfer, TransfersPage, TransfersQuery};
use notification::api::bank2::{InboxStates, InboxStatesRequest};
use notification::api::notifier::{States, StatesRequest};
use notification::{InboxState, NotificationState, Source};
use serde::Serialize;

use crate::cli::{Output, Services};
use crate::failure::{Failure, Outcome};
use crate::reach::{AskError, Reach, Who};
use crate::render;
use crate::render::accounts::Books;
use crate::screen::{self, Format, Paint};

/// Money moves while it is counted; a count that does not add up is repeated this often before it is believed.
const COUNTS: u32 = 10;

const EXAMPLES: &str = "\
Example:
  ringback accounts        bank1 张三 9,985.00   bank2 李四 10.00   dead 5.00   sum 10,000.00 ok

Exit code 1 if the sum is not what it was at first.";

/// Flags of `accounts`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The name under which bank2 and the notifier know bank1
    #[arg(
        long,
        env = "RINGBACK_SOURCE",
        value_name = "NAME",
        default_value = "bank1"
    )]
    pub source: Source,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    books: Books,
    sum_fen: i64,
    opening_fen: i64,
    conserved: bool,
}

/// Adds up the accounts.
pub async fn run(args: Args) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let mut books = count(&reach, &args.source).await?;
    for _ in 1..COUNTS {
        if books.conserved() {
            break;
        }
        tokio::time::sleep(super::watch::PAUSE).await;
        books = count(&reach, &args.source).await?;
    }
    let conserved = books.conserved();
    match args.output.format() {
        Format::Text => screen::line(&render::accounts::text(&books, Paint::for_stdout())),
        Format::Json => {
            let (sum_fen, opening_fen) = (books.sum_fen(), books.opening_fen());
            screen::json(&Report {
                books,
                sum_fen,
                opening_fen,
                conserved,
            })?;
        }
    }
    Ok(if conserved {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn count(reach: &Reach, source: &Source) -> Result<Books, Failure> {
    let bank1: Accounts = reach.get(Who::Bank1, "/accounts", &()).await?;
    let transfers = transfers(reach).await?;
    let mut books = Books {
        bank1,
        bank2: Accounts {
            accounts: Vec::new(),
        },
        in_flight_fen: 0,
        dead_fen: 0,
        withdrawn_fen: 0,
        undelivered_fen: 0,
    };
    for page in transfers.chunks(MOST_TX_NOS) {
        let missing = missing(reach, source, page).await?;
        under_way(reach, source, &missing, &mut books).await?;
    }
    books.bank2 = reach.get(Who::Bank2, "/accounts", &()).await?;
    Ok(books)
}

/// Every transfer that bank1 has committed.
async fn transfers(reach: &Reach) -> Result<Vec<Transfer>, Failure> {
    let mut all = Vec::new();
    let mut query = TransfersQuery::default();
    loop {
        let page: TransfersPage = reach.get(Who::Bank1, "/transfers", &query).await?;
        all.extend(page.transfers);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(all),
        }
    }
}

/// Those that bank2 has not applied.
async fn missing(
    reach: &Reach,
    source: &Source,
    page: &[Transfer],
) -> Result<Vec<Transfer>, Failure> {
    let tx_nos = page.iter().map(|transfer| transfer.tx_no).collect();
    let request = InboxStatesRequest {
        source: source.clone(),
        tx_nos,
    };
    let inbox: InboxStates = reach.post(Who::Bank2, "/inbox/states", &request).await?;
    let applied =
        |transfer: &&Transfer| inbox.states.get(&transfer.tx_no) == Some(&InboxState::Applied);
    Ok(page
        .iter()
        .filter(|transfer| !applied(transfer))
        .cloned()
        .collect())
}

/// Which of them are dead, withdrawn and on their way, as the notifier says.
async fn under_way(
    reach: &Reach,
    source: &Source,
    missing: &[Transfer],
    books: &mut Books,
) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    let tx_nos = missing.iter().map(|transfer| transfer.tx_no).collect();
    let request = StatesRequest {
        source: source.clone(),
        tx_nos,
    };
    let states = match reach
        .post::<States>(Who::Notifier, "/v1/notifications/states", &request)
        .await
    {
        Ok(states) => states.states,
        Err(AskError::Refused(problem)) => return Err(crate::reach::refusal(&problem)),
        Err(AskError::NoToken(failure)) => return Err(failure),
        Err(_) => {
            books.undelivered_fen += missing
                .iter()
                .map(|transfer| transfer.amount_fen)
                .sum::<i64>();
            return Ok(());
        }
    };
    for transfer in missing {
        let its_own = states.iter().filter(|line| line.tx_no == transfer.tx_no);
        let is = |state| its_own.clone().any(|line| line.state == state);
        let of = if is(NotificationState::Dead) {
            &mut books.dead_fen
        } else if is(NotificationState::Cancelled) {
            &mut books.withdrawn_fen
        } else {
            &mut books.in_flight_fen
        };
        *of += transfer.amount_fen;
    }
    Ok(())
}
