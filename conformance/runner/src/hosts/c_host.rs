// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows `c-host` and `c-host-native`: a host that is not ours, the C program that was written from the
//! norm and the C header alone. It is compiled here by the system's compiler.

use super::folder::Folder;
use super::kvm::Level;
use super::process::{self, Whose};
use super::{Host, Image, Machine, seed};
use std::fs::File;
use std::process::{Command, Stdio};
use tenon_guest_images::CONFORMANCE;

const SOURCE: &str = include_str!("../../../../bindings/c/examples/host.c");
const HEADER: &str = include_str!("../../../../bindings/c/tenon.h");

/// A machine ends by itself after so many seconds, should its judge have forgotten it.
const LIMIT: &str = "600";

/// The program, in a folder of its own.
struct CHost {
    level: Level,
    folder: Folder,
}

/// The C host.
///
/// # Errors
///
/// Why it is not available here, in one line.
pub fn host(level: Level, image: Option<&Image>) -> Result<Box<dyn Host>, String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("the C host is for x86-64 Linux".to_owned());
    }
    File::options().read(true).write(true).open("/dev/kvm").map_err(|error| format!("/dev/kvm: {error}"))?;
    let host = CHost { level, folder: Folder::new("c-host")? };
    host.folder.put("host.c", SOURCE.as_bytes())?;
    host.folder.put("tenon.h", HEADER.as_bytes())?;
    host.folder.put("image", image.map_or(CONFORMANCE.bytes, |image| image))?;
    host.compile()?;
    Ok(Box::new(host))
}

impl CHost {
    fn compile(&self) -> Result<(), String> {
        let output = Command::new("cc")
            .args(["-std=gnu11", "-O2", "-o", "host", "host.c"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("there is no C compiler `cc`: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        let first = complaints.lines().find(|line| line.contains("error")).unwrap_or("no complaint");
        Err(format!("`cc` does not compile it: {first}"))
    }
}

impl Host for CHost {
    fn boot(&mut self, command_line: &str) -> Result<Box<dyn Machine>, String> {
        let mut command = Command::new(self.folder.path().join("host"));
        command.args(["-e", "-l", "-t", LIMIT, "-s", &format!("{:x}", seed(command_line))]);
        command.current_dir(self.folder.path()).args(["image", command_line, "serial=burst"]);
        if self.level == Level::User {
            command.arg("mode=native");
        }
        process::start(command, Whose::Ours)
    }
}
