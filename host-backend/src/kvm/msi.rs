// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where interrupts go.

/// Where a line's interrupt arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msi {
    /// The vCPU, by its index. Where the guest itself routes its interrupts, as on Arm, that counts instead.
    pub cpu: u32,
    /// The interrupt as the platform counts them: a vector from 16 to 255, the INTID of an SPI.
    pub vector: u32,
}
