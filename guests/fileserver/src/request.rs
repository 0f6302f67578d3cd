// SPDX-License-Identifier: MIT OR Apache-2.0
//! A request's head.

use crate::range::Range;
use httparse::{EMPTY_HEADER, Header, Status};
use percent_encoding::percent_decode_str;

/// More headers than this are too many.
const HEADERS: usize = 64;

/// Why a request gets no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// It is not HTTP, or not as it must be. The connection ends.
    Request,
    /// It has more headers than fit. The connection ends.
    TooLarge,
    /// It has a body, which nobody here reads. The connection ends.
    Body,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// None of GET and HEAD.
    pub(crate) is_foreign: bool,
    pub(crate) is_head: bool,
    /// Knows of chunks.
    pub(crate) is_chunked: bool,
    pub(crate) is_kept: bool,
    /// As it was sent, without host and query.
    pub(crate) path: &'a str,
    pub(crate) range: Range,
}

/// The request at the front of `bytes`, and its length; `None`: more of it has to come.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Request<'_>, usize)>, Bad> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let len = match parsed.parse(bytes) {
        Ok(Status::Partial) => return Ok(None),
        Ok(Status::Complete(len)) => len,
        Err(httparse::Error::TooManyHeaders) => return Err(Bad::TooLarge),
        Err(_) => return Err(Bad::Request),
    };
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Bad::Request);
    };
    let headers = &*parsed.headers;
    let is_new = version == 1;
    if is_new && all(headers, "host").count() != 1 {
        return Err(Bad::Request);
    }
    let has_body = all(headers, "transfer-encoding").next().is_some()
        || all(headers, "content-length").any(|value| value != b"0");
    if has_body {
        return Err(Bad::Body);
    }
    let says = |word: &str| all(headers, "connection").any(|value| names(value, word));
    let is_head = method == "HEAD";
    let range = match all(headers, "range").next() {
        // Nothing here could match, so the whole file is sent.
        Some(_) if all(headers, "if-range").next().is_some() => Range::All,
        Some(value) if method == "GET" => Range::parse(value),
        _ => Range::All,
    };
    let request = Request {
        is_foreign: !is_head && method != "GET",
        is_head,
        is_chunked: is_new,
        is_kept: if is_new { !says("close") } else { says("keep-alive") },
        path: path(target),
        range,
    };
    Ok(Some((request, len)))
}

fn all<'h, 'b>(headers: &'h [Header<'b>], name: &'static str) -> impl Iterator<Item = &'b [u8]> + 'h {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// Whether a list has this word.
fn names(list: &[u8], word: &str) -> bool {
    list.split(|&byte| byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// The path of a target, which may be a whole address (RFC 9112, 3.2.2).
fn path(target: &str) -> &str {
    let behind = ["http://", "https://"].into_iter().find_map(|scheme| {
        let front = target.get(..scheme.len())?;
        front.eq_ignore_ascii_case(scheme).then(|| target.get(scheme.len()..)).flatten()
    });
    let target = match behind {
        Some(rest) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    };
    target.split(['?', '#']).next().unwrap_or(target)
}

/// The names in a path, as they were sent, without empty ones.
pub(crate) fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// Longest name of a file in UTF-8.
pub(crate) const NAME: usize = 255 * 3;

/// A name without its percent signs; `None` where that is no name of a file.
pub(crate) fn decode<'b>(sent: &str, buffer: &'b mut [u8; NAME]) -> Option<&'b str> {
    let mut len = 0;
    for byte in percent_decode_str(sent) {
        *buffer.get_mut(len)? = byte;
        len += 1;
    }
    let name = core::str::from_utf8(buffer.get(..len)?).ok()?;
    (!matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Request<'_> {
        parse(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn heads_are_read() {
        let text = "GET /a%20b?x#y HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2\r\n\r\nGET";
        let (request, len) = parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!((request.path, request.range), ("/a%20b", Range::From(1, Some(2))));
        assert!(request.is_kept && request.is_chunked && !request.is_head && !request.is_foreign);
        assert_eq!(len, text.len() - 3);
        for cut in 0..len {
            assert_eq!(parse(&text.as_bytes()[..cut]).unwrap(), None, "{cut}");
        }
        assert!(!one("GET / HTTP/1.1\r\nhost: h\r\nconnection: x, Close\r\n\r\n").is_kept);
        assert!(!one("GET / HTTP/1.0\r\n\r\n").is_kept);
        assert!(one("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").is_kept);
        assert!(one("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n").is_foreign);
        assert_eq!(one("GET HTTP://h/p HTTP/1.1\r\nHost: h\r\n\r\n").path, "/p");
        assert_eq!(one("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n").path, "/");
        let conditional = "GET / HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2\r\nIf-Range: \"x\"\r\n\r\n";
        assert_eq!(one(conditional).range, Range::All);
    }

    #[test]
    fn bad_heads_are_refused() {
        let bad = |text: &str| parse(text.as_bytes()).unwrap_err();
        assert_eq!(bad("GET / HTTP/1.1\r\n\r\n"), Bad::Request);
        assert_eq!(bad("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Bad::Request);
        assert_eq!(bad("\u{1}\u{2}"), Bad::Request);
        assert_eq!(bad("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"), Bad::Body);
        assert_eq!(bad("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"), Bad::Body);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS + 1));
        assert_eq!(bad(&many), Bad::TooLarge);
    }

    #[test]
    fn names_are_decoded_once() {
        let mut buffer = [0; NAME];
        assert_eq!(decode("a%20%C3%A4%2541", &mut buffer), Some("a \u{e4}%41"));
        for bad in ["..", ".", "%2e%2E", "a%2Fb", "a%5cb", "a%00", "%ff", &"x".repeat(NAME + 1)] {
            assert_eq!(decode(bad, &mut buffer), None, "{bad}");
        }
        assert!(components("//a//b/").eq(["a", "b"]));
    }
}
