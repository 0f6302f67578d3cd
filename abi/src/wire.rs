// SPDX-License-Identifier: MIT OR Apache-2.0
//! The macros that describe each wire item once: as a Rust type with pinned offsets, and as data. The field
//! types are little-endian and of fixed width, and a structure whose fields are not naturally aligned does
//! not compile (GEN-1).

/// Declares wire structures. One line a field: offset, name, type, clause, text. Size and offsets are checked
/// at compile time.
macro_rules! wire {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident: $size:literal, $doc:literal {
            $( $offset:literal $field:ident: $ty:ty, $clause:literal, $text:literal; )*
        }
    )*) => { $(
        #[doc = $doc]
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)]
        #[repr(C, align(8))]
        pub struct $name {
            $( #[doc = concat!($text, " (", $clause, ")")] pub $field: $ty, )*
        }

        static_assertions::const_assert_eq!(core::mem::size_of::<$name>(), $size);
        static_assertions::const_assert_eq!(core::mem::align_of::<$name>(), 8);
        $( static_assertions::const_assert_eq!(core::mem::offset_of!($name, $field), $offset); )*

        impl $name {
            /// This structure as data: what the tables, the C header and the golden test are made from.
            pub const LAYOUT: $crate::item::Struct = $crate::item::Struct {
                name: stringify!($name),
                size: $size,
                doc: $doc,
                fields: &[$( $crate::item::Field {
                    offset: $offset,
                    name: stringify!($field),
                    ty: stringify!($ty),
                    size: core::mem::size_of::<$ty>(),
                    clause: $clause,
                    doc: $text,
                }, )*],
            };
        }
    )* };
}

/// Declares the named values of an open number type: unknown values stay values. One line a number.
macro_rules! numbers {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($int:ident), $doc:literal {
            $( $value:literal $number:ident, $clause:literal, $text:literal; )*
        }
    ) => {
        #[doc = $doc]
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(transparent)]
        pub struct $name(pub $int);

        impl $name {
            $( #[doc = concat!($text, " (", $clause, ")")] pub const $number: Self = Self($value); )*

            /// Every named value, as data.
            pub const NUMBERS: &'static [$crate::item::Number] = &[$( $crate::item::Number {
                name: stringify!($number),
                value: $value,
                clause: $clause,
                doc: $text,
            }, )*];

            /// The value's name in the spec, if it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $( $value => Some(stringify!($number)), )*
                    _ => None,
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!(stringify!($name), "({:#x})"), self.0),
                }
            }
        }
    };
}

/// Declares a set of bits. One line a bit: its number, name, clause, text. A set that grew says `since` when:
/// the minor version that brought the bit.
macro_rules! flags {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($int:ident), $doc:literal {
            $( $bit:literal $flag:ident $(since $since:literal)?, $clause:literal, $text:literal; )*
        }
    ) => {
        #[doc = $doc]
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)]
        #[repr(transparent)]
        pub struct $name($int);

        bitflags::bitflags! {
            impl $name: $int {
                $( #[doc = concat!($text, " (", $clause, ")")] const $flag = 1 << $bit; )*
            }
        }

        impl $name {
            /// Every bit, as data.
            pub const NUMBERS: &'static [$crate::item::Number] = &[$( $crate::item::Number {
                name: stringify!($flag),
                value: 1 << $bit,
                clause: $clause,
                doc: $text,
            }, )*];

            /// Every bit with the minor version that brought it; 0 where the set says nothing of versions.
            pub const SINCE: &'static [(Self, u16)] = &[$( (Self::$flag, 0 $(+ $since)?), )*];
        }
    };
}

/// Declares the operations. One row each: number, name with its arguments and what they have to be, features
/// that it needs, traits, clause, text.
macro_rules! operations {
    (
        pub struct $name:ident($int:ident), $doc:literal {
            $( $value:literal $op:ident($($argument:ident: $check:ident),*) [$($need:ident),*] [$($trait:ident),*],
                $clause:literal, $text:literal; )*
        }
    ) => {
        $crate::wire::numbers! {
            pub struct $name($int), $doc {
                $( $value $op, $clause, $text; )*
            }
        }

        /// The row of each operation.
        pub mod rows {
            use super::{Check, Features, Op, Operation, Traits, six};

            $(
                #[doc = concat!($text, " (", $clause, ")")]
                pub const $op: Operation = Operation {
                    op: Op::$op,
                    name: stringify!($op),
                    needs: Features::empty()$(.union(Features::$need))*,
                    arguments: &[$(stringify!($argument)),*],
                    checks: six(&[$(Check::$check),*]),
                    traits: Traits::empty()$(.union(Traits::$trait))*,
                    clause: $clause,
                    doc: $text,
                };
            )*
        }

        /// Every operation, in order of its number.
        pub const OPERATIONS: &[Operation] = &[$(rows::$op),*];

        impl $name {
            /// The operation's row, if there is one of that number.
            #[inline]
            #[must_use]
            pub const fn row(self) -> Option<&'static Operation> {
                match self.0 {
                    $( $value => Some(&rows::$op), )*
                    _ => None,
                }
            }
        }
    };
}

/// Declares offsets inside an area whose size is chosen at bind time, as constants and as data.
macro_rules! offsets {
    (
        pub mod $name:ident, $doc:literal {
            $( $value:literal $number:ident, $clause:literal, $text:literal; )*
        }
    ) => {
        #[doc = $doc]
        pub mod $name {
            $( #[doc = concat!($text, " (", $clause, ")")] pub const $number: u64 = $value; )*

            /// Every offset, as data.
            pub const NUMBERS: &[$crate::item::Number] = &[$( $crate::item::Number {
                name: stringify!($number),
                value: $value,
                clause: $clause,
                doc: $text,
            }, )*];
        }
    };
}

pub(crate) use {flags, numbers, offsets, operations, wire};
