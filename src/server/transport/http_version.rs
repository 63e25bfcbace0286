//! Detection of the HTTP version from the first bytes of a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Connection preface of HTTP/2.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// HTTP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.1, for gRPC-Web.
    One,
    /// HTTP/2.
    Two,
}

/// Reads until the version is known. The caller must apply a timeout: a silent connection never ends otherwise.
///
/// # Errors
/// Returns an error if the peer closes the connection, or uses neither version; HTTP/1.1 is accepted only if `http1`.
pub(crate) async fn open<C: AsyncRead + Unpin>(mut stream: C, http1: bool) -> io::Result<(Version, Opened<C>)> {
    let mut first = [0; PREFACE.len()];
    let mut count = 0;
    let version = loop {
        match stream.read(&mut first[count..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => count += read,
        }
        match PREFACE.strip_prefix(&first[..count]) {
            Some([]) => break Version::Two,
            Some(_rest) => {}
            None if http1 => break Version::One,
            None => return Err(io::ErrorKind::InvalidData.into()),
        }
    };
    Ok((version, Opened { first: Bytes::copy_from_slice(&first[..count]), stream }))
}

/// Connection whose first bytes are returned again.
pub(crate) struct Opened<C> {
    first: Bytes,
    stream: C,
}

impl<C: AsyncRead + Unpin> AsyncRead for Opened<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first[..count]);
        self.first.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Opened<C> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn opened(sent: &[u8], http1: bool) -> io::Result<(Version, Vec<u8>)> {
        let (version, mut opened) = open(sent, http1).await?;
        let mut all = Vec::new();
        opened.read_to_end(&mut all).await?;
        Ok((version, all))
    }

    #[tokio::test]
    async fn the_first_bytes_tell_what_is_spoken_and_are_read_again() {
        let two = [&PREFACE[..], b"\0\0\0\x04"].concat();
        assert_eq!(opened(&two, false).await.unwrap(), (Version::Two, two));
        let one = b"POST /copydesk.v1.RetrievalService/GetArticle HTTP/1.1\r\n".to_vec();
        assert_eq!(opened(&one, true).await.unwrap(), (Version::One, one.clone()));
        assert_eq!(opened(&one, false).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(opened(&PREFACE[..23], true).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
