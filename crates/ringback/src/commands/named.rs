//! A notification as a person names it.

use std::fmt;
use std::str::FromStr;

use notification::{Group, Source};

use super::status::ending;

/// By its number or the ending of that; where several groups have it, as `group/source/number`, which is how
/// the list of what fits is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    of: Option<(Group, Source)>,
    /// The number, or its ending.
    pub ending: String,
}

impl Named {
    /// Its place in the notifier's API; `below` is a path below it, or empty.
    pub fn path(&self, below: &str) -> String {
        let narrowed = match &self.of {
            Some((group, source)) => format!("?group={group}&source={source}"),
            None => String::new(),
        };
        format!("/v1/notifications/{}{below}{narrowed}", self.ending)
    }
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.trim().split('/').collect();
        let limit = |error: notification::Invalid| error.to_string();
        let (of, number) = match parts[..] {
            [group, source, number] => (
                Some((
                    group.parse().map_err(limit)?,
                    source.parse().map_err(limit)?,
                )),
                number,
            ),
            _ => (None, text),
        };
        Ok(Self {
            of,
            ending: ending(number)?,
        })
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((group, source)) = &self.of {
            write!(f, "{group}/{source}/")?;
        }
        f.write_str(&self.ending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_groups_is_named_as_the_list_prints_it() {
        let named: Named = "points/bank1/…9F52".parse().unwrap();
        assert_eq!(named.to_string(), "points/bank1/9f52");
        assert_eq!(
            named.path("/ring"),
            "/v1/notifications/9f52/ring?group=points&source=bank1"
        );
        let alone: Named = "9f52".parse().unwrap();
        assert_eq!(alone.path(""), "/v1/notifications/9f52");
        for bad in ["points/9f52", "a b/bank1/9f52", "//9f52", "9f52/../.."] {
            assert!(bad.parse::<Named>().is_err(), "{bad}");
        }
    }
}
