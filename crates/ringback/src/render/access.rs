//! Tokens, and what was done with them.

use notification::api::notifier::{AuditEntry, AuditPage, TokenLine, TokenMade};

use super::columns;
use super::moment::Now;

/// A token that was just made: the only time that it is shown.
pub fn made(made: &TokenMade, now: &Now) -> String {
    let line = &made.line;
    let until = line
        .expires_ms
        .map(|ms| format!(" until {}", now.clock(ms)));
    format!(
        "{} may {}{}. Shown this once:\n{}",
        line.name,
        line.role,
        until.unwrap_or_default(),
        made.token
    )
}

/// The table of `token list`.
pub fn tokens(tokens: &[TokenLine], now: &Now) -> String {
    if tokens.is_empty() {
        return "No tokens but the one in the notifier's data folder, which can operate."
            .to_owned();
    }
    let head = [
        "ID",
        "NAME",
        "ROLE",
        "MADE",
        "BY",
        "LAST USED",
        "GOOD UNTIL",
    ]
    .map(ToOwned::to_owned);
    let rows = tokens.iter().map(|token| {
        let clock = |ms: i64| now.clock(ms);
        [
            token.id.clone(),
            token.name.clone(),
            token.role.to_string(),
            clock(token.created_ms),
            token.created_by.clone(),
            token.last_used_ms.map_or_else(|| "never".to_owned(), clock),
            until(token, now),
        ]
    });
    columns(std::iter::once(head).chain(rows).collect())
}

fn until(token: &TokenLine, now: &Now) -> String {
    match (token.revoked_ms, token.expires_ms) {
        (Some(ms), _) => format!("revoked {}", now.clock(ms)),
        (None, Some(ms)) if ms <= now.ms => format!("expired {}", now.clock(ms)),
        (None, Some(ms)) => now.clock(ms),
        (None, None) => "it is revoked".to_owned(),
    }
}

/// After `token revoke`.
pub fn revoked(token: &TokenLine) -> String {
    format!(
        "revoked {} ({}): every notifier refuses it within two seconds",
        token.name, token.id
    )
}

/// The table of `audit`.
pub fn audit(page: &AuditPage, now: &Now) -> String {
    if page.entries.is_empty() {
        return "Nothing was done.".to_owned();
    }
    let head = ["WHEN", "OPERATOR", "ACTION", "TARGET", "RESULT", "REASON"].map(ToOwned::to_owned);
    let row = |entry: &AuditEntry| {
        [
            now.clock(entry.at_ms),
            entry.operator.clone(),
            entry.action.to_string(),
            entry.target.clone(),
            entry.result.clone(),
            entry.reason.clone().unwrap_or_default(),
        ]
    };
    let table = columns(
        std::iter::once(head)
            .chain(page.entries.iter().map(row))
            .collect(),
    );
    match page.next {
        Some(_) => format!(
            "{table}\nThere is more: --limit, --since, --action and --target narrow it down."
        ),
        None => table,
    }
}

#[cfg(test)]
mod tests {
    use notification::api::notifier::{AuditAction, Role};

    use super::super::moment::Zone;
    use super::super::samples::T0;
    use super::*;

    const NOW: Now = Now {
        ms: T0,
        zone: Zone::Utc,
    };

    fn token(expires_ms: Option<i64>, revoked_ms: Option<i64>) -> TokenLine {
        TokenLine {
            id: "0a1b2c3d4e5f".to_owned(),
            name: "grafana".to_owned(),
            role: Role::Read,
            created_ms: T0 - 60_000,
            created_by: "file".to_owned(),
            last_used_ms: None,
            expires_ms,
            revoked_ms,
        }
    }

    #[test]
    fn each_token_says_until_when_it_is_good() {
        let table = tokens(
            &[
                token(None, None),
                token(Some(T0), None),
                token(Some(T0), Some(T0)),
            ],
            &NOW,
        );
        let expected = "\
ID            NAME     ROLE  MADE      BY    LAST USED  GOOD UNTIL
0a1b2c3d4e5f  grafana  read  14:02:07  file  never      it is revoked
0a1b2c3d4e5f  grafana  read  14:02:07  file  never      expired 14:03:07
0a1b2c3d4e5f  grafana  read  14:02:07  file  never      revoked 14:03:07";
        assert_eq!(table, expected);
    }

    #[test]
    fn the_audit_says_who_what_and_why() {
        let entry = AuditEntry {
            id: "x".to_owned(),
            at_ms: T0,
            operator: "lisi".to_owned(),
            token_id: "0a1b2c3d4e5f".to_owned(),
            action: AuditAction::Withdraw,
            target: "bank2/bank1/9f52".to_owned(),
            reason: Some("settled by hand".to_owned()),
            result: "cancelled, was waiting".to_owned(),
            request_id: "r".to_owned(),
        };
        let page = AuditPage {
            entries: vec![entry],
            next: None,
        };
        let expected = "\
WHEN      OPERATOR  ACTION    TARGET            RESULT                  REASON
14:03:07  lisi      withdraw  bank2/bank1/9f52  cancelled, was waiting  settled by hand";
        assert_eq!(audit(&page, &NOW), expected);
    }
}
