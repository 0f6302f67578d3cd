// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask layers`: who may depend on whom, between packages and between files.

mod circle;
mod modules;
mod packages;
mod uses;

use std::process::ExitCode;

use crate::failure::Failure;
use crate::project::Source;
use crate::{Outcome, project};
use modules::Crate;

/// Crates whose files depend on each other in one direction.
const CRATES: &[&str] = &["abi/src/", "host-backend/src/", "guest-shim/src/"];

/// Checks both and reports each breach in a line of its own.
pub(crate) fn run() -> Outcome {
    let sources = project::sources()?;
    let (mut problems, count) = packages::check(&sources);
    let mut files = 0;
    for folder in CRATES {
        let (found, checked) = check_files(folder, &sources);
        problems.extend(found);
        files += checked;
    }
    if problems.is_empty() {
        println!("layers: {count} packages depend as they may; {files} files, no circle");
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Verdict(problems))
}

/// Circles of files in one crate, and how many files there are.
fn check_files(folder: &str, sources: &[Source]) -> (Vec<String>, usize) {
    let (krate, mut problems) = Crate::read(folder, sources);
    let circles = circle::find(&krate.edges());
    problems.extend(circles.iter().map(|circle| krate.describe(circle)));
    (problems, krate.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> =
            files.iter().map(|(name, text)| source(&format!("a/src/{name}"), text)).collect();
        check_files("a/src/", &sources).0
    }

    #[test]
    fn files_in_one_direction_pass() {
        let problems = check(&[
            ("lib.rs", "mod call; mod status; mod vcpu; pub use call::Call; pub use status::Status;"),
            ("status.rs", "pub struct Status;"),
            ("call.rs", "use crate::Status; pub struct Call(Status);"),
            ("vcpu.rs", "mod start; pub use start::Start; use crate::Call; fn f(_: Call) {}"),
            ("vcpu/start.rs", "pub struct Start(crate::status::Status); fn f() { crate::call::g() }"),
        ]);
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn a_circle_of_imports_is_found() {
        let problems = check(&[
            ("lib.rs", "mod call; mod status;"),
            ("call.rs", "use crate::status::Status; pub struct Call(Status);"),
            ("status.rs", "use crate::call::Call; pub struct Status(Call);"),
        ]);
        assert_one(&problems, "a/src/call.rs -> a/src/status.rs (crate::status::Status)");
        assert_one(&problems, "-> a/src/call.rs (crate::call::Call)");
    }

    #[test]
    fn a_circle_through_a_re_export_is_found() {
        let problems = check(&[
            ("lib.rs", "mod call; mod status; pub use call::*; pub use status::Status as State;"),
            ("call.rs", "pub struct Call; fn f() -> crate::State { todo!() }"),
            ("status.rs", "pub struct Status(crate::Call);"),
        ]);
        assert_one(&problems, "a/src/call.rs -> a/src/status.rs (crate::State)");
    }

    #[test]
    fn a_circle_of_a_file_and_its_folder_is_found() {
        let problems = check(&[
            ("lib.rs", "mod kvm;"),
            ("kvm.rs", "mod machine; pub struct Error; fn f() { machine::run() }"),
            ("kvm/machine.rs", "use super::Error; pub fn run() -> Error { Error }"),
        ]);
        assert_one(&problems, "a/src/kvm.rs -> a/src/kvm/machine.rs (machine::run)");
    }

    #[test]
    fn a_circle_in_a_macro_and_through_an_alias_is_found() {
        let problems = check(&[
            ("lib.rs", "mod wire; mod layout;"),
            ("wire.rs", "macro_rules! wire { ($a:ident) => { const A: $crate::layout::Struct = $a; } }"),
            ("layout.rs", "pub struct Struct; use crate::wire as other; const B: u8 = other::SIZE;"),
        ]);
        assert_one(&problems, "(crate::layout::Struct)");
        let problems = check(&[
            ("lib.rs", "mod arch; mod error;"),
            ("arch.rs", "mod x86; pub use x86::IMAGE;"),
            ("arch/x86.rs", "pub const IMAGE: crate::error::Error = 0;"),
            ("error.rs", "use crate::arch; pub type Error = [u8; arch::IMAGE];"),
        ]);
        assert_one(&problems, "a/src/error.rs (crate::error::Error)");
    }

    #[test]
    fn a_macro_means_what_its_user_means() {
        let problems = check(&[
            ("lib.rs", "mod wire; mod call;"),
            ("wire.rs", "macro_rules! wire { () => { use super::call::Call; use self::Other; } }"),
            ("call.rs", "use crate::wire::wire; pub struct Call; wire!();"),
        ]);
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn what_a_file_itself_uses_of_its_re_exports_counts() {
        let problems = check(&[
            ("lib.rs", "mod call;"),
            ("call.rs", "mod queue; pub use queue::Queue; pub struct Depth; fn f(_: Queue) {}"),
            ("call/queue.rs", "pub struct Queue(super::Depth);"),
        ]);
        assert_one(&problems, "a/src/call.rs -> a/src/call/queue.rs (Queue)");
    }

    #[test]
    fn a_circle_in_an_attribute_is_found() {
        let problems = check(&[
            ("lib.rs", "mod arch; mod error;"),
            ("arch.rs", "pub const IMAGE: crate::error::Error = 0;"),
            ("error.rs", "#[derive(Error)] #[error(\"pass {x}\", x = super::arch::IMAGE)] pub struct Error;"),
        ]);
        assert_one(&problems, "a/src/arch.rs (super::arch::IMAGE)");
    }

    #[test]
    fn a_variable_with_the_name_of_a_module_needs_no_file() {
        let files = |code: &str| {
            let domain = format!("mod vcpu; pub struct Domain; fn f(vcpu: u32) {{ {code} }}");
            check(&[
                ("lib.rs", "mod domain;"),
                ("domain.rs", &domain),
                ("domain/vcpu.rs", "use super::Domain; pub fn stop(_: Domain) {}"),
            ])
        };
        assert_eq!(files("let _ = vcpu; println!(\"{}\", vcpu)"), [""; 0]);
        assert_one(&files("vcpu::stop(Domain)"), "a/src/domain.rs -> a/src/domain/vcpu.rs (vcpu::stop)");
    }

    #[test]
    fn tests_may_look_back() {
        let under = |condition: &str| {
            let tests =
                format!("pub struct Status; #[cfg({condition})] mod checks {{ use crate::call::Call; }}");
            check(&[
                ("lib.rs", "mod call; mod status;"),
                ("call.rs", "use crate::status::Status;"),
                ("status.rs", &tests),
            ])
        };
        assert_eq!(under("test"), [""; 0]);
        assert_eq!(under("all(test, target_arch = \"x86_64\")"), [""; 0]);
        for more in ["any(test, target_arch = \"x86_64\")", "not(test)", "all(unix, not(test))"] {
            assert_one(&under(more), "-> a/src/call.rs (crate::call::Call)");
        }
    }
}
