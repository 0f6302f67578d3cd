// SPDX-License-Identifier: MIT OR Apache-2.0
//! A long frame of TCP, cut into ones that any receiver takes (NET-6, NET-12).

use super::checksum::{fold, sum};
use super::header::{Cut, Sum};
use tenon_abi::SegmentKind;

/// Bits of TCP's flags that stand in the first segment alone, and in the last one alone.
const CWR: u8 = 0x80;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
/// Pieces of a frame at most: one that asks for more costs more than it carries.
const MOST: usize = 256;
/// The protocol number of TCP.
const TCP: u64 = 6;

/// Cuts a frame, and gives each piece to `each`, complete with its sums. `false`, with nothing given, where
/// the frame is not what its header says.
pub(super) fn cut(frame: &[u8], how: Cut, sum_at: Sum, mut each: impl FnMut(&mut [u8])) -> bool {
    let Some(shape) = Shape::of(frame, how, sum_at) else { return false };
    let Some((head, payload)) = frame.split_at_checked(how.header_len) else { return false };
    let count = payload.len().div_ceil(how.size);
    if count > MOST {
        return false;
    }
    let mut piece = Vec::with_capacity(how.header_len + how.size);
    for (index, bytes) in payload.chunks(how.size).enumerate() {
        piece.clear();
        piece.extend_from_slice(head);
        piece.extend_from_slice(bytes);
        shape.adjust(&mut piece, index, index * how.size, index + 1 == count);
        each(&mut piece);
    }
    true
}

/// Where the headers of a frame are.
struct Shape {
    is_v4: bool,
    ip: usize,
    tcp: usize,
}

fn word(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?))
}

