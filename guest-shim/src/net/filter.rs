// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which frames the guest wants ([NET-9]).
//!
//! [NET-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces

use crate::calls::Calls;
use crate::device::Device;
use crate::error::Error;
use crate::memory::Buffer;
use tenon_abi::net::{FILTER_MAX, FilterMode};
use tenon_abi::{Op, Submission};

impl<P> Device<'_, P> {
    /// Says which frames the guest wants, beside those to the interface's own address: those of the mode,
    /// and those to the addresses of the list ([NET-9]). The buffer has 8 bytes for each of them.
    ///
    /// # Errors
    ///
    /// As [`crate::Vcpu::call`]; [`Error::TooLong`] for more than 64 addresses, [`Error::BadMemory`] if the
    /// buffer is too short.
    ///
    /// [NET-9]: https://github.com/tenon-abi/tenon/blob/main/docs/abi.md#network-interfaces
    pub fn filter(
        &self,
        calls: &dyn Calls,
        mode: FilterMode,
        list: &[[u8; 6]],
        buffer: &Buffer,
    ) -> Result<(), Error> {
        let count = u32::try_from(list.len()).ok().filter(|count| *count <= FILTER_MAX);
        let count = u64::from(count.ok_or(Error::TooLong)?);
        for (entry, mac) in list.iter().enumerate() {
            let [m0, m1, m2, m3, m4, m5] = *mac;
            if !buffer.write(entry.wrapping_mul(8), &[m0, m1, m2, m3, m4, m5, 0, 0]) {
                return Err(Error::BadMemory);
            }
        }
        let address = if count == 0 { 0 } else { buffer.address() };
        let args = [u64::from(self.number()), mode.bits(), address, count, 0, 0];
        calls.call_with(Submission::new(Op::NET_FILTER, args)).map(|_| ())
    }
}
