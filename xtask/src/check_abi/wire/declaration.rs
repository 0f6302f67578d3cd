// SPDX-License-Identifier: MIT OR Apache-2.0
//! The grammar of the ABI's own macros, as far as the rules need it.

use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, LitInt, LitStr, Token, Type, Visibility, braced, parenthesized};

/// The body of `wire!`.
pub(crate) struct Declarations(pub(crate) Vec<Declaration>);

/// One structure in it.
pub(crate) struct Declaration {
    pub(crate) name: Ident,
    pub(crate) fields: Vec<Field>,
}

/// One line of a structure.
pub(crate) struct Field {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) ty: Type,
}

impl Parse for Declarations {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut found = Vec::new();
        while !input.is_empty() {
            found.push(input.parse()?);
        }
        Ok(Self(found))
    }
}

impl Parse for Declaration {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        input.parse::<Token![struct]>()?;
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        input.parse::<LitInt>()?;
        input.parse::<Token![,]>()?;
        input.parse::<LitStr>()?;
        let body;
        braced!(body in input);
        let mut fields = Vec::new();
        while !body.is_empty() {
            fields.push(body.parse()?);
        }
        Ok(Self { name, fields })
    }
}

impl Parse for Field {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<LitInt>()?;
        input.parse::<Ident>()?;
        input.parse::<Token![:]>()?;
        let ty = input.parse()?;
        input.parse::<Token![,]>()?;
        input.parse::<LitStr>()?;
        input.parse::<Token![,]>()?;
        input.parse::<LitStr>()?;
        input.parse::<Token![;]>()?;
        Ok(Self { attributes, ty })
    }
}

/// The integer type that `numbers!` is over; what follows it is the compiler's to check.
pub(crate) struct NumberType(pub(crate) Ident);

impl Parse for NumberType {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        input.parse::<Token![struct]>()?;
        input.parse::<Ident>()?;
        let body;
        parenthesized!(body in input);
        let integer = body.parse()?;
        input.parse::<proc_macro2::TokenStream>()?;
        Ok(Self(integer))
    }
}
