// SPDX-License-Identifier: MIT OR Apache-2.0
//! x86-64: CPUID leaves. Those of discovery (DISC-4), and what differs between vCPUs.

use crate::{Error, Layout};
use tenon_abi::discovery::{CPUID_FIRST, CPUID_SIGNATURE, CPUID_STEP, CPUID_TRIES};

/// The usual base leaf of discovery: the second one that a guest looks at, as the hypervisor's own may be
/// the first.
pub const BASE: u32 = 0x4000_0100;

/// One CPUID leaf without subleaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// What the guest puts into EAX to read it.
    pub function: u32,
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

/// The two leaves by which a guest finds the window of `layout` (DISC-4), from `base` on: [`BASE`], or
/// another one at which guests look.
///
/// # Errors
///
/// [`Error::BadLayout`] where there is no window, it is not aligned to 4096, or it is beyond what the leaf
/// can say; or where guests do not look at `base`.
pub fn discovery(base: u32, layout: &Layout) -> Result<[Leaf; 2], Error> {
    let window = layout.window().ok_or(Error::BadLayout("it has no window"))?;
    let step = base.checked_sub(CPUID_FIRST).map(|offset| (offset % CPUID_STEP, offset / CPUID_STEP));
    if !matches!(step, Some((0, index)) if index < CPUID_TRIES) {
        return Err(Error::BadLayout("no guest looks for its window at this CPUID leaf"));
    }
    let pages = |bytes: u64| u32::try_from(bytes.div_ceil(4096)).ok();
    let aligned = window.address.is_multiple_of(4096).then_some(window.address);
    let (Some(eax), Some(ebx)) = (aligned.and_then(pages), pages(window.len)) else {
        return Err(Error::BadLayout("CPUID cannot name the window's place"));
    };
    let last = base.saturating_add(1);
    let [b, c, d] = CPUID_SIGNATURE;
    Ok([
        Leaf { function: base, eax: last, ebx: b, ecx: c, edx: d },
        Leaf { function: last, eax, ebx, ecx: 0, edx: 0 },
    ])
}

/// Makes a leaf that a hypervisor supports that of vCPU `index` of `count`: its APIC id is its index
/// (VCPU-9), and it runs under a hypervisor.
/// `registers` are EAX, EBX, ECX and EDX. Leaves that are the same for all vCPUs stay as they are.
pub const fn for_vcpu(function: u32, registers: &mut [u32; 4], index: u32, count: u32) {
    const HYPERVISOR: u32 = 1 << 31;
    let [eax, ebx, ecx, edx] = registers;
    match function {
        1 => {
            *ebx = *ebx & 0xffff | (count & 0xff) << 16 | (index & 0xff) << 24;
            *ecx |= HYPERVISOR;
        }
        0xb | 0x1f => *edx = index,
        0x8000_001e => *eax = index,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn found(base: u32, address: u64, len: u64) -> Result<[Leaf; 2], Error> {
        discovery(base, &Layout::x86_64(1 << 20)?.with(Kind::Window, address, len)?)
    }

    #[test]
    fn a_guest_finds_the_window() {
        let [base, window] = found(BASE, 0xd000_0000, 0x2001).unwrap();
        assert_eq!((base.function, base.eax), (0x4000_0100, 0x4000_0101));
        let name = [base.ebx, base.ecx, base.edx].map(u32::to_le_bytes);
        assert_eq!(name.as_flattened(), b"MortiseTenon");
        assert_eq!(window, Leaf { function: 0x4000_0101, eax: 0xd_0000, ebx: 3, ecx: 0, edx: 0 });
        // Beyond 4 GiB there is room for 44 bits.
        assert_eq!(found(BASE, 0xfff_ffff_f000, 4096).unwrap()[1].eax, u32::MAX);
    }

    #[test]
    fn what_no_guest_would_find_is_refused() {
        for base in [0x4000_0000, 0x4000_ff00] {
            assert!(found(base, 0xd000_0000, 4096).is_ok(), "{base:#x}");
        }
        for base in [0, 0x3fff_ff00, 0x4000_0001, 0x4001_0000, u32::MAX] {
            assert!(found(base, 0xd000_0000, 4096).is_err(), "{base:#x}");
        }
        assert!(found(BASE, 0xd000_0800, 4096).is_err(), "between two pages");
        assert!(found(BASE, 1 << 44, 4096).is_err(), "beyond 32 bits of pages");
        assert!(discovery(BASE, &Layout::x86_64(1 << 20).unwrap()).is_err(), "no window");
    }

    #[test]
    fn each_vcpu_has_its_own_apic_id() {
        let own = |function| {
            let mut registers = [0x1111_1111; 4];
            for_vcpu(function, &mut registers, 5, 7);
            registers
        };
        assert_eq!(own(1), [0x1111_1111, 0x0507_1111, 0x9111_1111, 0x1111_1111]);
        for function in [0xb, 0x1f] {
            assert_eq!(own(function), [0x1111_1111, 0x1111_1111, 0x1111_1111, 5]);
        }
        assert_eq!(own(0x8000_001e), [5, 0x1111_1111, 0x1111_1111, 0x1111_1111]);
        assert_eq!(own(7), [0x1111_1111; 4]);
    }
}
