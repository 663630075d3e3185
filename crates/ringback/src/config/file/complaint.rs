//! What is wrong with `ringback.toml`, told with the line that it is about, unless that line holds a secret.
//!
//! A refused secret is most often a real one with a slip in it, and errors end up in logs and tickets.

/// Stands where a secret would.
const HIDDEN: &str = "•••";

/// The complaint about `text` in one string: with the source line, or with its number alone if it holds a secret.
pub(super) fn complaint(error: &toml::de::Error, text: &str) -> String {
    let at = error.span().map(|span| span.start.min(text.len()));
    match at {
        Some(at) if holds_secret(text, at) => {
            let line = text.as_bytes()[..at]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count()
                + 1;
            let message = without_quoted(error.message());
            format!(
                "line {line} (not shown, it holds a secret): {}",
                without_tokens(&message)
            )
        }
        _ => without_tokens(error.to_string().trim_end()),
    }
}

/// Whether the line at this byte names or continues a key that is about secrets, or a database's URL, which may hold
/// a password: an array may span several lines.
fn holds_secret(text: &str, at: usize) -> bool {
    let end = text.as_bytes()[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(text.len(), |more| at + more);
    let lines = String::from_utf8_lossy(&text.as_bytes()[..end]).to_lowercase();
    for line in lines.lines().rev() {
        if [
            "secret",
            "session_token",
            "whsec_",
            "databas",
            "mysql:",
            "mariadb:",
            "bearer",
            "password",
            "headers",
            "proxy",
            "key",
        ]
        .iter()
        .any(|word| line.contains(word))
        {
            return true;
        }
        if begins(line) {
            return false;
        }
    }
    false
}

/// Whether a line begins a section or a key, rather than going on with a value.
fn begins(line: &str) -> bool {
    let line = line.trim();
    let section = line.starts_with('[') && line.ends_with(']') && !line.contains('"');
    let key = line.split_once('=').is_some_and(|(key, _)| {
        let key = key.trim_end();
        // Base64 ends in `=`, too, but never has a value behind it, nor is it a key outside of quotes.
        !key.is_empty()
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    });
    section || key
}

/// The text with the inside of every `"…"` hidden.
fn without_quoted(text: &str) -> String {
    let mut parts = text.split('"');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        shown.push('"');
        shown.push_str(if index % 2 == 0 { HIDDEN } else { part });
    }
    shown
}

/// The text with everything that looks like a signing secret hidden.
fn without_tokens(text: &str) -> String {
    let mut parts = text.split("whsec_");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest =
            part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c));
        shown.push_str("whsec_");
        if rest.len() < part.len() {
            shown.push_str(HIDDEN);
        }
        shown.push_str(rest);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::super::File;
    use std::path::Path;

    fn refusal(text: &str) -> String {
        File::parse(text, Path::new("ringback.toml"))
            .expect_err("this text is refused")
            .message
    }

    #[test]
    fn a_refused_secret_is_never_repeated() {
        let head = "[[bank2.source]]\nname = \"bank1\"\n";
        for value in [
            "secrets = [\"whsec_Zm9vYmFyc2VjcmV0\"]",
            "secrets = \"Zm9vYmFyc2VjcmV0\"",
            "secrets = [\n  \"Zm9vYmFyc2VjcmV0==\",\n]",
            "secrets = [\"whsec_Zm9vYmFyc2VjcmV0]",
            "secrets = [whsec_Zm9vYmFyc2VjcmV0]",
            "whsec_Zm9vYmFyc2VjcmV0 = 1",
        ] {
            let message = refusal(&format!("{head}{value}\n"));
            assert!(!message.contains("Zm9v"), "{message}");
        }
    }

    #[test]
    fn the_line_after_a_secret_is_shown() {
        let message = refusal("[[bank2.source]]\nsecrets = []\nname = 5\n");
        assert!(message.contains("name = 5"), "{message}");
    }
}
