//! `[[subscription]]`: a consumer group on a topic, the endpoint that its messages go to, and which
//! of them do.
//!
//! Subscriptions stand in the file alone. A group must exist at the broker, with a policy and a
//! first poll, before the first message for it, which `ringback init` sees to; and each replica must
//! poll it. Both are the doing of whoever deploys, so nothing is gained by a table.

use std::collections::BTreeMap;
use std::fmt;

use notification::{EndpointId, EventType, Group, Invalid, Topic};
use serde::Deserialize;

/// `[[subscription]]` of `ringback.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionConfig {
    /// The consumer group, which is the subscription's name.
    pub group: Group,
    /// The topic it reads.
    pub topic: Topic,
    /// The id of an endpoint, or `*`: each message names its own.
    pub endpoint: Destination,
    /// Which messages are for it; absent: all.
    #[serde(default)]
    pub filter: Filter,
}

/// Where a subscription's messages go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Destination {
    /// All to one endpoint.
    One(EndpointId),
    /// Each to the endpoint that its property `rb-endpoint` names.
    Named,
}

/// `[subscription.filter]`: a message is for the subscription if it fits every list that is not
/// empty, and it fits a list if it fits any of its entries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Its tag is one of these.
    pub tags: Vec<String>,
    /// Its event type is one of these; one that ends in `*` stands for all that begin so.
    pub event_types: Vec<Pattern>,
    /// It has each of these properties, with one of these values.
    pub properties: BTreeMap<String, Vec<String>>,
}

/// An event type, or the beginning of some.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Pattern {
    /// This one.
    Whole(EventType),
    /// All that begin so; empty: all.
    Begins(String),
}

/// The most entries of one list.
const MOST: usize = 100;

impl Destination {
    /// The endpoint, if it is one for all.
    pub fn one(&self) -> Option<&EndpointId> {
        match self {
            Self::One(id) => Some(id),
            Self::Named => None,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.one().map_or("*", EndpointId::as_str))
    }
}

impl std::str::FromStr for Destination {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "*" => Ok(Self::Named),
            id => id.parse().map(Self::One),
        }
    }
}

impl TryFrom<String> for Destination {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl TryFrom<String> for Pattern {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        match text.strip_suffix('*') {
            None => text.parse().map(Self::Whole),
            Some("") => Ok(Self::Begins(String::new())),
            // Checked as a type of its own: what no event type can begin with fits none.
            Some(begin) => begin
                .parse::<EventType>()
                .map(|begin| Self::Begins(begin.into())),
        }
    }
}

impl Pattern {
    fn fits(&self, event_type: &str) -> bool {
        match self {
            Self::Whole(whole) => whole.as_str() == event_type,
            Self::Begins(begin) => event_type.starts_with(begin),
        }
    }
}

impl Filter {
    /// Whether a message is for the subscription.
    pub(crate) fn fits(
        &self,
        tag: Option<&str>,
        event_type: &str,
        properties: &BTreeMap<String, String>,
    ) -> bool {
        let tagged = || tag.is_some_and(|tag| self.tags.iter().any(|one| one == tag));
        let typed = || self.event_types.iter().any(|one| one.fits(event_type));
        let has = |(name, values): (&String, &Vec<String>)| {
            let value = properties.get(name);
            value.is_some_and(|value| values.contains(value))
        };
        (self.tags.is_empty() || tagged())
            && (self.event_types.is_empty() || typed())
            && self.properties.iter().all(has)
    }

    pub(crate) fn check(&self, group: &Group) -> Result<(), Invalid> {
        let field = |name: &str| format!("subscription {group}: filter.{name}");
        let lists = [
            ("tags".to_owned(), self.tags.len()),
            ("event_types".to_owned(), self.event_types.len()),
            ("properties".to_owned(), self.properties.len()),
        ];
        let values =
            |(name, values): (&String, &Vec<String>)| (format!("properties.{name}"), values.len());
        let lists = lists.into_iter().chain(self.properties.iter().map(values));
        for (name, length) in lists {
            if length > MOST {
                let limit = format!("at most {MOST} entries");
                return Err(Invalid::new(
                    field(&name),
                    format!("{length} entries"),
                    limit,
                ));
            }
        }
        match self.properties.iter().find(|(_, values)| values.is_empty()) {
            Some((name, _)) => {
                let limit = "at least one value, or nothing would ever fit";
                Err(Invalid::new(
                    field(&format!("properties.{name}")),
                    "[]",
                    limit,
                ))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        toml::from_str(text).unwrap()
    }

    fn fits(filter: &Filter, tag: &str, event_type: &str, region: Option<&str>) -> bool {
        let region = region.map(|region| ("region".to_owned(), region.to_owned()));
        filter.fits(Some(tag), event_type, &region.into_iter().collect())
    }

    #[test]
    fn without_a_list_everything_fits() {
        assert!(fits(&filter(""), "a", "b", None));
    }

    #[test]
    fn any_entry_of_a_list_will_do() {
        let tags = filter("tags = [\"a\", \"b\"]");
        assert!(fits(&tags, "b", "x", None));
        assert!(!fits(&tags, "c", "x", None));
        assert!(!tags.fits(None, "x", &BTreeMap::new()));
    }

    #[test]
    fn a_star_ends_the_beginning_of_event_types() {
        let types = filter("event_types = [\"transfer.*\", \"refund\"]");
        for (event_type, fit) in [
            ("transfer.made", true),
            ("transfer.", true),
            ("transfer", false),
            ("refund", true),
            ("refund.made", false),
        ] {
            assert_eq!(fits(&types, "t", event_type, None), fit, "{event_type}");
        }
        assert!(fits(
            &filter("event_types = [\"*\"]"),
            "t",
            "anything",
            None
        ));
    }

    #[test]
    fn every_list_must_fit() {
        let both = filter("event_types = [\"a\"]\nproperties.region = [\"eu\", \"us\"]");
        assert!(fits(&both, "t", "a", Some("us")));
        assert!(!fits(&both, "t", "b", Some("us")));
        assert!(!fits(&both, "t", "a", Some("cn")));
        assert!(!fits(&both, "t", "a", None));
    }

    #[test]
    fn what_could_never_fit_is_refused() {
        let group: Group = "bank2".parse().unwrap();
        let error = filter("properties.region = []").check(&group).unwrap_err();
        assert_eq!(error.field, "subscription bank2: filter.properties.region");
        assert!(toml::from_str::<Filter>("event_types = [\"a b*\"]").is_err());
        assert!(toml::from_str::<Filter>("event_types = [\"a*b\"]").is_err());
        assert!(toml::from_str::<Filter>("event_type = [\"a\"]").is_err());
        let many = format!("tags = [{}]", "\"t\",".repeat(MOST + 1));
        assert!(filter(&many).check(&group).is_err());
    }

    #[test]
    fn a_star_leaves_the_endpoint_to_the_message() {
        assert_eq!("*".parse::<Destination>().unwrap(), Destination::Named);
        assert_eq!("m1".parse::<Destination>().unwrap().to_string(), "m1");
        assert!("m*".parse::<Destination>().is_err());
    }
}
