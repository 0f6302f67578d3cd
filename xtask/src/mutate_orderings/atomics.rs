// SPDX-License-Identifier: MIT OR Apache-2.0
//! No atomic access and no fence outside of the table, and no line of the table without one.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use tenon_rings::Site;

use crate::project::Source;

/// Both sides of the protocol. How a host runs on KVM, or in one process with its guest, how its threads tell
/// each other what to do, what guards a closed domain's memory from its own host, what an end keeps for its
/// own thread, who reads its counts, and the registers of a guest's devices are no part of it.
const PROTOCOL: &[&str] = &["abi/src/", "ring-buffers/src/", "guest-shim/src/", "host-backend/src/"];
const MECHANISM: &[&str] = &[
    "host-backend/src/kvm/",
    "host-backend/src/loopback",
    "host-backend/src/cpus",
    "host-backend/src/memory/closed.rs",
    "host-backend/src/device/owed.rs",
    "host-backend/src/metrics/",
    "guest-shim/src/pci/",
];
/// Who asks a site for its ordering, which no access to an atomic is without.
const ACCESSES: &[&str] = &[
    "ring-buffers/src/words.rs",
    "ring-buffers/src/event/gate.rs",
    "ring-buffers/src/page/latest.rs",
    "ring-buffers/src/order.rs",
];
/// Who names orderings: the table, what tells the compiler, and a count of one side's own that no peer ever
/// sees.
const ORDERINGS: &[&str] =
    &["ring-buffers/src/order.rs", "ring-buffers/src/words.rs", "guest-shim/src/shared.rs"];
/// Who copies payload, which no ordering hangs on.
const PAYLOAD: &[&str] = &["ring-buffers/src/mapping.rs", "ring-buffers/src/mapping/copy.rs"];

/// One line for each breach.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut used = vec![false; Site::ALL.len()];
    for source in sources {
        let path = source.path.as_str();
        let inside = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        if source.extension() != "rs" || !inside(PROTOCOL) || inside(MECHANISM) {
            continue;
        }
        match TokenStream::from_str(&source.text) {
            Ok(tokens) => File { source, problems: &mut problems, used: &mut used }.walk(tokens),
            Err(error) => problems.push(format!("{path}: {error}")),
        }
    }
    for (site, used) in Site::ALL.iter().zip(used) {
        if !used {
            problems.push(format!("{site:?}: a site of the table that is used nowhere"));
        }
    }
    problems
}

struct File<'a> {
    source: &'a Source,
    problems: &'a mut Vec<String>,
    used: &'a mut [bool],
}

impl File<'_> {
    fn walk(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.walk(group.stream()),
                TokenTree::Ident(ident) => {
                    let name = ident.to_string();
                    let rest = tokens.get(index + 1..).unwrap_or_default();
                    // A method, of `Words` for one, goes through the table; its declaration is no call.
                    let before = index.checked_sub(1).and_then(|before| tokens.get(before));
                    let own = before.is_some_and(|token| matches!(token.to_string().as_str(), "." | "fn"));
                    if let Some((what, allowed)) = breach(&name, rest, own)
                        && !allowed.contains(&self.source.path.as_str())
                    {
                        let line = ident.span().start().line;
                        self.problems.push(format!(
                            "{}:{line}: {what} outside of {}",
                            self.source.path,
                            allowed.join(", ")
                        ));
                    }
                    if name == "Site"
                        && let Some(name) = behind_path(rest)
                        && let Some(place) = Site::ALL.iter().position(|site| format!("{site:?}") == name)
                    {
                        self.used[place] = true;
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

/// What an identifier does that few may do, and who may.
fn breach(name: &str, rest: &[TokenTree], own: bool) -> Option<(String, &'static [&'static str])> {
    let called =
        matches!(rest.first(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
    match name {
        // That of comparisons is another.
        "Ordering" => match behind_path(rest) {
            Some(order) if ["Less", "Equal", "Greater"].contains(&order.as_str()) => None,
            _ => Some((name.to_owned(), ORDERINGS)),
        },
        "ordering" if called => Some((format!("{name}()"), ACCESSES)),
        "fence" | "compiler_fence" if called && !own => Some((format!("{name}()"), ORDERINGS)),
        "read_volatile" | "write_volatile" => Some((name.to_owned(), PAYLOAD)),
        _ => None,
    }
}

/// The identifier behind `::`.
fn behind_path(rest: &[TokenTree]) -> Option<String> {
    match rest {
        [TokenTree::Punct(first), TokenTree::Punct(second), TokenTree::Ident(ident), ..]
            if first.as_char() == ':' && second.as_char() == ':' =>
        {
            Some(ident.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};
    use crate::project;

    /// A file that uses each site, so that what is found is in the other one.
    fn everything() -> Source {
        let uses: String = Site::ALL.iter().map(|site| format!("use_it(Site::{site:?});")).collect();
        source("guest-shim/src/all.rs", &format!("fn all() {{ {uses} }}"))
    }

    #[track_caller]
    fn assert_none(problems: &[String]) {
        assert!(problems.is_empty(), "{problems:#?}");
    }

    #[test]
    fn an_atomic_elsewhere_is_found() {
        for (text, expected) in [
            (
                "use core::sync::atomic::{AtomicU8, Ordering as O};",
                "guest-shim/src/x.rs:1: Ordering outside of ring-buffers/src/order.rs",
            ),
            ("fn f() { a.store(0, Site::Status.ordering()) }", "x.rs:1: ordering() outside of"),
            (
                "fn f() {\n    a.load(Ordering::SeqCst);\n}",
                "x.rs:2: Ordering outside of ring-buffers/src/order.rs",
            ),
            ("fn f() { core::sync::atomic::fence(x) }", "fence() outside"),
            (
                "fn f() { unsafe { p.read_volatile() } }",
                "read_volatile outside of ring-buffers/src/mapping.rs",
            ),
        ] {
            assert_one(&check(&[everything(), source("guest-shim/src/x.rs", text)]), expected);
            assert_none(&check(&[everything(), source("host-backend/src/kvm/x.rs", text)]));
        }
        // Words that only look like it.
        let text = "// Ordering\nfn fence(&self) { self.words.fence(Site::ArmFence); let _ = core::cmp::Ordering::Less; }";
        assert_none(&check(&[everything(), source("guest-shim/src/x.rs", text)]));
    }

    #[test]
    fn a_site_without_an_access_is_found() {
        let text = everything().text.replace("use_it(Site::HintFence);", "");
        assert_one(
            &check(&[source("guest-shim/src/all.rs", &text)]),
            "HintFence: a site of the table that is used nowhere",
        );
    }

    #[test]
    fn the_project_keeps_the_rule() {
        assert_none(&check(&project::sources().expect("the project's files")));
    }
}
