//! The services' tables: which sets of migrations each has, and bringing them up to date without starting a service.

use database::{Config, Database, DatabaseError, Migrations, Schema};

use super::plan::{Action, Change};

/// The sets of each service.
pub const SETS: [(&str, &[Migrations]); 3] = [
    ("bank1", &[producer::MIGRATIONS, banks::bank1::MIGRATIONS]),
    ("bank2", &[receiver::MIGRATIONS, banks::bank2::MIGRATIONS]),
    ("notifier", &[notifier::MIGRATIONS]),
];

/// Whether the tables are changed or only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `--dry-run`.
    Look,
    /// They are brought up to date.
    Migrate,
}

/// Looks at one service's tables, and brings them up to date if told.
///
/// # Errors
/// The database can't be opened, is newer than this program, or a migration fails.
pub async fn migrate(
    service: &str,
    config: &Config,
    sets: &[Migrations],
    mode: Mode,
) -> Result<Vec<Change>, DatabaseError> {
    // Looking must not make the file.
    let file = config.url.strip_prefix("sqlite://");
    let absent = file.is_some_and(|file| !std::path::Path::new(file).exists());
    if absent && mode == Mode::Look {
        let fresh = sets.iter().map(|set| Schema {
            name: set.name,
            version: 0,
            pending: set.files.iter().map(|file| file.0).collect(),
            unknown: Vec::new(),
        });
        return Ok(fresh.map(|schema| change(service, &schema)).collect());
    }
    let database = Database::open(config).await?;
    let mut changes = Vec::new();
    for set in sets {
        let before = database.schema(set).await?;
        if mode == Mode::Migrate {
            database.migrate(set).await?;
        }
        changes.push(change(service, &before));
    }
    database.close().await;
    Ok(changes)
}

fn change(service: &str, before: &Schema) -> Change {
    let (action, detail) = match before.pending.last() {
        Some(newest) => (
            Action::Migrated,
            format!("{}: schema {} -> {newest}", before.name, before.version),
        ),
        None => (
            Action::Unchanged,
            format!("{}: schema {}", before.name, before.version),
        ),
    };
    Change {
        subject: format!("{service} database"),
        action,
        detail,
        step: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dry_run_makes_no_file_and_a_second_run_finds_nothing_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notifier.sqlite");
        let config = Config::sqlite(&file);
        let (service, sets) = SETS[2];
        let looked = migrate(service, &config, sets, Mode::Look).await.unwrap();
        assert_eq!(looked[0].action, Action::Migrated);
        assert!(
            looked[0].detail.starts_with("notifier: schema 0 -> "),
            "{looked:?}"
        );
        assert!(!file.exists());
        let done = migrate(service, &config, sets, Mode::Migrate)
            .await
            .unwrap();
        assert_eq!(done, looked);
        let again = migrate(service, &config, sets, Mode::Migrate)
            .await
            .unwrap();
        assert_eq!(again[0].action, Action::Unchanged);
    }
}
