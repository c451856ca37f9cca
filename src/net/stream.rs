//! A connection, plain or TLS, with a time limit on every wait.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_net::TcpStream;
use futures_rustls::client::TlsStream;
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::limits::HTTP_WRITE_BYTES;

/// A connection to a server or to a proxy.
pub(super) enum HttpStream {
    /// Plain TCP, for `http://` and before a proxy's TLS.
    Plain(TcpStream),
    /// TLS over TCP; boxed because its state is some kilobytes.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Ends `work` with [`io::ErrorKind::TimedOut`] after `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    smol::future::or(work, async {
        async_io::Timer::after(limit).await;
        Err(io::ErrorKind::TimedOut.into())
    })
    .await
}

impl HttpStream {
    /// Reads available bytes, waiting at most `limit`; 0 at the end.
    pub(super) async fn read_some(&mut self, buf: &mut [u8], limit: Duration) -> io::Result<usize> {
        within(limit, self.read(buf)).await
    }

    /// Writes everything, waiting at most `limit` for each piece. Small pieces keep TLS from
    /// holding a second copy of a long body.
    pub(super) async fn write_pieces(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        for piece in bytes.chunks(HTTP_WRITE_BYTES) {
            within(limit, self.write_all(piece)).await?;
        }
        within(limit, self.flush()).await
    }

    /// Whether an idle connection is still open and silent. Anything to read means that it cannot
    /// be used: an end, an error, or bytes that answer no request. Reading through TLS lets
    /// session tickets pass, and shrinks its buffer from the longest record to 4 kB.
    pub(super) fn is_fresh(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        Pin::new(self).poll_read(&mut nobody, &mut [0]).is_pending()
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            HttpStream::Plain(s) => Pin::new(s).poll_read(cx, buf),
            HttpStream::Tls(s) => Pin::new(&mut **s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            HttpStream::Plain(s) => Pin::new(s).poll_write(cx, buf),
            HttpStream::Tls(s) => Pin::new(&mut **s).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            HttpStream::Plain(s) => Pin::new(s).poll_flush(cx),
            HttpStream::Tls(s) => Pin::new(&mut **s).poll_flush(cx),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            HttpStream::Plain(s) => Pin::new(s).poll_close(cx),
            HttpStream::Tls(s) => Pin::new(&mut **s).poll_close(cx),
        }
    }
}
