// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine's first and only file system: a cpio archive in memory.

use super::model::Console;

/// What the machine starts with.
pub(crate) struct Parts<'a> {
    /// The shell and its tools, one static binary.
    pub(crate) busybox: Vec<u8>,
    /// Kernel modules, in the order in which they are inserted.
    pub(crate) modules: Vec<(String, Vec<u8>)>,
    /// How the machine talks to the outside.
    pub(crate) console: Console,
    /// What the kernel has to say of the machine: a file of its own and its line.
    pub(crate) proof: Option<(&'static str, &'static str)>,
    /// The program to run.
    pub(crate) program: Vec<u8>,
    /// What it is linked to, with the absolute paths by which it asks for it.
    pub(crate) libraries: Vec<(String, Vec<u8>)>,
    /// A file beside it: [`IMAGE`].
    pub(crate) image: Option<Vec<u8>>,
    /// Its arguments.
    pub(crate) args: &'a [String],
}

/// Where the program finds the file that was put beside it.
pub(crate) const IMAGE: &str = "/image";
/// What the boot script says on the control port when the program is about to start.
pub(crate) const READY: &str = "ready";
/// What it says, before a number, when the program has ended.
pub(crate) const EXIT: &str = "exit ";
/// What it says, before a reason, when the program cannot be started.
pub(crate) const BROKEN: &str = "broken ";

/// Folders that are always there.
const DIRS: [&str; 6] = ["bin", "dev", "lib", "proc", "sys", "tmp"];

/// Packs the file system.
pub(crate) fn pack(parts: &Parts<'_>) -> Vec<u8> {
    let mut archive = Archive::default();
    for dir in DIRS {
        archive.add(dir, 0o040_755, &[]);
    }
    archive.add("bin/busybox", 0o100_755, &parts.busybox);
    for (name, code) in &parts.modules {
        archive.add(&format!("lib/{name}.ko"), 0o100_644, code);
    }
    archive.add("program", 0o100_755, &parts.program);
    let mut folders = DIRS.map(str::to_owned).to_vec();
    for (path, code) in &parts.libraries {
        let path = path.trim_start_matches('/');
        for (at, _) in path.match_indices('/') {
            // A folder stands before what lies in it.
            if !folders.iter().any(|known| known == &path[..at]) {
                folders.push(path[..at].to_owned());
                archive.add(&path[..at], 0o040_755, &[]);
            }
        }
        archive.add(path, 0o100_755, code);
    }
    if let Some(image) = &parts.image {
        archive.add(IMAGE.trim_start_matches('/'), 0o100_644, image);
    }
    let names: Vec<&str> = parts.modules.iter().map(|(name, _)| name.as_str()).collect();
    archive.add("init", 0o100_755, script(&names, parts.console, parts.proof, parts.args).as_bytes());
    archive.finish()
}

/// The boot script. The console is left to the kernel; the program's streams and our own words have a
/// port each, so that no boot message can be taken for either. The program sees pipes, not terminals.
fn script(modules: &[&str], console: Console, proof: Option<(&str, &str)>, args: &[String]) -> String {
    let proof = proof.map_or_else(String::new, |(file, line)| {
        format!(
            r#"[ "$(cat {file})" = {line} ] || {{ echo "{BROKEN}{file} is not {line}" >&5; poweroff -f; }}"#
        )
    });
    let quoted: String = args.iter().map(|arg| format!(" '{}'", arg.replace('\'', r"'\''"))).collect();
    let ([out, err, control], setup) = match console {
        Console::Isa => (
            ["/dev/ttyS1", "/dev/ttyS2", "/dev/ttyS3"],
            "for port in 1 2 3; do stty -F /dev/ttyS$port raw -echo; done",
        ),
        Console::Virtio => (["/dev/vport0p1", "/dev/vport0p2", "/dev/vport0p3"], ""),
    };
    format!(
        r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
{setup}
exec 5>{control}
for module in {modules}; do
    insmod /lib/$module.ko || {{ echo "{BROKEN}insmod $module" >&5; poweroff -f; }}
done
[ -c /dev/kvm ] || {{ echo "{BROKEN}no /dev/kvm" >&5; poweroff -f; }}
{proof}
mkfifo /tmp/out /tmp/err
cat /tmp/out >{out} &
cat /tmp/err >{err} &
cd /tmp
export PATH=/bin HOME=/tmp TMPDIR=/tmp
echo {READY} >&5
/program{quoted} </dev/null >/tmp/out 2>/tmp/err 5>&-
code=$?
wait
echo "{EXIT}$code" >&5
exec 5>&-
poweroff -f
"#,
        modules = modules.join(" ")
    )
}

/// A cpio archive of the `newc` kind, the one that Linux unpacks at boot.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    inodes: usize,
}

impl Archive {
    fn add(&mut self, name: &str, mode: usize, data: &[u8]) {
        self.inodes += 1;
        let (links, nul) = (1, 1);
        let fields = [self.inodes, mode, 0, 0, links, 0, data.len(), 0, 0, 0, 0, name.len() + nul, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_aligned_headers_and_a_trailer() {
        let mut archive = Archive::default();
        archive.add("a", 0o100_644, b"hello");
        let bytes = archive.finish();
        assert_eq!(&bytes[..14], b"07070100000001");
        // Header 110 bytes, name "a\0", data at the next multiple of four.
        assert_eq!(&bytes[112..117], b"hello");
        assert_eq!(&bytes[120..126], b"070701");
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.windows(11).any(|name| name == b"TRAILER!!!\0"));
    }

    #[test]
    fn a_library_lies_where_the_program_looks_for_it() {
        let packed = pack(&Parts {
            busybox: Vec::new(),
            modules: Vec::new(),
            console: Console::Isa,
            proof: None,
            program: Vec::new(),
            libraries: [("/lib/x/a.so", b"one"), ("/usr/lib/x/b.so", b"two")]
                .map(|(path, code)| (path.to_owned(), code.to_vec()))
                .to_vec(),
            image: None,
            args: &[],
        });
        let find = |name: &str| {
            let name = [name.as_bytes(), b"\0"].concat();
            packed.windows(name.len()).position(|bytes| bytes == name)
        };
        let order = ["lib", "lib/x", "lib/x/a.so", "usr", "usr/lib", "usr/lib/x", "usr/lib/x/b.so"].map(find);
        assert!(order.iter().all(Option::is_some), "{order:?}");
        assert!(order.is_sorted(), "{order:?}");
    }

    #[test]
    fn arguments_reach_the_program_as_they_are() {
        let text = script(&["kvm"], Console::Isa, None, &["--filter".to_owned(), "it's $HOME".to_owned()]);
        assert!(text.contains(r"/program '--filter' 'it'\''s $HOME' <"), "{text}");
    }
}
