// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console of a machine under test: what follows ENQ in one piece of output comes back as input, and what
//! follows DC2 is done. The boot parameter `console=echo` promises both to the cases (REP-5).

/// Asks for an echo of what follows.
const ENQ: u8 = 0x05;

/// Has the machine's user do what follows.
const DC2: u8 = 0x12;

/// The boot parameters that say so, and that the count of stolen time is the machine's user's.
pub const PARAMETER: &str = "console=echo stolen=asked";

/// What a case asks the machine's user for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The guest is to have so many bytes.
    Target(u64),
    /// Add so many bytes.
    Add(u64),
    /// Ask the guest to get ready for suspension.
    Suspend,
    /// Ask no more.
    Withdraw,
    /// Save the domain and put it back twice, while BOOT goes on by so many nanoseconds. Zero freezes it.
    Restore(u64),
    /// This vCPU could have run for so many nanoseconds more.
    Steal(u32, u64),
    /// A device of this kind comes.
    Come(u64),
    /// This device goes.
    Go(u32),
    /// This disk has so many blocks.
    Size(u32, u32),
    /// The link of this interface goes up, or down.
    Link(u32, bool),
    /// The back end of this disk does nothing, or goes on.
    Hold(u32, bool),
    /// The next FLUSH of this disk fails, or FAILED is cleared.
    Fail(u32, bool),
}

impl Order {
    /// Whether it is about devices.
    #[must_use]
    pub const fn is_of_devices(self) -> bool {
        matches!(
            self,
            Self::Come(_) | Self::Go(_) | Self::Size(..) | Self::Link(..) | Self::Hold(..) | Self::Fail(..)
        )
    }
}

/// What a piece of output asks for, in order: several writes may have come to one piece.
pub fn orders(output: &[u8]) -> impl Iterator<Item = Order> + '_ {
    output.split(|&byte| byte == DC2).skip(1).filter_map(order)
}

/// What stands behind a DC2: a letter and 16 hexadecimal digits.
fn order(text: &[u8]) -> Option<Order> {
    let (what, digits) = text.get(..17)?.split_first()?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let number = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let (device, value) = (number as u32, (number >> 32) as u32);
    match what {
        b'c' => Some(Order::Come(number)),
        b'g' => Some(Order::Go(device)),
        b'z' => Some(Order::Size(device, value)),
        b'l' => Some(Order::Link(device, value == 1)),
        b'h' => Some(Order::Hold(device, value == 1)),
        b'f' => Some(Order::Fail(device, value == 1)),
        b't' => Some(Order::Target(number)),
        b'a' => Some(Order::Add(number)),
        b's' => Some(Order::Suspend),
        b'w' => Some(Order::Withdraw),
        b'r' => Some(Order::Restore(number)),
        b'n' => Some(Order::Steal(u32::try_from(number >> 48).ok()?, number & ((1 << 48) - 1))),
        _ => None,
    }
}

/// What comes back for a piece of output.
#[must_use]
pub fn echo(output: &[u8]) -> &[u8] {
    output.iter().position(|&byte| byte == ENQ).and_then(|at| output.get(at + 1..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_found_beside_an_echo() {
        let found = |output: &[u8]| orders(output).collect::<Vec<_>>();
        assert_eq!(
            found(b"\x12s0000000000000000\x05!\x12w0000000000000000"),
            [Order::Suspend, Order::Withdraw]
        );
        assert_eq!(found(b"\x12r00000000000000ff\x05!"), [Order::Restore(255)]);
        assert_eq!(found(b"\x12n0003000000001000"), [Order::Steal(3, 0x1000)]);
        assert_eq!(found(b"\x12z0000080000000002"), [Order::Size(2, 0x800)]);
        assert_eq!(found(b"\x12h0000000100000002"), [Order::Hold(2, true)]);
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
            [&b"t00000000000f0000"[..], b"\x12t0000", b"\x12x00000000000f0000", b"\x12t+000000000000001"]
        {
            assert_eq!(all(other), []);
        }
    }
}
