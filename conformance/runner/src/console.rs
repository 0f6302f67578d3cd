// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console of a machine under test: what follows ENQ in one piece of output comes back as input, which
//! the boot parameter `console=echo` promises to the cases.

/// Asks for an echo of what follows.
const ENQ: u8 = 0x05;

/// The boot parameter that says so.
pub const PARAMETER: &str = "console=echo";

/// What comes back for a piece of output.
#[must_use]
pub fn echo(output: &[u8]) -> &[u8] {
    output.iter().position(|&byte| byte == ENQ).and_then(|at| output.get(at + 1..)).unwrap_or_default()
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
}
