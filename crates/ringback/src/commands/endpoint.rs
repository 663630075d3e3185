//! `ringback endpoint`: who is notified, changed while the notifiers run.

mod flags;
mod settings;

use std::process::ExitCode;

use notification::Verdict;
use notification::api::endpoint::{
    EndpointAction, EndpointChange, EndpointMade, EndpointView, EndpointsPage, EndpointsQuery,
    NewEndpoint, RotateRequest, TestResult,
};
use notification::api::notifier::{Repaired, RepairedRequest};
use serde_json::{Value, json};

pub use self::flags::{
    Action, ActionArgs, AddArgs, EditArgs, ListArgs, RemoveArgs, RotateArgs, ShowArgs, TestArgs,
};
use crate::failure::{Failure, Outcome};
use crate::reach::{AskError, Reach, Who};
use crate::render;
use crate::render::moment::Now;
use crate::screen::{self, Format, Paint};

const EXAMPLES: &str = "\
Examples:
  ringback endpoint list
  ringback endpoint add m1 --url https://m1.example/hook --set ladder=wechat --set timeout=5s
  ringback endpoint add m2 --file m2.toml        its keys are those of [[endpoint]] in ringback.toml
  ringback endpoint edit m1 --set concurrency=4 --unset ladder
  ringback endpoint pause m1 --reason 'their maintenance until 14:00'
  ringback endpoint repaired m1 --reason 'their fix is out'
  ringback endpoint rotate-secret m1 --overlap 48h
  ringback endpoint test m1

A change is effective in every notifier within two seconds. What is secret stands in a file (--file), never in
a flag, and is not shown again.";

/// `endpoint` and its action.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to do with endpoints.
    #[command(subcommand)]
    pub action: Action,
}

/// What an endpoint is told by its name alone.
#[derive(Debug, Clone, Copy)]
enum Word {
    Pause,
    Resume,
    Disable,
    Enable,
}

impl Word {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }
}

impl Args {
    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        match &self.action {
            Action::Add(args) => args.output.json,
            Action::List(args) => args.output.json,
            Action::Show(args) => args.output.json,
            Action::Edit(args) => args.output.json,
            Action::Pause(args)
            | Action::Resume(args)
            | Action::Disable(args)
            | Action::Enable(args) => args.output.json,
            Action::Repaired(args) => args.output.json,
            Action::RotateSecret(args) => args.output.json,
            Action::Test(args) => args.output.json,
            Action::Remove(args) => args.output.json,
        }
    }
}

/// Does what was asked.
pub async fn run(args: Args) -> Outcome {
    match args.action {
        Action::Add(args) => add(&args).await,
        Action::List(args) => list(&args).await,
        Action::Show(args) => show(&args).await,
        Action::Edit(args) => edit(&args).await,
        Action::Pause(args) => operate(&args, Word::Pause).await,
        Action::Resume(args) => operate(&args, Word::Resume).await,
        Action::Disable(args) => operate(&args, Word::Disable).await,
        Action::Enable(args) => operate(&args, Word::Enable).await,
        Action::Repaired(args) => repaired(&args).await,
        Action::RotateSecret(args) => rotate(&args).await,
        Action::Test(args) => test(&args).await,
        Action::Remove(args) => remove(&args).await,
    }
}

