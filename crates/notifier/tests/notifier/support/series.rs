//! What is counted, series by series.

use service::http_client::{self, HttpOptions};

use super::Running;

/// The sum of all series whose line begins so.
pub(crate) async fn counted(notifier: &Running, beginning: &str) -> f64 {
    let http = http_client::build(&HttpOptions::default()).unwrap();
    let page = http.get(notifier.url("/metrics")).send().await.unwrap();
    let page = page.text().await.unwrap();
    let values = page.lines().filter(|line| line.starts_with(beginning));
    let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    values.map(value).sum()
}
