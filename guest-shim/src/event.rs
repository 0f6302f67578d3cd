// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ports: binding, taking, masking ([EVT-1] to [EVT-22]).
//!
//! [EVT-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
//! [EVT-22]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events

use crate::error::Error;
use crate::events::{BATCH, Events, clear, get, place, set};
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use tenon_abi::Op;
pub use tenon_rings::event::Gate;
use tenon_rings::{Taker, planted};

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// Binds a port to a vCPU's ring ([EVT-3]).
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    ///
    /// [EVT-3]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    pub fn bind_port(&self, port: u32, vcpu: u32, class: u32) -> Result<(), Error> {
        self.call(Op::EVENT_BIND, [port, vcpu, class].map(u64::from)).map(|_| ())
    }

    /// Binds a port to an interrupt of its own ([EVT-22]).
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    ///
    /// [EVT-22]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    pub fn bind_direct(&self, port: u32, vcpu: u32, vector: u32) -> Result<(), Error> {
        self.call(Op::EVENT_BIND_DIRECT, [port, vcpu, vector].map(u64::from)).map(|_| ())
    }

    /// Releases a port ([EVT-5]).
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    ///
    /// [EVT-5]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    pub fn unbind_port(&self, port: u32) -> Result<(), Error> {
        self.call(Op::EVENT_UNBIND, [u64::from(port)]).map(|_| ())
    }

    /// Moves a port to another ring ([EVT-17]). Unmask it first: a mask belongs to the vCPU that it was set
    /// on.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    ///
    /// [EVT-17]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    pub fn move_port(&self, port: u32, vcpu: u32, class: u32) -> Result<(), Error> {
        self.call(Op::EVENT_MOVE, [port, vcpu, class].map(u64::from)).map(|_| ())
    }

    /// Raises a port of one's own ([EVT-6]).
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    ///
    /// [EVT-6]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    pub fn signal(&self, port: u32) -> Result<(), Error> {
        self.call(Op::EVENT_SIGNAL, [u64::from(port)]).map(|_| ())
    }

    /// Takes a bounded number of events, urgent ones first, and runs `handler` for each with upcalls let in
    /// again. Returns the number handled; zero when nothing was there. Call it until then, or until
    /// [`Self::arm`] says that the vCPU may halt.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`], [`Error::Corrupt`].
    pub fn take_events(&self, mut handler: impl FnMut(u32)) -> Result<usize, Error> {
        let mut ports = [0; BATCH];
        let count = self.with_events(|events| events.take(&mut ports))?;
        for &port in ports.get(..count).unwrap_or_default() {
            handler(port);
        }
        Ok(count)
    }

    /// Arms both rings ([EVT-12]). `true`: nothing is there, the vCPU may halt, atomically with the enabling
    /// of interrupts.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`].
    ///
    /// [EVT-12]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    pub fn arm(&self) -> Result<bool, Error> {
        self.with_events(|events| {
            let [urgent, ordinary] = &mut events.rings;
            // Both are armed, whatever the first one says.
            let urgent = urgent.arm();
            Ok(ordinary.arm() && urgent)
        })
    }

    /// Asks for no upcalls until [`Self::arm`]: for a kernel that polls.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`].
    pub fn disarm(&self) -> Result<(), Error> {
        self.with_events(|events| {
            events.rings.iter_mut().for_each(Taker::disarm);
            Ok(())
        })
    }

    /// Masks a port below 1024 that is bound to this vCPU: no trap ([EVT-14], [EVT-15]).
    ///
    /// # Errors
    ///
    /// [`Error::BadMemory`] for ports from 1024 on, which have no mask; [`Error::Busy`].
    ///
    /// [EVT-14]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    /// [EVT-15]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    pub fn mask(&self, port: u32) -> Result<(), Error> {
        let (word, bit) = place(port).ok_or(Error::BadMemory)?;
        self.with_events(|events| {
            if planted!("second-mask-unmasks") && get(&events.masked, word) & bit != 0 {
                clear(&mut events.masked, word, bit);
            } else {
                set(&mut events.masked, word, bit);
            }
            if planted!("second-mask-forgets") {
                clear(&mut events.remembered, word, bit);
            }
            let others = get(&events.masked, word);
            let [ring, _] = &mut events.rings;
            ring.hint_masked(port, others);
            Ok(())
        })
    }

    /// Unmasks a port: no trap. The caller then looks at the port's state once, as if it had been raised: the
    /// host may have dropped events meanwhile ([EVT-15]). `true`: an event was taken while it was masked.
    ///
    /// # Errors
    ///
    /// [`Error::BadMemory`] for ports from 1024 on; [`Error::Busy`].
    ///
    /// [EVT-15]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#events
    pub fn unmask(&self, port: u32) -> Result<bool, Error> {
        let (word, bit) = place(port).ok_or(Error::BadMemory)?;
        self.with_events(|events| {
            clear(&mut events.masked, word, bit);
            let others = get(&events.masked, word);
            let [ring, _] = &mut events.rings;
            ring.hint_unmasked(port, if planted!("unmask-drops-other-hints") { 0 } else { others });
            let was = get(&events.remembered, word) & bit != 0;
            clear(&mut events.remembered, word, bit);
            Ok(was)
        })
    }

    fn with_events<T>(&self, run: impl FnOnce(&mut Events) -> Result<T, Error>) -> Result<T, Error> {
        let token = self.platform.enter();
        let result = match self.events.try_borrow_mut() {
            Ok(mut events) => run(&mut events),
            Err(_) => Err(Error::Busy),
        };
        self.platform.leave(token);
        result
    }
}
