//! What `doctor` found: a line for each finding, and how to mend what is not as it should be.

use super::count;
use crate::doctor::{Finding, Level};
use crate::screen::Paint;

/// The findings, and the sum below them.
pub fn text(findings: &[Finding], paint: Paint) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.subject.chars().count())
        .max()
        .unwrap_or(0);
    let mut lines: Vec<String> = Vec::new();
    for finding in findings {
        let level = format!("{:<4}", finding.level.as_str());
        let level = match finding.level {
            Level::Ok => paint.good(&level),
            Level::Unknown => level,
            Level::Warn => paint.notice(&level),
            Level::Fail => paint.bad(&level),
        };
        lines.push(format!(
            "{level}  {:<width$}  {}",
            finding.subject, finding.is
        ));
        if let Some(should) = &finding.should {
            lines.push(format!("      {:<width$}  should be: {should}", ""));
        }
        if let Some(fix) = &finding.fix {
            lines.push(format!("      {:<width$}  fix: {fix}", ""));
        }
    }
    lines.push(foot(findings, paint));
    lines.join("\n")
}

fn foot(findings: &[Finding], paint: Paint) -> String {
    let of = |level: Level| {
        let number = findings
            .iter()
            .filter(|finding| finding.level == level)
            .count();
        u64::try_from(number).unwrap_or(u64::MAX)
    };
    let (fail, warn, unknown) = (of(Level::Fail), of(Level::Warn), of(Level::Unknown));
    let mut parts = vec![format!("{} ok", of(Level::Ok))];
    if unknown > 0 {
        parts.push(format!("{unknown} not checked"));
    }
    if warn > 0 {
        parts.push(paint.notice(&count(warn, "warning")));
    }
    if fail > 0 {
        parts.push(paint.bad(&count(fail, "failure")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(level: Level, subject: &str, is: &str) -> Finding {
        let bad = (level == Level::Fail).then(|| "better".to_owned());
        Finding {
            level,
            subject: subject.into(),
            is: is.into(),
            should: bad.clone(),
            fix: bad.map(|_| "ringback init".to_owned()),
        }
    }

    #[test]
    fn what_is_wrong_says_how_it_should_be_and_what_to_type() {
        let findings = [
            finding(Level::Ok, "broker gRPC", "127.0.0.1:8081 answers"),
            finding(Level::Unknown, "broker clock", "no message"),
            finding(Level::Fail, "topic a", "missing"),
        ];
        assert_eq!(
            text(&findings, Paint::Plain),
            "\
ok    broker gRPC   127.0.0.1:8081 answers
?     broker clock  no message
FAIL  topic a       missing
                    should be: better
                    fix: ringback init
1 ok, 1 not checked, 1 failure"
        );
    }
}
