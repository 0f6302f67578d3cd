// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest can say as often as it likes is not logged as often.

/// Which of a guest's messages are logged: the first ones, and then one whenever their number has doubled. A
/// count needs no clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quiet {
    count: u64,
    left_out: u64,
}

impl Quiet {
    /// So many are logged at first.
    const FIRST: u64 = 10;

    /// One more message: whether it is logged, and then how many were left out since the last one that was.
    pub(crate) fn admit(&mut self) -> Option<u64> {
        self.count = self.count.saturating_add(1);
        if self.count <= Self::FIRST || self.count.is_power_of_two() {
            return Some(core::mem::take(&mut self.left_out));
        }
        self.left_out = self.left_out.saturating_add(1);
        None
    }

    /// Begins anew, for who has a clock and saw that some time has passed. What was left out is still owed.
    #[cfg_attr(not(feature = "kvm"), expect(dead_code, reason = "the core has no clock"))]
    pub(crate) fn renew(&mut self) {
        self.count = 0;
    }

    /// How many were left out since the last one that was logged.
    #[cfg_attr(not(feature = "kvm"), expect(dead_code, reason = "for the end of a run"))]
    pub(crate) const fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::Quiet;

    #[test]
    fn a_million_messages_are_a_few_lines_and_none_is_uncounted() {
        let mut quiet = Quiet::default();
        let (mut lines, mut counted) = (0_u64, 0);
        for _ in 0..1_000_000 {
            if let Some(left_out) = quiet.admit() {
                lines += 1;
                counted += left_out + 1;
            }
        }
        assert_eq!(lines, 10 + 16, "the first ten, and 2^4 to 2^19");
        assert_eq!(counted + quiet.left_out(), 1_000_000);
        quiet.renew();
        let owed = quiet.left_out();
        assert_eq!(quiet.admit(), Some(owed), "the next one is logged and says what was left out");
        assert_eq!(quiet.left_out(), 0);
    }
}
