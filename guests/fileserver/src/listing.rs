// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder as a page, in pieces that fit a buffer.

use crate::connection::Out;
use crate::date::Short;
use crate::request::{NAME, components, decode};
use crate::volume::{Fault, Volume};
use core::fmt::{self, Write as _};
use core::ops::ControlFlow;
use hadris_fat::embedded::{Dir, Entry};
use hadris_fs::DirCursor;
use hadris_storage::sync::BlockDevice;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Room in front of a chunk for its length, and behind it.
const LENGTH: &str = "0000\r\n";
const CHUNK_END: &str = "\r\n";
const LAST_CHUNK: &str = "0\r\n\r\n";
/// So much of the buffer stays free for what ends a page and a chunk.
const TAIL: usize = 64;

/// Names are sent with everything but these encoded.
const HREF: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const STYLE: &str = "body{font-family:sans-serif;margin:2em}td{padding:.1em 1.5em .1em 0}td+td{color:#555}";

/// How far a page is.
#[derive(Clone, Copy)]
pub(crate) struct Listing {
    folder: Dir,
    from: DirCursor,
    is_chunked: bool,
}

impl Listing {
    /// The front of the page, behind a head that is in `out` already.
    pub(crate) fn begin(
        folder: Dir,
        path: &str,
        is_chunked: bool,
        out: &mut Out<'_>,
    ) -> Result<Self, fmt::Error> {
        let listing = Self { folder, from: DirCursor::START, is_chunked };
        let chunk = listing.open(out)?;
        out.write_str("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\n<title>")?;
        let front = out.len();
        let title = |out: &mut Out<'_>| -> fmt::Result {
            let mut buffer = [0; NAME];
            out.write_str("/")?;
            for sent in components(path) {
                escape(decode(sent, &mut buffer).ok_or(fmt::Error)?.chars(), out)?;
                out.write_str("/")?;
            }
            Ok(())
        };
        // A path that is long enough to fill the buffer goes without its title.
        let fits = title(out).is_ok() && out.len() + (out.len() - front) < crate::connection::OUT - 1024;
        if !fits {
            out.cut(front);
        }
        write!(out, "</title>\n<style>{STYLE}</style></head>\n<body><h1>")?;
        if fits {
            title(out)?;
        }
        out.write_str("</h1>\n<table>\n")?;
        if components(path).next().is_some() {
            out.write_str("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n")?;
        }
        listing.close(chunk, out)?;
        Ok(listing)
    }

    /// The next entries; `None` behind the last one.
    pub(crate) fn next<D: BlockDevice, const N: usize>(
        self,
        volume: &mut Volume<'_, D, N>,
        out: &mut Out<'_>,
    ) -> Result<Option<Self>, Fault> {
        let chunk = self.open(out).map_err(|_| Fault::Disk)?;
        let mut from = self.from;
        let mut is_last = true;
        volume.list(self.folder, self.from, |entry| {
            let before = out.len();
            let fits = row(entry, out).is_ok() && out.len() + TAIL <= crate::connection::OUT;
            if !fits {
                out.cut(before);
                is_last = false;
                return ControlFlow::Break(());
            }
            from = entry.next_cursor();
            ControlFlow::Continue(())
        })?;
        // An empty buffer has room for any entry; if not, the page would never end.
        if !is_last && from == self.from {
            return Err(Fault::Disk);
        }
        let end = |out: &mut Out<'_>| -> fmt::Result {
            if is_last {
                out.write_str("</table></body></html>\n")?;
            }
            self.close(chunk, out)?;
            if is_last && self.is_chunked { out.write_str(LAST_CHUNK) } else { Ok(()) }
        };
        end(out).map_err(|_| Fault::Disk)?;
        Ok((!is_last).then_some(Self { from, ..self }))
    }

    fn open(self, out: &mut Out<'_>) -> Result<usize, fmt::Error> {
        let at = out.len();
        if self.is_chunked {
            out.write_str(LENGTH)?;
        }
        Ok(at)
    }

    fn close(self, at: usize, out: &mut Out<'_>) -> fmt::Result {
        if !self.is_chunked {
            return Ok(());
        }
        let len = out.len().saturating_sub(at + LENGTH.len());
        let digit = |shift: usize| *b"0123456789abcdef".get(len >> shift & 15).unwrap_or(&b'0');
        out.patch(at, &[digit(12), digit(8), digit(4), digit(0)]);
        out.write_str(CHUNK_END)
    }
}

fn row(entry: &Entry<'_, '_>, out: &mut Out<'_>) -> fmt::Result {
    let slash = if entry.is_dir() { "/" } else { "" };
    out.write_str("<tr><td><a href=\"")?;
    for char in entry.chars() {
        write!(out, "{}", utf8_percent_encode(char.encode_utf8(&mut [0; 4]), HREF))?;
    }
    write!(out, "{slash}\">")?;
    escape(entry.chars(), out)?;
    write!(out, "{slash}</a></td><td>")?;
    if !entry.is_dir() {
        write!(out, "{}", entry.len())?;
    }
    out.write_str("</td><td>")?;
    if let Some(modified) = entry.metadata().modified() {
        write!(out, "{}", Short(modified))?;
    }
    out.write_str("</td></tr>\n")
}

/// Text that HTML does not take for its own.
fn escape(text: impl Iterator<Item = char>, out: &mut Out<'_>) -> fmt::Result {
    for char in text {
        match char {
            '<' => out.write_str("&lt;")?,
            '>' => out.write_str("&gt;")?,
            '&' => out.write_str("&amp;")?,
            '"' => out.write_str("&quot;")?,
            '\'' => out.write_str("&#39;")?,
            other if other.is_control() => out.write_char('\u{fffd}')?,
            other => out.write_char(other)?,
        }
    }
    Ok(())
}
