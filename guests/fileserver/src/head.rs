// SPDX-License-Identifier: MIT OR Apache-2.0
//! The head of a response, and responses that are only a line.

use crate::connection::Out;
use crate::date::Http;
use crate::range::Part;
use core::fmt::{self, Write as _};
use hadris_fs::DateTime;

/// Why there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    BadRequest,
    NotFound,
    NotAllowed,
    BodyTooLarge,
    HeadTooLarge,
    Disk,
}

impl Error {
    const fn line(self) -> &'static str {
        match self {
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::NotAllowed => "405 Method Not Allowed",
            Self::BodyTooLarge => "413 Content Too Large",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Disk => "500 Internal Server Error",
        }
    }
}

/// A file that is sent, or a part of it.
pub(crate) struct Of {
    pub(crate) kind: &'static str,
    pub(crate) part: Part,
    pub(crate) len: u64,
    pub(crate) modified: Option<DateTime>,
}

/// Writes heads for one request.
pub(crate) struct Writer<'a, 'b> {
    pub(crate) out: &'a mut Out<'b>,
    pub(crate) is_head: bool,
    pub(crate) is_kept: bool,
}

impl Writer<'_, '_> {
    fn begin(&mut self, line: &str) -> fmt::Result {
        write!(self.out, "HTTP/1.1 {line}\r\nServer: tenon-webfs\r\n")
    }

    /// The last header and the empty line.
    fn end(&mut self) -> fmt::Result {
        let kept = if self.is_kept { "keep-alive" } else { "close" };
        write!(self.out, "Connection: {kept}\r\n\r\n")
    }

    /// A response whose body is its own first line.
    pub(crate) fn error(&mut self, error: Error) -> fmt::Result {
        let line = error.line();
        self.begin(line)?;
        if error == Error::NotAllowed {
            self.out.write_str("Allow: GET, HEAD\r\n")?;
        }
        write!(self.out, "Content-Type: text/plain\r\nContent-Length: {}\r\n", line.len() + 1)?;
        self.end()?;
        if self.is_head { Ok(()) } else { writeln!(self.out, "{line}") }
    }

    /// A folder has its name with a slash. `name` is as the client sent it.
    pub(crate) fn moved(&mut self, name: &str) -> fmt::Result {
        self.begin("301 Moved Permanently")?;
        // Relative, so that no name is taken for a host or a scheme.
        write!(self.out, "Location: ./{name}/\r\nContent-Length: 0\r\n")?;
        self.end()
    }

    pub(crate) fn file(&mut self, of: &Of) -> fmt::Result {
        let Of { kind, part, len, modified } = of;
        match part {
            Part::None => {
                self.begin("416 Range Not Satisfiable")?;
                write!(self.out, "Content-Range: bytes */{len}\r\nContent-Length: 0\r\n")?;
                return self.end();
            }
            Part::All => {
                self.begin("200 OK")?;
                write!(self.out, "Content-Length: {len}\r\n")?;
            }
            Part::Some(from, to) => {
                self.begin("206 Partial Content")?;
                write!(self.out, "Content-Range: bytes {from}-{}/{len}\r\n", to.saturating_sub(1))?;
                write!(self.out, "Content-Length: {}\r\n", to.saturating_sub(*from))?;
            }
        }
        write!(self.out, "Content-Type: {kind}\r\nAccept-Ranges: bytes\r\n")?;
        // A disk of strangers shall not say what its files are.
        self.out.write_str("X-Content-Type-Options: nosniff\r\n")?;
        if let Some(modified) = modified {
            write!(self.out, "Last-Modified: {}\r\n", Http(*modified))?;
        }
        self.end()
    }

    pub(crate) fn listing(&mut self, is_chunked: bool) -> fmt::Result {
        self.begin("200 OK")?;
        self.out.write_str("Content-Type: text/html; charset=utf-8\r\nCache-Control: no-cache\r\n")?;
        if is_chunked {
            self.out.write_str("Transfer-Encoding: chunked\r\n")?;
        }
        self.end()
    }
}
