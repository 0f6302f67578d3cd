// SPDX-License-Identifier: MIT OR Apache-2.0
//! A network of the test's own, which goes with it.

use std::process::{Command, Stdio};

/// A network namespace that this test made.
pub(crate) struct Namespace(String);

/// Runs it; what it says on stderr if it fails.
fn ip(args: &[&str]) -> Result<(), String> {
    let output =
        Command::new("ip").args(args).stdin(Stdio::null()).output().map_err(|why| why.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

impl Namespace {
    /// A new one; `None`: this user makes none.
    pub(crate) fn new(what: &str) -> Result<Option<Self>, String> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let name = format!("tenon-{what}-{}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Self(name);
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(Some(namespace))
    }

    fn ip(&self, args: &[&str]) -> Result<(), String> {
        ip(&[&["-n", &self.0], args].concat())
    }

    /// A default route, which leads nowhere.
    pub(crate) fn way_out(&self) {
        let steps: [&[&str]; 5] = [
            &["link", "add", "out0", "type", "veth", "peer", "name", "out1"],
            &["addr", "add", "10.77.0.2/24", "dev", "out0"],
            &["link", "set", "out0", "up"],
            &["link", "set", "out1", "up"],
            &["route", "add", "default", "via", "10.77.0.1"],
        ];
        for step in steps {
            self.ip(step).unwrap_or_else(|why| panic!("{why}"));
        }
    }

    /// A TAP interface with this address.
    pub(crate) fn tap(&self, name: &str, address: &str) -> Result<(), String> {
        self.ip(&["tuntap", "add", "dev", name, "mode", "tap"])?;
        self.ip(&["addr", "add", address, "dev", name])?;
        self.ip(&["link", "set", name, "up"])
    }

    /// A command that runs in it.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.0]);
    }
}

/// A command that runs in the namespace, if there is one.
pub(crate) fn command(namespace: Option<&Namespace>, program: &str) -> Command {
    namespace.map_or_else(|| Command::new(program), |namespace| namespace.command(program))
}

/// Whether this network has a default route.
pub(crate) fn has_way_out() -> bool {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    routes.lines().skip(1).any(|line| line.split_whitespace().nth(1) == Some("00000000"))
}
