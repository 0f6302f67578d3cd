// SPDX-License-Identifier: MIT OR Apache-2.0
//! The attachment without a guest that runs: requests are written into its memory by hand, doorbells ring as
//! exits do, and interrupts are looked for in the local APICs of its vCPUs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test")]

use super::*;
use crate::kvm::worker::serve_hot;
use crate::kvm::{Exits, Line};
use crate::memory::Memory;
use std::thread;
use tenon_abi::status::Status;
use tenon_abi::vcpu::{Sizes, guest, host};
use tenon_abi::{ControlOp, ControlRequest, Op, Submission, Tail, turn};
use tenon_rings::{Site, Words};
use zerocopy::{FromZeros, IntoBytes};

mod time;

/// Where the control frame, a payload and the areas lie.
const FRAME: u64 = 0x20_0000;
const PAYLOAD: u64 = 0x21_0000;
const AREAS: u64 = 0x30_0000;
const AREA: u64 = 0x4_0000;
const DEPTH: u32 = 256;

/// Vectors of the upcall and of direct ports.
const UPCALL: u32 = 0x40;
const DIRECT: u32 = 0x51;
/// And of an interrupt that always comes.
const MARKER: u32 = 0x99;

struct Guest {
    vmm: Vmm,
    memory: VmMemory,
    marker: Line,
    ticket: u32,
    /// Where each bound vCPU's host-written area lies in the window.
    host: [u64; 2],
    next: [u32; 2],
    taken: [u32; 2],
}

type Taken = (u16, Status, u64);

impl Guest {
    /// A machine of two vCPUs, both bound, whose local APICs take interrupts. `None` where KVM cannot be
    /// used.
    fn open(test: &str) -> Option<Self> {
        Self::of(test, VmmConfig::default().memory)
    }

    /// The same with so many bytes of memory.
    fn of(test: &str, memory: usize) -> Option<Self> {
        let config =
            VmmConfig { memory, vcpus: 2, console: Box::new(|_| Vec::new()), ..VmmConfig::default() };
        let vmm = match Vmm::new(config) {
            Ok(vmm) => vmm,
            Err(why @ (Error::NoDevice | Error::NoPermission | Error::Missing(_))) => {
                println!("skipped: {test}: {why}");
                return None;
            }
            Err(why) => panic!("{why}"),
        };
        let memory = VmMemory::new(vmm.machine.memory(), vmm.machine.window().unwrap()).unwrap();
        let marker = vmm.machine.interrupts().line().unwrap();
        let mut this = Self { vmm, memory, marker, ticket: 0, host: [0; 2], next: [0; 2], taken: [0; 2] };
        this.negotiate();
        Some(this)
    }

    fn negotiate(&mut self) {
        let features = self.window(0x10);
        let answer = self.control(ControlOp::NEGOTIATE, |request| {
            request.major.set(tenon_abi::VERSION.major);
            request.minor.set(tenon_abi::VERSION.minor);
            request.granule.set(12);
            request.features.set(features);
        });
        assert_eq!(answer, (Status::OK, 0));
        for vcpu in 0..2 {
            self.bind(vcpu);
            self.quiet(vcpu);
        }
    }

    fn window(&self, at: u64) -> u64 {
        self.memory.window().load((at / 8) as usize, Site::ControlTake)
    }

    fn store(&self, at: u64, value: u64) {
        assert!(self.memory.write(0, at, &value.to_le_bytes()));
    }

    fn session(&self) -> tenon_abi::discovery::Session {
        tenon_abi::discovery::Session::from_word(self.window(0x80))
    }

    fn ring(&self, port: u16, value: u32) {
        self.vmm.attachment.pio_out(0, port, &value.to_le_bytes());
    }

    fn control(&mut self, op: ControlOp, fill: impl FnOnce(&mut ControlRequest)) -> (Status, u64) {
        let mut request = ControlRequest::new_zeroed();
        request.magic.set(tenon_abi::control::MAGIC);
        request.op.set(op.0);
        self.ticket += 1;
        request.ticket.set(self.ticket);
        request.session.set(self.session().number);
        fill(&mut request);
        assert!(self.memory.write(0, FRAME, request.as_bytes()));
        self.ring(BIND_PORT, (FRAME >> 12) as u32);
        let result = Tail::from_word(self.window(0xa0));
        assert_eq!(result.turn, self.ticket, "the request was not answered");
        (Status(result.code), self.window(0x98))
    }

