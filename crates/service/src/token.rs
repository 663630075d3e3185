//! The operator's token: a file that only its owner can read, made by whoever needs it first.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use ring::digest::{SHA256, digest};

use crate::ids;

/// The fewest characters of a token that is worth the name.
const SHORTEST: usize = 16;

/// Reads the token, or makes it. Any number of processes may do this at once: all get the same.
/// The file appears whole or not at all.
pub fn create_or_read(path: &Path) -> anyhow::Result<String> {
    if let Some(token) = read(path)? {
        return Ok(token);
    }
    let shown = path.display();
    let draft = path.with_extension(format!("{}.draft", random_hex::<8>()));
    let written = write_private(&draft, &random_hex::<32>());
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    // The draft is of no use any more, whether or not it was made.
    let _ = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("making the operator token {shown}"))
        }
        // Ours, or that of a process that was quicker.
        _ => read(path)?.with_context(|| format!("the operator token {shown} vanished")),
    }
}

/// Reads the token, if there is one.
pub fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) if text.trim().len() >= SHORTEST => Ok(Some(text.trim().to_owned())),
        Ok(_) => bail!(
            "the operator token {shown} is shorter than {SHORTEST} characters; delete the file"
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading the operator token {shown}")),
    }
}

/// Whether a token is the right one, without telling by its time how much of it was.
pub fn matches(right: &str, given: &str) -> bool {
    let (right, given) = (
        digest(&SHA256, right.as_bytes()),
        digest(&SHA256, given.as_bytes()),
    );
    // What leaks of two hashes helps nobody to guess the next one.
    right.as_ref() == given.as_ref()
}

/// SHA-256 of a token, in hex: what is kept of it. No slow hash, which protects what a person
/// could guess: 256 random bits are guessed at no speed, and a slow one would let anybody who
/// asks keep a processor busy.
pub fn fingerprint(token: &str) -> String {
    hex(digest(&SHA256, token.as_bytes()).as_ref())
}

/// Random bytes in hex.
pub fn random_hex<const N: usize>() -> String {
    hex(&ids::random::<N>())
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn many_at_once_get_the_same_token_and_leave_one_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let tokens: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..12)
                .map(|_| scope.spawn(|| create_or_read(&path).unwrap()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(tokens.iter().all(|token| *token == tokens[0]));
        assert_eq!(tokens[0].len(), 64);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_file_or_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("token");
        fs::write(&empty, "\n").unwrap();
        let error = create_or_read(&empty).unwrap_err().to_string();
        assert!(error.contains("16 characters"), "{error}");
        let nowhere = folder.path().join("none/token");
        let error = create_or_read(&nowhere).unwrap_err().to_string();
        assert!(error.contains("none/token"), "{error}");
    }

    #[test]
    fn only_the_whole_token_matches() {
        assert!(matches("abc", "abc"));
        for wrong in ["", "ab", "abcd", "ABC"] {
            assert!(!matches("abc", wrong));
        }
    }
}
