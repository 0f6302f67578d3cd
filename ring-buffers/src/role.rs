// SPDX-License-Identifier: MIT OR Apache-2.0
//! One end of a ring belongs to one thread at a time, and is given out once.

use crate::error::Error;
use core::cell::Cell;
use core::marker::PhantomData;

/// Makes what holds it `!Sync`: an end may move to another thread, and is never shared between two.
pub(crate) type OneThread = PhantomData<Cell<()>>;

/// Whether an end was given out.
#[derive(Debug, Default)]
pub(crate) struct Claim(bool);

impl Claim {
    /// Takes the end.
    #[inline]
    pub(crate) fn take(&mut self) -> Result<(), Error> {
        if core::mem::replace(&mut self.0, true) { Err(Error::Taken) } else { Ok(()) }
    }
}
