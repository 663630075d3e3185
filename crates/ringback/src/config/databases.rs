//! Where each service's database is: as the command line says, else the file, else SQLite in the data folder.

use std::path::Path;

use super::{File, paths};
use crate::failure::Failure;

/// The database of `service` (bank1, bank2 or notifier). `over` is what `--database` or its variable says.
///
/// # Errors
/// Both `database` and `database_file` are set, the file can't be read, or the URL is none. No error shows a
/// password.
pub fn database(
    service: &str,
    file: &File,
    over: Option<&str>,
    data: &Path,
) -> Result<database::Config, Failure> {
    let (url, from) = match service {
        "bank1" => (&file.bank1.database, &file.bank1.database_file),
        "bank2" => (&file.bank2.database, &file.bank2.database_file),
        "notifier" => (&file.notifier.database, &file.notifier.database_file),
        other => return Err(Failure::usage(format!("{other} has no database"))),
    };
    let (config, source) = match (over, url, from) {
        (Some(url), _, _) => (database::Config::new(url), "--database".to_owned()),
        (None, Some(_), Some(_)) => {
            return Err(Failure::usage(format!(
                "[{service}] has both database and database_file: one of them"
            )));
        }
        (None, Some(url), None) => (database::Config::new(url), format!("[{service}] database")),
        (None, None, Some(path)) => {
            let source = format!("[{service}] database_file {}", path.display());
            (database::Config::new(held(path, &source)?), source)
        }
        (None, None, None) => {
            let config = database::Config::sqlite(paths::database(data, service));
            return Ok(config);
        }
    };
    config.validate().map_err(|error| {
        // The text that was given may be anything, a password with a slip before it included.
        let url = "sqlite://<path of a file> or mysql://user:password@host:port/name";
        match error {
            database::DatabaseError::Config { field: "url", .. } => {
                Failure::usage(format!("{source}: not the URL of a database: {url}"))
            }
            other => Failure::usage(format!("{source}: {other}")),
        }
    })?;
    Ok(config)
}

/// The one line of a file that holds a URL.
fn held(path: &Path, source: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{source}: it can't be read: {error}")))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File::parse(text, Path::new("ringback.toml")).unwrap()
    }

    fn url(text: &str, over: Option<&str>) -> Result<String, String> {
        database("bank2", &file(text), over, Path::new("/data"))
            .map(|config| config.url)
            .map_err(|failure| failure.message)
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_sqlite() {
        assert_eq!(url("", None).unwrap(), "sqlite:///data/bank2.sqlite");
        let text = "[bank2]\ndatabase = \"mysql://u:p@h/bank2\"\n";
        assert_eq!(url(text, None).unwrap(), "mysql://u:p@h/bank2");
        let over = Some("mysql://u@h/other");
        assert_eq!(url(text, over).unwrap(), "mysql://u@h/other");
    }

    #[test]
    fn a_file_holds_the_url_and_what_is_wrong_with_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bank2.url");
        let text = format!("[bank2]\ndatabase_file = \"{}\"\n", path.display());
        let error = url(&text, None).unwrap_err();
        assert!(
            error.contains("bank2.url") && error.contains("can't be read"),
            "{error}"
        );
        std::fs::write(&path, "mysql://u:p@h/bank2\n").unwrap();
        assert_eq!(url(&text, None).unwrap(), "mysql://u:p@h/bank2");
        std::fs::write(&path, "mysql//u:s3cret@h/bank2\n").unwrap();
        let error = url(&text, None).unwrap_err();
        assert!(
            error.contains("bank2.url") && !error.contains("s3cret"),
            "{error}"
        );
        let both = format!("{text}database = \"mysql://u@h/x\"\n");
        assert!(url(&both, None).unwrap_err().contains("one of them"));
    }

    #[test]
    fn each_service_has_its_own_section() {
        let text = "[bank1]\ndatabase = \"mysql://h/a\"\n[notifier]\ndatabase = \"mysql://h/b\"\n";
        for (service, expected) in [("bank1", "mysql://h/a"), ("notifier", "mysql://h/b")] {
            let config = database(service, &file(text), None, Path::new("/data")).unwrap();
            assert_eq!(config.url, expected);
        }
    }

    #[test]
    fn a_password_is_in_no_complaint_about_the_file() {
        let parse = |text: &str| File::parse(text, Path::new("x")).err().unwrap().message;
        for text in [
            "[bank1]\ndatabase = \"mysql://u:s3cr3t@h/x\n",
            "[bank1]\ndatabase = mysql://u:s3cr3t@h/x\n",
            "[notifier]\ndatabase = [\"mysql://u:s3cr3t@h/x\"]\n",
            "[bank2]\ndatabas = \"mysql://u:s3cr3t@h/x\"\n",
        ] {
            let message = parse(text);
            assert!(!message.contains("s3cr3t"), "{message}");
            assert!(message.contains("line 2"), "{message}");
        }
    }
}
