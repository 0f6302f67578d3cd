// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is said of each item of the wire: the macros of `wire.rs` fill it in, `layout.rs` lists it.

/// One wire structure.
#[derive(Clone, Copy, Debug)]
pub struct Struct {
    /// Its name in the spec.
    pub name: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// What it is.
    pub doc: &'static str,
    /// Its fields in order of offset.
    pub fields: &'static [Field],
}

/// One field of a wire structure.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Offset from the start of the structure, in bytes.
    pub offset: usize,
    /// Its name in the spec.
    pub name: &'static str,
    /// Its little-endian type.
    pub ty: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// The clause that says what it means.
    pub clause: &'static str,
    /// What it is, in a line.
    pub doc: &'static str,
}

/// One named number.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// Its name in the spec.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// The clause that says what it means.
    pub clause: &'static str,
    /// What it is, in a line.
    pub doc: &'static str,
}

/// A named group of numbers.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The group's name.
    pub name: &'static str,
    /// Its members in order of value.
    pub numbers: &'static [Number],
}
