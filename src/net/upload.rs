//! What a request's body holds beside the bytes in memory, read while it is sent: a 20 MB picture costs two small buffers, a
//! long conversation one.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::stream::HttpStream;
use crate::limits::UPLOAD_READ_BYTES;
#[cfg(feature = "media")]
use crate::proto::text;
use crate::sys::spawn_blocking;

/// Something at a place of a request's body.
#[derive(Clone)]
pub struct Splice {
    /// Its offset in [`super::http::Request::body`].
    pub at: usize,
    /// What is sent at that offset, and in which encoding.
    pub content: SpliceContent,
    /// Bytes of it that are sent; what has become shorter breaks the request off.
    pub bytes: u64,
}

/// What a [`Splice`] sends.
#[derive(Clone)]
pub enum SpliceContent {
    /// A file from its beginning, whatever its position.
    Raw(Arc<File>),
    /// The same as base64 (RFC 4648, section 4).
    Base64(Arc<File>),
    /// What is made while it is sent.
    Made(Arc<dyn PieceSource>),
}

/// Text that is made piece by piece: once to know its length, and again for each time it is sent.
pub trait PieceSource: Send + Sync {
    /// Appends piece `n`, from 0, to `out`; false behind the last. Blocks on the disk.
    ///
    /// # Errors
    /// The disk's.
    fn piece(&self, n: usize, out: &mut Vec<u8>) -> io::Result<bool>;
}

impl std::fmt::Debug for Splice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes at {}", self.bytes, self.at)
    }
}

/// Fills `out` with pieces from the `n`th on, until [`UPLOAD_READ_BYTES`] are in it; the next one's number, or `None` behind the
/// last.
fn fill(pieces: &dyn PieceSource, mut n: usize, out: &mut Vec<u8>) -> io::Result<Option<usize>> {
    while out.len() < UPLOAD_READ_BYTES {
        if !pieces.piece(n, out)? {
            return Ok(None);
        }
        n += 1;
    }
    Ok(Some(n))
}

impl Splice {
    /// Bytes it takes in the body.
    pub fn length(&self) -> u64 {
        match self.content {
            SpliceContent::Base64(_) => self.bytes.div_ceil(3) * 4,
            _ => self.bytes,
        }
    }

    /// Finds out how long it is, where that is not known yet.
    ///
    /// # Errors
    /// The disk's.
    pub async fn measure(&mut self) -> io::Result<()> {
        let SpliceContent::Made(pieces) = &self.content else { return Ok(()) };
        let pieces = pieces.clone();
        let measured = spawn_blocking(move || -> io::Result<u64> {
            let (mut next, mut length, mut out) = (Some(0), 0, Vec::new());
            while let Some(n) = next {
                out.clear();
                next = fill(&*pieces, n, &mut out)?;
                length += out.len() as u64;
            }
            Ok(length)
        });
        self.bytes = measured.await?;
        Ok(())
    }

    /// Sends it, waiting no longer than `idle` for each piece.
    pub(super) async fn write(&self, stream: &mut HttpStream, idle: Duration) -> io::Result<()> {
        match &self.content {
            SpliceContent::Made(pieces) => {
                let (mut next, mut out, mut left) = (Some(0), Vec::new(), self.bytes);
                while let Some(n) = next {
                    let pieces = pieces.clone();
                    out.clear();
                    let filled = spawn_blocking(move || {
                        let next = fill(&*pieces, n, &mut out);
                        next.map(|next| (next, out))
                    });
                    (next, out) = filled.await?;
                    // What was said must be sent, not a byte more or less.
                    left = left.checked_sub(out.len() as u64).ok_or(io::ErrorKind::InvalidData)?;
                    stream.write_pieces(&out, idle).await?;
                }
                if left == 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
            }
            #[cfg(feature = "media")]
            SpliceContent::Raw(file) => self.write_file(stream, file, false, idle).await,
            #[cfg(feature = "media")]
            SpliceContent::Base64(file) => self.write_file(stream, file, true, idle).await,
            // Nothing of this build puts a file into a request.
            #[cfg(not(feature = "media"))]
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// A form with one file at its end (RFC 7578).
#[cfg(feature = "media")]
pub struct MultipartForm {
    /// Content-Type of the request.
    pub kind: String,
    /// The body without the bytes of the file.
    pub body: Vec<u8>,
    /// The file in it.
    pub files: [Splice; 1],
}

#[cfg(feature = "media")]
impl MultipartForm {
    /// `fields` as they are, then the file as `field`, under `name`.
    pub fn new(
        fields: &[(&str, &str)],
        field: &str,
        name: &str,
        file: Arc<File>,
        bytes: u64,
    ) -> MultipartForm {
        // If the kernel has no random bytes yet, zeros in this form are unlikely to occur in a file, too.
        let number = crate::sys::random::<12>().unwrap_or_default();
        let mark = ["--picoclaw", &text::hex(&number)].concat();
        // What would end the name, or the line.
        let name = name.replace(|c: char| c.is_control() || c == '"' || c == '\\', "_");
        let mut body = String::new();
        let mut part = |parts: &[&str]| parts.iter().for_each(|p| body.push_str(p));
        const DISPOSITION: &str = "\r\nContent-Disposition: form-data; name=\"";
        for (key, value) in fields {
            part(&[&mark, DISPOSITION, key, "\"\r\n\r\n", value, "\r\n"]);
        }
        part(&[&mark, DISPOSITION, field, "\"; filename=\"", &name]);
        part(&["\"\r\nContent-Type: application/octet-stream\r\n\r\n"]);
        let at = body.len();
        body.push_str("\r\n");
        body.push_str(&mark);
        body.push_str("--\r\n");
        MultipartForm {
            kind: ["multipart/form-data; boundary=", &mark[2..]].concat(),
            body: body.into_bytes(),
            files: [Splice { at, content: SpliceContent::Raw(file), bytes }],
        }
    }
}

#[cfg(feature = "media")]
mod write {
    use std::io;
    use std::os::unix::fs::FileExt;
    use std::time::Duration;

    use std::fs::File;
    use std::sync::Arc;

    use super::super::stream::HttpStream;
    use super::Splice;
    use crate::limits::{HTTP_WRITE_BYTES, UPLOAD_READ_BYTES};
    use crate::proto::base64::STANDARD;
    use crate::sys::spawn_blocking;

    /// Bytes per written piece; a multiple of three, so that padding only occurs at the end.
    const STEP: usize = HTTP_WRITE_BYTES / 4 * 3;

    impl Splice {
        pub(super) async fn write_file(
            &self,
            stream: &mut HttpStream,
            file: &Arc<File>,
            base64: bool,
            idle: Duration,
        ) -> io::Result<()> {
            let mut buf = vec![0; UPLOAD_READ_BYTES];
            let mut text = String::new();
            let mut at = 0;
            while at < self.bytes {
                let left = usize::try_from(self.bytes - at).unwrap_or(usize::MAX);
                let (n, file) = (left.min(UPLOAD_READ_BYTES), file.clone());
                let read = spawn_blocking(Box::new(move || {
                    let done = file.read_exact_at(&mut buf[..n], at);
                    done.map(|()| buf)
                }));
                buf = read.await?;
                if !base64 {
                    stream.write_pieces(&buf[..n], idle).await?;
                }
                for piece in buf[..n].chunks(STEP).filter(|_| base64) {
                    text.clear();
                    STANDARD.push(piece, &mut text);
                    stream.write_pieces(text.as_bytes(), idle).await?;
                }
                at += n as u64;
            }
            Ok(())
        }
    }
}
