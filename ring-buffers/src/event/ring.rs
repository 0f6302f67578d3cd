// SPDX-License-Identifier: MIT OR Apache-2.0
//! An event ring's memory, and its two ends.

use super::{GUEST_WORDS, Raiser, RaiserState, Taker};
use crate::error::Error;
use crate::role::Claim;
use crate::words::Words;
use tenon_abi::event::MAX_ENTRIES;

/// An event ring over memory that is this ring's alone, but for the guest-written area, whose words it shares
/// with the rings of the same vCPU. Each of its ends is given out once.
///
/// ```
/// use core::sync::atomic::AtomicU64;
/// use tenon_rings::event::Ring;
/// use tenon_rings::{Error, Raised};
///
/// let area = [const { AtomicU64::new(0) }; 48];
/// let entries = [const { AtomicU64::new(0) }; 4];
/// let mut ring = Ring::new(&area[..], &entries[..], 0, 7, 4)?;
/// let (mut raiser, mut taker) = (ring.raiser()?, ring.taker(64)?);
/// assert_eq!(ring.taker(64).err(), Some(Error::Taken));
///
/// let mut last = None;
/// assert_eq!(raiser.raise(5, &mut last)?, Raised::Written { upcall: true });
/// let mut ports = [0; 8];
/// assert_eq!((taker.take(&mut ports)?, ports[0]), (1, 5));
/// # Ok::<(), Error>(())
/// ```
///
/// An end may go to another thread, but two threads cannot share one, nor can there be a copy:
///
/// ```
/// fn goes<T: Send>() {}
/// goes::<tenon_rings::Raiser<tenon_rings::Mapping>>();
/// goes::<tenon_rings::Taker<tenon_rings::Mapping>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is_shared<T: Sync>() {}
/// is_shared::<tenon_rings::Raiser<tenon_rings::Mapping>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is_shared<T: Sync>() {}
/// is_shared::<tenon_rings::Taker<tenon_rings::Mapping>>();
/// ```
///
/// ```compile_fail,E0277
/// fn is_copied<T: Clone>() {}
/// is_copied::<tenon_rings::Raiser<tenon_rings::Mapping>>();
/// ```
#[derive(Debug)]
pub struct Ring<W> {
    guest: W,
    entries: W,
    class: u32,
    seed: u32,
    size: u32,
    raiser: Claim,
    taker: Claim,
}

impl<W: Words> Ring<W> {
    /// The ring of a class and of `size` entries, over the guest-written area and the entries.
    ///
    /// # Errors
    ///
    /// [`Error::BadSize`] if `size` is not a power of two from 1 to 65,536 or a part is too small (EVT-2).
    #[inline(always)]
    pub fn new(guest: W, entries: W, class: u32, seed: u32, size: u32) -> Result<Self, Error> {
        let len = usize::try_from(size).map_err(|_| Error::BadSize)?;
        let fits = size.is_power_of_two()
            && size <= MAX_ENTRIES
            && len <= entries.len()
            && GUEST_WORDS <= guest.len();
        if !fits {
            return Err(Error::BadSize);
        }
        Ok(Self { guest, entries, class, seed, size, raiser: Claim::default(), taker: Claim::default() })
    }

    /// The host's end, at position 0.
    ///
    /// # Errors
    ///
    /// [`Error::Taken`] the second time.
    pub fn raiser(&mut self) -> Result<Raiser<W>, Error> {
        self.raiser_at(RaiserState::default())
    }

    /// The host's end, going on where another stood.
    ///
    /// # Errors
    ///
    /// As [`Self::raiser`].
    pub fn raiser_at(&mut self, state: RaiserState) -> Result<Raiser<W>, Error> {
        self.raiser.take()?;
        Ok(Raiser::over(self.guest.clone(), self.entries.clone(), self.class, self.seed, self.size, state))
    }

    /// The guest's end, at position 0. Ports at or above `max_ports` are the host's breach (EVT-7).
    ///
    /// # Errors
    ///
    /// [`Error::Taken`] the second time.
    #[inline(always)]
    pub fn taker(&mut self, max_ports: u32) -> Result<Taker<W>, Error> {
        self.taker_at(max_ports, 0)
    }

    /// The guest's end at any position: for models and tests that start near the wrap.
    ///
    /// # Errors
    ///
    /// As [`Self::taker`].
    #[inline(always)]
    pub fn taker_at(&mut self, max_ports: u32, position: u32) -> Result<Taker<W>, Error> {
        self.taker.take()?;
        let (guest, entries) = (self.guest.clone(), self.entries.clone());
        Ok(Taker::over(guest, entries, self.class, self.seed, self.size, max_ports, position))
    }
}
