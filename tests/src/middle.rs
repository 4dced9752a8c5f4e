//! What may stand between an agent and its relay: a corporate proxy (HTTP CONNECT), a network that lets TCP through only,
//! one that loses packets; and a way to a resource that breaks.

use anyhow::{Result, anyhow};
use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
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
        Ok(Self { address, passed: Self::listen(listener, to) })
    }

    fn listen(
        listener: TcpListener,
        to: impl Fn(&TcpStream) -> Option<String> + Send + Sync + 'static,
    ) -> Arc<AtomicUsize> {
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
        passed
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
    let _ = to.shutdown(Shutdown::Write);
}

/// What becomes of a connection to a resource.
#[derive(Clone, Debug)]
pub enum How {
    /// It ends.
    Close,
    /// It is reset.
    Reset,
    /// It goes on without a word from the resource.
    Stall,
    /// The resource says this, and no more.
    Say(Vec<u8>),
}

/// A way to a resource on which things go wrong when they are told to.
#[derive(Debug)]
pub struct Faulty {
    /// Where it listens.
    pub address: SocketAddr,
    /// After so many bytes from the resource on one connection.
    armed: Arc<Mutex<Option<(usize, How)>>>,
}

impl Faulty {
    /// A way to `target`.
    ///
    /// # Errors
    /// There is no port.
    pub fn to(target: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let armed = Arc::default();
        let way = Self { address, armed: Arc::clone(&armed) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&target) else { continue };
                let (client, server) = (Arc::new(client), Arc::new(server));
                let (from, to) = (Arc::clone(&client), Arc::clone(&server));
                thread::spawn(move || copy(&from, &to));
                let armed = Arc::clone(&armed);
                thread::spawn(move || answers(&server, &client, &armed));
            }
        });
        Ok(way)
    }

    /// The next connection on which the resource says so many bytes more meets this, once.
    ///
    /// # Errors
    /// A thread panicked.
    pub fn arm(&self, after: usize, how: How) -> Result<()> {
        *self.armed.lock().map_err(|_| anyhow!("poisoned"))? = Some((after, how));
        Ok(())
    }
}

fn answers(mut server: &TcpStream, mut client: &TcpStream, armed: &Mutex<Option<(usize, How)>>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        let mut bytes = buffer.get(..count).unwrap_or_default();
        let mut meets = None;
        if let Ok(mut armed) = armed.lock() {
            match armed.take() {
                Some((after, how)) if after < count => {
                    bytes = bytes.get(..after).unwrap_or_default();
                    meets = Some(how);
                }
                Some((after, how)) => *armed = Some((after - count, how)),
                None => {}
            }
        }
        if client.write_all(bytes).is_err() {
            break;
        }
        match meets {
            None => {}
            Some(How::Close) => break,
            Some(How::Reset) => {
                // What is closed with this set is reset; the other direction's thread lets go of it too.
                let _ = rustix::net::sockopt::set_socket_linger(client, Some(Duration::ZERO));
                let _ = (server.shutdown(Shutdown::Both), client.shutdown(Shutdown::Read));
                return;
            }
            Some(How::Stall) => thread::sleep(Duration::MAX),
            Some(How::Say(words)) => {
                let _ = client.write_all(&words);
                thread::sleep(Duration::MAX);
            }
        }
    }
    let _ = (server.shutdown(Shutdown::Both), client.shutdown(Shutdown::Both));
}

/// A network between agents and their relay that loses, doubles and delays packets; TCP goes through it unharmed.
#[derive(Debug)]
pub struct Network {
    /// Where the relay seems to be.
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of a thousand packets.
    lost: AtomicUsize,
    doubled: AtomicUsize,
    delayed: AtomicUsize,
    /// Each agent's packets come from a new port from here on.
    paths: AtomicUsize,
    dice: AtomicU64,
}

impl State {
    fn happens(&self, chance: &AtomicUsize) -> bool {
        // A linear congruential generator (Knuth, MMIX): the same packets meet the same in each run, nearly.
        let next =
            |dice: u64| Some(dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        let dice = self.dice.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(0);
        usize::try_from((dice >> 33) % 1000).is_ok_and(|roll| roll < chance.load(Ordering::Relaxed))
    }

    /// Passes on one packet, as the network is; `late` is one that was held back.
    fn pass(&self, packet: &[u8], late: &mut Option<Vec<u8>>, send: impl Fn(&[u8])) {
        if self.happens(&self.lost) {
            return;
        }
        if late.is_none() && self.happens(&self.delayed) {
            *late = Some(packet.to_vec());
            return;
        }
        send(packet);
        if self.happens(&self.doubled) {
            send(packet);
        }
        if let Some(late) = late.take() {
            send(&late);
        }
    }
}

impl Network {
    /// A network in which nothing goes wrong yet, to `relay`.
    ///
    /// # Errors
    /// There is no port.
    pub fn to(relay: &str) -> Result<Self> {
        let (tcp, udp) = both()?;
        let (address, relay): (SocketAddr, SocketAddr) = (tcp.local_addr()?, relay.parse()?);
        Middle::listen(tcp, move |_| Some(relay.to_string()));
        let (socket, state) = (Arc::new(udp), Arc::<State>::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || packets(&socket, relay, &shared));
        Ok(Self { address, state })
    }

    /// Of a thousand packets so many are lost, doubled, overtaken by the next.
    pub fn harm(&self, lost: usize, doubled: usize, delayed: usize) {
        self.state.lost.store(lost, Ordering::Relaxed);
        self.state.doubled.store(doubled, Ordering::Relaxed);
        self.state.delayed.store(delayed, Ordering::Relaxed);
    }

    /// The agents' packets come from other ports from here on, as after a change of network.
    pub fn change_paths(&self) {
        self.state.paths.fetch_add(1, Ordering::Relaxed);
    }
}

/// TCP and UDP on one port.
fn both() -> Result<(TcpListener, UdpSocket)> {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr()?) {
            return Ok((tcp, udp));
        }
    }
    Err(anyhow!("no port is free for both"))
}

fn packets(socket: &Arc<UdpSocket>, relay: SocketAddr, state: &Arc<State>) {
    let mut ways: HashMap<SocketAddr, (usize, Arc<UdpSocket>)> = HashMap::new();
    let (mut buffer, mut late) = (vec![0; 65_536], None);
    while let Ok((count, agent)) = socket.recv_from(&mut buffer) {
        let path = state.paths.load(Ordering::Relaxed);
        if ways.get(&agent).is_none_or(|(made, _)| *made != path) {
            let Ok(way) = UdpSocket::bind("127.0.0.1:0") else { return };
            let way = Arc::new(way);
            ways.insert(agent, (path, Arc::clone(&way)));
            let (socket, state) = (Arc::clone(socket), Arc::clone(state));
            thread::spawn(move || {
                let (mut buffer, mut late) = (vec![0; 65_536], None);
                while let Ok(count) = way.recv(&mut buffer) {
                    let packet = buffer.get(..count).unwrap_or_default();
                    state.pass(packet, &mut late, |packet| drop(socket.send_to(packet, agent)));
                }
            });
        }
        if let Some((_, way)) = ways.get(&agent) {
            let packet = buffer.get(..count).unwrap_or_default();
            state.pass(packet, &mut late, |packet| drop(way.send_to(packet, relay)));
        }
    }
}
