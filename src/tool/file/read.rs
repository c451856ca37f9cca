//! read_file: pieces by bytes or by lines, each with a header that says its position and how to continue.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use super::Call;
use crate::config::Config;
use crate::limits::{READ_FILE_BYTES, READ_SCAN_BYTES, TOOL_RESULT_BYTES};
use crate::proto::text::floor_char;
use crate::tool::args::{Args, integer};

/// Bytes reserved for the header and the line about the end.
const HEADER_BYTES: usize = 1024;

/// Lines when the call or the configuration asks for them, else bytes.
pub(super) fn call(config: &Config, args: &Args) -> Call {
    let set = match config.tools.max_read_file_size {
        0 => READ_FILE_BYTES,
        n => n,
    };
    // A piece that is truncated afterwards could not be continued.
    let limit = set.min(READ_FILE_BYTES).min(TOOL_RESULT_BYTES - HEADER_BYTES);
    let number = |name| integer(args, name).and_then(|n| u64::try_from(n).ok());
    let (offset, length) = (number("offset"), number("length"));
    let (first, count) = (number("start_line"), number("max_lines"));
    let by_lines = first.is_some() || count.is_some();
    if by_lines || (config.tools.read_file_lines && offset.is_none() && length.is_none()) {
        return Call::Lines {
            first: first.unwrap_or(1).max(1),
            count: count.unwrap_or(u64::MAX),
            limit,
        };
    }
    let length = length.and_then(|n| usize::try_from(n).ok()).unwrap_or(limit).min(limit);
    Call::Bytes { offset: offset.unwrap_or(0), length }
}

fn failed(path: &str) -> impl Fn(std::io::Error) -> String {
    move |e| format!("failed to read file: {path}: {e}")
}

fn base(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

/// At most `length` bytes from `offset`. What is not UTF-8 is replaced; a character is never split between pieces.
pub(super) fn bytes(
    mut file: &File,
    path: &str,
    offset: u64,
    length: usize,
) -> Result<String, String> {
    let total = file.metadata().map_err(failed(path))?.len();
    file.seek(SeekFrom::Start(offset)).map_err(failed(path))?;
    let mut data = Vec::new();
    file.take(length as u64).read_to_end(&mut data).map_err(failed(path))?;
    let (text, used) = readable(&data, length);
    // Files of /proc have no size.
    let end = offset + used as u64;
    let total = total.max(end);
    let state = if data.is_empty() {
        "[END OF FILE: nothing at this offset]".to_owned()
    } else if end < total {
        format!("[TRUNCATED: more follows, read on with offset={end}]")
    } else {
        "[END OF FILE]".to_owned()
    };
    let base = base(path);
    let last = end.max(offset + 1) - 1;
    let range = if data.is_empty() { "none".to_owned() } else { format!("{offset}-{last}") };
    Ok(format!("[file: {base} | total: {total} bytes | read: bytes {range}]\n{state}\n\n{text}"))
}

/// As much of `data` as fits into `limit` bytes once invalid sequences are replaced, and the bytes used.
fn readable(data: &[u8], limit: usize) -> (String, usize) {
    let mut text = String::with_capacity(data.len());
    let mut used = 0;
    for chunk in data.utf8_chunks() {
        let valid = chunk.valid();
        let fits = floor_char(valid, limit - text.len());
        text.push_str(&valid[..fits]);
        used += fits;
        let (invalid, after) = (chunk.invalid(), used + chunk.invalid().len());
        if fits < valid.len() {
            break;
        }
        // An incomplete character at the end belongs to the next piece.
        let cut =
            after == data.len() && !invalid.is_empty() && data.len() == limit && begins(invalid);
        if invalid.is_empty() || cut || text.len() + '\u{fffd}'.len_utf8() > limit {
            break;
        }
        text.push('\u{fffd}');
        used = after;
    }
    // A limit smaller than one character would make no progress.
    if used == 0 && !data.is_empty() {
        return ("\u{fffd}".into(), 1);
    }
    (text, used)
}

/// A lead byte whose continuation is missing.
fn begins(invalid: &[u8]) -> bool {
    matches!(invalid[0], 0xC2..=0xF4) && invalid.len() < invalid[0].leading_ones() as usize
}

/// Numbered lines, at most `count` of them in `limit` bytes.
pub(super) fn lines(
    file: &File,
    path: &str,
    first: u64,
    count: u64,
    limit: usize,
) -> Result<String, String> {
    let total = file.metadata().map_err(failed(path))?.len();
    let mut reader = BufReader::with_capacity(8192, file.take(READ_SCAN_BYTES));
    let head = reader.fill_buf().map_err(failed(path))?;
    if binary(head) {
        return Err(format!(
            "{path} looks like a binary file; read it by bytes (offset, length) without start_line and max_lines"
        ));
    }
    let mut body = String::new();
    let (mut number, mut shown, mut more) = (0, 0, false);
    let mut line = Vec::new();
    loop {
        number += 1;
        if number < first {
            if reader.skip_until(b'\n').map_err(failed(path))? == 0 {
                break;
            }
            continue;
        }
        if reader.fill_buf().map_err(failed(path))?.is_empty() {
            break;
        }
        let room = limit.saturating_sub(body.len() + 24);
        if shown == count || (shown > 0 && room == 0) {
            more = true;
            break;
        }
        line.clear();
        let whole = take_line(&mut reader, &mut line, room.max(1)).map_err(failed(path))?;
        if !whole && shown > 0 {
            more = true;
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        let fits = floor_char(text, room);
        body.push_str(&format!("{number}|{}{}\n", &text[..fits], if whole { "" } else { " ..." }));
        shown += 1;
        if !whole {
            reader.skip_until(b'\n').map_err(failed(path))?;
        }
    }
    let state = if more {
        format!("[TRUNCATED: more follows, read on with start_line={number}]")
    } else if reader.get_ref().limit() == 0 {
        format!("[TRUNCATED: only the first {READ_SCAN_BYTES} bytes are searched for lines]")
    } else {
        "[END OF FILE]".to_owned()
    };
    let range =
        if shown == 0 { "none".to_owned() } else { format!("{first}-{}", first + shown - 1) };
    let base = base(path);
    Ok(format!("[file: {base} | total: {total} bytes | read: lines {range}]\n{state}\n\n{body}"))
}

/// Reads up to a line feed, at most `room` bytes; says whether the line is complete.
fn take_line(reader: &mut impl BufRead, line: &mut Vec<u8>, room: usize) -> std::io::Result<bool> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(true);
        }
        let (length, done) = match buffer.iter().position(|&b| b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), false),
        };
        let fits = length.min(room.saturating_sub(line.len()) + usize::from(done));
        line.extend_from_slice(&buffer[..fits]);
        if fits < length {
            reader.consume(fits);
            return Ok(false);
        }
        reader.consume(length);
        if done {
            return Ok(true);
        }
    }
}

/// Text has no NUL, and little that is not UTF-8 (an old 8-bit encoding is still text).
fn binary(head: &[u8]) -> bool {
    let replaced: usize = head.utf8_chunks().map(|c| c.invalid().len()).sum();
    head.contains(&0) || replaced * 10 > head.len()
}
