//! A connection that is given up when its client takes nothing of what is written for so long: whoever reads a stream without reading it
//! would hold a place, a task and memory for ever.

use bytes::Bytes;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream with a bound for how long a write may stand still.
pub(super) struct Patient<S> {
    stream: S,
    /// What was read of it before, and is read first.
    begun: Bytes,
    longest: Duration,
    /// While a write stands still.
    stands: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// Gives `stream`, of which `begun` was read before, up when nothing of a write is taken for `longest`.
    pub(super) fn new(stream: S, begun: Bytes, longest: Duration) -> Self {
        Self { stream, begun, longest, stands: None }
    }

    fn bounded<T>(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.stands = None;
            return wrote;
        }
        let longest = self.longest;
        let stands = self.stands.get_or_insert_with(|| Box::pin(sleep(longest)));
        ready!(stands.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of what is written")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.begun.is_empty() {
            let len = self.begun.len().min(into.remaining());
            into.put_slice(&self.begun.split_to(len));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.bounded(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let longest = Duration::from_secs(30);
        let (ours, _theirs) = duplex(64);
        let wrote = Patient::new(ours, Bytes::new(), longest).write_all(&[0; 1000]).await;
        assert_eq!(wrote.expect_err("nobody reads").kind(), io::ErrorKind::TimedOut);
        let (ours, mut theirs) = duplex(64);
        let slow = async {
            let mut taken = Vec::new();
            while taken.len() < 1000 {
                sleep(longest * 9 / 10).await;
                let mut some = [0; 64];
                let count = theirs.read(&mut some).await.expect("it is written");
                taken.extend_from_slice(&some[..count]);
            }
        };
        let mut patient = Patient::new(ours, Bytes::new(), longest);
        let (wrote, ()) = tokio::join!(patient.write_all(&[0; 1000]), slow);
        wrote.expect("a slow client is served");
    }
}
