//! `ringback dlq resend`: one letter sent again, and with `--wait` watched to its end.

use std::process::ExitCode;

use notification::api::bank2::{InboxStates, InboxStatesRequest};
use notification::api::notifier::{NotificationView, ResendRequest, Resent};
use notification::{InboxState, TxNo};
use serde::Serialize;
use tokio::time::Instant;

use super::flags::ResendArgs;
use super::{letter, many, refused};
use crate::commands::watch::{Ended, Watch};
use crate::failure::Outcome;
use crate::reach::{Reach, Who};
use crate::render;
use crate::screen::{self, Format, Paint};

/// What `resend --json` writes.
#[derive(Debug, Serialize)]
struct ResendReport {
    tx_no: TxNo,
    generation: u32,
    /// `resent`, `delivered`, `dead` or `still_trying`.
    result: &'static str,
    notification: Option<NotificationView>,
}

/// Resends it.
pub(super) async fn run(args: &ResendArgs) -> Outcome {
    let Some(ending) = many::one(args.ending.as_deref(), &args.chosen, &args.many)? else {
        return many::resend(args).await;
    };
    let reach = Reach::find(&args.services)?;
    let (format, paint) = (args.output.format(), Paint::for_stdout());
    let detail = letter(&reach, ending).await?;
    let tx_no = detail.letter.tx_no;
    let path = format!("/v1/dead-letters/{tx_no}/resend");
    let request = ResendRequest {
        anyway: args.anyway,
        reason: args.reason.clone(),
    };
    let resent: Resent = reach
        .post(Who::Notifier, &path, &request)
        .await
        .map_err(|error| refused(error, &detail))?;
    if format == Format::Text {
        screen::line(&render::dlq::resent(1, 0));
    }
    let mut report = ResendReport {
        tx_no,
        generation: resent.generation,
        result: "resent",
        notification: None,
    };
    if args.wait {
        let until = Instant::now() + args.timeout;
        let watch = Watch {
            reach: &reach,
            tx_no,
            generation: resent.generation,
            until,
            format,
        };
        let line = |view: &NotificationView, attempt: &_| {
            format!("  {}", render::attempt::line(view, attempt))
        };
        let (result, text, view) = match watch.settled(line).await? {
            Ended::Delivered(view) => {
                let inbox = inbox(&reach, &view).await;
                let note = render::dlq::delivered_again(resent.generation, inbox);
                (
                    "delivered",
                    format!("{} {note}", paint.good("DELIVERED")),
                    Some(view),
                )
            }
            Ended::Dead(view) => {
                let end = render::ending(&tx_no);
                (
                    "dead",
                    format!("{} again.\nSee: ringback dlq show {end}", paint.bad("DEAD")),
                    Some(view),
                )
            }
            Ended::StillTrying(view) => {
                let (now, waited) = (
                    service::clock::now_ms(),
                    service::clock::millis(args.timeout),
                );
                let text =
                    render::transfer::still_trying(&tx_no, view.as_ref(), waited, now, paint);
                ("still_trying", text, view)
            }
        };
        (report.result, report.notification) = (result, view);
        if format == Format::Text {
            screen::line(&text);
        }
    }
    if format == Format::Json {
        screen::json(&report)?;
    }
    let good = matches!(report.result, "resent" | "delivered");
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What bank2 itself says of the number; absent if it does not answer.
async fn inbox(reach: &Reach, view: &NotificationView) -> Option<InboxState> {
    let (source, tx_no) = (view.notification.source.clone(), view.notification.tx_no);
    let request = InboxStatesRequest {
        source,
        tx_nos: vec![tx_no],
    };
    let states: InboxStates = reach
        .post(Who::Bank2, "/inbox/states", &request)
        .await
        .ok()?;
    states.states.get(&tx_no).copied()
}
