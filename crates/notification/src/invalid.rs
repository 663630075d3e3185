//! The one error for a bad value: which field, what was given, what would have been allowed.

use std::fmt::Display;

/// A value that is not allowed. Shown as `field: "value" is refused: limit`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value:?} is refused: {limit}")]
pub struct Invalid {
    /// The field as its owner spells it in JSON, TOML or message properties.
    pub field: String,
    /// What was given, cut to [`Invalid::SHOWN`] characters.
    pub value: String,
    /// What is allowed, as a phrase that follows "must be" or stands alone.
    pub limit: String,
}

impl Invalid {
    /// The most characters of a bad value that an error repeats.
    pub const SHOWN: usize = 80;

    /// Names a bad value; a long one is cut.
    pub fn new(field: impl Into<String>, value: impl Display, limit: impl Into<String>) -> Self {
        let whole = value.to_string();
        let mut shown: String = whole.chars().take(Self::SHOWN).collect();
        if shown.len() < whole.len() {
            shown.push('…');
        }
        Self {
            field: field.into(),
            value: shown,
            limit: limit.into(),
        }
    }

    /// The same complaint under the name that the caller's field has.
    #[must_use]
    pub fn in_field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_field_value_and_limit() {
        let error = Invalid::new("amount", "ten", "a number of yuan");
        assert_eq!(
            error.to_string(),
            r#"amount: "ten" is refused: a number of yuan"#
        );
    }

    #[test]
    fn a_long_value_is_cut_at_a_character() {
        let error = Invalid::new("name", "张".repeat(500), "short");
        assert_eq!(error.value.chars().count(), Invalid::SHOWN + 1);
        assert!(error.value.ends_with('…'));
    }
}
