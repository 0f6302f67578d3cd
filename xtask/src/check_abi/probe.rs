// SPDX-License-Identifier: MIT OR Apache-2.0
//! GEN-8: the image that has no way to a panic calls every public function of the shim. A method whose name
//! two types have is called by its path there, so that it is known which one is meant.

use std::collections::{BTreeMap, BTreeSet};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::project::Source;

/// The shim's root.
const SHIM: &str = "guest-shim/src/lib.rs";
/// The image that links only without a way to a panic.
const PROBE: &str = "guests/probe/src/main.rs";
/// What the probe is built for.
const ARCH: &str = "x86_64";

/// Public functions that the probe does not call.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let text = |path: &str| sources.iter().find(|source| source.path == path).map(|source| &*source.text);
    let (Some(_), Some(probe)) = (text(SHIM), text(PROBE)) else { return Vec::new() };
    let mut api = Api::default();
    api.file(&text, SHIM, "guest-shim/src/");
    let mut called = Called::default();
    match syn::parse_file(probe) {
        Ok(file) => called.visit_file(&file),
        Err(error) => api.problems.push(format!("{PROBE}:{}: {error}", error.span().start().line)),
    }
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for function in &api.functions {
        owners.entry(&function.name).or_default().insert(&function.owner);
    }
    for Function { place, owner, name } in &api.functions {
        let only = owners.get(&**name).is_some_and(|owners| owners.len() == 1);
        let by_path = called.paths.contains(&(owner.clone(), name.clone()));
        let as_free = owner.is_empty() && called.names.contains(name);
        if !(by_path || as_free || only && called.methods.contains(name)) {
            let shown = if owner.is_empty() { name.clone() } else { format!("{owner}::{name}") };
            let how = if only { "" } else { " by this path" };
            api.problems
                .push(format!("{place}: `{shown}` is public, and {PROBE} does not call it{how} (GEN-8)"));
        }
    }
    api.problems
}

/// A function that a kernel can call.
struct Function {
    place: String,
    /// Its type; empty for one of a module's.
    owner: String,
    name: String,
}

#[derive(Default)]
struct Api {
    functions: Vec<Function>,
    problems: Vec<String>,
}

impl Api {
    /// A file and the modules that it names, which lie in `folder`.
    fn file<'s>(&mut self, text: &impl Fn(&str) -> Option<&'s str>, path: &str, folder: &str) {
        let Some(source) = text(path) else { return };
        let file = match syn::parse_file(source) {
            Ok(file) => file,
            Err(error) => {
                self.problems.push(format!("{path}:{}: {error}", error.span().start().line));
                return;
            }
        };
        for item in &file.items {
            match item {
                syn::Item::Mod(module) if module.content.is_none() && is_here(&module.attrs) => {
                    let inner = format!("{folder}{}", module.ident);
                    self.file(text, &format!("{inner}.rs"), &format!("{inner}/"));
                }
                syn::Item::Fn(function) if is_public(&function.vis) && is_here(&function.attrs) => {
                    self.add(path, "", &function.sig);
                }
                syn::Item::Impl(block) if is_here(&block.attrs) => self.block(path, block),
                _ => {}
            }
        }
    }

    /// Public functions of a type, and those that it has by a trait of this crate's, which is one whose name
    /// is not a path.
    fn block(&mut self, path: &str, block: &syn::ItemImpl) {
        let syn::Type::Path(owner) = &*block.self_ty else { return };
        let Some(owner) = owner.path.segments.last().map(|segment| segment.ident.to_string()) else { return };
        let of_trait = match &block.trait_ {
            Some((_, name, _)) if FOREIGN.iter().any(|foreign| ends_with(name, foreign)) => return,
            other => other.is_some(),
        };
        for item in &block.items {
            if let syn::ImplItem::Fn(function) = item
                && (of_trait || is_public(&function.vis))
                && is_here(&function.attrs)
            {
                self.add(path, &owner, &function.sig);
            }
        }
    }

    fn add(&mut self, path: &str, owner: &str, signature: &syn::Signature) {
        let place = format!("{path}:{}", signature.span().start().line);
        self.functions.push(Function { place, owner: owner.to_owned(), name: signature.ident.to_string() });
    }
}

