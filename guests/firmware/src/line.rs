// SPDX-License-Identifier: MIT OR Apache-2.0
//! The boot command line: words of the form `key=value`, separated by spaces.

/// The value of the first word that begins with `key=`; a word without `=` has the empty value.
#[must_use]
pub fn get<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split(' ').find_map(|word| match word.strip_prefix(key)? {
        "" => Some(""),
        rest => rest.strip_prefix('='),
    })
}

/// [`get`] as a decimal number or, after `0x`, a hexadecimal one.
#[must_use]
pub fn number(line: &str, key: &str) -> Option<u64> {
    let text = get(line, key)?;
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{get, number};
    use proptest::prelude::*;
    use std::string::String;

    #[test]
    fn the_first_word_of_that_key_counts() {
        let line = "mode=native serial=burst mode=other quiet seed=";
        assert_eq!(get(line, "mode"), Some("native"));
        assert_eq!(get(line, "quiet"), Some(""));
        assert_eq!(get(line, "seed"), Some(""));
        assert_eq!(get(line, "mod"), None, "a key is a whole word");
        assert_eq!(get(line, "native"), None, "a value is no key");
        assert_eq!(get("", "mode"), None);
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        let line = "a=12 b=0x1f c=0xffffffffffffffff d=0x10000000000000000 e=-1 f= g=0x";
        assert_eq!(["a", "b", "c"].map(|key| number(line, key)), [Some(12), Some(31), Some(u64::MAX)]);
        assert_eq!(["d", "e", "f", "g", "h"].map(|key| number(line, key)), [None; 5]);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in any::<String>(), key in any::<String>()) {
            let _ = get(&line, &key);
            prop_assert_eq!(number(&line, &key).is_some() && get(&line, &key).is_none(), false);
        }

        #[test]
        fn what_is_put_in_comes_out(key in "[a-z]{1,8}", value in "[!-~]{0,16}", noise in "[A-Z =]{0,20}") {
            let line = std::format!("{noise} {key}={value} {key}=again");
            prop_assert_eq!(get(&line, &key), Some(value.as_str()));
        }
    }
}
