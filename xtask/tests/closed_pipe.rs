// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask … | head`: a reader that went away is no panic.

use std::process::{Command, Stdio};

#[test]
fn a_closed_pipe_ends_a_chore_without_a_word() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["hostile", "--only", "release", "--seed", "1"])
        .stdin(Stdio::null())
        .stdout(writer)
        .output()
        .expect("the chores can be run");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(2));
}
