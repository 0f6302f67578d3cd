// SPDX-License-Identifier: MIT OR Apache-2.0
//! The header `Range` (RFC 9110, 14).

/// What a client wants of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// All of it.
    All,
    /// From this byte on, up to and with that one if it is named.
    From(u64, Option<u64>),
    /// So many of its last bytes.
    Last(u64),
}

/// Which bytes of a file are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it, with status 200.
    All,
    /// From the first byte to the one behind the last, with status 206.
    Some(u64, u64),
    /// None of those: status 416.
    None,
}

impl Range {
    /// A value that is not understood, or that names several ranges, wants all: a server may ignore it.
    pub(crate) fn parse(value: &[u8]) -> Self {
        Self::read(value).unwrap_or(Self::All)
    }

    fn read(value: &[u8]) -> Option<Self> {
        let value = core::str::from_utf8(value).ok()?.trim();
        let (unit, set) = value.split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = set.trim().split_once('-')?;
        match (first, last) {
            ("", last) => Some(Self::Last(number(last)?)),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    pub(crate) fn of(self, len: u64) -> Part {
        match self {
            Self::All => Part::All,
            Self::From(first, _) if first >= len => Part::None,
            Self::From(first, last) => {
                Part::Some(first, last.map_or(len, |last| last.saturating_add(1).min(len)))
            }
            Self::Last(0) => Part::None,
            Self::Last(_) if len == 0 => Part::None,
            Self::Last(count) => Part::Some(len.saturating_sub(count), len),
        }
    }
}

/// Digits alone; what is too large for a number is larger than any file.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form() {
        let part = |value: &str, len| Range::parse(value.as_bytes()).of(len);
        assert_eq!(part("bytes=0-0", 10), Part::Some(0, 1));
        assert_eq!(part("bytes=3-", 10), Part::Some(3, 10));
        assert_eq!(part("bytes=-4", 10), Part::Some(6, 10));
        assert_eq!(part("bytes=-40", 10), Part::Some(0, 10));
        assert_eq!(part("Bytes=2-99999999999999999999999", 10), Part::Some(2, 10));
        for none in ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(part(none, 10), Part::None, "{none}");
        }
        assert_eq!(part("bytes=0-", 0), Part::None);
        assert_eq!(part("bytes=-1", 0), Part::None);
    }

    #[test]
    fn what_is_not_understood_is_ignored() {
        for value in
            ["", "bytes", "bytes=", "bytes=-", "lines=1-2", "bytes=5-4", "bytes=0-1,4-5", "bytes=+1-2"]
        {
            assert_eq!(Range::parse(value.as_bytes()), Range::All, "{value}");
        }
        assert_eq!(Range::parse(&[0xff, b'=']), Range::All);
    }
}
