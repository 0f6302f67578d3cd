// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device of the embedder's raises a port (EVT-9).

use crate::domain::Domain;
use crate::error::Error;
use crate::memory::Memory;
use tenon_abi::Status;

impl<M: Memory> Domain<M> {
    /// Raises a port for a device of the embedder's, which has made the state that it announces visible
    /// before (EVT-9).
    ///
    /// # Errors
    ///
    /// [`Error::NotBound`] if the guest has not bound the port: there is nobody to tell.
    pub fn raise(&mut self, port: u32) -> Result<(), Error> {
        match self.base.raise_port(port) {
            // A corrupt ring is the guest's loss; it stands in the ring's state word.
            Ok(()) | Err(Status::BAD_STATE) => Ok(()),
            Err(_) => Err(Error::NotBound(port)),
        }
    }
}
