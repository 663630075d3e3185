//! Output with everything taken out that differs from run to run, and transcripts in README.md.

/// Replaces ids, process numbers, addresses, clock times and spans by marks, so that two runs of the
/// same story read the same. Spaces stay as they are: the columns are part of what is tested.
pub fn normalised(text: &str) -> String {
    let ids: Vec<&str> = text
        .split(|c: char| !is_of_id(c))
        .filter(|word| is_tx_no(word))
        .collect();
    text.lines()
        .map(|text| line(text, &ids))
        .collect::<Vec<_>>()
        .join("\n")
}

fn line(text: &str, ids: &[&str]) -> String {
    let mut out = String::new();
    let mut rest = text.trim_end();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        out.push_str(&rest[..start]);
        let word_end = |c: char| !(is_of_id(c) || ".:".contains(c));
        let end = rest[start..]
            .find(word_end)
            .map_or(rest.len(), |end| start + end);
        let (word, after) = (&rest[start..end], &rest[end..]);
        let mark = mark(&out, word, after, ids);
        out.push_str(mark.unwrap_or(word));
        // 900 ms and 1 s are both a span.
        rest = unit(after)
            .filter(|_| mark == Some("<span>"))
            .unwrap_or(after);
    }
    out + rest
}

/// What stands for a word, judged by its shape and by what stands beside it.
fn mark(before: &str, word: &str, after: &str, ids: &[&str]) -> Option<&'static str> {
    let is_number = word.parse::<f64>().is_ok();
    if is_tx_no(word) {
        Some("<tx>")
    } else if before.ends_with('…') || word.len() >= 4 && ids.iter().any(|id| id.ends_with(word))
    {
        Some("<ending>")
    } else if is_number && before.ends_with("pid ") {
        Some("<pid>")
    } else if is_number && (unit(after).is_some() || before.ends_with('+')) {
        Some("<span>")
    } else if is_number && before.ends_with(" :") {
        Some("<port>")
    } else if word.len() == 8 && word.matches(':').count() == 2 {
        Some("<time>")
    } else if word.starts_with("127.0.0.1:") {
        Some("<address>")
    } else {
        None
    }
}

/// What follows the unit of time that `text` begins with, if it does.
fn unit(text: &str) -> Option<&str> {
    let rest = text
        .strip_prefix(" s")
        .or_else(|| text.strip_prefix(" ms"))?;
    (!rest.starts_with(|c: char| c.is_ascii_alphabetic())).then_some(rest)
}

fn is_of_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

fn is_tx_no(word: &str) -> bool {
    word.len() == 36 && word.matches('-').count() == 4
}

/// The fenced block of README.md that stands under `<!-- transcript: name -->`.
pub fn readme_transcript(name: &str) -> String {
    let readme = include_str!("../../README.md");
    let marker = format!("<!-- transcript: {name} -->");
    let (_, after) = readme
        .split_once(&marker)
        .unwrap_or_else(|| panic!("README.md has no {marker}"));
    let block = after
        .split("```")
        .nth(1)
        .unwrap_or_else(|| panic!("no fenced block after {marker}"));
    block
        .split_once('\n')
        .map_or(block, |(_language, text)| text)
        .trim_end()
        .to_owned()
}

/// A command of a transcript and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// What stands after the prompt.
    pub command: String,
    /// The lines up to the next prompt.
    pub printed: String,
}

/// Cuts a transcript at its `$ ` prompts. What stands before the first is dropped.
pub fn typed(transcript: &str) -> Vec<Typed> {
    let mut all: Vec<Typed> = Vec::new();
    for line in transcript.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            all.push(Typed {
                command: command.to_owned(),
                printed: String::new(),
            });
        } else if let Some(last) = all.last_mut() {
            last.printed.push_str(line);
            last.printed.push('\n');
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_taken_out() {
        let one = "tx 0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11\nby new pid 4188  in 900 ms\nstatus 2e11 at 14:03:07";
        let two = "tx 0198f3c2-91d0-7aa3-8c02-77ab41e09f52\nby new pid 99  in 1.2 s\nstatus 9f52 at 09:00:00";
        assert_eq!(normalised(one), normalised(two));
        assert_eq!(
            normalised(one),
            "tx <tx>\nby new pid <pid>  in <span>\nstatus <ending> at <time>"
        );
    }

    #[test]
    fn amounts_and_counts_stay() {
        for line in [
            "   4.00  bank2 fails twice                 delivered    3 attempts",
            "selected 1 · resent 1",
            "3.00 sent",
        ] {
            assert_eq!(normalised(line), line);
        }
    }

    #[test]
    fn a_transcript_is_cut_at_its_prompts() {
        let cut = typed("$ ringback a\none\ntwo\n$ ringback b\n");
        assert_eq!(
            cut[0],
            Typed {
                command: "ringback a".into(),
                printed: "one\ntwo\n".into()
            }
        );
        assert_eq!(
            cut[1],
            Typed {
                command: "ringback b".into(),
                printed: String::new()
            }
        );
    }
}
