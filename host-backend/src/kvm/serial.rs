// SPDX-License-Identifier: MIT OR Apache-2.0
//! The least serial port that an image needs: it takes any number of bytes and is always ready.

use std::boxed::Box;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::arch::{SERIAL, SERIAL_STATUS};

/// Where a device's register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A port.
    Port(u16),
    /// A guest address.
    Memory(u64),
}

/// The serial port of a machine.
pub(crate) struct Serial(Mutex<Box<dyn Write + Send>>);

impl Serial {
    pub(crate) fn new(sink: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(sink))
    }

    /// Whether `place` is one of its own.
    #[inline]
    pub(crate) fn owns(place: Place) -> bool {
        SERIAL.contains(&place)
    }

    /// Takes what the guest wrote to `place`: the first register sends. A sink that fails loses the text, not
    /// the machine.
    pub(crate) fn write(&self, place: Place, data: &[u8]) {
        if place == *SERIAL.start() {
            let data = match place {
                Place::Port(_) => data,
                // A register is wider than the byte that it sends.
                Place::Memory(_) => data.get(..1).unwrap_or_default(),
            };
            let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = sink.write_all(data);
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
