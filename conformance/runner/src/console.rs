// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console of a machine under test: what follows ENQ in one piece of output comes back as input, and what
//! follows DC2 is done. The boot parameter `console=echo` promises that to the cases (REP-5).

/// Asks for an echo of what follows.
const ENQ: u8 = 0x05;

/// The boot parameter that says so.
pub const PARAMETER: &str = "console=echo";

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

/// What a piece of output asks for.
#[must_use]
pub fn order(output: &[u8]) -> Option<Order> {
    let at = output.iter().position(|&byte| byte == DC2)?;
    let (what, digits) = output.get(at + 1..at + 18)?.split_first()?;
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
    fn what_follows_enq_comes_back() {
        assert_eq!(echo(b"plain"), b"");
        assert_eq!(echo(b"to the user\x05back"), b"back");
        assert_eq!(echo(b"\x05"), b"");
    }

    #[test]
    fn what_follows_dc2_is_an_order() {
        assert_eq!(order(b"text\x12t00000000000f0000\n"), Some(Order::Target(0xf_0000)));
        assert_eq!(order(b"\x12affffffffffffffff"), Some(Order::Add(u64::MAX)));
        for other in
            [&b"t00000000000f0000"[..], b"\x12t0000", b"\x12x00000000000f0000", b"\x12t-000000000000001"]
        {
            assert_eq!(order(other), None);
        }
    }
}
