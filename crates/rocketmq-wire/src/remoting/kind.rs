//! Which messages a topic takes, in the server's words.

use std::fmt;

/// The topic attribute that says it. To set it, a `+` stands before.
pub(super) const MESSAGE_TYPE: &str = "message.type";

/// Which messages a topic takes; a topic takes one kind, but for [`Mixed`](Self::Mixed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TopicKind {
    /// Ordinary messages.
    #[default]
    Normal,
    /// Messages that are ordered within a message group.
    Fifo,
    /// Messages that become visible at a set time.
    Delay,
    /// Half messages.
    Transaction,
    /// Messages that overtake each other by priority (from 5.4 on).
    Priority,
    /// Messages of light-weight sub-topics (from 5.5 on).
    Lite,
    /// All kinds.
    Mixed,
    /// None that this version knows.
    Unspecified,
}

impl TopicKind {
    const ALL: [Self; 8] = [
        Self::Normal,
        Self::Fifo,
        Self::Delay,
        Self::Transaction,
        Self::Priority,
        Self::Lite,
        Self::Mixed,
        Self::Unspecified,
    ];

    /// The server's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Fifo => "FIFO",
            Self::Delay => "DELAY",
            Self::Transaction => "TRANSACTION",
            Self::Priority => "PRIORITY",
            Self::Lite => "LITE",
            Self::Mixed => "MIXED",
            Self::Unspecified => "UNSPECIFIED",
        }
    }

    /// The kind of that word; `None` if there is no such kind.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The topic attribute as it is set, e.g. `+message.type=TRANSACTION`.
    #[must_use]
    pub fn attribute(self) -> String {
        format!("+{MESSAGE_TYPE}={}", self.as_str())
    }

    /// The kind that a topic's attributes (comma-separated, as they are set) name; a topic without
    /// one is normal. `None` when they name an unknown kind.
    #[must_use]
    pub fn from_attributes(attributes: &str) -> Option<Self> {
        let named = attributes.split(',').find_map(|attribute| {
            attribute
                .trim()
                .strip_prefix('+')?
                .strip_prefix(MESSAGE_TYPE)?
                .strip_prefix('=')
        });
        named.map_or(Some(Self::Normal), Self::from_word)
    }
}

impl fmt::Display for TopicKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_topic_kind_is_refused_and_an_absent_one_is_normal() {
        assert_eq!(TopicKind::from_attributes("+message.type=SPARKLING"), None);
        assert_eq!(TopicKind::from_attributes(""), Some(TopicKind::Normal));
        assert_eq!(
            TopicKind::from_attributes("+a=b,+message.type=DELAY"),
            Some(TopicKind::Delay)
        );
    }

    #[test]
    fn each_kind_is_told_by_its_word() {
        for kind in TopicKind::ALL {
            assert_eq!(TopicKind::from_word(kind.as_str()), Some(kind));
            assert_eq!(TopicKind::from_attributes(&kind.attribute()), Some(kind));
        }
    }
}
