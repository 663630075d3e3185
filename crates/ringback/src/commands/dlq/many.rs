//! `ringback dlq resend|discard` with filters: what would be done, or a job that does it.

use std::process::ExitCode;

use notification::EndpointId;
use notification::api::letters::{JobKind, JobPreview, JobRequest, JobView, LetterFilter};

use super::flags::{Chosen, DiscardArgs, Many, ResendArgs};
use super::follow::{Follow, Until};
use crate::failure::{Failure, Outcome};
use crate::reach::{AskError, LONG_READ_WITHIN, Reach, Who};
use crate::render;
use crate::render::moment::Now;
use crate::screen::{self, Format};

/// The one letter that was named; none if many are meant.
///
/// # Errors
/// Both, or neither.
pub(super) fn one<'a>(
    ending: Option<&'a str>,
    chosen: &Chosen,
    many: &Many,
) -> Result<Option<&'a str>, Failure> {
    let filtered = chosen.filter(&Now::here())? != LetterFilter::default();
    let for_many = many.rate.is_some() || many.detach || many.dry_run;
    match (ending, filtered || many.all) {
        (Some(_), true) => Err(Failure::usage(
            "one letter was named, and a filter given for many: name either",
        )),
        (Some(_), false) if for_many => Err(Failure::usage(
            "--dry-run, --rate and --detach are for many letters, and one was named",
        )),
        (Some(ending), false) => Ok(Some(ending)),
        (None, true) => Ok(None),
        (None, false) => Err(Failure::usage("which letters? None is named")
            .help("Name one by its ending, some by a filter such as --endpoint bank2, or --all.")),
    }
}

pub(super) async fn resend(args: &ResendArgs) -> Outcome {
    let request = JobRequest {
        kind: JobKind::Resend,
        filter: args.chosen.filter(&Now::here())?,
        all: args.many.all,
        rate: args.many.rate,
        anyway: args.anyway,
        reason: args.reason.clone(),
    };
    let reach = Reach::find(&args.services)?;
    let format = args.output.format();
    if args.many.dry_run {
        return dry_run(&reach, &request, format).await;
    }
    let until = match (args.many.detach, args.wait) {
        (true, _) => Until::Begun,
        (false, false) => Until::Done,
        (false, true) => Until::Settled(args.timeout),
    };
    begin(&reach, &request, format, until, &args.services.data.flag()).await
}

pub(super) async fn discard(args: &DiscardArgs) -> Outcome {
    let request = JobRequest {
        kind: JobKind::Discard,
        filter: args.chosen.filter(&Now::here())?,
        all: args.many.all,
        rate: args.many.rate,
        anyway: false,
        reason: Some(args.reason.clone()),
    };
    let reach = Reach::find(&args.services)?;
    let format = args.output.format();
    if args.many.dry_run {
        return dry_run(&reach, &request, format).await;
    }
    let until = if args.many.detach {
        Until::Begun
    } else {
        Until::Done
    };
    begin(&reach, &request, format, until, &args.services.data.flag()).await
}

async fn dry_run(reach: &Reach, request: &JobRequest, format: Format) -> Outcome {
    let path = "/v1/dead-letter-jobs/dry-run";
    let preview: JobPreview = reach
        .post_within(LONG_READ_WITHIN, Who::Notifier, path, request)
        .await?;
    match format {
        Format::Text => screen::line(&render::jobs::preview(request, &preview, &Now::here())),
        Format::Json => screen::json(&preview)?,
    }
    Ok(if preview.selected == 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn begin(
    reach: &Reach,
    request: &JobRequest,
    format: Format,
    until: Until,
    data: &str,
) -> Outcome {
    let begun = reach
        .post_within(
            LONG_READ_WITHIN,
            Who::Notifier,
            "/v1/dead-letter-jobs",
            request,
        )
        .await;
    let endpoint = request.filter.endpoint.as_ref();
    let job: JobView = begun.map_err(|error| refused(error, endpoint))?;
    let follow = Follow {
        reach,
        format,
        until,
        data,
    };
    follow.job(job).await
}

/// What to do about an endpoint that fails.
pub(super) fn repair(endpoint: &str) -> String {
    format!("Is it repaired? Say so: ringback endpoint repaired {endpoint}   or pass --anyway.")
}

/// Why a job was not begun, and what to do first.
pub(super) fn refused(error: AskError, endpoint: Option<&EndpointId>) -> Failure {
    let AskError::Refused(problem) = error else {
        return error.into();
    };
    let failure = Failure::refused(format!("{}.", problem.detail.trim_end_matches('.')));
    match problem.status {
        412 => failure.help(repair(endpoint.map_or("ID", EndpointId::as_str))),
        404 => failure.help("See what there is: ringback dlq list"),
        _ => crate::reach::refusal(&problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many() -> Many {
        Many {
            all: false,
            dry_run: false,
            rate: None,
            detach: false,
        }
    }

    #[test]
    fn one_is_named_or_many_are_chosen_and_never_both_or_neither() {
        let by_endpoint = Chosen {
            endpoint: Some("bank2".parse().unwrap()),
            ..Chosen::default()
        };
        let nothing = Chosen::default();
        let all = Many {
            all: true,
            ..many()
        };
        assert_eq!(one(Some("9f52"), &nothing, &many()).unwrap(), Some("9f52"));
        assert_eq!(one(None, &by_endpoint, &many()).unwrap(), None);
        assert_eq!(one(None, &nothing, &all).unwrap(), None);
        assert!(one(None, &nothing, &many()).is_err());
        assert!(one(Some("9f52"), &by_endpoint, &many()).is_err());
        let slowly = Many {
            rate: Some("5/s".parse().unwrap()),
            ..many()
        };
        assert!(one(Some("9f52"), &nothing, &slowly).is_err());
    }
}
