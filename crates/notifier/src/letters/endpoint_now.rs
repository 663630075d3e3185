//! Whether an endpoint takes resent letters at this moment.

use database::DatabaseError;
use notification::{EndpointId, Operation};
use sqlx::AnyConnection;

use super::failing;
use crate::directory::Directory;

/// What was asked for and has left no record yet; no more are counted than matter.
const ON_THE_WAY: &str = "SELECT COUNT(*) FROM (SELECT n.tx_no FROM send_request r \
     JOIN notification n ON n.group_name = r.group_name AND n.tx_no = r.tx_no \
     AND n.source = r.source WHERE n.endpoint_id = ? LIMIT ?) counted";

/// What to do with the letters of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Now {
    /// So many may go to it.
    Takes(usize),
    /// None until it has time for them.
    Wait(String),
    /// They would only die again.
    Failing(String),
}

/// How an endpoint is looked at.
pub(super) struct Look<'a> {
    pub directory: &'a Directory,
    /// Whether its failures don't matter.
    pub anyway: bool,
    pub most_on_the_way: usize,
    pub now_ms: i64,
}

impl Look<'_> {
    pub(super) async fn at(
        &self,
        db: &mut AnyConnection,
        endpoint: &EndpointId,
    ) -> Result<Now, DatabaseError> {
        if let Some(line) = self.directory.line(endpoint) {
            match line.endpoint().operation {
                Operation::Open => {}
                held => return Ok(Now::Wait(format!("endpoint {endpoint} is {held}"))),
            }
        }
        if !self.anyway
            && let Some(answers) = failing::failing(db, endpoint, self.now_ms).await?
        {
            return Ok(Now::Failing(failing::in_words(endpoint, &answers)));
        }
        if let Some(line) = self.directory.line(endpoint)
            && line.lane.is_busy()
        {
            return Ok(Now::Wait(format!("endpoint {endpoint} is busy")));
        }
        let most = self.most_on_the_way;
        let on_the_way: i64 = sqlx::query_scalar(ON_THE_WAY)
            .bind(endpoint.as_str())
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_one(db)
            .await?;
        let on_the_way = usize::try_from(on_the_way).unwrap_or(usize::MAX);
        Ok(match most.saturating_sub(on_the_way) {
            0 => Now::Wait(format!("{on_the_way} resent before are still on their way")),
            free => Now::Takes(free),
        })
    }
}
