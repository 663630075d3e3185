//! W3C trace context: <https://www.w3.org/TR/trace-context/>.
//!
//! The initiator's trace id goes on to the receiver, so that both sides' spans are found under it; the span id is each
//! attempt's own.

use std::fmt;

/// The flags that are known: sampled, and random trace id.
const KNOWN_FLAGS: u8 = 0x03;

const SAMPLED: u8 = 0x01;

/// Whether a trace's spans are wanted; whoever begins it decides for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    /// They are.
    Yes,
    /// They are not: the trace goes on, and nobody tells a span.
    No,
}

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

    /// A trace that begins here; `None` if an id is all zero.
    pub fn begin(trace_id: [u8; 16], span_id: [u8; 8], sampled: Sampled) -> Option<Self> {
        let (trace_id, span_id) = (u128::from_be_bytes(trace_id), u64::from_be_bytes(span_id));
        let flags = match sampled {
            Sampled::Yes => SAMPLED,
            Sampled::No => 0,
        };
        (trace_id != 0 && span_id != 0).then_some(Self {
            trace_id,
            span_id,
            flags,
        })
    }

    /// The trace's id and that of the span that it is seen from, if spans of it are wanted.
    pub fn wanted(&self) -> Option<(u128, u64)> {
        (self.sampled() == Sampled::Yes).then_some((self.trace_id, self.span_id))
    }

    /// Whether whoever began it wants its spans.
    pub fn sampled(&self) -> Sampled {
        if self.flags & SAMPLED == 0 {
            Sampled::No
        } else {
            Sampled::Yes
        }
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
    fn who_begins_a_trace_says_whether_it_is_wanted_and_ids_are_never_zero() {
        let begun = |sampled| TraceParent::begin([1; 16], [2; 8], sampled).unwrap();
        let text = |flags| format!("00-{}-{}-{flags}", "01".repeat(16), "02".repeat(8));
        assert_eq!(begun(Sampled::Yes).to_string(), text("01"));
        assert_eq!(begun(Sampled::No).to_string(), text("00"));
        assert_eq!(TraceParent::begin([0; 16], [2; 8], Sampled::Yes), None);
        assert_eq!(TraceParent::begin([1; 16], [0; 8], Sampled::Yes), None);
        for (flags, sampled) in [
            ("00", Sampled::No),
            ("01", Sampled::Yes),
            ("02", Sampled::No),
            ("03", Sampled::Yes),
        ] {
            let parsed = TraceParent::parse(&text(flags)).unwrap();
            assert_eq!(parsed.sampled(), sampled, "{flags}");
            assert_eq!(parsed.wanted().is_some(), sampled == Sampled::Yes);
        }
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
