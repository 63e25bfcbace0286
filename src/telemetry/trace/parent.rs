//! Parser of the header `traceparent` (W3C Trace Context).

use super::recording::TraceId;

/// Parent span, sent by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace: TraceId,
    pub(super) span: u64,
    pub(super) sampled: bool,
}

impl Parent {
    /// Parses a header such as `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`. None if it is invalid; the
    /// call is then treated as if it had none. Later versions may append more fields.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (version, rest) = text.split_at_checked(2)?;
        let version = hex(version)?;
        let known = rest.get(..53)?;
        if version == 0xff
            || (version == 0 && rest.len() > 53)
            || rest.get(53..).is_some_and(|more| !more.is_empty() && !more.starts_with('-'))
        {
            return None;
        }
        let mut parts = known.strip_prefix('-')?.split('-');
        let mut part = |digits: usize| parts.next().filter(|part| part.len() == digits).and_then(hex);
        let (trace, span, flags) = (part(32)?, part(16)?, part(2)?);
        if trace == 0 || span == 0 {
            return None;
        }
        Some(Self { trace: TraceId(trace), span: span as u64, sampled: flags & 1 == 1 })
    }
}

/// Parses hexadecimal digits. The header allows lower case only.
fn hex(digits: &str) -> Option<u128> {
    let all = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    all.then(|| u128::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_parent_is_read_as_it_is_written() {
        let read = |rest: &str| Parent::read(&rest.replace("TRACE", TRACE));
        let sampled = read("00-TRACE-00f067aa0ba902b7-01").unwrap();
        assert_eq!((sampled.trace.to_string().as_str(), sampled.span), (TRACE, 0x00f0_67aa_0ba9_02b7));
        assert!(sampled.sampled && !read("00-TRACE-00f067aa0ba902b7-00").unwrap().sampled);
        assert_eq!(read("01-TRACE-00f067aa0ba902b7-01-more"), Some(sampled));
        for invalid in [
            "",
            "00",
            "00-TRACE-00f067aa0ba902b7",
            "00-TRACE-00f067aa0ba902b7-01-more",
            "01-TRACE-00f067aa0ba902b7-01more",
            "ff-TRACE-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-TRACE-0000000000000000-01",
            "00-TRACE-00F067AA0BA902B7-01",
            "00-TRACE-+0f067aa0ba902b7-01",
            "00-TRACE--00f067aa0ba902b-01",
            "00-ééééééééééééééééé-00f067aa0ba902b7-01",
        ] {
            assert_eq!(read(invalid), None, "{invalid}");
        }
    }
}
