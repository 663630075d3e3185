//! How long the property tests run: a moment, or with `RINGBACK_SOAK=1` for many minutes.

/// Cases of one property.
pub(crate) fn cases(usual: u32) -> u32 {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    let soak = std::env::var("RINGBACK_SOAK").is_ok_and(|value| value == "1");
    if soak {
        usual.saturating_mul(400)
    } else {
        usual
    }
}
