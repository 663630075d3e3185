//! Whether an endpoint takes resent letters at this moment.

use database::DatabaseError;
use notification::{EndpointId, Operation};
use sqlx::AnyConnection;

use super::failing;
use crate::directory::Directory;
use crate::record::columns::number;

/// What was asked for and has left no record yet, and how much of it is slow; no more are counted than
/// matter.
const ON_THE_WAY: &str = "SELECT COUNT(*) AS on_the_way, \
     COUNT(CASE WHEN created_ms BETWEEN ? AND ? THEN 1 END) AS slow_ones \
     FROM (SELECT r.created_ms FROM send_request r \
     JOIN notification n ON n.group_name = r.group_name AND n.tx_no = r.tx_no \
     AND n.source = r.source WHERE n.endpoint_id = ? LIMIT ?) counted";

/// What is on its way for longer than this waits for something ...
const SLOW_MS: i64 = 500;

/// ... but what is for longer than this is lost, and goes out anew some day: nobody waits behind it.
const LOST_MS: i64 = 60 * 1000;

/// So many may be slow besides those that are being attempted.
const FEW: usize = 8;

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
        let under_way = self.directory.line(endpoint);
        let under_way = under_way.map_or(0, |line| line.lane.view().under_way);
        let most = self.most_on_the_way;
        let way = Way::read(db, endpoint, most, self.now_ms).await?;
        Ok(room(way, most, under_way))
    }
}

/// What is on its way to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    all: usize,
    slow: usize,
}

impl Way {
    async fn read(
        db: &mut AnyConnection,
        endpoint: &EndpointId,
        most: usize,
        now_ms: i64,
    ) -> Result<Self, DatabaseError> {
        let row = sqlx::query(ON_THE_WAY)
            .bind(now_ms - LOST_MS)
            .bind(now_ms - SLOW_MS)
            .bind(endpoint.as_str())
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_one(db)
            .await?;
        Ok(Self {
            all: number(&row, "on_the_way")?,
            slow: number(&row, "slow_ones")?,
        })
    }
}

/// How many more may go. A rate that is more than the way can take must not fill it up: fresh traffic
/// would stand behind. So what waits on the way, other than for an answer, holds back what comes.
fn room(way: Way, most: usize, under_way: usize) -> Now {
    match most.saturating_sub(way.all) {
        0 => Now::Wait(format!("{} resent before are still on their way", way.all)),
        _ if way.slow > under_way + FEW => {
            Now::Wait(format!("{} resent before are slow on their way", way.slow))
        }
        free => Now::Takes(free),
    }
}

#[cfg(test)]
mod tests {
    use database::Database;
    use database::testing::Databases;
    use notification::TxNo;
    use sqlx::{AssertSqlSafe, Executor, raw_sql};

    use super::*;

    /// A notification that lives again, and the request for its message.
    const ROWS: [&str; 2] = [
        "INSERT INTO notification (group_name, tx_no, source, tail, endpoint_id, event_type, business_key, state, \
         generation, attempts, parks, seen, first_seen_ms, updated_ms) \
         VALUES ('bank2', 'TX', 'bank1', '', 'ENDPOINT', 'transfer', 'k', 'waiting', 1, 0, 0, 0, 1, 1)",
        "INSERT INTO send_request (group_name, tx_no, source, generation, next_send_ms, sends, created_ms) \
         VALUES ('bank2', 'TX', 'bank1', 1, 5, 0, ASKED)",
    ];

    #[tokio::test]
    async fn what_is_neither_new_nor_lost_is_slow_and_each_endpoint_has_its_own_way() {
        let databases = Databases::new();
        let database = Database::open(&databases.config("notifier")).await.unwrap();
        database.migrate(&crate::MIGRATIONS).await.unwrap();
        let now_ms = 1_000_000;
        let mut db = database.write().await.unwrap();
        let asked = [
            ("e", SLOW_MS - 1),
            ("e", SLOW_MS),
            ("e", LOST_MS),
            ("e", LOST_MS + 1),
            ("another", SLOW_MS),
        ];
        for (place, (endpoint, ago)) in (1..).zip(asked) {
            let tx_no = TxNo::from_parts(1, [place; 10]).to_string();
            for row in ROWS {
                let row = row.replace("TX", &tx_no).replace("ENDPOINT", endpoint);
                let row = row.replace("ASKED", &(now_ms - ago).to_string());
                db.execute(raw_sql(AssertSqlSafe(row))).await.unwrap();
            }
        }
        let e: EndpointId = "e".parse().unwrap();
        let way = Way::read(&mut db, &e, 50, now_ms).await.unwrap();
        assert_eq!(way, Way { all: 4, slow: 2 });
        let way = Way::read(&mut db, &e, 3, now_ms).await.unwrap();
        assert_eq!(way.all, 3, "no more are counted than matter");
    }

    #[test]
    fn no_more_than_the_most_are_on_the_way() {
        let way = |all| Way { all, slow: 0 };
        assert_eq!(room(way(30), 50, 0), Now::Takes(20));
        assert!(matches!(room(way(50), 50, 0), Now::Wait(_)));
    }

    #[test]
    fn what_is_slow_holds_back_unless_it_waits_for_an_answer() {
        let way = |slow| Way { all: 20, slow };
        assert_eq!(room(way(8), 50, 0), Now::Takes(30));
        assert!(matches!(room(way(9), 50, 0), Now::Wait(why) if why.starts_with("9 ")));
        // A slow receiver's answers are waited for side by side.
        assert_eq!(room(way(20), 50, 12), Now::Takes(30));
        assert!(matches!(room(way(20), 50, 11), Now::Wait(_)));
    }
}