fn put(frame: &mut [u8], at: usize, value: u16) {
    if let Some(place) = frame.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

impl Shape {
    fn of(frame: &[u8], how: Cut, sum_at: Sum) -> Option<Self> {
        let (kind, ip) = match word(frame, 12)? {
            // One VLAN tag.
            0x8100 => (word(frame, 16)?, 18),
            kind => (kind, 14),
        };
        let is_v4 = how.kind == SegmentKind::TCP4;
        let tcp = sum_at.start;
        let ip_len = tcp.checked_sub(ip)?;
        let first = *frame.get(ip)?;
        let right_ip = if is_v4 {
            kind == 0x0800
                && first >> 4 == 4
                && usize::from(first & 15) * 4 == ip_len
                && ip_len >= 20
                && u64::from(*frame.get(ip + 9)?) == TCP
        } else {
            kind == 0x86dd && first >> 4 == 6 && ip_len >= 40
        };
        let tcp_len = usize::from(*frame.get(tcp + 12)? >> 4) * 4;
        let right_tcp = tcp_len >= 20 && tcp + tcp_len == how.header_len && sum_at.offset == 16;
        (right_ip && right_tcp).then_some(Self { is_v4, ip, tcp })
    }

    /// Makes the headers of a piece its own: it is the `index`th one, and begins `skip` bytes into the
    /// payload.
    fn adjust(&self, piece: &mut [u8], index: usize, skip: usize, is_last: bool) {
        let (ip, tcp) = (self.ip, self.tcp);
        let (ip_len, tcp_len) = (piece.len() - ip, piece.len() - tcp);
        let addresses = if self.is_v4 {
            put(piece, ip + 2, ip_len as u16);
            let id = word(piece, ip + 4).unwrap_or(0).wrapping_add(index as u16);
            put(piece, ip + 4, id);
            put(piece, ip + 10, 0);
            let own = fold(sum(&piece[ip..tcp]));
            put(piece, ip + 10, own);
            sum(&piece[ip + 12..ip + 20])
        } else {
            put(piece, ip + 4, (ip_len - 40) as u16);
            sum(&piece[ip + 8..ip + 40])
        };
        if let Some(place) = piece.get_mut(tcp + 4..tcp + 8).and_then(|place| place.first_chunk_mut::<4>()) {
            *place = u32::from_be_bytes(*place).wrapping_add(skip as u32).to_be_bytes();
        }
        let mut clear = 0;
        if index > 0 {
            clear |= CWR;
        }
        if !is_last {
            clear |= FIN | PSH;
        }
        piece[tcp + 13] &= !clear;
        put(piece, tcp + 16, 0);
        let whole = addresses + TCP + tcp_len as u64 + sum(&piece[tcp..]);
        put(piece, tcp + 16, fold(whole));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of TCP with so many bytes of payload.
    fn frame(is_v4: bool, tagged: bool, payload: usize) -> (Vec<u8>, Cut, Sum) {
        let mut bytes: Vec<u8> = vec![2; 12];
        if tagged {
            bytes.extend([0x81, 0x00, 0x00, 0x05]);
        }
        bytes.extend(if is_v4 { [0x08, 0x00] } else { [0x86, 0xdd] });
        if is_v4 {
            bytes.extend([0x45, 0, 0xff, 0xff, 0xff, 0xff, 0x40, 0, 64, 6, 9, 9, 10, 0, 0, 1, 10, 0, 0, 2]);
        } else {
            bytes.extend([0x60, 0, 0, 0, 0xff, 0xff, 6, 64]);
            bytes.extend([0xfd; 32]);
        }
        let tcp = bytes.len();
        // Ports, sequence, acknowledgement, length of 24, flags, window, sum, urgent, an option.
        bytes.extend([
            0, 80, 1, 2, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 9, 0x60, 0x99, 1, 0, 0x33, 0x33, 0, 0, 1, 1, 1, 0,
        ]);
        let header_len = bytes.len();
        bytes.extend((0..payload).map(|at| at as u8));
        let kind = if is_v4 { SegmentKind::TCP4 } else { SegmentKind::TCP6 };
        (bytes, Cut { kind, header_len, size: 1000 }, Sum { start: tcp, offset: 16 })
    }

    #[test]
    fn pieces_are_whole_frames_of_one_stream() {
        for (is_v4, tagged) in [(true, false), (true, true), (false, false), (false, true)] {
            let (whole, how, at) = frame(is_v4, tagged, 2500);
            let mut pieces = Vec::new();
            assert!(cut(&whole, how, at, |piece| pieces.push(piece.to_vec())));
            assert_eq!(
                pieces.iter().map(|piece| piece.len() - how.header_len).collect::<Vec<_>>(),
                [1000, 1000, 500]
            );
            let payload: Vec<u8> = pieces.iter().flat_map(|piece| piece[how.header_len..].to_vec()).collect();
            assert_eq!(payload, whole[how.header_len..]);
            let ip = if tagged { 18 } else { 14 };
            for (index, piece) in pieces.iter().enumerate() {
                let tcp = at.start;
                let sequence = u32::from_be_bytes(piece[tcp + 4..tcp + 8].try_into().expect("four bytes"));
                assert_eq!(sequence, 0xffff_fff0_u32.wrapping_add(1000 * index as u32));
                let flags = [0x90, 0x10, 0x19][index];
                assert_eq!(piece[tcp + 13], flags, "CWR is the first one's, FIN and PSH are the last one's");
                let (addresses, len) = if is_v4 {
                    assert_eq!(fold(sum(&piece[ip..tcp])), 0, "the sum of the IP header");
                    assert_eq!(word(piece, ip + 4), Some(0xffff_u16.wrapping_add(index as u16)));
                    (&piece[ip + 12..ip + 20], word(piece, ip + 2).map(usize::from))
                } else {
                    (&piece[ip + 8..ip + 40], word(piece, ip + 4).map(|len| usize::from(len) + 40))
                };
                assert_eq!(len, Some(piece.len() - ip));
                let pseudo = sum(addresses) + 6 + (piece.len() - tcp) as u64;
                assert_eq!(fold(pseudo + sum(&piece[tcp..])), 0, "the sum of TCP");
            }
        }
    }

    #[test]
    fn what_is_not_such_a_frame_is_not_cut() {
        type Spoil = fn(&mut Vec<u8>, &mut Cut, &mut Sum);
        let cases: [(&str, Spoil); 9] = [
            ("more pieces than it is worth", |frame, cut, _| {
                frame.resize(400, 0);
                cut.size = 1;
            }),
            ("another protocol of Ethernet", |frame, _, _| frame[13] = 6),
            ("another version of IP", |frame, _, _| frame[14] = 0x65),
            ("options of IP that are not there", |frame, _, _| frame[14] = 0x46),
            ("UDP", |frame, _, _| frame[23] = 17),
            ("a header of TCP that is too short", |frame, _, _| frame[46] = 0x40),
            ("headers that end elsewhere", |_, cut, _| cut.header_len += 4),
            ("a sum that is stored elsewhere", |_, _, sum| sum.offset = 6),
            ("TCP before IP", |_, _, sum| sum.start = 13),
        ];
        for (what, spoil) in cases {
            let (mut bytes, mut how, mut at) = frame(true, false, 100);
            spoil(&mut bytes, &mut how, &mut at);
            assert!(!cut(&bytes, how, at, |_| panic!("{what}")), "{what}");
        }
    }
}
