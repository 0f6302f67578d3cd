// SPDX-License-Identifier: MIT OR Apache-2.0
//! smoltcp's interface, its sockets, and its address.

use crate::disk::CLIENTS;
use crate::nic::Nic;
use crate::platform::{Kernel, memory};
use core::fmt::Write as _;
use hadris_storage::sync::BlockDevice;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::dhcpv4;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};
use tenon_guest::{Error, Vcpu};
use tenon_guest_fileserver::{RECEIVE, SEND, Server, Transfers};
use tenon_guest_rt::Params;

/// Rounds in which connections and packets move each other on, before others get their turn.
const ROUNDS: usize = 8;

pub(crate) struct Net<'v> {
    interface: Interface,
    sockets: SocketSet<'static>,
    handles: [SocketHandle; CLIENTS],
    dhcp: Option<SocketHandle>,
    vcpu: &'v Vcpu<'v, Kernel>,
}

impl<'v> Net<'v> {
    pub(crate) fn new(
        nic: &mut Nic<'_>,
        mac: [u8; 6],
        seed: u64,
        vcpu: &'v Vcpu<'v, Kernel>,
    ) -> Result<Self, Error> {
        let mut config = Config::new(EthernetAddress(mac).into());
        config.random_seed = seed;
        let interface = Interface::new(config, nic, Instant::ZERO);
        let storage: &mut [SocketStorage<'static>; CLIENTS + 1] =
            crate::platform::keep([SocketStorage::EMPTY; CLIENTS + 1])?;
        let mut sockets = SocketSet::new(&mut storage[..]);
        let mut handles = [None; CLIENTS];
        for handle in &mut handles {
            *handle = Some(sockets.add(tenon_guest_fileserver::socket(memory(RECEIVE)?, memory(SEND)?)));
        }
        let dhcp = Params::get("ip").is_none().then(|| sockets.add(dhcpv4::Socket::new()));
        let [Some(first), ..] = handles else { return Err(Error::BadMemory) };
        let handles = handles.map(|handle| handle.unwrap_or(first));
        let mut net = Self { interface, sockets, handles, dhcp, vcpu };
        if let Some(address) = Params::get("ip") {
            let address: Ipv4Cidr = address.parse().map_err(|()| Error::NoMatch)?;
            let gateway = Params::get("gw").map(str::parse).transpose().map_err(|_| Error::NoMatch)?;
            net.use_address(address, gateway);
        }
        Ok(net)
    }

    fn use_address(&mut self, address: Ipv4Cidr, gateway: Option<Ipv4Address>) {
        self.interface.update_ip_addrs(|all| {
            all.clear();
            let _ = all.push(IpCidr::Ipv4(address));
        });
        if let Some(gateway) = gateway {
            let _ = self.interface.routes_mut().add_default_ipv4_route(gateway);
        }
        let _ = writeln!(self.vcpu.console(), "webfs: http://{}/", address.address());
    }

    fn look_at_dhcp(&mut self) {
        let Some(handle) = self.dhcp else { return };
        match self.sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll() {
            Some(dhcpv4::Event::Configured(config)) => {
                let (address, gateway) = (config.address, config.router);
                self.use_address(address, gateway);
            }
            Some(dhcpv4::Event::Deconfigured) => self.interface.update_ip_addrs(|all| all.clear()),
            None => {}
        }
    }

    /// Moves packets and connections on; whether there may be more to do at once.
    pub(crate) fn round<D: BlockDevice, T: Transfers>(
        &mut self,
        nic: &mut Nic<'_>,
        server: &mut Server<'_, '_, D, T, CLIENTS>,
        now: u64,
    ) -> Result<bool, Error> {
        let now = instant(now);
        nic.begin();
        let mut moved = true;
        for _ in 0..ROUNDS {
            self.interface.poll(now, nic, &mut self.sockets);
            self.look_at_dhcp();
            moved = server.poll(&mut self.sockets, &self.handles, now);
            if !moved {
                break;
            }
        }
        nic.flush()?;
        Ok(moved)
    }

    /// When to go on if nothing happens before, in nanoseconds.
    pub(crate) fn deadline<D: BlockDevice, T: Transfers>(
        &mut self,
        server: &Server<'_, '_, D, T, CLIENTS>,
        now: u64,
    ) -> Option<u64> {
        let packets = self.interface.poll_at(instant(now), &self.sockets);
        let clients = server.deadline();
        let first = packets.into_iter().chain(clients).min()?;
        // Rounded up: a microsecond early would be a round for nothing.
        Some(u64::try_from(first.total_micros()).unwrap_or(0).saturating_add(1).saturating_mul(1000))
    }
}

fn instant(ns: u64) -> Instant {
    Instant::from_micros(i64::try_from(ns / 1000).unwrap_or(i64::MAX))
}
