//! `ringback dlq export`: whole letters as JSON lines, page by page.

use std::process::ExitCode;

use notification::api::letters::LettersExport;
use notification::api::notifier::LettersQuery;

use super::flags::ExportArgs;
use super::sink::Sink;
use crate::failure::Outcome;
use crate::reach::{Reach, Who};
use crate::render;
use crate::render::moment::Now;
use crate::screen;

/// Writes them: the oldest first, those that die meanwhile too.
pub(super) async fn run(args: &ExportArgs) -> Outcome {
    let mut query = LettersQuery {
        state: args.state,
        ..LettersQuery::of(args.chosen.filter(&Now::here())?)
    };
    let reach = Reach::find(&args.services)?;
    let mut sink = Sink::open(args.output.as_deref())?;
    let mut written = 0_u64;
    loop {
        let path = "/v1/dead-letters/export";
        let page: LettersExport = reach.get(Who::Notifier, path, &query).await?;
        for letter in &page.letters {
            sink.write(letter)?;
            written += 1;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    sink.finish()?;
    let place = args
        .output
        .as_ref()
        .map_or("standard output".to_owned(), |path| {
            path.display().to_string()
        });
    let letters = render::count(written, "dead letter");
    screen::notice(&format!("{letters} written to {place}"));
    Ok(ExitCode::SUCCESS)
}
