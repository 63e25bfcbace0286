//! Connections, as they come in. One that opens and does not speak HTTP/2 within a time is closed: nothing below would ever
//! end it, and a graceful stop would wait for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::{Connected, TcpConnectInfo, TcpIncoming};

/// The client's part of HTTP/2's opening. Once it is here, HTTP/2's own pings find out who is gone.
const PREFACE_BYTES: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// How long to wait after a connection could not be accepted.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// The connections of a listener. Each must have opened within `patience`; `keepalive` is TCP's own.
pub(super) fn incoming(
    listener: TcpListener,
    patience: Duration,
    keepalive: Duration,
) -> impl Stream<Item = io::Result<Arriving>> {
    let accepted = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(keepalive));
    accepted.then(move |stream| async move {
        if let Err(error) = &stream
            && !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
        {
            // No file descriptors left, say: asking again at once would only keep a core busy.
            tracing::warn!(cause = %error, "a connection could not be accepted");
            tokio::time::sleep(AFTER_FAILURE).await;
        }
        stream.map(|stream| Arriving::new(stream, patience))
    })
}

/// A connection that has to open in time.
pub(super) struct Arriving {
    stream: TcpStream,
    /// How much of the opening is not here yet.
    missing: usize,
    /// Until when it may take; none once it is here.
    late: Option<Pin<Box<Sleep>>>,
}

impl Arriving {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, missing: PREFACE_BYTES, late: Some(Box::pin(tokio::time::sleep(patience))) }
    }
}

impl Connected for Arriving {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Arriving {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        let Some(late) = &mut this.late else { return polled };
        this.missing = this.missing.saturating_sub(buffer.filled().len() - before);
        if this.missing == 0 {
            this.late = None;
        } else if polled.is_pending() && late.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "it has not opened in time")));
        }
        polled
    }
}

impl AsyncWrite for Arriving {
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
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