/// Traits of the language's and of the rings', whose functions nobody calls by their names.
const FOREIGN: &[&str] = &[
    "Bell", "Default", "Debug", "Display", "Drop", "Error", "From", "Send", "Sync", "Write", "Clone",
    "Platform",
];

fn ends_with(path: &syn::Path, name: &str) -> bool {
    path.segments.last().is_some_and(|last| last.ident == name)
}

const fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

/// Whether it exists in the probe's build.
fn is_here(attributes: &[syn::Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .all(|attribute| attribute.parse_args::<syn::Meta>().map_or(true, |meta| holds(&meta)))
}

fn holds(meta: &syn::Meta) -> bool {
    let all = syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated;
    match meta {
        syn::Meta::Path(path) => !path.is_ident("test"),
        syn::Meta::NameValue(pair) => {
            let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(value), .. }) = &pair.value else {
                return true;
            };
            !pair.path.is_ident("target_arch") || value.value() == ARCH
        }
        syn::Meta::List(list) => {
            let Ok(inner) = list.parse_args_with(all) else { return true };
            match list.path.get_ident().map(ToString::to_string).as_deref() {
                Some("any") => inner.iter().any(holds),
                Some("not") => !inner.iter().all(holds),
                _ => inner.iter().all(holds),
            }
        }
    }
}

/// What the probe calls, or names as a value.
#[derive(Default)]
struct Called {
    methods: BTreeSet<String>,
    names: BTreeSet<String>,
    paths: BTreeSet<(String, String)>,
}

impl<'ast> Visit<'ast> for Called {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.methods.insert(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        let mut names = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
        if let Some(name) = names.next() {
            self.names.insert(name.clone());
            if let Some(owner) = names.next() {
                self.paths.insert((owner, name));
            }
        }
        visit::visit_expr_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_abi::testing::{assert_one, source};

    fn problems(shim: &str, probe: &str) -> Vec<String> {
        check(&[
            source(SHIM, shim),
            source(PROBE, probe),
            source("guest-shim/src/inner.rs", "pub fn deep() {}"),
        ])
    }

    #[test]
    fn what_is_called_is_no_problem() {
        let shim =
            "pub fn free() {} impl A<'_> { pub fn one(&self) {} fn own(&self) {} pub(crate) fn us() {} }";
        assert_eq!(problems(shim, "fn f(a: A) { free(); a.one(); }"), [""; 0]);
        assert_eq!(problems(shim, "fn f(a: A) { free(); g(A::one); }"), [""; 0]);
    }

    #[test]
    fn what_is_not_called_is_told_with_its_place() {
        assert_one(&problems("\npub fn free() {}", "fn f() {}"), "guest-shim/src/lib.rs:2: `free`");
        assert_one(&problems("impl A { pub fn one(&self) {} }", "fn f() { two(); }"), "`A::one`");
        assert_one(&problems("mod inner;", "fn f() {}"), "guest-shim/src/inner.rs:1: `deep`");
        assert_one(&problems("impl Conduit for A { fn kick(&self) {} }", "fn f() {}"), "`A::kick`");
    }

    #[test]
    fn a_name_that_two_types_have_needs_its_path() {
        let shim = "impl A { pub fn one(&self) {} } impl B { pub fn one(&self) {} }";
        assert_eq!(problems(shim, "fn f(a: A, b: B) { A::one(&a); B::one(&b); }"), [""; 0]);
        assert_one(&problems(shim, "fn f(a: A, b: B) { a.one(); B::one(&b); }"), "`A::one`");
    }

    #[test]
    fn other_processors_and_tests_do_not_count() {
        let other = "#[cfg(any(target_arch = \"aarch64\", target_arch = \"riscv64\"))] mod inner;";
        assert_eq!(problems(other, "fn f() {}"), [""; 0]);
        assert_eq!(problems("#[cfg(test)] pub fn free() {}", "fn f() {}"), [""; 0]);
        assert_one(&problems("#[cfg(not(target_arch = \"aarch64\"))] mod inner;", "fn f() {}"), "`deep`");
        assert_one(&problems("#[cfg(target_arch = \"x86_64\")] pub fn free() {}", "fn f() {}"), "`free`");
    }
}
