// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a client may expect.

use super::net::{Namespace, command};
use super::volume::{BIG, FOREIGN, LONG, MANY, Volume, name};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Seconds that one transfer may take on a loaded machine.
const SECONDS: &str = "240";
/// More torn connections than the guest has room for at once.
const TORN: usize = 40;

pub(crate) struct Client<'a> {
    pub(crate) namespace: Option<&'a Namespace>,
    pub(crate) url: &'a str,
}

/// A path as it stands in a URL.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

impl Client<'_> {
    fn curl(&self, args: &[&str]) -> Command {
        let mut curl = command(self.namespace, "curl");
        curl.args(["--silent", "--show-error", "--max-time", SECONDS, "--noproxy", "*"]).args(args);
        curl.stdin(Stdio::null());
        curl
    }

    fn at(&self, path: &str) -> String {
        format!("{}{}", self.url, encoded(path))
    }

    /// Runs curl, which must succeed; what it prints.
    fn said(&self, args: &[&str]) -> Vec<u8> {
        let output = self.curl(args).output().expect("curl");
        assert!(output.status.success(), "curl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn status(&self, args: &[&str]) -> String {
        let mut all = vec!["--output", "/dev/null", "--write-out", "%{http_code}"];
        all.extend(args);
        String::from_utf8(self.said(&all)).expect("a status")
    }

    pub(crate) fn whole_files(&self, volume: &Volume) {
        let got = self.said(&["--fail", &self.at(BIG)]);
        assert!(got == volume.big, "{BIG}: {} bytes, and not those of the file", got.len());
        assert_eq!(self.said(&["--fail", &self.at(LONG)]), b"long");
        assert_eq!(self.said(&["--fail", &self.at(FOREIGN)]), "Stra\u{df}e".as_bytes());
        assert_eq!(self.said(&["--fail", &self.at("empty")]), b"");
    }

    pub(crate) fn ranges(&self, volume: &Volume) {
        let big = self.at(BIG);
        for (range, from, to) in
            [("1000000-1999999", 1_000_000, 2_000_000), ("-777", (16 << 20) - 777, 16 << 20)]
        {
            assert_eq!(self.status(&["--range", range, &big]), "206");
            assert!(self.said(&["--range", range, &big]) == volume.big[from..to], "{range}");
        }
        assert_eq!(self.status(&["--range", "16777216-", &big]), "416");
        // Half of it, and then the rest, as a user who was cut off does.
        let half = volume.folder().join("half");
        fs::write(&half, &volume.big[..8 << 20]).expect("a file");
        let half = half.to_str().expect("a path of UTF-8");
        let _ = self.said(&["--continue-at", "-", "--output", half, &big]);
        assert!(fs::read(half).expect("a file") == volume.big, "a transfer that was resumed");
    }

    pub(crate) fn other_statuses(&self) {
        assert_eq!(self.status(&[&self.at("none")]), "404");
        assert_eq!(self.status(&["--path-as-is", &self.at("a folder/../none")]), "404");
        assert_eq!(self.status(&["--request", "DELETE", &self.at(BIG)]), "405");
        assert_eq!(self.status(&[&self.at("a folder")]), "301");
        let head = String::from_utf8(self.said(&["--head", &self.at(BIG)])).expect("a head");
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("Content-Length: 16777216"), "{head}");
    }

    /// The second file comes by the connection of the first.
    pub(crate) fn one_connection(&self, volume: &Volume) {
        let (first, second) = (volume.folder().join("first"), volume.folder().join("second"));
        let mut curl = self.curl(&["--write-out", "%{num_connects} "]);
        curl.arg("--output").arg(&first).arg(self.at(LONG));
        curl.arg("--output").arg(&second).arg(self.at(&name(0)));
        let output = curl.output().expect("curl");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1 0");
        assert!(fs::read(second).expect("a file") == volume.many[0]);
    }

    pub(crate) fn many_at_once(&self, volume: &Volume) {
        let out = |number: usize| volume.folder().join(format!("out-{number}"));
        let begin = |number| {
            self.curl(&["--fail", &self.at(&name(number))])
                .arg("--output")
                .arg(out(number))
                .spawn()
                .expect("curl")
        };
        let mut running: Vec<_> = (0..MANY).map(begin).collect();
        for (number, curl) in running.iter_mut().enumerate() {
            assert!(curl.wait().expect("curl").success(), "client {number}");
            assert!(fs::read(out(number)).expect("a file") == volume.many[number], "client {number}");
        }
    }

    /// Clients that are killed in the middle of a file.
    pub(crate) fn torn(&self, volume: &Volume) {
        for number in 0..TORN {
            let out = volume.folder().join(format!("torn-{number}"));
            let mut curl = self.curl(&["--no-buffer", "--limit-rate", "200k", &self.at(BIG)]);
            let mut curl = curl.arg("--output").arg(&out).spawn().expect("curl");
            for _ in 0..1000 {
                if len(&out) > 0 {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
            curl.kill().expect("a client to kill");
            curl.wait().expect("a client to kill");
            assert!(len(&out) < volume.big.len() as u64, "it was torn");
        }
        assert!(self.said(&["--fail", &self.at(&name(1))]) == volume.many[1], "and the next one is served");
    }

    pub(crate) fn listing(&self) {
        let page = String::from_utf8(self.said(&["--fail", self.url])).expect("a page");
        assert!(page.contains(&format!("<a href=\"{}\">", encoded(BIG))), "{page}");
        let page = String::from_utf8(self.said(&["--fail", &self.at("a folder/")])).expect("a page");
        for path in [LONG, FOREIGN] {
            let name = path.rsplit('/').next().unwrap_or_default();
            assert!(page.contains(&format!("\">{name}</a>")), "{name}: {page}");
        }
    }

    /// A browser opens the listing. What it shows is kept under the target folder.
    pub(crate) fn browser(&self) {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let runs = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
        let Some(browser) = names.iter().find(runs) else {
            return println!("skipped: webfs.browser: there is no program chromium here");
        };
        let profile = tempfile::tempdir().expect("a folder");
        let shot = Path::new(env!("CARGO_TARGET_TMPDIR")).join(match self.namespace {
            Some(_) if self.url.contains("127.0.0.1") => "webfs-passt.png",
            Some(_) => "webfs-tap.png",
            None => "webfs.png",
        });
        let _ = fs::remove_file(&shot);
        let mut chromium = command(self.namespace, "timeout");
        chromium.args([
            "120",
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ]);
        chromium.args(["--no-first-run", "--window-size=900,700", "--proxy-server=direct://"]);
        chromium.arg(format!("--user-data-dir={}", profile.path().display()));
        chromium.arg(format!("--screenshot={}", shot.display())).arg(self.url).stdin(Stdio::null());
        let output = chromium.output().expect("a browser");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", output.status);
        let image = fs::read(&shot).unwrap_or_else(|why| panic!("{}: {why}: {said}", shot.display()));
        assert!(image.starts_with(b"\x89PNG") && image.len() > 5000, "{} bytes are no page", image.len());
        println!("webfs.browser: {}", shot.display());
    }
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}
