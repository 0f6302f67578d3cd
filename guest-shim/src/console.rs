// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console ([CON-1] to [CON-5]).
//!
//! # A console for the whole kernel
//!
//! `println!` is called from everywhere, and a [`Vcpu`] belongs to one CPU at a time. Two ways lead there:
//!
//! * **Behind the kernel's own lock**, one vCPU for all CPUs: a vCPU is `Send`, and a queue does not care
//!   which CPU rings its doorbell as long as they take turns. The lock has to mask interrupts if a handler
//!   prints too. This is the example below.
//! * **A vCPU for each CPU**, behind the kernel's per-CPU data: no lock at all. What interrupts a call on the
//!   same CPU gets [`Error::Busy`]; a handler that must not lose its text uses
//!   [`crate::lifecycle::Lifecycle::crash`].
//!
//! Before there is a host, and while a host is away, the text goes nowhere; nothing waits longer than the
//! platform's patience.
//!
//! ```
//! use core::fmt::Write as _;
//! use std::sync::Mutex; // the kernel's own lock
//! use tenon_guest::{Error, Found, Pages, Platform, Session, Vcpu, Wish};
//! # use tenon_guest::conduit::Conduit;
//! # struct Bells;
//! # impl Conduit for Bells { fn kick(&self, _: u32) {} fn bind(&self, _: u32) {} }
//! # struct Kernel(Bells);
//! # unsafe impl Platform for Kernel {
//! #     type Conduit = Bells;
//! #     fn conduit(&self) -> &Bells { &self.0 }
//! #     fn enter(&self) -> usize { 0 }
//! #     fn leave(&self, _: usize) {}
//! # }
//!
//! static KERNEL: Kernel = Kernel(Bells);
//! static CONSOLE: Mutex<Option<Vcpu<'static, Kernel, 8>>> = Mutex::new(None);
//!
//! macro_rules! println {
//!     ($($text:tt)*) => {
//!         if let Some(vcpu) = CONSOLE.lock().unwrap().as_ref() {
//!             let _ = writeln!(vcpu.console(), $($text)*);
//!         }
//!     };
//! }
//!
//! fn start(found: Found, mut pages: Pages) -> Result<(), Error> {
//!     let session = Session::open(&KERNEL, found, &mut pages, Wish::default())?;
//!     // Nothing is taken from its event rings: they are as small as they can be.
//!     *CONSOLE.lock().unwrap() = Some(session.bind(0, &mut pages, [1, 1])?);
//!     println!("session {}", session.number());
//!     Ok(())
//! }
//! # println!("there is no host yet");
//! ```
//!
//! [CON-1]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#console
//! [CON-5]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#console

use crate::call::Request;
use crate::calls::Calls;
use crate::error::Error;
use crate::memory::Buffer;
use crate::platform::Platform;
use crate::vcpu::Vcpu;
use core::fmt;
use tenon_abi::call::INLINE_MAX;
use tenon_abi::{Op, Submission};

impl<P: Platform, const D: usize> Vcpu<'_, P, D> {
    /// The console.
    #[must_use]
    pub const fn console(&self) -> Console<'_> {
        Console::over(self)
    }
}

/// The console; a sink for `write!` too, where what the host does not take is lost.
#[derive(Clone, Copy)]
pub struct Console<'v> {
    calls: &'v dyn Calls,
}

impl<'v> Console<'v> {
    /// The family over any calls.
    #[must_use]
    pub const fn over(calls: &'v dyn Calls) -> Self {
        Self { calls }
    }

    /// Writes bytes by value: 48 for each call, until all are taken or the host takes no more. The result is
    /// the number taken.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`], if nothing was taken.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        let mut done = 0usize;
        for chunk in bytes.chunks(INLINE_MAX) {
            let submission = Submission::with_inline(Op::CONSOLE_WRITE, chunk).ok_or(Error::TooLong)?;
            match self.calls.call_with(submission) {
                Ok(taken) => {
                    // The host's number: never more than was given.
                    let taken = usize::try_from(taken).unwrap_or(usize::MAX).min(chunk.len());
                    done = done.saturating_add(taken);
                    if taken < chunk.len() {
                        break;
                    }
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Writes the first `len` bytes of a buffer by one call. The result is the number taken.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`]; [`Error::TooLong`] if the buffer is shorter.
    pub fn write_buffer(&self, buffer: &Buffer, len: usize) -> Result<usize, Error> {
        if len > buffer.len() {
            return Err(Error::TooLong);
        }
        let len = u64::try_from(len).map_err(|_| Error::TooLong)?;
        let write = Submission::new(Op::CONSOLE_WRITE, [buffer.address(), len, 0, 0, 0, 0]);
        let taken = self.calls.call_with(write)?;
        Ok(usize::try_from(taken.min(len)).unwrap_or(0))
    }

    /// Asks for input: the request completes when there is some ([CON-4]). The buffer belongs to it.
    ///
    /// # Errors
    ///
    /// [`Error::Full`], [`Error::Busy`], [`Error::Corrupt`].
    ///
    /// [CON-4]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#console
    pub fn read(&self, buffer: Buffer) -> Result<Read<'v>, Error> {
        let len = u64::try_from(buffer.len()).map_err(|_| Error::TooLong)?;
        let read = Submission::new(Op::CONSOLE_READ, [buffer.address(), len, 0, 0, 0, 0]);
        Ok(Read { request: Request::new(self.calls, read)?, buffer })
    }
}

/// A read in flight. Dropped, its buffer is gone for good: the host may still write to it ([CALL-17]).
///
/// [CALL-17]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#calls
#[derive(Debug)]
#[must_use = "a read that is dropped takes its buffer with it"]
pub struct Read<'v> {
    request: Request<'v>,
    buffer: Buffer,
}

impl Read<'_> {
    /// The buffer and the number of bytes in it, if the input is there.
    ///
    /// # Errors
    ///
    /// The read itself while it is in flight, with [`Error::Pending`] or why the queue could not be looked
    /// at; the buffer when the host refused.
    #[allow(clippy::result_large_err, reason = "the request comes back, and there is no allocator to box it")]
    pub fn wait(mut self) -> Result<(Buffer, usize), (Error, Result<Self, Buffer>)> {
        match self.request.wait() {
            Ok(len) => {
                let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.buffer.len());
                Ok((self.buffer, len))
            }
            Err(error @ Error::Refused(_)) => Err((error, Err(self.buffer))),
            Err(error) if tenon_rings::planted!("pending-read-gives-buffer") => {
                Err((error, Err(self.buffer)))
            }
            Err(error) => Err((error, Ok(self))),
        }
    }

    /// Asks the host to cancel; whether it could.
    ///
    /// # Errors
    ///
    /// As [`Vcpu::call`].
    pub fn cancel(&self) -> Result<bool, Error> {
        self.request.cancel()
    }
}

impl fmt::Write for Console<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes()).map(|_| ()).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}
