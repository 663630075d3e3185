//! `--databases` of commands that look at several services' databases.

use std::fmt;
use std::str::FromStr;

/// Flag of commands that look at the services' databases.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServiceDatabases {
    /// The services' databases, such as notifier=mysql://user:password@host:port/name; several by spaces [default: as
    /// the configuration says]
    #[arg(
        long,
        env = "RINGBACK_DATABASES",
        value_name = "SERVICE=URL",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub databases: Vec<ServiceDatabase>,
}

/// One service's database.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceDatabase {
    service: String,
    url: String,
}

impl ServiceDatabases {
    /// The URL that was given for a service; of several the last.
    pub fn of(&self, service: &str) -> Option<&str> {
        let given = self.databases.iter().rev();
        let mut given = given.filter(|database| database.service == service);
        given.next().map(|database| database.url.as_str())
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for ServiceDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceDatabase")
            .field(&self.service)
            .finish()
    }
}

impl FromStr for ServiceDatabase {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "SERVICE=URL, with bank1, bank2 or notifier as the service";
        let (service, url) = text.split_once('=').ok_or(SHAPE)?;
        if !matches!(service, "bank1" | "bank2" | "notifier") || url.is_empty() {
            return Err(SHAPE);
        }
        Ok(Self {
            service: service.to_owned(),
            url: url.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_may_be_given_one_and_a_password_is_not_shown() {
        let given = ["notifier=mysql://u:s3cret@h/n?a=b", "bank1=mysql://h/b"];
        let databases = ServiceDatabases {
            databases: given.map(|text| text.parse().unwrap()).into(),
        };
        assert_eq!(databases.of("notifier"), Some("mysql://u:s3cret@h/n?a=b"));
        assert_eq!(databases.of("bank2"), None);
        assert!(!format!("{databases:?}").contains("s3cret"));
        for wrong in ["mysql://u:s3cret@h/n", "bank3=x", "notifier="] {
            let why = wrong.parse::<ServiceDatabase>().unwrap_err();
            assert!(why.contains("SERVICE=URL"), "{why}");
        }
    }
}
