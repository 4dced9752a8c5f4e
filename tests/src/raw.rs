//! The PostgreSQL protocol spoken by hand: frames in, frames out, nothing understood that need not be. For what drivers
//! never send, and to compare what weir answers with what the server does.

use crate::lab::Lab;
use anyhow::{Context as _, Result, bail, ensure};
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use std::{
    io::{Read, Write},
    net::TcpStream,
    os::{fd::AsFd, unix::net::UnixStream},
    path::PathBuf,
    time::Duration,
};

/// Protocol 3.0.
pub const V3_0: u32 = 3 << 16;
/// Protocol 3.2.
pub const V3_2: u32 = 3 << 16 | 2;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type.
    pub kind: u8,
    /// What follows the length.
    pub body: Vec<u8>,
}

impl Message {
    /// A field of an error or notice; empty when it has none.
    #[must_use]
    pub fn field(&self, name: u8) -> String {
        let mut fields = self.body.split(|byte| *byte == 0);
        let field = fields.find_map(|field| field.strip_prefix(&[name]));
        String::from_utf8_lossy(field.unwrap_or_default()).into_owned()
    }
}

trait Io: Read + Write + AsFd + Send {}
impl<T: Read + Write + AsFd + Send> Io for T {}

/// A connection.
pub struct Raw {
    stream: Box<dyn Io>,
    /// What the server said before it was ready.
    pub greeting: Vec<Message>,
}

impl Raw {
    /// A connection on which nothing was said yet, to a local port.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: Box::new(stream), greeting: Vec::new() })
    }

    /// A session through a port that `weir connect` opened.
    ///
    /// # Errors
    /// It is refused.
    pub fn through(port: u16) -> Result<Self> {
        Self::connect(port)?.begin(&startup(V3_0, &[("user", "anyone"), ("database", "shop")]), "")
    }

    /// A connection to the server itself, on which nothing was said yet.
    ///
    /// # Errors
    /// It does not listen.
    pub fn server(lab: &Lab) -> Result<Self> {
        let socket = PathBuf::from(lab.postgres("PG_SOCKET")).join(format!(".s.PGSQL.{}", lab.postgres("PG_PORT")));
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: Box::new(stream), greeting: Vec::new() })
    }

    /// A session of the role that weir logs in as, past weir.
    ///
    /// # Errors
    /// The login fails.
    pub fn direct(lab: &Lab) -> Result<Self> {
        let password = std::fs::read_to_string(lab.postgres("PG_PASSWORD_FILE"))?;
        let names = [("user", lab.postgres("PG_ROLE")), ("database", lab.postgres("PG_DATABASE"))];
        Self::server(lab)?.begin(&startup(V3_0, &names), password.trim())
    }

    /// A session of the superuser's in `database`, past weir.
    ///
    /// # Errors
    /// The login fails.
    pub fn superuser(lab: &Lab, database: &str) -> Result<Self> {
        let password = std::fs::read_to_string(lab.postgres("PG_SUPERUSER_PASSWORD_FILE"))?;
        Self::server(lab)?.begin(&startup(V3_0, &[("user", "postgres"), ("database", database)]), password.trim())
    }

    /// Sends the start-up packet and logs in.
    ///
    /// # Errors
    /// It is refused.
    pub fn begin(mut self, startup: &[u8], password: &str) -> Result<Self> {
        self.send(startup)?;
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let message = self.read()?;
            let (code, rest) = message.body.split_at_checked(4).unwrap_or_default();
            match (message.kind, code) {
                (b'R', [0, 0, 0, 10]) => {
                    let length = u32::try_from(scram.message().len())?.to_be_bytes();
                    self.send(&frame(b'p', &[SCRAM_SHA_256.as_bytes(), b"\0", &length, scram.message()].concat()))?;
                }
                (b'R', [0, 0, 0, 11]) => {
                    scram.update(rest)?;
                    self.send(&frame(b'p', scram.message()))?;
                }
                (b'R', [0, 0, 0, 12]) => scram.finish(rest)?,
                (b'E', _) => bail!("refused: {} {}", message.field(b'C'), message.field(b'M')),
                (b'Z', _) => return Ok(self),
                _ => self.greeting.push(message),
            }
        }
    }

    /// Ends its own side, and goes on reading.
    ///
    /// # Errors
    /// The other side is gone.
    pub fn half_close(&self) -> Result<()> {
        Ok(rustix::net::shutdown(self.stream.as_fd(), rustix::net::Shutdown::Write)?)
    }

    /// Dies without a goodbye: the connection is reset.
    ///
    /// # Errors
    /// The system refuses.
    pub fn reset(self) -> Result<()> {
        Ok(rustix::net::sockopt::set_socket_linger(self.stream.as_fd(), Some(Duration::ZERO))?)
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// The other side is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)?;
        Ok(self.stream.flush()?)
    }

    /// The next message.
    ///
    /// # Errors
    /// None comes in time, or no more come.
    pub fn read(&mut self) -> Result<Message> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).context("no message")?;
        let [kind, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length))?;
        ensure!((4..1 << 30).contains(&length), "a message {kind} of length {length}");
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).context("half a message")?;
        Ok(Message { kind, body })
    }

    /// Bytes that are no message.
    ///
    /// # Errors
    /// They do not come.
    pub fn exact(&mut self, bytes: &mut [u8]) -> Result<()> {
        Ok(self.stream.read_exact(bytes)?)
    }

    /// Messages up to the first of a kind, which is the last of them.
    ///
    /// # Errors
    /// It does not come.
    pub fn until(&mut self, kind: u8) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        loop {
            let message = self.read().with_context(|| format!("after {messages:?}"))?;
            let found = message.kind == kind;
            messages.push(message);
            if found {
                return Ok(messages);
            }
        }
    }

    /// Sends bytes, and reads up to the next that the server is ready: each message's type, errors with their code.
    ///
    /// # Errors
    /// The session ends.
    pub fn ask(&mut self, bytes: &[u8]) -> Result<String> {
        self.send(bytes)?;
        Ok(outline(&self.until(b'Z')?))
    }

    /// What is still sent before the other side closes.
    ///
    /// # Errors
    /// It does not close in time.
    pub fn rest(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The cancel request for this session.
    ///
    /// # Errors
    /// The server gave no key.
    pub fn cancel_request(&self) -> Result<Vec<u8>> {
        let key = self.greeting.iter().find(|message| message.kind == b'K').context("no key")?;
        Ok([&u32::try_from(key.body.len() + 8)?.to_be_bytes(), &80_877_102_u32.to_be_bytes(), &key.body[..]].concat())
    }
}

