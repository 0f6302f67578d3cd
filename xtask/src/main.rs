// SPDX-License-Identifier: MIT OR Apache-2.0
//! The project's chores, one subcommand and one file each: `cargo xtask --help` lists them.
//!
//! Exit codes: 0 all well, 1 a check found something, 2 wrong usage or something missing on this machine.

#[macro_use]
mod say;

mod at_once;
mod bench;
mod check_abi;
mod ci;
mod durability;
mod examples;
mod failure;
mod fuzz;
mod hostile;
mod images;
mod layers;
mod msrv;
mod mutate_orderings;
#[allow(unreachable_pub, reason = "the images' package has it too")]
#[path = "../../guests/images/src/nested.rs"]
mod nested;
mod package;
mod project;
mod size;
mod spec;
mod test;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// The project's chores.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What has to hold before a change is accepted, beside `cargo test` and `cargo conformance --all`.
    Ci(ci::Args),
    /// The rules that ABI sources and manifests have to keep, checked on the code.
    CheckAbi,
    /// Who may depend on whom: packages by a table, files without a circle.
    Layers,
    /// What kernels link builds with the oldest compiler that it promises.
    Msrv,
    /// What would be published is complete. Nothing is uploaded.
    Package,
    /// The clauses of docs/abi.md: numbering, evidence, citations, generated tables, links.
    Spec(spec::Args),
    /// What Tenon costs: instructions, exits, times against bare exits and interrupts.
    Bench(bench::Args),
    /// The tests of `cargo test --workspace`, as many programs at once as there are processors.
    Test,
    /// Text that Tenon adds to an image.
    Size(size::Args),
    /// Weaken every ordering and fence of the rings: a model has to notice each.
    MutateOrderings,
    /// Feed the host core with what libFuzzer finds.
    Fuzz(fuzz::Args),
    /// Kill hosts while a guest writes and flushes: nothing that was promised may be lost.
    Durability(durability::Args),
    /// The rings under peers that lie, scribble and die, and under the sanitizers.
    Hostile(hostile::Args),
    /// Build and run the examples that stand outside of the workspace.
    Examples(examples::Args),
    /// Boot the images of every architecture on a plain QEMU.
    Images(images::Args),
    /// Run the conformance suite, or any program, in a machine with a standard hypervisor.
    Vm(vm::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Ci(args) => ci::run(&args),
        Command::CheckAbi => check_abi::run(),
        Command::Layers => layers::run(),
        Command::Msrv => msrv::run(),
        Command::Package => package::run(),
        Command::Spec(args) => spec::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Test => test::run(),
        Command::Size(args) => size::run(&args),
        Command::MutateOrderings => mutate_orderings::run(),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Durability(args) => durability::run(&args),
        Command::Hostile(args) => hostile::run(&args),
        Command::Examples(args) => examples::run(&args),
        Command::Images(args) => images::run(&args),
        Command::Vm(args) => vm::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// What every command ends with.
type Outcome = Result<ExitCode, Failure>;
