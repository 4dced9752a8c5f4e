//! Bytes on their way out of a session, to either side: many messages a write.

use bytes::{Buf as _, Bytes, BytesMut};
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::AsyncWrite;

/// A chunk of this size is queued as it is; smaller ones are gathered into one write.
const GATHER: usize = 8 * 1024;

/// Bytes on their way out.
#[derive(Default)]
pub(super) struct Out {
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    /// How many bytes wait.
    pub(super) length: usize,
    /// Since the metrics were told.
    pub(super) written: u64,
    unflushed: bool,
}

impl Out {
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.length += bytes.len();
        if bytes.len() < GATHER {
            self.tail.extend_from_slice(&bytes);
        } else {
            if !self.tail.is_empty() {
                self.chunks.push_back(self.tail.split().freeze());
            }
            self.chunks.push_back(bytes);
        }
    }

    /// Writes what it can; ready when everything is written and flushed.
    pub(super) fn poll<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<std::io::Result<()>> {
        while self.length > 0 {
            let Some(front) = self.chunks.front_mut() else {
                let tail = std::mem::take(&mut self.tail).freeze();
                self.chunks.push_back(tail);
                continue;
            };
            let count = ready!(Pin::new(&mut *to).poll_write(cx, front))?;
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            front.advance(count);
            self.length -= count;
            self.written += count as u64;
            self.unflushed = true;
            if front.is_empty() {
                self.chunks.pop_front();
            }
        }
        if self.unflushed {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