/// Each message's type; errors with their code, ready with its status.
#[must_use]
pub fn outline(messages: &[Message]) -> String {
    let each = messages.iter().map(|message| match message.kind {
        b'E' => format!("E{}", message.field(b'C')),
        b'Z' => format!("Z{}", String::from_utf8_lossy(&message.body)),
        kind => char::from(kind).to_string(),
    });
    each.collect::<Vec<_>>().join(" ")
}

/// A start-up packet.
#[must_use]
pub fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend_from_slice(&[name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    body.push(0);
    [&length(body.len()), &body[..]].concat()
}

fn length(body: usize) -> [u8; 4] {
    u32::try_from(body + 4).unwrap_or(u32::MAX).to_be_bytes()
}

/// A message.
#[must_use]
pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &length(body.len())[..], body].concat()
}

/// Query.
#[must_use]
pub fn query(text: &str) -> Vec<u8> {
    frame(b'Q', &[text.as_bytes(), b"\0"].concat())
}

/// Parse, with no types given.
#[must_use]
pub fn parse(name: &str, text: &str) -> Vec<u8> {
    frame(b'P', &[name.as_bytes(), b"\0", text.as_bytes(), b"\0\0\0"].concat())
}

/// Bind, all in text.
#[must_use]
pub fn bind(portal: &str, statement: &str, values: &[&str]) -> Vec<u8> {
    let mut body = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0\0\0"].concat();
    body.extend_from_slice(&u16::try_from(values.len()).unwrap_or(u16::MAX).to_be_bytes());
    for value in values {
        body.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        body.extend_from_slice(value.as_bytes());
    }
    body.extend_from_slice(&[0, 0]);
    frame(b'B', &body)
}

/// Describe (`D`) or Close (`C`) of a statement (`S`) or portal (`P`).
#[must_use]
pub fn named(kind: u8, what: u8, name: &str) -> Vec<u8> {
    frame(kind, &[&[what], name.as_bytes(), b"\0"].concat())
}

/// Execute, with at most so many rows; 0 is all.
#[must_use]
pub fn execute(portal: &str, rows: u32) -> Vec<u8> {
    frame(b'E', &[portal.as_bytes(), b"\0", &rows.to_be_bytes()].concat())
}

/// Sync.
#[must_use]
pub fn sync() -> Vec<u8> {
    frame(b'S', &[])
}
