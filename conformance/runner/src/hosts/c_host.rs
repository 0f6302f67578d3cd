// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows `c-host` and `c-host-native`: a host that is not ours, the C program that was written from the norm and the C header alone. It is
//! compiled here by the system's compiler.

use super::kvm::Level;
use super::{Host, Image, Machine, process, seed};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tenon_guest_images::CONFORMANCE;

const SOURCE: &str = include_str!("../../../../bindings/c/examples/host.c");
const HEADER: &str = include_str!("../../../../bindings/c/tenon.h");

/// A machine ends by itself after so many seconds, should its judge have forgotten it.
const LIMIT: &str = "600";

/// The program, in a folder of its own that goes with it.
struct CHost {
    level: Level,
    folder: PathBuf,
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
    let host = CHost { level, folder: folder()? };
    let put = |name, bytes: &[u8]| {
        fs::write(host.folder.join(name), bytes).map_err(|error| format!("{name}: {error}"))
    };
    fs::create_dir_all(&host.folder).map_err(|error| format!("{}: {error}", host.folder.display()))?;
    put("host.c", SOURCE.as_bytes())?;
    put("tenon.h", HEADER.as_bytes())?;
    put("image", image.map_or(CONFORMANCE.bytes, |image| image))?;
    host.compile()?;
    Ok(Box::new(host))
}

/// A folder that no other run uses, beside this program: in the build's own folder, where things are built.
fn folder() -> Result<PathBuf, String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let program =
        std::env::current_exe().map_err(|error| format!("the executable does not know itself: {error}"))?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(program.with_file_name(format!("c-host-{}-{number}", std::process::id())))
}

impl CHost {
    fn compile(&self) -> Result<(), String> {
        let output = Command::new("cc")
            .args(["-std=gnu11", "-O2", "-o", "host", "host.c"])
            .current_dir(&self.folder)
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
        let mut command = Command::new(self.folder.join("host"));
        command.args(["-e", "-l", "-t", LIMIT, "-s", &format!("{:x}", seed(command_line))]);
        command.current_dir(&self.folder).args(["image", command_line, "serial=burst"]);
        if self.level == Level::User {
            command.arg("mode=native");
        }
        process::start(command)
    }
}

impl Drop for CHost {
    fn drop(&mut self) {
        // What cannot be removed lies in the build's own folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
