// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of a host page: a writer, a reader, and a writer that dies half-way.

use crate::memory::{Area, LoomWords, Side};
use loom::thread;
use tenon_rings::Site;
use tenon_rings::page::{Reader, Writer};

/// Words of a copy: the first word that a writer stores, and the last one.
const N: usize = 2;
const COPIES: [usize; 2] = [1, 1 + N];
const WORDS: usize = 1 + 2 * N;

/// The copy of a sequence: different from all others and from cleared memory.
const fn copy(sequence: u64) -> [u64; N] {
    [sequence + 0x100, sequence + 0x200]
}

/// A page in which the copy of sequence 1 is the valid one.
fn page(weak: Option<Site>) -> Area {
    let [odd, next] = copy(1);
    let named = [(0, 1), (COPIES[0], 0), (COPIES[0] + 1, 0), (COPIES[1], odd), (COPIES[1] + 1, next)];
    Area::sparse(Side::Host, WORDS, &named, weak)
}

/// A copy of one moment, and no older than the last one; `None` if the writer was faster.
fn look(reader: &Reader<LoomWords, N>, last: &mut u64) {
    let Some([first, second]) = reader.look(|copy| *copy) else { return };
    let sequence = first.wrapping_sub(0x100);
    assert_eq!(second, sequence.wrapping_add(0x200), "a stale half of a copy");
    assert!(sequence >= *last, "a stale copy");
    *last = sequence;
}

/// PAGE-3, PAGE-4: the writer fills each copy once, while the reader looks `looks` times.
pub(crate) fn read(weak: Option<Site>, writes: u64, looks: u64) {
    let page = page(weak);
    let mut writer = Writer::<_, N>::new(page.of(Side::Host), COPIES, 1).unwrap();
    let reader = Reader::new(page.of(Side::Guest), COPIES).unwrap();
    let host = thread::spawn(move || {
        for sequence in 2..2 + writes {
            assert_eq!(writer.write(&copy(sequence)), sequence);
        }
    });
    let mut last = 1;
    for _ in 0..looks {
        look(&reader, &mut last);
    }
    host.join().unwrap();
    last = 1 + writes;
    assert!(reader.look(|_| ()).is_some(), "the last copy was lost");
    look(&reader, &mut last);
}

/// PAGE-3, PAGE-4: a writer dies after `stores` stores of its first copy; another one goes on in the same
/// memory, while the reader looks.
pub(crate) fn succeed(weak: Option<Site>, stores: usize, looks: u64) {
    let page = page(weak);
    let reader = Reader::new(page.of(Side::Guest), COPIES).unwrap();
    let memory = page.clone();
    let host = thread::spawn(move || {
        let dying = memory.of(Side::Host).dies_after(stores);
        Writer::<_, N>::new(dying, COPIES, 1).unwrap().write(&copy(2));
        let mut next = Writer::<_, N>::succeed(memory.of(Side::Host), COPIES).unwrap();
        let first = next.sequence() + 1;
        for sequence in first..first + 2 {
            assert_eq!(next.write(&copy(sequence)), sequence);
        }
    });
    let mut last = 1;
    for _ in 0..looks {
        look(&reader, &mut last);
    }
    host.join().unwrap();
    assert!(reader.look(|_| ()).is_some(), "the last copy was lost");
    look(&reader, &mut last);
}
