// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report as a page, in a browser: it draws itself, filters, and its links lead to clauses.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What somebody does with the page: types, looks how many clauses are left, and follows a link. What came of
/// it is the page's title.
const HAND: &str = r##"<script>
const all = document.querySelectorAll("article").length;
const input = document.getElementById("text");
input.value = "BLK-6";
input.dispatchEvent(new Event("input"));
const few = [...document.querySelectorAll("article")].map(one => one.id);
input.value = "";
input.dispatchEvent(new Event("input"));
document.querySelector("#failed tbody a").click();
const target = document.getElementById(location.hash.slice(1));
target.querySelector("details").open = true;
setTimeout(() => {
  const rows = target.querySelectorAll("details tr").length;
  const failed = document.querySelectorAll("#failed tbody tr").length;
  document.title = `all=${all > 200} few=${few.join("+")} hash=${location.hash} rows=${rows > 0} failed=${failed > 0}`;
}, 200);
</script>"##;

fn browser() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
}

fn page() -> String {
    let mut runner = Command::new(env!("CARGO_BIN_EXE_tenon-conformance"));
    runner.args(["--fault", "value-on-error", "--filter", "call.", "--format", "html"]).stdin(Stdio::null());
    let Output { status, stdout, .. } = runner.output().expect("it runs");
    assert_eq!(status.code(), Some(1), "a case fails, and the page says so");
    String::from_utf8(stdout).expect("text")
}

#[test]
fn a_browser_filters_the_page_and_follows_its_links() {
    let page = page();
    assert!(!page.contains("http://") && !page.contains("https://"), "it names the network");
    let Some(browser) = browser() else {
        return println!("skipped: html: there is no program chromium here");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.html");
    fs::write(&path, page + HAND).expect("the folder is the test's own");
    let shot = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.png");
    let _ = fs::remove_file(&shot);
    let run = |what: &str| {
        let mut chromium = Command::new("timeout");
        chromium.args(["180", browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
        chromium.args([
            "--disable-dev-shm-usage",
            "--window-size=1300,1600",
            "--virtual-time-budget=5000",
            what,
        ]);
        chromium.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
        chromium.arg(format!("file://{}", path.display())).stdin(Stdio::null());
        let output = chromium.output().expect("a browser");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {said}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let shown = run("--dump-dom");
    let title =
        shown.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).expect("a title").0;
    let hash = title.split_once("hash=#").and_then(|(_, rest)| rest.split_once(' ')).expect("a link").0;
    assert!(page_has(&shown, hash), "{title}");
    assert_eq!(title, format!("all=true few=BLK-6 hash=#{hash} rows=true failed=true"));
    run(&format!("--screenshot={}", shot.display()));
    let image = fs::read(&shot).expect("a screenshot");
    assert!(image.starts_with(b"\x89PNG") && image.len() > 5000, "{} bytes are no page", image.len());
    println!("html: {}", shot.display());
}

fn page_has(page: &str, clause: &str) -> bool {
    clause.contains('-') && page.contains(&format!("<article id=\"{clause}\">"))
}
