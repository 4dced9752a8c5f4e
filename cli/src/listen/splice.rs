//! Copies a local connection and its stream of the tunnel into each other, in one task, with a buffer only while there is
//! something to copy. A tunnel that is lost ends the local client with an error in its own protocol, if that can be done
//! without breaking a message in two. A local client that has ended its side is still owed its answers, for as long as it is
//! there; one that is gone ends the stream at once.

use bytes::{Buf as _, BytesMut};
use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::Instant,
};

/// One read.
const READ: usize = 64 * 1024;
/// Where nobody knows whether the client is there, the answers to its last requests come within this.
const ANSWER: Duration = Duration::from_secs(5);
/// How soon, and then how often, it is looked whether a client that has ended its side is there.
const SOON: Duration = Duration::from_millis(10);
const OFTEN: Duration = Duration::from_secs(1);

/// A local connection.
pub(super) trait Client: AsyncRead + AsyncWrite + Unpin {
    /// Whether the program that has ended its side is still there to read; none where the system does not tell.
    fn is_there(&self) -> Option<bool>;
}

thread_local! {
    /// Reads land here first, so that an idle connection holds no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// One direction's state between polls.
#[derive(Default)]
struct Way {
    /// Read and not written yet.
    rest: BytesMut,
    unflushed: bool,
    ended: bool,
}

impl Way {
    /// Moves what can be moved; ready at the end, which has been passed on.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        mut seen: impl FnMut(&[u8]),
    ) -> Poll<Result<(), Broken>> {
        loop {
            while !self.rest.is_empty() {
                let count = ready!(Pin::new(&mut *to).poll_write(cx, &self.rest)).map_err(|_| Broken::Write)?;
                self.rest.advance(count);
                self.unflushed = true;
            }
            if self.ended {
                return Pin::new(&mut *to).poll_shutdown(cx).map_err(|_| Broken::Write);
            }
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                match Pin::new(&mut *from).poll_read(cx, &mut buffer) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Broken::Read)),
                    Poll::Pending => return Poll::Pending,
                }
                let filled = buffer.filled();
                if filled.is_empty() {
                    return Poll::Ready(Ok(true));
                }
                seen(filled);
                // Most of the time all of it can be written at once, and nothing need be kept.
                let written = match Pin::new(&mut *to).poll_write(cx, filled) {
                    Poll::Ready(written) => written.map_err(|_| Broken::Write)?,
                    Poll::Pending => 0,
                };
                self.rest.extend_from_slice(filled.get(written..).unwrap_or_default());
                Poll::Ready(Ok(false))
            });
            match read {
                Poll::Ready(Ok(ended)) => {
                    self.unflushed = true;
                    self.ended = ended;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(|_| Broken::Write)?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

/// Which end of a direction broke.
enum Broken {
    Read,
    Write,
}

/// A direction's end.
enum Event {
    /// Nothing more comes from the relay.
    Answered(Result<(), Broken>),
    /// Nothing more comes from the local client, or goes to the relay.
    Asked(Result<(), Broken>),
}

/// Where the relay's messages end (PostgreSQL: a type byte, a length that counts itself).
#[derive(Default)]
struct Boundary {
    head: BytesMut,
    left: usize,
}

impl Boundary {
    fn follow(&mut self, mut bytes: &[u8]) {
        loop {
            let pass = self.left.min(bytes.len());
            self.left -= pass;
            bytes = bytes.get(pass..).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            let wanted = 5 - self.head.len();
            let some = bytes.get(..wanted.min(bytes.len())).unwrap_or_default();
            self.head.extend_from_slice(some);
            bytes = bytes.get(some.len()..).unwrap_or_default();
            if let [_, a, b, c, d] = *self.head {
                self.left = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                self.head.clear();
            }
        }
    }

    fn reached(&self) -> bool {
        self.left == 0 && self.head.is_empty()
    }
}

/// Runs until either side has ended; `begun` are the relay's first bytes, `lost` is what a client is told of a lost tunnel.
pub(super) async fn splice(
    local: &mut impl Client,
    relay: &mut (impl AsyncRead + AsyncWrite + Unpin),
    begun: &[u8],
    lost: &[u8],
) {
    let (mut up, mut down, mut boundary) = (Way::default(), Way::default(), Boundary::default());
    down.rest.extend_from_slice(begun);
    boundary.follow(begun);
    let (mut half_closed, mut pause) = (None, SOON);
    let ended = loop {
        let both = poll_fn(|cx| {
            let ended = down.poll(cx, relay, local, |bytes| boundary.follow(bytes));
            if let Poll::Ready(ended) = ended {
                return Poll::Ready(Event::Answered(ended));
            }
            if half_closed.is_none()
                && let Poll::Ready(ended) = up.poll(cx, local, relay, |_| {})
            {
                return Poll::Ready(Event::Asked(ended));
            }
            Poll::Pending
        });
        let patience = if half_closed.is_some() { pause } else { Duration::MAX / 4 };
        match tokio::time::timeout(patience, both).await {
            // The relay's end is the session's end.
            Ok(Event::Answered(ended)) => break ended,
            // It was reset.
            Ok(Event::Asked(Err(Broken::Read))) => return,
            Ok(Event::Asked(_)) => half_closed = Some(Instant::now()),
            Err(_) => pause = (pause * 2).min(OFTEN),
        }
        let waited = half_closed.map_or(Duration::ZERO, |since| since.elapsed());
        if half_closed.is_some() && !local.is_there().unwrap_or(waited < ANSWER) {
            return;
        }
    };
    if let Err(Broken::Read) = ended
        && boundary.reached()
        && down.rest.is_empty()
    {
        let _ = local.write_all(lost).await;
        let _ = local.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};

    /// A local connection of which the system tells this.
    struct Local<S>(S, Option<bool>);

    impl<S: AsyncRead + AsyncWrite + Unpin> Client for Local<S> {
        fn is_there(&self) -> Option<bool> {
            self.1
        }
    }

    impl<S: AsyncRead + Unpin> AsyncRead for Local<S> {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl<S: AsyncWrite + Unpin> AsyncWrite for Local<S> {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    fn local(size: usize, there: Option<bool>) -> (DuplexStream, Local<DuplexStream>) {
        let (client, local) = duplex(size);
        (client, Local(local, there))
    }

    /// A stream whose reads end in an error.
    struct Dies(&'static [u8]);

    impl AsyncRead for Dies {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if self.0.is_empty() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            buf.put_slice(std::mem::take(&mut self.0));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Dies {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_lost_tunnel_is_told_between_messages_only() {
        for (bytes, told) in [
            (&b"R\0\0\0\x08\0\0\0\0"[..], true),
            (b"Z\0\0\0\x05IN\0\0\0\x06xy", true),
            (b"Z\0\0\0\x05ID\0\0", false),
            (b"D\0\0\0\x09half", false),
        ] {
            let (mut client, mut local) = local(1024, Some(true));
            splice(&mut local, &mut Dies(bytes), b"", b"FATAL").await;
            drop(local);
            let mut seen = Vec::new();
            client.read_to_end(&mut seen).await.unwrap();
            let expected = if told { [bytes, b"FATAL"].concat() } else { bytes.to_vec() };
            assert_eq!(seen, expected);
        }
    }

    #[tokio::test]
    async fn both_ways_and_both_ends() {
        let ((mut client, mut local), (mut relay, mut tunnel)) = (local(16, Some(true)), duplex(16));
        let copy = splice(&mut local, &mut tunnel, b"begun ", b"");
        let talk = async {
            let text = vec![b'x'; 100_000];
            let send = async {
                client.write_all(&text).await.unwrap();
                client.shutdown().await.unwrap();
                let mut answer = String::new();
                client.read_to_string(&mut answer).await.unwrap();
                answer
            };
            let serve = async {
                let mut seen = Vec::new();
                relay.read_to_end(&mut seen).await.unwrap();
                relay.write_all(b"and answered").await.unwrap();
                relay.shutdown().await.unwrap();
                seen.len()
            };
            tokio::join!(send, serve)
        };
        let ((), (answer, seen)) = tokio::join!(copy, talk);
        assert_eq!((answer.as_str(), seen), ("begun and answered", 100_000));
    }

    /// A client that ends its side with its question, of which the system tells whether it is `there`: what it reads when the
    /// answer comes after so long, and when it is let go.
    async fn answered(there: Option<bool>, after: Duration) -> (Vec<u8>, Duration) {
        let ((mut client, mut local), (mut relay, mut tunnel)) = (local(1024, there), duplex(1024));
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let begun = Instant::now();
        let answer = async {
            relay.read_to_end(&mut Vec::new()).await.unwrap();
            tokio::time::sleep(after).await;
            let _ = relay.write_all(b"answer").await;
            drop(relay);
        };
        let copy = async {
            splice(&mut local, &mut tunnel, b"", b"").await;
            drop((local, tunnel));
            begun.elapsed()
        };
        let ((), ended) = tokio::join!(answer, copy);
        let mut seen = Vec::new();
        client.read_to_end(&mut seen).await.unwrap();
        (seen, ended)
    }

    #[tokio::test]
    async fn who_has_ended_its_side_is_answered_as_long_as_it_is_there() {
        let (soon, late) = (ANSWER / 10, ANSWER + OFTEN * 2);
        let (there, gone, quick, slow) = tokio::join!(
            answered(Some(true), late),
            answered(Some(false), soon),
            answered(None, soon),
            answered(None, late)
        );
        assert_eq!(there.0, b"answer");
        assert!(gone.0.is_empty() && gone.1 < soon, "{:?}", gone.1);
        assert_eq!(quick.0, b"answer");
        assert!(slow.0.is_empty() && slow.1 < late, "{:?}", slow.1);
    }

    #[tokio::test]
    async fn a_client_that_is_reset_ends_at_once() {
        let (_relay, mut tunnel) = duplex(1024);
        let begun = Instant::now();
        splice(&mut Local(Dies(b"question"), None), &mut tunnel, b"", b"").await;
        assert!(begun.elapsed() < ANSWER);
    }
}
