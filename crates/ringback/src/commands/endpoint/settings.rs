//! An endpoint's settings out of flags and files.
//!
//! They are sent as they are: the notifier knows the keys and their limits, and names what is
//! wrong. Only what is secret is refused here, where it would stand in the shell's history.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::flags::Settings;
use crate::failure::Failure;

/// What stands in a file and in no flag.
const SECRET: [&str; 4] = ["secrets", "basic", "bearer", "tls.key"];

impl Settings {
    /// The file's settings, with those of the flags over them.
    pub(super) fn read(&self) -> Result<Map<String, Value>, Failure> {
        let mut settings = match &self.file {
            Some(path) => file(path)?,
            None => Map::new(),
        };
        if let Some(url) = &self.url {
            settings.insert("url".to_owned(), Value::String(url.clone()));
        }
        for text in &self.set {
            let Some((key, value)) = text.split_once('=') else {
                let failure = Failure::usage(format!("--set {text:?} is refused"));
                return Err(failure.help("A key and a value: --set timeout=5s"));
            };
            refuse_secret(key)?;
            put(&mut settings, key, read_value(value))?;
        }
        Ok(settings)
    }
}

fn refuse_secret(key: &str) -> Result<(), Failure> {
    let below = |secret: &str| {
        key.strip_prefix(secret)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if SECRET.into_iter().any(below) {
        let failure = Failure::usage(format!("--set {key}: what is secret is taken from a file"));
        return Err(
            failure.help("Write it as TOML and name the file: --file FILE (- is standard input)")
        );
    }
    Ok(())
}

/// A number, a list, a truth value; whatever is no JSON is a text.
fn read_value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Puts a value under a key; dots lead into tables.
pub(super) fn put(
    settings: &mut Map<String, Value>,
    key: &str,
    value: Value,
) -> Result<(), Failure> {
    let (first, rest) = match key.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (key, None),
    };
    if first.is_empty() || rest.is_some_and(str::is_empty) {
        return Err(Failure::usage(format!(
            "the key {key:?} is refused: it has an empty part"
        )));
    }
    let Some(rest) = rest else {
        settings.insert(first.to_owned(), value);
        return Ok(());
    };
    let below = settings
        .entry(first.to_owned())
        .or_insert_with(|| Value::Object(Map::new()));
    match below {
        Value::Object(below) => put(below, rest, value),
        _ => Err(Failure::usage(format!(
            "the key {key:?} is refused: {first} has a value of its own"
        ))),
    }
}

fn file(path: &Path) -> Result<Map<String, Value>, Failure> {
    let text = text(path)?;
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::usage(format!(
            "the settings in {} can't be read: {error}",
            path.display()
        ))
    };
    let table: toml::Table = toml::from_str(&text).map_err(|error| wrong(&error.message()))?;
    match serde_json::to_value(table).map_err(|error| wrong(&error))? {
        Value::Object(settings) => Ok(settings),
        _ => Ok(Map::new()),
    }
}

/// A secret in a file of its own.
pub(super) fn secret(path: &Path) -> Result<String, Failure> {
    Ok(text(path)?.trim().to_owned())
}

fn text(path: &Path) -> Result<String, Failure> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| Failure::usage(format!("{} can't be read: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(url: Option<&str>, set: &[&str]) -> Result<Value, Failure> {
        let settings = Settings {
            url: url.map(ToOwned::to_owned),
            set: set.iter().map(|text| (*text).to_owned()).collect(),
            file: None,
        };
        settings.read().map(Value::Object)
    }

    #[test]
    fn values_are_json_where_they_are_and_text_elsewhere() {
        let set = [
            "concurrency=4",
            "timeout=5s",
            "reject=[410]",
            "accept.body=success",
            "rate=50/s",
        ];
        let expected = json!({"url": "https://m1.example", "concurrency": 4, "timeout": "5s",
            "reject": [410], "accept": {"body": "success"}, "rate": "50/s"});
        assert_eq!(read(Some("https://m1.example"), &set).unwrap(), expected);
    }

    #[test]
    fn what_is_secret_is_no_flag() {
        for secret in ["secrets=[]", "bearer=x", "basic.password=x", "tls.key=x"] {
            let failure = read(None, &[secret]).unwrap_err();
            assert_eq!(failure.kind, crate::failure::Kind::Usage);
            assert!(failure.help.unwrap().contains("--file"), "{secret}");
        }
        assert!(read(None, &["secret_overlap=1h", "headers.x-tenant=acme"]).is_ok());
    }

    #[test]
    fn a_key_leads_somewhere() {
        for bad in ["timeout", "=5s", "a.=1", "a..b=1"] {
            assert!(read(None, &[bad]).is_err(), "{bad}");
        }
        assert!(read(None, &["timeout=5s", "timeout.x=1"]).is_err());
    }

    #[test]
    fn a_file_gives_what_flags_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m1.toml");
        std::fs::write(
            &path,
            "timeout = \"9s\"\nbearer = \"hidden\"\n[headers]\nx = \"1\"\n",
        )
        .unwrap();
        let settings = Settings {
            url: None,
            set: vec!["timeout=5s".to_owned()],
            file: Some(path.clone()),
        };
        let expected = json!({"timeout": "5s", "bearer": "hidden", "headers": {"x": "1"}});
        assert_eq!(Value::Object(settings.read().unwrap()), expected);
        std::fs::write(&path, "bearer = hidden\n").unwrap();
        let message = settings.read().unwrap_err().message;
        assert!(
            message.contains("m1.toml") && !message.contains("hidden"),
            "{message}"
        );
    }
}
