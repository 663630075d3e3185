//! Output with everything taken out that differs from run to run.

/// Replaces ids, process numbers, addresses, clock times and spans by marks, so that two runs of the same
/// story read the same. Runs of spaces stay as they are: the table's columns are part of what is tested.
pub fn normalised(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn line(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.trim_end();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '…') {
        out.push_str(&rest[..start]);
        let word_end = |c: char| !(c.is_ascii_alphanumeric() || "-.:…+".contains(c));
        let end = rest[start..].find(word_end).map_or(rest.len(), |end| start + end);
        out.push_str(&word(&out, &rest[start..end], &rest[end..]));
        rest = &rest[end..];
    }
    out + rest
}

/// One word, judged by its shape and by what stands beside it.
fn word(before: &str, word: &str, after: &str) -> String {
    let is_number = word.parse::<f64>().is_ok();
    let has_unit = after.starts_with(" s") || after.starts_with(" ms");
    if word.len() == 36 && word.matches('-').count() == 4 {
        "<tx>".to_owned()
    } else if word.starts_with('…') || (before.ends_with("dlq show ") && word.len() >= 4) {
        "<ending>".to_owned()
    } else if is_number && before.ends_with("pid ") {
        "<pid>".to_owned()
    } else if is_number && has_unit {
        "<span>".to_owned()
    } else if word.len() == 8 && word.matches(':').count() == 2 {
        "<time>".to_owned()
    } else if word.starts_with("127.0.0.1:") {
        "<address>".to_owned()
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_taken_out() {
        let one = "tx 0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11  answered by new pid 4188  in 16 ms";
        let two = "tx 0198f3c2-91d0-7aa3-8c02-77ab41e09f52  answered by new pid 99  in 7 ms";
        assert_eq!(normalised(one), normalised(two));
        assert_eq!(normalised(one), "tx <tx>  answered by new pid <pid>  in <span> ms");
    }

    #[test]
    fn amounts_and_counts_stay() {
        let line = "   4.00  bank2 fails twice                 delivered    3 attempts";
        assert_eq!(normalised(line), line);
    }
}
