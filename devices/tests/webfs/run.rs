// SPDX-License-Identifier: MIT OR Apache-2.0
//! The example, running.

use super::net::{Namespace, command};
use super::volume::Volume;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// How long the guest may take to say where it is; a loaded machine is slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// Says what is missing here, if anything is.
pub(crate) fn skip(name: &str, programs: &[&str]) -> bool {
    if let Err(why) = OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        println!("skipped: {name}: /dev/kvm: {why}");
        return true;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    let missing =
        programs.iter().find(|program| !folders.iter().any(|folder| folder.join(program).is_file()));
    if let Some(program) = missing {
        println!("skipped: {name}: there is no program {program} here");
    }
    missing.is_some()
}

/// The example and its guest, built once.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "tenon-devices", "--example", "webfs"]);
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo");
    assert!(status.success(), "the example was not built");
    if let Err(why) = tenon_guest_images::image("webfs", tenon_guest_images::Arch::X86_64) {
        panic!("{why}");
    }
    // <target folder>/debug/deps/<this test>
    let here = std::env::current_exe().expect("a path");
    let folder = here.ancestors().nth(2).expect("a folder");
    folder.join("examples/webfs")
});

pub(crate) struct Served {
    child: Child,
    says: Receiver<String>,
    log: PathBuf,
}

impl Served {
    pub(crate) fn start(volume: &Volume, namespace: Option<&Namespace>, args: &[&str]) -> Self {
        let log = volume.path("log");
        let program = PROGRAM.to_str().expect("a path of UTF-8");
        let mut child = command(namespace, program)
            .arg("--disk")
            .arg(volume.image())
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("the example");
        let stdout = BufReader::new(child.stdout.take().expect("its stdout"));
        let (say, says) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, says, log }
    }

    /// What it prints first.
    pub(crate) fn url(&self) -> String {
        let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
        self.says.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no address: {}", log()))
    }

    /// Nobody asks for anything, and so it takes next to no time: it would take all there is if it looked.
    pub(crate) fn rests(&self) {
        const LOOK: Duration = Duration::from_secs(2);
        // What was asked before may still go on for a moment.
        thread::sleep(Duration::from_millis(500));
        let before = self.ticks();
        thread::sleep(LOOK);
        let taken = self.ticks() - before;
        // 100 ticks a second.
        assert!(taken < 100, "{taken} ticks of {LOOK:?} with nothing to do");
    }

    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join("stat"));
        let stat = stat.expect("it runs");
        // Behind the name, which may have spaces.
        let rest = stat.rsplit_once(')').expect("a name").1;
        rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