    fn bind(&mut self, vcpu: usize) {
        let area = AREAS + AREA * vcpu as u64;
        let sizes = Sizes { depth: DEPTH, events: [16, 16] };
        (0..sizes.guest_len()).step_by(8).for_each(|word| self.store(area + word, 0));
        let (status, at) = self.control(ControlOp::BIND, |request| {
            request.vcpu.set(vcpu as u32);
            request.depth.set(DEPTH);
            request.events0.set(16);
            request.events1.set(16);
            request.guest_area.set(area);
        });
        assert_eq!(status, Status::OK);
        (self.host[vcpu], self.next[vcpu], self.taken[vcpu]) = (at, 0, 0);
    }

    fn submit(&mut self, vcpu: usize, id: u16, op: Op, args: [u64; 3]) {
        let [a, b, c] = args;
        let position = self.next[vcpu];
        self.next[vcpu] += 1;
        let mut words = Submission::new(op, [a, b, c, 0, 0, 0]).to_words();
        words[7] = Tail { code: op.0, id, turn: turn(self.session().seed, position) }.to_word();
        let slot = AREAS + AREA * vcpu as u64 + guest::SUBMISSIONS + u64::from(position % DEPTH) * 64;
        (0..).zip(words).for_each(|(word, value)| self.store(slot + word * 8, value));
    }

    fn kick(&self, vcpu: usize) {
        self.ring(KICK_PORT, vcpu as u32 * 2);
    }

    fn take(&mut self, vcpu: usize) -> Option<Taken> {
        let position = self.taken[vcpu];
        let slot = self.host[vcpu] + host::COMPLETIONS + u64::from(position % DEPTH) * 16;
        let tail = Tail::from_word(self.window(slot + 8));
        (tail.turn == turn(self.session().seed, position)).then(|| {
            self.taken[vcpu] += 1;
            (tail.id, Status(tail.code), self.window(slot))
        })
    }

    /// A call of vCPU 0 that is answered at once.
    fn call(&mut self, op: Op, args: [u64; 3]) -> u64 {
        let (status, value) = self.result(op, args);
        assert_eq!(status, Status::OK, "{op:?}");
        value
    }

    /// The same, whatever the answer.
    fn result(&mut self, op: Op, args: [u64; 3]) -> (Status, u64) {
        self.submit(0, 1, op, args);
        self.kick(0);
        let (id, status, value) = self.take(0).unwrap_or_else(|| panic!("{op:?} was not answered"));
        assert_eq!(id, 1, "{op:?}");
        (status, value)
    }

    /// Wants an upcall for the next completion of vCPU 0.
    fn arm_completions(&self) {
        self.store(AREAS + guest::COMPLETIONS_ARMED, self.taken[0].into());
    }

    fn vcpu(&self, vcpu: usize) -> &kvm_ioctls::VcpuFd {
        self.vmm.machine.vcpu(vcpu).unwrap()
    }

    /// Switches a local APIC on, with nothing pending in it.
    fn quiet(&self, vcpu: usize) {
        let mut apic = self.vcpu(vcpu).get_lapic().unwrap();
        (0x200..0x280).for_each(|at| apic.regs[at] = 0);
        (apic.regs[0xf0], apic.regs[0xf1]) = (0xff_u8 as _, 1);
        self.vcpu(vcpu).set_lapic(&apic).unwrap();
    }

    fn is_pending(&self, vcpu: usize, vector: u32) -> bool {
        let apic = self.vcpu(vcpu).get_lapic().unwrap();
        let byte = 0x200 + (vector / 32 * 16 + vector % 32 / 8) as usize;
        apic.regs[byte] as u8 & 1 << (vector % 8) != 0
    }

