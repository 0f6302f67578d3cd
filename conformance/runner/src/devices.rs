// SPDX-License-Identifier: MIT OR Apache-2.0
//! The devices of the suite's machines, and what cases have done to them (REP-5): a disk of one megabyte, and
//! a network interface that sends each frame back.

use crate::console::Order;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tenon_devices::block::{Buffers, Change, Control, Disk, Fault, Medium, Memory, Shape};
use tenon_devices::net::{Echo, Link, PortConfig};
use tenon_host::device::Attached;
use tenon_rings::Words;

/// Bytes of a disk.
const DISK: usize = 1 << 20;
const QUEUES: u32 = 4;
const DEPTH: u32 = 128;
/// The interface's address.
const ADDRESS: [u8; 6] = [2, 0, 0, 0x7e, 0, 1];
/// A held back end goes on by itself after this time: less than the time of a case.
const HELD: Duration = Duration::from_secs(4);

/// A machine that has devices.
pub trait Machine<W>: Send + Sync + 'static {
    /// Gives the guest a device: its number.
    fn add(&self, device: Attached<W>) -> Option<u32>;
    /// Takes it away.
    fn remove(&self, device: u32);
    /// What its kind tells is this now.
    fn change(&self, device: u32, own: [u64; 8]);
    /// Saves the domain and puts it back twice, while BOOT goes on by so many nanoseconds. Back ends have
    /// queues.
    fn restore(&self, stood: u64);
}

/// Has all ends brought home, and waits for them, for as long as a case may take: whether they are.
pub fn all_home(home: impl Fn() -> bool, recall: impl FnOnce()) -> bool {
    recall();
    (0..HELD.as_millis()).any(|_| {
        home() || {
            thread::sleep(Duration::from_millis(1));
            false
        }
    })
}

/// What a disk lies on: memory that a case may have held, cut, or made to fail.
struct Ground {
    memory: Memory,
    how: Mutex<How>,
    goes_on: Condvar,
}

#[derive(Clone, Copy)]
struct How {
    held: bool,
    fails: bool,
    bytes: u64,
    read_only: bool,
}

impl Ground {
    fn new(read_only: bool) -> Self {
        Self {
            memory: Memory::zeroed(DISK),
            how: Mutex::new(How { held: false, fails: false, bytes: DISK as u64, read_only }),
            goes_on: Condvar::new(),
        }
    }

    fn how(&self) -> MutexGuard<'_, How> {
        self.how.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while a case has it held.
    fn pass(&self) {
        let held = self.goes_on.wait_timeout_while(self.how(), HELD, |how| how.held);
        drop(held.unwrap_or_else(PoisonError::into_inner));
    }

    fn hold(&self, held: bool) {
        self.how().held = held;
        self.goes_on.notify_all();
    }
}

impl Medium for Ground {
    fn shape(&self) -> Shape {
        let how = *self.how();
        Shape { bytes: how.bytes, read_only: how.read_only, volatile_cache: true, ..self.memory.shape() }
    }

    fn read(&self, offset: u64, into: &Buffers) -> Result<(), Fault> {
        self.pass();
        self.memory.read(offset, into)
    }

    fn write(&self, offset: u64, from: &Buffers) -> Result<(), Fault> {
        self.pass();
        self.memory.write(offset, from)
    }

    fn flush(&self) -> Result<(), Fault> {
        self.pass();
        if std::mem::take(&mut self.how().fails) { Err(Fault::Io) } else { Ok(()) }
    }

    fn discard(&self, offset: u64, len: u64) -> Result<(), Fault> {
        self.memory.discard(offset, len)
    }

    fn zero(&self, offset: u64, len: u64, may_unmap: bool) -> Result<(), Fault> {
        self.memory.zero(offset, len, may_unmap)
    }
}

/// What the disks of a machine lie on.
#[derive(Clone, Default)]
struct Grounds(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    by_number: BTreeMap<u32, Arc<Ground>>,
    /// That of a disk whose number the guest may know before this map does.
    coming: Option<Arc<Ground>>,
}

impl Grounds {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, device: u32) -> Option<Arc<Ground>> {
        let known = self.lock();
        known.by_number.get(&device).or(known.coming.as_ref()).cloned()
    }
}

/// Where a machine's user gives orders about its devices.
pub struct Desk {
    orders: Sender<Order>,
    grounds: Grounds,
}

/// What was ordered there and is still to be done.
pub struct Todo {
    orders: Receiver<Order>,
    grounds: Grounds,
}

/// A desk, and what comes from it.
#[must_use]
pub fn desk() -> (Desk, Todo) {
    let (sender, receiver) = channel();
    let grounds = Grounds::default();
    (Desk { orders: sender, grounds: grounds.clone() }, Todo { orders: receiver, grounds })
}

impl Desk {
    /// Has an order done. What a back end is to do from now on is done before this returns, so that an echo
    /// comes behind it (REP-5). What takes the domain's lock, which the caller may hold, is done by another
    /// thread.
    pub fn give(&self, order: Order) {
        match order {
            Order::Hold(device, held) => drop(self.grounds.at(device).inspect(|ground| ground.hold(held))),
            Order::Fail(device, true) => {
                self.grounds.at(device).inspect(|ground| ground.how().fails = true);
            }
            // Without somebody who does it, the case says what it misses.
            order => drop(self.orders.send(order)),
        }
    }
}

