// SPDX-License-Identifier: MIT OR Apache-2.0
//! The least serial port that an image needs: it takes any number of bytes and is always ready.

use std::boxed::Box;
use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::vec::Vec;

use super::arch::{SERIAL, SERIAL_STATUS};
use super::place::Place;

/// Text that waits for the sink, at most: a guest that writes faster waits for it.
const ROOM: usize = 8 << 10;
/// How often one that waits looks whether it has to leave.
const LOOK: Duration = Duration::from_millis(5);

/// The serial port of a machine. The sink may block for as long as it likes, for it has a thread of its own
/// ([`Serial::drain`]).
#[derive(Default)]
pub(crate) struct Serial {
    text: Mutex<Text>,
    changed: Condvar,
}

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    closed: bool,
}

impl Serial {
    fn lock(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `place` is one of its own.
    #[inline]
    pub(crate) fn owns(place: Place) -> bool {
        SERIAL.contains(&place)
    }

    /// Takes what the guest wrote to `place`: the first register sends. While there is no room it waits,
    /// until `leave` says that there is no more time: then the rest is lost.
    pub(crate) fn write(&self, place: Place, data: &[u8], leave: impl Fn() -> bool) {
        if place != *SERIAL.start() {
            return;
        }
        let mut data = match place {
            Place::Port(_) => data,
            // A register is wider than the byte that it sends.
            Place::Memory(_) => data.get(..1).unwrap_or_default(),
        };
        let mut text = self.lock();
        loop {
            let (now, later) = data.split_at(ROOM.saturating_sub(text.bytes.len()).min(data.len()));
            if text.bytes.is_empty() {
                self.changed.notify_all();
            }
            text.bytes.extend_from_slice(now);
            data = later;
            if data.is_empty() || (text.closed || leave()) && !tenon_rings::planted!("full-sink-holds-vcpu") {
                return;
            }
            text = self.changed.wait_timeout(text, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// No more text comes: the sink's thread writes what there is, and leaves.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The sink's thread. A sink that fails loses the text, not the machine.
    pub(crate) fn drain(&self, mut sink: Box<dyn Write + Send>) {
        loop {
            let mut text = self.lock();
            while text.bytes.is_empty() && !text.closed {
                text = self.changed.wait(text).unwrap_or_else(PoisonError::into_inner);
            }
            let bytes = std::mem::take(&mut text.bytes);
            drop(text);
            self.changed.notify_all();
            if bytes.is_empty() {
                return;
            }
            let _ = sink.write_all(&bytes);
            let _ = sink.flush();
        }
    }

    /// What any place without memory reads as: the serial port is ready, the rest is not there.
    pub(crate) fn read(place: Place, data: &mut [u8]) {
        let (status, ready) = SERIAL_STATUS;
        if place == status {
            data.fill(0);
            data.first_mut().into_iter().for_each(|low| *low = ready);
        } else {
            data.fill(0xff);
        }
    }
}