    /// Raises an interrupt that is always there, and waits for it.
    fn mark(&self, vcpu: usize) {
        let to = crate::kvm::Msi { cpu: vcpu as u32, vector: MARKER };
        self.vmm.machine.interrupts().route(&self.marker, Some(to)).unwrap();
        self.marker.raise();
        let start = Instant::now();
        while !self.is_pending(vcpu, MARKER) {
            assert!(start.elapsed() < Duration::from_secs(20), "KVM delivers nothing");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// KVM delivers some interrupts later: one that comes much later than one that was raised after it does
    /// not come.
    fn wants(&self, vcpu: usize, vector: u32, what: &str) {
        self.mark(vcpu);
        for _ in 0..500 {
            if self.is_pending(vcpu, vector) {
                self.quiet(vcpu);
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("{what}");
    }

    /// Nothing comes, on either vCPU, when one that was raised after it has come.
    fn wants_nothing(&self, vector: u32, what: &str) {
        for vcpu in 0..2 {
            self.mark(vcpu);
            assert!(!self.is_pending(vcpu, vector), "{what}");
            self.quiet(vcpu);
        }
    }

    fn raise_line(&self, which: impl FnOnce(&mut super::super::attachment::State) -> &Line) {
        self.vmm.attachment.with(|state| which(state).raise());
    }
}

#[test]
fn a_handle_that_raises_sends_the_upcall() {
    let Some(mut guest) = Guest::open("a_handle_that_raises_sends_the_upcall") else { return };
    guest.call(Op::VCPU_UPCALL, [0, UPCALL.into(), 0]);
    guest.call(Op::EVENT_BIND, [1, 0, 0]);
    guest.quiet(0);
    guest.vmm.handle().raise(1).unwrap();
    guest.wants(0, UPCALL, "the upcall of a raised port");
}

#[test]
fn a_handle_that_gives_input_completes_the_read() {
    let Some(mut guest) = Guest::open("a_handle_that_gives_input_completes_the_read") else { return };
    guest.call(Op::VCPU_UPCALL, [0, UPCALL.into(), 0]);
    guest.submit(0, 9, Op::CONSOLE_READ, [PAYLOAD, 16, 0]);
    guest.kick(0);
    assert_eq!(guest.take(0), None);
    guest.arm_completions();
    guest.quiet(0);
    assert_eq!(guest.vmm.handle().input(b"hello"), 5);
    assert_eq!(guest.take(0), Some((9, Status::OK, 5)));
    guest.wants(0, UPCALL, "the upcall of a completed read");
}

#[test]
fn an_upcall_goes_where_it_was_set_last() {
    let Some(mut guest) = Guest::open("an_upcall_goes_where_it_was_set_last") else { return };
    guest.call(Op::VCPU_UPCALL, [0, UPCALL.into(), 0]);
    guest.call(Op::VCPU_UPCALL, [0, (UPCALL + 1).into(), 0]);
    guest.quiet(0);
    guest.call(Op::EVENT_BIND, [1, 0, 0]);
    guest.vmm.handle().raise(1).unwrap();
    guest.wants(0, UPCALL + 1, "an upcall by the new vector");
    // Switched off, its line leads nowhere.
    guest.call(Op::VCPU_UPCALL, [0, 0, 0]);
    guest.quiet(0);
    guest.raise_line(|state| &state.upcalls[0]);
    guest.wants_nothing(UPCALL + 1, "an upcall was switched off and is still routed");
}

#[test]
fn a_reset_leaves_no_route() {
    let Some(mut guest) = Guest::open("a_reset_leaves_no_route") else { return };
    guest.call(Op::VCPU_UPCALL, [0, UPCALL.into(), 0]);
    guest.call(Op::EVENT_BIND_DIRECT, [2, 1, DIRECT.into()]);
    assert_eq!(guest.control(ControlOp::RESET, |_| {}).0, Status::OK);
    guest.quiet(0);
    guest.raise_line(|state| &state.upcalls[0]);
    guest.raise_line(|state| state.spare.last().unwrap());
    guest.wants_nothing(UPCALL, "an upcall outlived its session");
    guest.wants_nothing(DIRECT, "a direct port's interrupt outlived its session");
    // And the next session has its own.
    guest.negotiate();
    guest.call(Op::EVENT_BIND_DIRECT, [2, 0, (DIRECT + 1).into()]);
    guest.vmm.handle().raise(2).unwrap();
    guest.wants(0, DIRECT + 1, "a direct port of the next session");
}

#[test]
fn a_direct_port_moves_with_its_interrupt_when_its_vcpu_stops() {
    let name = "a_direct_port_moves_with_its_interrupt_when_its_vcpu_stops";
    let Some(mut guest) = Guest::open(name) else { return };
    guest.call(Op::EVENT_BIND_DIRECT, [2, 1, DIRECT.into()]);
    guest.vmm.handle().raise(2).unwrap();
    guest.wants(1, DIRECT, "a direct port's interrupt");
    guest.call(Op::VCPU_START, [1, 0x10_0000, 0]);
    // It has no thread yet, so that nobody says that it has stopped; the port moves at once.
    guest.submit(0, 3, Op::VCPU_STOP, [1, 0, 0]);
    guest.kick(0);
    guest.vmm.handle().raise(2).unwrap();
    guest.wants(0, DIRECT, "a direct port's interrupt on the target of a stop");
    assert!(!guest.is_pending(1, DIRECT), "a direct port's interrupt comes to a stopped vCPU");
    assert_eq!(guest.take(0), None);
    guest.vmm.attachment.parked(1);
    assert_eq!(guest.take(0), Some((3, Status::OK, 0)), "the stop completes when the vCPU has parked");
}

#[test]
fn a_direct_port_that_is_moved_or_released_loses_its_interrupt() {
    let name = "a_direct_port_that_is_moved_or_released_loses_its_interrupt";
    let Some(mut guest) = Guest::open(name) else { return };
    for release in [Op::EVENT_UNBIND, Op::EVENT_MOVE] {
        guest.call(Op::EVENT_BIND_DIRECT, [2, 1, DIRECT.into()]);
        guest.call(release, [2, 0, 0]);
        guest.raise_line(|state| state.spare.last().unwrap());
        guest.wants_nothing(DIRECT, "a released port's interrupt is still routed");
    }
    // Its line serves another port.
    guest.call(Op::EVENT_BIND_DIRECT, [3, 0, (DIRECT + 1).into()]);
    guest.vmm.handle().raise(3).unwrap();
    guest.wants(0, DIRECT + 1, "the interrupt of a port with a used line");
}

#[test]
fn what_a_budget_leaves_over_is_served_without_another_kick() {
    let name = "what_a_budget_leaves_over_is_served_without_another_kick";
    let Some(mut guest) = Guest::open(name) else { return };
    // More actions than wait at once: the rest is left over, as with more submissions than the budget.
    let post = |guest: &mut Guest| {
        for id in 0..200_u16 {
            guest.submit(0, id, Op::VCPU_UPCALL, [0, u64::from(UPCALL) + u64::from(id % 2), 0]);
        }
    };
    post(&mut guest);
    guest.kick(0);
    let first = std::iter::from_fn(|| guest.take(0)).count();
    assert!(first < 200, "one kick has no bound");
    while let Ok(Job::Serve(queue)) = guest.vmm.jobs.1.try_recv() {
        guest.vmm.attachment.serve(queue);
    }
    let rest: Vec<Taken> = std::iter::from_fn(|| guest.take(0)).collect();
    assert_eq!(first + rest.len(), 200, "what the budget left over was forgotten");
    assert_eq!(rest.last(), Some(&(199, Status::OK, 0)));
    // The same for a queue that an eventfd rings for.
    post(&mut guest);
    let bell = EventFd::new(0).unwrap();
    bell.write(1).unwrap();
    let (attachment, ours) = (Arc::clone(&guest.vmm.attachment), bell.try_clone().unwrap());
    let hot = thread::spawn(move || serve_hot(&attachment, 0, &ours));
    let start = Instant::now();
    let mut served = 0;
    while served < 200 {
        served += std::iter::from_fn(|| guest.take(0)).count();
        while let Ok(Job::Serve(queue)) = guest.vmm.jobs.1.try_recv() {
            guest.vmm.attachment.serve(queue);
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{served} of a hot queue's 200 were served");
    }
    guest.vmm.machine.control().end(Outcome::Ended);
    bell.write(1).unwrap();
    assert!(hot.join().unwrap().is_ok());
}

/// Whoever is called with the domain's lock held waits for nothing.
#[test]
fn a_handle_is_refused_where_it_would_wait_for_itself() {
    let Some(guest) = Guest::open("a_handle_is_refused_where_it_would_wait_for_itself") else { return };
    let handle = guest.vmm.handle();
    let inside = guest.vmm.attachment.with(|_| (handle.raise(1), handle.input(b"x"), handle.crash_record()));
    assert_eq!(inside, (Err(crate::Error::Entered), 0, None));
    // Another machine's lock is another one, and afterwards all is as before.
    let other = Guest::open("another machine").unwrap();
    assert_eq!(other.vmm.attachment.with(|_| handle.input(b"x")), 1);
    assert_eq!(handle.raise(1), Err(crate::Error::NotBound(1)));
}

#[test]
fn crashes_are_counted_more_than_they_are_logged() {
    let Some(mut guest) = Guest::open("crashes_are_counted_more_than_they_are_logged") else { return };
    for code in 0..1000 {
        guest.call(Op::CRASH, [PAYLOAD, 0, code]);
    }
    let left_out = guest.vmm.attachment.with(|state| state.noise.left_out());
    // The first ten, 16, 32, … 512; 488 since then.
    assert_eq!(left_out, 488, "what was left out since the last line");
    assert_eq!(
        guest.vmm.handle().crash_record().map(|record| record.code),
        Some(999),
        "the last one is kept"
    );
}

/// Memory on both sides of the hole under 4 GiB, and a piece that is no multiple of 2 MiB.
#[test]
fn payload_lies_on_both_sides_of_the_hole_under_4_gib() {
    const GIB: u64 = 1 << 30;
    let name = "payload_lies_on_both_sides_of_the_hole_under_4_gib";
    let Some(mut guest) = Guest::of(name, (6 << 30) + (4 << 10)) else { return };
    let end = 7 * GIB + (4 << 10);
    assert_eq!(guest.window(0x58), end, "region0_len");
    for at in [3 * GIB - 64, 4 * GIB, 5 * GIB + 13, end - 64] {
        assert_eq!(guest.call(Op::ENTROPY, [at, 64, 0]), 64, "{at:#x}");
        let mut bytes = [0; 64];
        assert!(guest.memory.read(0, at, &mut bytes) && bytes != [0; 64], "{at:#x}");
        assert_eq!(guest.call(Op::CONSOLE_WRITE, [at, 64, 0]), 64, "{at:#x}");
    }
    let hole = [3 * GIB - 63, 3 * GIB, 3 * GIB + 1, WINDOW_ADDRESS, 4 * GIB - 64, 4 * GIB - 1, end - 63, end];
    for at in hole {
        for op in [Op::ENTROPY, Op::CONSOLE_WRITE] {
            assert_eq!(guest.result(op, [at, 64, 0]), (Status::BAD_RANGE, 0), "{op:?} at {at:#x}");
        }
    }
}

#[test]
fn memory_is_any_multiple_of_the_smallest_granule() {
    let of = |memory| Vmm::new(VmmConfig { memory, ..VmmConfig::default() });
    for memory in [16 << 12, (32 << 20) + (4 << 10), (3 << 30) + (4 << 10)] {
        match of(memory) {
            Ok(vmm) => {
                let ram: u64 = vmm.machine.layout().ram().map(|piece| piece.len).sum();
                assert_eq!(ram, memory as u64);
            }
            Err(why @ (Error::NoDevice | Error::NoPermission | Error::Missing(_))) => {
                return println!("skipped: memory_is_any_multiple_of_the_smallest_granule: {why}");
            }
            Err(why) => panic!("{memory:#x}: {why}"),
        }
    }
    for memory in [0, 1 << 11, (32 << 20) + 1, (6 << 30) + (2 << 10), 64 << 30] {
        assert!(matches!(of(memory), Err(Error::BadConfig(_))), "{memory:#x}");
    }
}