/// The devices of a machine.
struct Devices<W> {
    machine: Arc<dyn Machine<W>>,
    disks: BTreeMap<u32, Control>,
    grounds: Grounds,
    links: BTreeMap<u32, Link>,
}

/// Gives a machine its devices, and does what is ordered about them, on a thread of its own, until nobody can
/// give an order any more.
///
/// # Errors
///
/// Why there is no such device, in one line.
pub fn start<W: Words + Send + 'static>(
    machine: impl Machine<W>,
    Todo { orders, grounds }: Todo,
) -> Result<(), String> {
    let (disks, links) = (BTreeMap::new(), BTreeMap::new());
    let mut devices = Devices { machine: Arc::new(machine), disks, grounds, links };
    devices.disk(false)?;
    devices.interface()?;
    let serve = move || orders.into_iter().for_each(|order| devices.obey(order));
    let thread = thread::Builder::new().name("suite-devices".into()).spawn(serve);
    thread.map(drop).map_err(|error| format!("no thread for the devices: {error}"))
}

impl<W: Words + Send + 'static> Devices<W> {
    /// A disk comes.
    fn disk(&mut self, read_only: bool) -> Result<(), String> {
        let ground = Arc::new(Ground::new(read_only));
        // One thread beside the worker, so that a back end that is held still takes what the guest submits.
        let disk = Disk::over(Arc::clone(&ground) as Arc<dyn Medium>, 1);
        let disk = disk.and_then(|disk| disk.with_queues(QUEUES, DEPTH).start());
        let (device, queues, control) = disk.map_err(|error| format!("no disk: {error}"))?;
        self.grounds.lock().coming = Some(Arc::clone(&ground));
        let number = self.machine.add(Attached::new(device, queues));
        let mut known = self.grounds.lock();
        known.coming = None;
        let number = number.ok_or("the machine takes no disk")?;
        known.by_number.insert(number, ground);
        drop(known);
        control.tell_by(self.told(number));
        self.disks.insert(number, control);
        Ok(())
    }

    /// A network interface that sends each frame back comes.
    fn interface(&mut self) -> Result<(), String> {
        let echo = Echo::new(PortConfig { pairs: 2, ..PortConfig::new(ADDRESS) });
        let echo = echo.map_err(|error| format!("no network interface: {error}"))?;
        let (device, link) = (echo.device(), echo.link());
        let number = self.machine.add(Attached::new(device, echo));
        let number = number.ok_or("the machine takes no network interface")?;
        link.tell_by(self.told(number));
        self.links.insert(number, link);
        Ok(())
    }

    /// What tells the guest of a device's changes.
    fn told(&self, number: u32) -> impl Fn(Change) + Send + Sync + use<W> {
        let machine = Arc::clone(&self.machine);
        move |change| match change {
            Change::Own(own) => machine.change(number, own),
            Change::Removed => machine.remove(number),
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            // What cannot be done is what the case misses.
            Order::Come(kind @ (1 | 0x101)) => drop(self.disk(kind != 1)),
            Order::Come(2) => drop(self.interface()),
            Order::Go(device) => {
                self.grounds.lock().by_number.remove(&device);
                self.disks.remove(&device).inspect(Control::remove);
                if self.links.remove(&device).is_some() {
                    self.machine.remove(device);
                }
            }
            Order::Link(device, up) => {
                self.links.get(&device).inspect(|link| link.set(up));
            }
            Order::Size(device, blocks) => {
                if let Some((ground, control)) = self.grounds.at(device).zip(self.disks.get(&device)) {
                    ground.how().bytes = (u64::from(blocks) * 512).min(DISK as u64);
                    let _ = control.resize();
                }
            }
            Order::Fail(device, false) => {
                self.disks.get(&device).inspect(|control| drop(control.clear_failed()));
            }
            Order::Restore(stood) => self.machine.restore(stood),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_end_holds_from_when_the_order_returns() {
        // Nobody does what is left to do: what an echo would come behind is done without it.
        let (desk, todo) = desk();
        todo.grounds.lock().by_number.insert(3, Arc::new(Ground::new(false)));
        let how = || *todo.grounds.at(3).expect("the disk is there").how();
        desk.give(Order::Hold(3, true));
        assert!(how().held);
        desk.give(Order::Fail(3, true));
        assert!(how().fails);
        desk.give(Order::Hold(3, false));
        assert!(!how().held);
        assert!(todo.orders.try_recv().is_err(), "nothing is left to do");
        desk.give(Order::Go(3));
        assert_eq!(todo.orders.try_recv(), Ok(Order::Go(3)));
    }

    #[test]
    fn an_order_finds_a_disk_that_its_guest_sees_already() {
        let (desk, todo) = desk();
        let (old, new) = (Arc::new(Ground::new(false)), Arc::new(Ground::new(false)));
        todo.grounds.lock().by_number.insert(0, Arc::clone(&old));
        todo.grounds.lock().coming = Some(Arc::clone(&new));
        desk.give(Order::Fail(3, true));
        assert!(new.how().fails && !old.how().fails);
    }
}
