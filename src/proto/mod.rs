//! Parsers and renderers without I/O, async or state of the process. Each has a fuzz target.

pub mod addr;
pub mod charset;
pub mod crc32;
pub mod date;
pub mod elf;
pub mod excerpt;
pub mod frontmatter;
pub mod gzip;
pub mod html;
pub mod http1;
pub mod json_pos;
pub mod line_editor;
pub mod markdown;
pub mod passage;
pub mod percent;
pub mod shell;
pub mod sntp;
pub mod split;
pub mod sse;
pub mod tar;
pub mod text;
pub mod tz;
pub mod url;
pub mod utf16;
pub mod words;
pub mod yaml;
