//! Money is integer minor units: fen. Text is yuan with at most two decimals.

use crate::Invalid;

/// Reads `10`, `10.5` or `10.00` as fen. Signs, thousands separators, a third decimal and what
/// does not fit are refused; zero is a number like any other here.
pub fn fen_from_yuan(text: &str) -> Result<i64, Invalid> {
    const LIMIT: &str = "yuan with at most two decimals, such as 10.00";
    let refused = |limit: &str| Invalid::new("amount", text, limit);
    let (whole, part) = text.split_once('.').unwrap_or((text, "00"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 2 {
        return Err(refused(LIMIT));
    }
    let too_large = || refused("at most 92233720368547758.07");
    let yuan: i64 = whole.parse().map_err(|_| too_large())?;
    let fen: i64 = format!("{part:0<2}").parse().map_err(|_| refused(LIMIT))?;
    let sum = yuan
        .checked_mul(100)
        .and_then(|hundreds| hundreds.checked_add(fen));
    sum.ok_or_else(too_large)
}

/// Shows fen as yuan: `9,985.00`.
pub fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let whole = (fen.unsigned_abs() / 100).to_string();
    let mut text = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text}.{:02}", fen.unsigned_abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_with_up_to_two_decimals_are_read() {
        for (text, fen) in [
            ("10.00", 1000),
            ("10", 1000),
            ("10.5", 1050),
            ("0.01", 1),
            ("0", 0),
            ("007.10", 710),
            ("92233720368547758.07", i64::MAX),
        ] {
            assert_eq!(fen_from_yuan(text), Ok(fen), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            ".",
            "10.",
            ".5",
            "10.001",
            "-1",
            "+1",
            "1,000",
            " 1",
            "1e3",
            "١",
            "0x10",
            "10.-1",
            "92233720368547758.08",
            "99999999999999999999",
        ] {
            let error = fen_from_yuan(text).unwrap_err();
            assert_eq!(error.field, "amount", "{text}");
        }
    }

    #[test]
    fn fen_are_shown_with_thousands_separators() {
        for (fen, text) in [
            (0, "0.00"),
            (5, "0.05"),
            (1000, "10.00"),
            (99_999, "999.99"),
            (100_000, "1,000.00"),
            (998_500, "9,985.00"),
            (1_234_567_890, "12,345,678.90"),
            (-150_000, "-1,500.00"),
            (i64::MIN, "-92,233,720,368,547,758.08"),
        ] {
            assert_eq!(yuan(fen), text);
        }
    }
}
