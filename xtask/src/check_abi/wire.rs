// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules for the sources of `tenon-abi`: what may stand in shared memory and how it is declared.

mod declaration;

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use self::declaration::{Declarations, NumberType};
use crate::project::Source;

/// Types that are a wire value by themselves: little-endian, of one width everywhere, valid for all bits.
const WORDS: &[&str] = &["u8", "U16", "U32", "U64"];

/// Integers that a newtype of a wire value may hold.
const NATURALS: &[&str] = &["u8", "u16", "u32", "u64"];

/// Derives that let a type be read from or written to shared bytes.
const BYTES: &[&str] = &["FromBytes", "TryFromBytes", "IntoBytes"];

/// The crate root, which forbids unsafe code for all.
const ROOT: &str = "abi/src/lib.rs";

/// Breaches in all of the ABI's sources together.
pub(crate) fn check(sources: &[&Source]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    for source in sources {
        match syn::parse_file(&source.text) {
            Ok(file) => files.push((*source, file)),
            Err(error) => problems.push(format!("{}:{}: {error}", source.path, error.span().start().line)),
        }
    }
    // A structure may hold another one, of whichever file.
    let mut names = WireNames::default();
    for (_, file) in &files {
        names.visit_file(file);
    }
    for (source, file) in &files {
        let mut rules = Rules { path: &source.path, structs: &names.0, problems: Vec::new() };
        if source.path == ROOT && !forbids_unsafe(file) {
            rules.report(file.span(), "`#![forbid(unsafe_code)]` is missing");
        }
        rules.visit_file(file);
        problems.append(&mut rules.problems);
    }
    problems
}

fn forbids_unsafe(file: &syn::File) -> bool {
    file.attrs.iter().any(|attribute| {
        attribute.path().is_ident("forbid")
            && attribute.meta.to_token_stream().to_string().contains("unsafe_code")
    })
}

/// Names of everything that `wire!` declares.
#[derive(Default)]
struct WireNames(BTreeSet<String>);

impl<'ast> Visit<'ast> for WireNames {
    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        if called.path.is_ident("wire")
            && let Ok(found) = called.parse_body::<Declarations>()
        {
            self.0.extend(found.0.iter().map(|declaration| declaration.name.to_string()));
        }
    }
}

struct Rules<'a> {
    path: &'a str,
    structs: &'a BTreeSet<String>,
    problems: Vec<String>,
}

impl Rules<'_> {
    fn report(&mut self, place: proc_macro2::Span, text: impl std::fmt::Display) {
        self.problems.push(format!("{}:{}: {text}", self.path, place.start().line));
    }

    fn no_cfg(&mut self, attributes: &[syn::Attribute]) {
        for attribute in attributes {
            if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
                self.report(attribute.span(), "a field under `cfg`: the wire is the same in every build");
            }
        }
    }

    fn wire_field(&mut self, ty: &syn::Type) {
        match ty {
            syn::Type::Array(array) => self.wire_field(&array.elem),
            syn::Type::Path(path) if path.qself.is_none() => {
                let known = path.path.get_ident().is_some_and(|ident| {
                    WORDS.iter().any(|word| ident == word) || self.structs.contains(&ident.to_string())
                });
                if !known {
                    let found = ty.to_token_stream();
                    self.report(
                        ty.span(),
                        format_args!(
                            "`{found}` in a wire structure: only {} and wire structures",
                            WORDS.join(", ")
                        ),
                    );
                }
            }
            syn::Type::Reference(_) | syn::Type::Ptr(_) | syn::Type::BareFn(_) => {
                self.report(
                    ty.span(),
                    "a reference or pointer in a wire structure: offsets, never addresses",
                );
            }
            _ => {
                let found = ty.to_token_stream();
                self.report(
                    ty.span(),
                    format_args!(
                        "`{found}` in a wire structure: only {} and wire structures",
                        WORDS.join(", ")
                    ),
                );
            }
        }
    }
}

impl<'ast> Visit<'ast> for Rules<'_> {
    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.report(
            item.span(),
            format_args!("enum `{}`: a peer may write any value; declare it with `numbers!`", item.ident),
        );
        visit::visit_item_enum(self, item);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.report(item.span(), format_args!("union `{}`: declare a structure with `wire!`", item.ident));
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.report(item.span(), format_args!("type alias `{}`: a wire type shows its width", item.ident));
    }

    fn visit_use_rename(&mut self, item: &'ast syn::UseRename) {
        if NATURALS.iter().chain(WORDS).any(|name| item.ident == name || item.rename == name) {
            self.report(
                item.span(),
                format_args!("`{} as {}`: a wire type keeps its name", item.ident, item.rename),
            );
        }
    }

    fn visit_use_path(&mut self, item: &'ast syn::UsePath) {
        if item.ident == "big_endian" || item.ident == "native_endian" || item.ident == "network_endian" {
            self.report(item.span(), format_args!("`{}`: the wire is little-endian", item.ident));
        }
        visit::visit_use_path(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        let transparent = has(&item.attrs, "repr", &["transparent"]);
        let reprs = has(&item.attrs, "repr", &["C", "packed", "align"]);
        if reprs || (has(&item.attrs, "derive", BYTES) && !transparent) {
            self.report(item.span(), format_args!("structure `{}`: declare it with `wire!`", item.ident));
        }
        for field in &item.fields {
            self.no_cfg(&field.attrs);
            let natural = matches!(&field.ty, syn::Type::Path(path) if path.path.get_ident().is_some_and(|ident| NATURALS.iter().any(|name| ident == name)));
            if transparent && !natural {
                let found = field.ty.to_token_stream();
                self.report(
                    field.span(),
                    format_args!("`{}` holds `{found}`: only {}", item.ident, NATURALS.join(", ")),
                );
            }
        }
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        if called.path.is_ident("wire") {
            match called.parse_body::<Declarations>() {
                Ok(found) => {
                    for field in found.0.iter().flat_map(|declaration| &declaration.fields) {
                        self.no_cfg(&field.attributes);
                        self.wire_field(&field.ty);
                    }
                }
                Err(error) => self.report(error.span(), format_args!("not a `wire!` declaration: {error}")),
            }
        } else if ["numbers", "flags"].iter().any(|name| called.path.is_ident(name)) {
            match called.parse_body::<NumberType>() {
                Ok(NumberType(ident)) if NATURALS.iter().any(|name| ident == name) => {}
                Ok(NumberType(ident)) => {
                    self.report(
                        ident.span(),
                        format_args!("numbers of `{ident}`: only {}", NATURALS.join(", ")),
                    );
                }
                Err(error) => {
                    self.report(error.span(), format_args!("not a `numbers!` declaration: {error}"))
                }
            }
        }
    }
}

/// Whether an attribute of that name lists one of `words`.
fn has(attributes: &[syn::Attribute], name: &str, words: &[&str]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident(name)).any(|attribute| {
        let mut found = false;
        // What does not parse as a list is reported by the compiler.
        let _ = attribute.parse_nested_meta(|meta| {
            found |=
                meta.path.segments.last().is_some_and(|last| words.iter().any(|word| last.ident == word));
            if meta.input.peek(syn::token::Paren) {
                meta.input.parse::<proc_macro2::Group>()?;
            }
            Ok(())
        });
        found
    })
}

#[cfg(test)]
mod tests;
