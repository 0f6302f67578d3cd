// SPDX-License-Identifier: MIT OR Apache-2.0
//! The least serial port that an image needs: it takes any number of bytes and is always ready.

use std::boxed::Box;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

const FIRST: u16 = 0x3f8;
const LAST: u16 = FIRST + 7;
const LINE_STATUS: u16 = FIRST + 5;
/// Transmitter empty, and its holding register too.
const READY: u8 = 0x60;

/// The serial port of a machine.
pub(crate) struct Serial(Mutex<Box<dyn Write + Send>>);

impl Serial {
    pub(crate) fn new(sink: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(sink))
    }

    /// Whether `port` is one of its own.
    pub(crate) fn owns(port: u16) -> bool {
        (FIRST..=LAST).contains(&port)
    }

    /// Takes what the guest wrote to `port`. A sink that fails loses the text, not the machine.
    pub(crate) fn write(&self, port: u16, data: &[u8]) {
        if port == FIRST {
            let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = sink.write_all(data);
            let _ = sink.flush();
        }
    }

    /// What any port reads as: the line status is ready, the rest is not there.
    pub(crate) fn read(port: u16, data: &mut [u8]) {
        data.fill(if port == LINE_STATUS { READY } else { 0xff });
    }
}
