// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/guide-guest.md`, followed word for word in an empty folder: a block with a path is a file, and a
//! block of `sh` is run.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::{Context, Failure};
use crate::{nested, project};

const PAGE: &str = "docs/guide-guest.md";
/// What the kernel says at last, beside numbers.
const SAYS: [&str; 3] = ["my-kernel: session ", "my-kernel: up ", "my-kernel: a timer, not early: true"];

/// A block of the page: the words behind its fence, and its text.
struct Block<'a> {
    info: Vec<&'a str>,
    text: String,
}

/// Follows the page, and as far as its last command only where there is a machine. The result says how many
/// steps it had.
pub(super) fn follow(can_boot: bool) -> Result<String, String> {
    let page = fs::read_to_string(project::root().join(PAGE)).map_err(|why| format!("{PAGE}: {why}"))?;
    let folder = tempfile::tempdir().map_err(|why| why.to_string())?;
    steps(&blocks(&page), folder.path(), can_boot).map_err(|failure| format!("{failure:?}"))?
}

fn steps(blocks: &[Block<'_>], folder: &Path, can_boot: bool) -> Result<Result<String, String>, Failure> {
    let kernel = folder.join("my-kernel");
    fs::create_dir_all(kernel.join("src")).context("a folder")?;
    std::os::unix::fs::symlink(project::root(), folder.join("tenon")).context("a link")?;
    let (mut files, mut commands, mut said) = (0, 0, String::new());
    let last = blocks.iter().rposition(|block| block.info == ["sh"]);
    for (index, block) in blocks.iter().enumerate() {
        match block.info.as_slice() {
            ["sh"] if Some(index) == last && !can_boot => {}
            ["sh"] => {
                // By its own path the project is built already.
                let root = format!("cd '{}'", project::root().display());
                let text = block.text.replace("cd ../tenon", &root);
                let text = text.replace("../my-kernel", &kernel.to_string_lossy());
                let mut shell = nested::command("sh");
                shell.args(["-e", "-c", &text]).current_dir(&kernel);
                let output = run(&mut shell)?;
                commands += 1;
                match output {
                    Ok(text) => said = text,
                    Err(why) => return Ok(Err(format!("`{}`: {why}", block.text.trim()))),
                }
            }
            [_, path] => {
                fs::write(kernel.join(path), &block.text).context(path)?;
                files += 1;
            }
            _ => {}
        }
    }
    let silent = SAYS.into_iter().find(|says| can_boot && !said.lines().any(|line| line.starts_with(says)));
    Ok(match silent {
        Some(says) => Err(format!("it did not say `{says}`; it said: {said}")),
        None => Ok(format!("{files} files, {commands} commands")),
    })
}

fn run(command: &mut Command) -> Result<Result<String, String>, Failure> {
    let output = command.stdin(Stdio::null()).output().context("cannot start a shell")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(Ok(text));
    }
    Ok(Err(format!("{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr))))
}

/// The blocks of a page, in order.
fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                open = Some(Block { info: info.split_whitespace().collect(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text += line;
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_files_and_commands() {
        let found = blocks("text\n```rust src/a.rs\nfn a() {}\n\n```\n```sh\nls\n```\n```\nopen\n");
        let found: Vec<_> = found.iter().map(|block| (block.info.clone(), block.text.as_str())).collect();
        assert_eq!(found, [(vec!["rust", "src/a.rs"], "fn a() {}\n\n"), (vec!["sh"], "ls\n")]);
    }
}
