// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console of a machine under test: what follows ENQ in one piece of output comes back as input, and what
//! follows DC2 is done. The boot parameter `console=echo` promises that to the cases (REP-5).

/// Asks for an echo of what follows.
const ENQ: u8 = 0x05;

/// The boot parameters that say so, and that somebody does what [`asked`] finds.
pub const PARAMETER: &str = "console=echo life=asked";

/// What a piece of output may ask of whoever runs the machine, before an echo: a case writes this and a
/// letter.
const ASKS: &[u8] = b"\x10TN";

/// Nanoseconds that BOOT jumps by where a case asks for it.
const JUMP: u64 = 3_600_000_000_000;

/// What a case asks of whoever runs its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To ask the guest to get ready for suspension.
    Suspend,
    /// To ask no more.
    Withdraw,
    /// To save the domain and to put it back twice, while BOOT goes on by so many nanoseconds.
    Restore {
        /// Zero freezes it.
        stood: u64,
    },
}

/// What a piece of output asks for, in order, in front of what is to come back.
pub fn asked(output: &[u8]) -> impl Iterator<Item = Asked> + '_ {
    let end = output.iter().position(|&byte| byte == ENQ).unwrap_or(output.len());
    let letters = output.get(..end).unwrap_or_default().windows(ASKS.len() + 1);
    letters.filter_map(|window| match window.split_last()? {
        (b's', start) if start == ASKS => Some(Asked::Suspend),
        (b'w', start) if start == ASKS => Some(Asked::Withdraw),
        (b'f', start) if start == ASKS => Some(Asked::Restore { stood: 0 }),
        (b'j', start) if start == ASKS => Some(Asked::Restore { stood: JUMP }),
        _ => None,
    })
}

/// What comes back for a piece of output.
#[must_use]
pub fn echo(output: &[u8]) -> &[u8] {
    output.iter().position(|&byte| byte == ENQ).and_then(|at| output.get(at + 1..)).unwrap_or_default()
}

/// Has the machine's user do what follows.
const DC2: u8 = 0x12;

/// What a guest asks the machine's user to do about its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The guest is to have so many bytes.
    Target(u64),
    /// Add so many bytes.
    Add(u64),
}

/// What a piece of output asks for, in order: several writes may have come to one piece.
pub fn orders(output: &[u8]) -> impl Iterator<Item = Order> + '_ {
    output.split(|&byte| byte == DC2).skip(1).filter_map(order)
}

/// What stands behind a DC2.
fn order(text: &[u8]) -> Option<Order> {
    let (what, digits) = text.get(..17)?.split_first()?;
    let number = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    match what {
        b't' => Some(Order::Target(number)),
        b'a' => Some(Order::Add(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_stands_before_the_echo() {
        let found = |output: &[u8]| asked(output).collect::<Vec<_>>();
        assert_eq!(found(b"\x10TNs then \x10TNw\x05\x10TNs"), [Asked::Suspend, Asked::Withdraw]);
        assert_eq!(found(b"\x10TNf"), [Asked::Restore { stood: 0 }]);
        assert_eq!(found(b"\x10TNj"), [Asked::Restore { stood: JUMP }]);
        assert_eq!(found(b"\x10TNx \x10TN"), []);
    }

    #[test]
    fn what_follows_enq_comes_back() {
        assert_eq!(echo(b"plain"), b"");
        assert_eq!(echo(b"to the user\x05back"), b"back");
        assert_eq!(echo(b"\x05"), b"");
    }

    #[test]
    fn what_follows_dc2_is_an_order() {
        let all = |output| orders(output).collect::<Vec<_>>();
        assert_eq!(all(b"text\x12t00000000000f0000\n"), [Order::Target(0xf_0000)]);
        // Two writes that were taken together are two orders.
        let both = b"\x12t0000000000000001\x12affffffffffffffff";
        assert_eq!(all(both), [Order::Target(1), Order::Add(u64::MAX)]);
        for other in
            [&b"t00000000000f0000"[..], b"\x12t0000", b"\x12x00000000000f0000", b"\x12t-000000000000001"]
        {
            assert_eq!(all(other), []);
        }
    }
}
