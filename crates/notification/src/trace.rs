//! W3C trace context: <https://www.w3.org/TR/trace-context/>.
//!
//! The initiator's trace id goes on to the receiver, so that both sides' spans are found under it; the span id is each
//! attempt's own.

use std::fmt;

/// The flags that are known: sampled, and random trace id.
const KNOWN_FLAGS: u8 = 0x03;

/// A trace to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

impl TraceParent {
    /// Reads `00-<32 hex>-<16 hex>-<2 hex>`, lower case, ids not all zero. Of a later version the same fields are read
    /// and what follows them is left aside; version `ff` is none.
    pub fn parse(text: &str) -> Option<Self> {
        let version = hex(text.get(..2)?)?;
        let fields = text.get(2..55)?;
        let rest = &text[55..];
        let later = version != 0 && rest.starts_with('-');
        if version == 0xff || !(rest.is_empty() || later) {
            return None;
        }
        let mut fields = fields.strip_prefix('-')?.split('-');
        let mut field = |length| {
            fields
                .next()
                .filter(|text| text.len() == length)
                .and_then(hex)
        };
        let (trace_id, span_id, flags) = (field(32)?, field(16)?, field(2)?);
        if trace_id == 0 || span_id == 0 {
            return None;
        }
        Some(Self {
            trace_id,
            span_id: u64::try_from(span_id).ok()?,
            flags: u8::try_from(flags).ok()? & KNOWN_FLAGS,
        })
    }

    /// The same trace, seen from another span. An id of zero is none: the parent's stays.
    pub fn with_span(self, span_id: [u8; 8]) -> Self {
        match u64::from_be_bytes(span_id) {
            0 => self,
            span_id => Self { span_id, ..self },
        }
    }
}

/// In version 00.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            span_id,
            flags,
        } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{flags:02x}")
    }
}

fn hex(text: &str) -> Option<u128> {
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.bytes()
        .all(lower)
        .then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_trace_goes_on_under_another_span() {
        let parent = TraceParent::parse(GIVEN).unwrap();
        assert_eq!(parent.to_string(), GIVEN);
        let child = parent.with_span([0, 0, 0, 0, 0, 0, 1, 0xff]);
        let expected = "00-0af7651916cd43dd8448eb211c80319c-00000000000001ff-01";
        assert_eq!(child.to_string(), expected);
        assert_eq!(child.clone().with_span([0; 8]), child);
    }

    #[test]
    fn unknown_flags_are_not_passed_on_and_a_later_version_is_read_as_far_as_it_is_known() {
        let flags = GIVEN.replace("-01", "-ff");
        assert!(
            TraceParent::parse(&flags)
                .unwrap()
                .to_string()
                .ends_with("-03")
        );
        let later = format!("cc{}-what-the-future-brings", &GIVEN[2..]);
        assert_eq!(TraceParent::parse(&later).unwrap().to_string(), GIVEN);
    }

    #[test]
    fn what_is_ill_formed_is_no_trace() {
        let zero_trace = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let zero_span = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01";
        for bad in [
            "",
            "00",
            zero_trace,
            zero_span,
            &GIVEN.to_uppercase(),
            &GIVEN[..54],
            &format!("{GIVEN}-00"),
            &format!("{GIVEN}0"),
            &format!("ff{}", &GIVEN[2..]),
            &format!("cc{}0", &GIVEN[2..]),
            &GIVEN.replace('-', "_"),
            &format!("{}é{}", &GIVEN[..10], &GIVEN[12..]),
            &"é".repeat(40),
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
