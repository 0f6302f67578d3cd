// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one file names and what it defines.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Meta, Token, UseTree, Visibility};

/// A line of imports, spread out to one name each.
#[derive(Clone, Debug)]
pub(super) struct Import {
    /// The path as it is written.
    pub(super) path: Vec<String>,
    /// The name that it has here; `None` for everything that the path's module has.
    pub(super) name: Option<String>,
    /// Others get it from here: the line of a contents page.
    pub(super) is_re_export: bool,
    /// How many modules deep inside of the file.
    depth: usize,
}

/// A file, read.
#[derive(Default, Debug)]
pub(super) struct File {
    pub(super) imports: Vec<Import>,
    /// Paths in code, with the depth at which they stand.
    paths: Vec<(Vec<String>, usize)>,
    /// Names of items.
    pub(super) defines: BTreeSet<String>,
    depth: usize,
}

impl File {
    pub(super) fn read(text: &str) -> syn::Result<Self> {
        let mut file = Self::default();
        file.visit_file(&syn::parse_file(text)?);
        Ok(file)
    }

    /// Every path in code and whether an import is meant that only others need.
    pub(super) fn used(&self) -> impl Iterator<Item = Vec<String>> {
        self.paths.iter().map(|(path, depth)| outside(path, *depth))
    }

    /// Every import, as seen from the file's own module.
    pub(super) fn imported(&self) -> impl Iterator<Item = Import> {
        self.imports
            .iter()
            .map(|import| Import { path: outside(&import.path, import.depth), ..import.clone() })
    }

    fn import(&mut self, mut path: Vec<String>, tree: &UseTree, is_re_export: bool) {
        let depth = self.depth;
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.import(path, &step.tree, is_re_export);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(path.clone(), tree, is_re_export);
                }
            }
            UseTree::Glob(_) => self.imports.push(Import { path, name: None, is_re_export, depth }),
            UseTree::Name(name) if name.ident == "self" => {
                let name = path.last().cloned();
                self.imports.push(Import { path, name, is_re_export, depth });
            }
            UseTree::Name(name) => {
                path.push(name.ident.to_string());
                let name = path.last().cloned();
                self.imports.push(Import { path, name, is_re_export, depth });
            }
            UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    path.push(rename.ident.to_string());
                }
                let name = Some(rename.rename.to_string());
                self.imports.push(Import { path, name, is_re_export, depth });
            }
        }
    }

    /// Paths among the tokens of a macro. In its definition only those from `$crate` on say where they lead:
    /// the others mean what they mean where it is used.
    fn scan(&mut self, tokens: TokenStream, is_definition: bool) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut is_dollar) = (0, false);
        for token in tokens {
            let was_dollar = std::mem::replace(&mut is_dollar, false);
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.take(&mut path);
                    }
                    if !is_definition || was_dollar && ident == "crate" || !path.is_empty() {
                        path.push(ident.to_string());
                    }
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == '$' => {
                    self.take(&mut path);
                    (colons, is_dollar) = (0, true);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    self.take(&mut path);
                    self.scan(group.stream(), is_definition);
                    colons = 0;
                }
                _ => {
                    self.take(&mut path);
                    colons = 0;
                }
            }
        }
        self.take(&mut path);
    }

    fn take(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.paths.push((std::mem::take(path), self.depth));
        }
    }
}

/// A path of an inner module, as its file would write it: each `super` leads out of one module.
fn outside(path: &[String], depth: usize) -> Vec<String> {
    let up = path.iter().take_while(|step| *step == "super").count().min(depth);
    let rest = path.get(up..).unwrap_or_default();
    if up > 0 && rest.first().is_some_and(|step| step != "super") {
        return std::iter::once("self".to_owned()).chain(rest.iter().cloned()).collect();
    }
    rest.to_vec()
}

/// Whether something exists in tests alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args().is_ok_and(|condition| is_test_alone(&condition))
    })
}

/// Whether a condition holds in tests alone: `test`, or `all` of it and more.
fn is_test_alone(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(is_test_alone)),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for File {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            Item::Mod(item) => (&item.attrs, item.content.as_ref().map(|_| &item.ident)),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Union(item) => (&item.attrs, Some(&item.ident)),
            Item::Use(item) => (&item.attrs, None),
            _ => return visit::visit_item(self, item),
        };
        if is_test(attributes) {
            return;
        }
        if self.depth == 0 {
            self.defines.extend(name.map(ToString::to_string));
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !matches!(item, ImplItem::Fn(function) if is_test(&function.attrs)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.depth += 1;
        visit::visit_item_mod(self, module);
        self.depth -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_re_export = !matches!(item.vis, Visibility::Inherited);
        self.import(Vec::new(), &item.tree, is_re_export);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push((path.segments.iter().map(|step| step.ident.to_string()).collect(), self.depth));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.scan(call.tokens.clone(), call.path.is_ident("macro_rules"));
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // An attribute of a derive may hold expressions.
        if let Meta::List(list) = &attribute.meta {
            self.scan(list.tokens.clone(), false);
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(in path)` names a module, and needs nothing of it.
    }
}
