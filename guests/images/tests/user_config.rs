// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images are built the same whatever the user's cargo configuration says, wherever the project lies, and
//! wherever temporary files go.

use std::fs;
use std::path::{Path, PathBuf};
use tenon_guest_images::place_of_parameters;
use tenon_guest_images::toolchain::{Arch, HOSTED_TARGET, Toolchain, has_target};

/// What an image is built from: the folder `guests`, and what its manifests name.
const SOURCES: [&str; 6] = ["Cargo.toml", "abi", "ring-buffers", "guest-shim", "conformance/suite", "guests"];

/// A user who changed all that a build of an image hangs on. `HOME` is the folder of the configuration.
const CONFIG: &str = r#"
[build]
build-dir = "HOME/build"
target-dir = "HOME/target"
target = "no-such-target"
rustflags = ["-Clink-arg=-no-such-option"]
incremental = true

[profile.release]
lto = false
panic = "unwind"
opt-level = 0
codegen-units = 256
debug-assertions = true
overflow-checks = true
incremental = true

[profile.release.package."*"]
opt-level = 0
debug-assertions = true

[target.x86_64-unknown-linux-gnu]
rustflags = ["-Clink-arg=-no-such-option"]

[target.x86_64-unknown-none]
rustflags = ["-Clink-arg=-no-such-option"]
"#;

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder is made");
        fs::copy(from, to).expect("a file is copied");
        return;
    }
    for entry in fs::read_dir(from).expect("a folder is listed") {
        let entry = entry.expect("a folder is listed");
        if entry.file_name() != "target" {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    }
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("an old run is removed");
    }
    fs::create_dir_all(&folder).expect("a folder is made");
    folder
}

/// Cargo's folder as the user has it, with another configuration.
fn home(folder: &Path) -> PathBuf {
    let home = folder.join("cargo home");
    fs::create_dir_all(&home).expect("a folder is made");
    let usual = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let usual = usual.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let registry = usual.expect("cargo has a folder").join("registry");
    std::os::unix::fs::symlink(registry, home.join("registry")).expect("a link is made");
    let config = CONFIG.replace("HOME", home.to_str().expect("a path of letters"));
    fs::write(home.join("config.toml"), config).expect("a file is written");
    home
}

#[test]
fn an_image_is_built_against_the_users_configuration() {
    let folder = folder("a user, and a space");
    let project = folder.join("pro,ject");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for source in SOURCES {
        copy(&root.join(source), &project.join(source));
    }
    let (home, temporary) = (home(&folder), folder.join("tmp, too"));
    fs::create_dir_all(&temporary).expect("a folder is made");

    let bare = Arch::X86_64.target();
    let target = if has_target(bare) { bare } else { HOSTED_TARGET };
    let (mut cargo, images) = Toolchain::own(target).build(
        Arch::X86_64,
        &project.join("guests"),
        &["bare"],
        &folder.join("out, and more"),
    );
    cargo.env("CARGO_HOME", &home).env("CARGO_NET_OFFLINE", "true").env("TMPDIR", &temporary);
    let output = cargo.output().expect("cargo is started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let image = fs::read(images.join("bare")).expect("the image lies where it should");
    assert!(image.starts_with(b"\x7fELF") && place_of_parameters(&image).is_some());
    for elsewhere in ["build", "target"] {
        assert!(!home.join(elsewhere).exists(), "something was built in the user's folder `{elsewhere}`");
    }
    fs::remove_dir_all(&folder).expect("what is no longer needed is removed");
}
