//! An endpoint as the API shows it: its settings and how it is operated, and nothing secret.

use std::collections::BTreeMap;
use std::time::Duration;

use notification::api::endpoint::{DefinedIn, EndpointView, LaneShown, SecretView};
use notification::{EndpointId, Operation, SigningSecret};
use tokio::time::Instant;

use crate::config::EndpointConfig;
use crate::directory::Directory;
use crate::directory::settings::{self, Unusable};
use crate::directory::table::{Defined, Row};
use crate::lane::LaneView;

/// An endpoint that is defined in one of the two places.
pub(super) struct Known<'a> {
    from: From<'a>,
    row: Option<Row>,
}

enum From<'a> {
    File(&'a EndpointConfig),
    Table(EndpointId, Defined),
}

/// All of the file's and the table's, by id; the file is obeyed if both define one.
pub(super) fn known(directory: &Directory, rows: Vec<Row>) -> Vec<Known<'_>> {
    let mut rows: BTreeMap<EndpointId, Row> =
        rows.into_iter().map(|row| (row.id.clone(), row)).collect();
    let files: Vec<EndpointId> = directory.all_in_file().map(|one| one.id.clone()).collect();
    let mut known: Vec<Known<'_>> = files
        .iter()
        .filter_map(|id| Known::of(directory, id, rows.remove(id)))
        .collect();
    let tables = rows.into_values();
    known.extend(tables.filter_map(|row| Known::of(directory, &row.id.clone(), Some(row))));
    known.sort_by(|one, other| one.id().cmp(other.id()));
    known
}

impl<'a> Known<'a> {
    /// The endpoint, if it is defined anywhere.
    pub(super) fn of(directory: &'a Directory, id: &EndpointId, row: Option<Row>) -> Option<Self> {
        let from = match directory.in_file(id) {
            Some(config) => From::File(config),
            None => {
                let defined = row.as_ref().and_then(|row| row.defined.clone())?;
                From::Table(id.clone(), defined)
            }
        };
        Some(Self { from, row })
    }

    pub(super) fn id(&self) -> &EndpointId {
        match &self.from {
            From::File(config) => &config.id,
            From::Table(id, _) => id,
        }
    }

    pub(super) fn operation(&self) -> Operation {
        self.row
            .as_ref()
            .map_or(Operation::Open, |row| row.operation)
    }

    /// What is shown.
    pub(super) fn view(
        &self,
        directory: &Directory,
        now_ms: i64,
    ) -> Result<EndpointView, Unusable> {
        let line = directory.line(self.id());
        let mut view = EndpointView {
            endpoint: serde_json::Map::new(),
            defined_in: DefinedIn::File,
            operation: self.operation(),
            operation_ms: None,
            operation_by: None,
            operation_reason: None,
            secrets: Vec::new(),
            hidden: Vec::new(),
            revision: 0,
            created_ms: None,
            created_by: None,
            updated_ms: None,
            updated_by: None,
            unusable: directory.unusable(self.id()),
            lane: line.as_ref().map(|line| lane(line.lane.view())),
            clock: line.and_then(|line| line.clock()),
        };
        if let Some(row) = &self.row {
            view.operation_ms = Some(row.operation_ms);
            view.operation_by.clone_from(&row.operation_by);
            view.operation_reason.clone_from(&row.operation_reason);
            view.revision = row.revision;
        }
        match &self.from {
            From::File(config) => {
                let line = directory.line(&config.id);
                let secrets = line.map(|line| line.endpoint().secrets.clone());
                view.secrets = secrets_of(&secrets.unwrap_or_default(), now_ms);
                (view.endpoint, view.hidden) = settings::shown(config)?;
            }
            From::Table(id, defined) => {
                view.defined_in = DefinedIn::Table;
                if let Some(row) = &self.row {
                    view.created_ms = Some(row.created_ms);
                    view.created_by = Some(row.created_by.clone());
                    view.updated_ms = Some(row.updated_ms);
                    view.updated_by = Some(row.updated_by.clone());
                }
                match settings::open(id, defined, directory.sealing()) {
                    Ok(config) => {
                        view.secrets = secrets_of(&config.secrets, now_ms);
                        (view.endpoint, view.hidden) = settings::shown(&config)?;
                    }
                    Err(error) => {
                        view.endpoint = serde_json::from_str(&defined.settings)?;
                        view.unusable.get_or_insert(error.to_string());
                    }
                }
            }
        }
        Ok(view)
    }
}

fn lane(view: LaneView) -> LaneShown {
    let now = Instant::now();
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    LaneShown {
        waiting: count(view.waiting),
        under_way: count(view.under_way),
        asleep: view.asleep,
        open_for_ms: view.open.map(|shut| ms(now - shut.since)),
        probe_in_ms: view.open.map(|shut| ms(shut.probe_at - now)),
        asked_to_wait_ms: view.paused_for.map(ms),
    }
}

/// Those that sign now.
fn secrets_of(secrets: &[SigningSecret], now_ms: i64) -> Vec<SecretView> {
    let signing = secrets.iter().filter(|secret| secret.signs_at(now_ms));
    let view = |secret: &SigningSecret| SecretView {
        fingerprint: settings::fingerprint(secret),
        until_ms: secret.until_ms,
    };
    signing.map(view).collect()
}
