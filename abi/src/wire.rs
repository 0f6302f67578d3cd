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
            pub const LAYOUT: $crate::layout::Struct = $crate::layout::Struct {
                name: stringify!($name),
                size: $size,
                doc: $doc,
                fields: &[$( $crate::layout::Field {
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
            pub const NUMBERS: &'static [$crate::layout::Number] = &[$( $crate::layout::Number {
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
            pub const NUMBERS: &[$crate::layout::Number] = &[$( $crate::layout::Number {
                name: stringify!($number),
                value: $value,
                clause: $clause,
                doc: $text,
            }, )*];
        }
    };
}

pub(crate) use {numbers, offsets, wire};
