// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use crate::check_abi::testing::{assert_one, source};

fn problems(text: &str) -> Vec<String> {
    check(&[&source("abi/src/a.rs", text)])
}

/// One wire structure with these fields.
fn wire(fields: &str) -> String {
    format!("wire! {{ pub struct Good: 16, \"doc\" {{ {fields} }} }}")
}

#[test]
fn good_sources_pass() {
    let text = r#"
        use zerocopy::little_endian::{U16, U32, U64};
        wire! {
            pub struct Inner: 8, "doc" { 0x00 value: U64, "GEN-1", "text"; }
            pub struct Outer: 32, "doc" {
                0x00 inner: [Inner; 2], "GEN-1", "text";
                0x10 bytes: [[u8; 2]; 4], "GEN-1", "text";
                0x18 low: U32, "GEN-1", "text";
                0x1c half: U16, "GEN-1", "text";
                0x1e rest: U16, "GEN-1", "text";
            }
        }
        numbers! { pub struct Op(u16), "doc" { 0 NOP, "CALL-1", "text"; } }
        #[derive(Clone, zerocopy::FromBytes)]
        #[repr(transparent)]
        pub struct Features(u64);
        /// Not on the wire: may be anything.
        pub struct View<'a> { pub flag: bool, pub name: &'a str }
        macro_rules! wire { () => { enum Ignored {} } }
    "#;
    assert_eq!(problems(text), Vec::<String>::new());
}

#[test]
fn wire_fields_are_little_endian_words() {
    for ty in [
        "bool",
        "usize",
        "char",
        "u64",
        "i32",
        "Status",
        "(U16, U16)",
        "Option<U16>",
        "core::num::NonZeroU32",
    ] {
        assert_one(&problems(&wire(&format!("0 field: {ty}, \"GEN-1\", \"text\";"))), "in a wire structure");
    }
    for ty in ["&'static u8", "*const u8", "[*mut u8; 2]", "fn()"] {
        assert_one(&problems(&wire(&format!("0 field: {ty}, \"GEN-1\", \"text\";"))), "reference or pointer");
    }
}

#[test]
fn fields_have_no_cfg() {
    assert_one(
        &problems(&wire("#[cfg(feature = \"std\")] 0 field: U64, \"GEN-1\", \"text\";")),
        "under `cfg`",
    );
    assert_one(&problems("pub struct View { #[cfg_attr(unix, doc = \"\")] pub a: u8 }"), "under `cfg`");
}

#[test]
fn wire_structures_are_declared_by_the_macro() {
    assert_one(&problems("#[repr(C)] pub struct S { pub a: u64 }"), "declare it with `wire!`");
    assert_one(&problems("#[repr(C, align(8))] pub struct S { pub a: u64 }"), "declare it with `wire!`");
    assert_one(
        &problems("#[derive(Clone, zerocopy::IntoBytes)] pub struct S { pub a: u64 }"),
        "declare it with `wire!`",
    );
    assert_one(&problems("wire! { pub struct S { pub a: u64 } }"), "not a `wire!` declaration");
}

#[test]
fn values_are_open_newtypes() {
    assert_one(&problems("pub enum Status { Ok }"), "enum `Status`");
    assert_one(&problems("mod inner { #[repr(u16)] enum Status { Ok } }"), "enum `Status`");
    assert_one(&problems("union U { a: u8, b: u8 }"), "union `U`");
    assert_one(&problems("#[repr(transparent)] pub struct Flag(bool);"), "holds `bool`");
    assert_one(&problems("numbers! { pub struct Op(usize), \"doc\" {} }"), "numbers of `usize`");
}

#[test]
fn widths_and_byte_order_cannot_hide() {
    assert_one(&problems("pub type Length = u64;"), "type alias `Length`");
    assert_one(&problems("use zerocopy::little_endian::U32 as U64;"), "keeps its name");
    assert_one(&problems("use zerocopy::big_endian::U64;"), "little-endian");
}

#[test]
fn the_root_forbids_unsafe_code() {
    let root = |text: &str| check(&[&source(ROOT, text)]);
    assert!(root("#![no_std]\n#![forbid(unsafe_code)]\n").is_empty());
    assert_one(&root("#![no_std]\n#![deny(unsafe_code)]\n"), "forbid(unsafe_code)");
}

#[test]
fn what_does_not_parse_is_one_line() {
    assert_one(&problems("pub struct {"), "abi/src/a.rs:1: ");
}
