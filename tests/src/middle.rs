//! What may stand between an agent and its relay: a corporate proxy (HTTP CONNECT), and a network that lets TCP through only.

use anyhow::Result;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A listener that passes connections on, on threads that end with them; the listener's own ends with the test's process.
#[derive(Debug)]
pub struct Middle {
    /// Where it listens.
    pub address: SocketAddr,
    passed: Arc<AtomicUsize>,
}

impl Middle {
    /// Passes every connection on to `target`. There is no UDP on its port.
    ///
    /// # Errors
    /// There is no port.
    pub fn forward(target: String) -> Result<Self> {
        Self::start(move |_| Some(target.clone()))
    }

    /// An HTTP proxy that knows CONNECT.
    ///
    /// # Errors
    /// There is no port.
    pub fn proxy() -> Result<Self> {
        Self::start(|stream| {
            let mut reader = BufReader::new(stream.try_clone().ok()?);
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let target = line.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).ok()?;
            }
            // A client sends nothing more before the answer, so nothing is left in the reader.
            let mut stream = stream;
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
            Some(target)
        })
    }

    fn start(to: impl Fn(&TcpStream) -> Option<String> + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let passed = Arc::new(AtomicUsize::new(0));
        let (count, to) = (Arc::clone(&passed), Arc::new(to));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (count, to) = (Arc::clone(&count), Arc::clone(&to));
                thread::spawn(move || {
                    if let Some(target) = to(&stream)
                        && let Ok(other) = TcpStream::connect(target)
                    {
                        count.fetch_add(1, Ordering::Relaxed);
                        pass(&stream, &other);
                    }
                });
            }
        });
        Ok(Self { address, passed })
    }

    /// Connections passed on so far.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }
}

fn pass(one: &TcpStream, other: &TcpStream) {
    thread::scope(|scope| {
        scope.spawn(|| copy(one, other));
        copy(other, one);
    });
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}