async fn add(args: &AddArgs) -> Outcome {
    let mut endpoint = args.settings.read()?;
    endpoint.insert("id".to_owned(), json!(args.id));
    let request = NewEndpoint {
        endpoint,
        reason: args.reason.clone(),
    };
    let reach = Reach::find(&args.services)?;
    let made: EndpointMade = reach
        .post(Who::Notifier, "/v1/endpoints", &request)
        .await
        .map_err(refused)?;
    match args.output.format() {
        Format::Text => screen::line(&render::endpoint::added(&made)),
        Format::Json => screen::json(&made)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: &ListArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let mut query = EndpointsQuery {
        operation: args.operation,
        after: None,
        limit: Some(args.limit),
    };
    let mut endpoints = Vec::new();
    let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let next = loop {
        let page: EndpointsPage = reach.get(Who::Notifier, "/v1/endpoints", &query).await?;
        endpoints.extend(page.endpoints);
        match page.next {
            Some(next) if endpoints.len() < most => query.after = Some(next),
            next => break next,
        }
    };
    let page = EndpointsPage { endpoints, next };
    match args.output.format() {
        Format::Text => screen::line(&render::endpoint::list(&page, args.operation)),
        Format::Json => screen::json(&page)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &ShowArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/endpoints/{}", args.id);
    let view: EndpointView = reach
        .get(Who::Notifier, &path, &())
        .await
        .map_err(refused)?;
    match args.output.format() {
        Format::Text => screen::line(&render::endpoint::show(&view, &Now::here())),
        Format::Json => screen::json(&view)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn edit(args: &EditArgs) -> Outcome {
    let mut endpoint = args.settings.read()?;
    for key in &args.unset {
        settings::put(&mut endpoint, key, Value::Null)?;
    }
    if endpoint.is_empty() {
        let failure = Failure::usage("nothing is to be changed");
        return Err(failure.help("Name what: --url, --set KEY=VALUE, --unset KEY or --file"));
    }
    let request = EndpointChange {
        endpoint,
        revision: args.revision,
        reason: args.reason.clone(),
    };
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/endpoints/{}", args.id);
    let view: EndpointView = reach
        .patch(Who::Notifier, &path, &request)
        .await
        .map_err(refused)?;
    match args.output.format() {
        Format::Text => screen::line(&render::endpoint::changed(&view, &Now::here())),
        Format::Json => screen::json(&view)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn operate(args: &ActionArgs, word: Word) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/endpoints/{}/{}", args.id, word.as_str());
    let request = EndpointAction {
        reason: args.reason.clone(),
    };
    let view: EndpointView = reach
        .post(Who::Notifier, &path, &request)
        .await
        .map_err(refused)?;
    match args.output.format() {
        Format::Text => screen::line(&render::endpoint::operated(&view)),
        Format::Json => screen::json(&view)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn repaired(args: &ActionArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/endpoints/{}/repaired", args.id);
    let word = RepairedRequest {
        reason: args.reason.clone(),
    };
    let said: Repaired = reach
        .post(Who::Notifier, &path, &word)
        .await
        .map_err(refused)?;
    match args.output.format() {
        Format::Text => screen::line(&render::endpoint::repaired(&said, &Now::here())),
        Format::Json => screen::json(&said)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn rotate(args: &RotateArgs) -> Outcome {
    let secret = args.secret_file.as_deref().map(settings::secret);
    let request = RotateRequest {
        secret: secret.transpose()?,
        overlap: args.overlap.clone(),
        reason: args.reason.clone(),
    };
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/endpoints/{}/rotate-secret", args.id);
    let made: EndpointMade = reach
        .post(Who::Notifier, &path, &request)
        .await
        .map_err(refused)?;
    match args.output.format() {
        Format::Text => screen::line(&render::endpoint::rotated(&made, &Now::here())),
        Format::Json => screen::json(&made)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn test(args: &TestArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/endpoints/{}/test", args.id);
    let request = EndpointAction {
        reason: args.reason.clone(),
    };
    // An attempt may take its endpoint's whole deadline.
    let within = crate::reach::ATTEMPT_WITHIN;
    let result: TestResult = reach
        .post_within(within, Who::Notifier, &path, &request)
        .await
        .map_err(refused)?;
    match args.output.format() {
        Format::Text => screen::line(&render::endpoint::tested(&result, Paint::for_stdout())),
        Format::Json => screen::json(&result)?,
    }
    Ok(match result.verdict {
        Verdict::Delivered => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn remove(args: &RemoveArgs) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/endpoints/{}", args.id);
    let query = EndpointAction {
        reason: args.reason.clone(),
    };
    let _nothing: Value = reach
        .delete(Who::Notifier, &path, &query)
        .await
        .map_err(refused)?;
    match args.output.format() {
        Format::Text => screen::line(&format!(
            "removed {}: messages that still name it are parked, with an alarm",
            args.id
        )),
        Format::Json => screen::json(&json!({ "id": args.id, "result": "removed" }))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A value that the notifier refuses is the caller's usage; the rest is told with what helps.
fn refused(error: AskError) -> Failure {
    match error {
        AskError::Refused(problem) if problem.status == 422 => Failure::usage(problem.to_string()),
        AskError::Refused(problem) if problem.status == 404 => {
            crate::reach::refusal(&problem).help("See the endpoints: ringback endpoint list")
        }
        error => error.into(),
    }
}
