//! Waiting for a notification to be settled, telling each attempt as it is made.

use std::time::Duration;

use notification::api::notifier::{Attempt, NotificationQuery, NotificationView};
use notification::{NotificationState, TxNo};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::reach::{ANSWER_WITHIN, AskError, Reach, Who};
use crate::render::moment::span;
use crate::screen::{self, Format, Progress};

/// Between two questions.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// How the waiting ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The receiver took it.
    Delivered(NotificationView),
    /// It is dead, or nobody wants it any more.
    Dead(NotificationView),
    /// The time is up.
    StillTrying(Option<NotificationView>),
}

/// What is waited for.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    /// How the notifier is reached.
    pub(super) reach: &'a Reach,
    /// Which notification.
    pub(super) tx_no: TxNo,
    /// Only this generation's attempts and end count, or a later one's.
    pub(super) generation: u32,
    /// When to give up waiting.
    pub(super) until: Instant,
    /// Whether anything is told meanwhile.
    pub(super) format: Format,
}

impl Watch<'_> {
    /// Asks until it is settled or the time is up. `line` makes a line of each attempt.
    ///
    /// # Errors
    /// The notifier refuses to answer; that it is away or has not accepted it yet is waited out.
    pub(super) async fn settled(
        &self,
        line: impl Fn(&NotificationView, &Attempt) -> String,
    ) -> Result<Ended, Failure> {
        let path = format!("/v1/notifications/{}", self.tx_no);
        let progress = Progress::new(self.format);
        let (mut told, mut newest) = (0, None);
        loop {
            let within = within(self.until, ANSWER_WITHIN);
            let query = NotificationQuery::default();
            match self
                .reach
                .get_within::<NotificationView>(within, Who::Notifier, &path, &query)
                .await
            {
                Ok(view) => {
                    let attempts = || {
                        view.attempts
                            .iter()
                            .filter(|attempt| attempt.generation >= self.generation)
                    };
                    for attempt in attempts().skip(told) {
                        progress.clear();
                        self.say(&line(&view, attempt));
                    }
                    told = attempts().count();
                    if let Some(ended) = self.ended(&view) {
                        return Ok(ended);
                    }
                    progress.show(&waiting(&view, service::clock::now_ms()));
                    newest = Some(view);
                }
                Err(AskError::Refused(problem)) if problem.status == 404 => {
                    progress.show("committed; not accepted by the notifier yet …");
                }
                Err(AskError::Refused(problem)) if problem.status != 503 => {
                    return Err(crate::reach::refusal(&problem));
                }
                Err(AskError::NoToken(failure)) => return Err(failure),
                Err(_) => progress.show("waiting for the notifier to come back …"),
            }
            if Instant::now() >= self.until {
                return Ok(Ended::StillTrying(newest));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn ended(&self, view: &NotificationView) -> Option<Ended> {
        if view.notification.generation < self.generation {
            return None;
        }
        match view.notification.state {
            NotificationState::Waiting => None,
            NotificationState::Delivered => Some(Ended::Delivered(view.clone())),
            NotificationState::Dead | NotificationState::Skipped | NotificationState::Cancelled => {
                Some(Ended::Dead(view.clone()))
            }
        }
    }

    fn say(&self, text: &str) {
        if self.format == Format::Text {
            screen::line(text);
        }
    }
}

/// What is left until then, but no more than `most`, and enough for one question.
pub(super) fn within(until: Instant, most: Duration) -> Duration {
    (until.saturating_duration_since(Instant::now())).clamp(PAUSE, most)
}

fn waiting(view: &NotificationView, now_ms: i64) -> String {
    let next = view.notification.attempts + 1;
    match view.notification.next_due_ms {
        Some(due) if due > now_ms => format!("attempt {next} in {} …", span(due - now_ms)),
        _ => format!("attempt {next} is due …"),
    }
}
