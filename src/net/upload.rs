//! Files inside a request's body, read in pieces while they are sent: a 20 MB picture needs only two small buffers.

use std::fs::File;
use std::sync::Arc;

#[cfg(feature = "media")]
use crate::proto::text;

/// A file inside a request's body.
#[derive(Clone, Debug)]
pub struct Splice {
    /// Its offset in [`super::http::Request::body`].
    pub at: usize,
    /// Read from its beginning, whatever its position.
    pub file: Arc<File>,
    /// Bytes of it that are sent; a file that has become shorter aborts the request.
    pub bytes: u64,
    /// As base64 (RFC 4648, section 4), else unchanged.
    pub base64: bool,
}

impl Splice {
    /// Bytes it takes in the body.
    pub fn length(&self) -> u64 {
        if self.base64 { self.bytes.div_ceil(3) * 4 } else { self.bytes }
    }
}

#[cfg(not(feature = "media"))]
impl Splice {
    /// In this build no request contains a file.
    pub(super) async fn write(
        &self,
        _: &mut super::stream::Stream,
        _: std::time::Duration,
    ) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// A form with one file at its end (RFC 7578).
#[cfg(feature = "media")]
pub struct Form {
    /// Content-Type of the request.
    pub kind: String,
    /// Its body.
    pub body: Vec<u8>,
    /// The file in it.
    pub files: [Splice; 1],
}

#[cfg(feature = "media")]
impl Form {
    /// `fields` as they are, then the file as `field`, under `name`.
    pub fn new(
        fields: &[(&str, &str)],
        field: &str,
        name: &str,
        file: Arc<File>,
        bytes: u64,
    ) -> Form {
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
        Form {
            kind: ["multipart/form-data; boundary=", &mark[2..]].concat(),
            body: body.into_bytes(),
            files: [Splice { at, file, bytes, base64: false }],
        }
    }
}

#[cfg(feature = "media")]
mod write {
    use std::io;
    use std::os::unix::fs::FileExt;
    use std::time::Duration;

    use super::super::stream::Stream;
    use super::Splice;
    use crate::limits::{HTTP_WRITE_BYTES, UPLOAD_READ_BYTES};
    use crate::proto::base64::STANDARD;
    use crate::sys::spawn_blocking;

    /// Bytes per written piece; a multiple of three, so that padding only occurs at the end.
    const STEP: usize = HTTP_WRITE_BYTES / 4 * 3;

    impl Splice {
        /// Sends the file, waiting no longer than `idle` for each piece.
        pub(in super::super) async fn write(
            &self,
            stream: &mut Stream,
            idle: Duration,
        ) -> io::Result<()> {
            let mut buf = vec![0; UPLOAD_READ_BYTES];
            let mut text = String::new();
            let mut at = 0;
            while at < self.bytes {
                let left = usize::try_from(self.bytes - at).unwrap_or(usize::MAX);
                let (n, file) = (left.min(UPLOAD_READ_BYTES), self.file.clone());
                let read = spawn_blocking(Box::new(move || {
                    let done = file.read_exact_at(&mut buf[..n], at);
                    done.map(|()| buf)
                }));
                buf = read.await?;
                if !self.base64 {
                    stream.write_pieces(&buf[..n], idle).await?;
                }
                for piece in buf[..n].chunks(STEP).filter(|_| self.base64) {
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
