//! The supervisor that this process runs under: asked for a hop statement over a UNIX socket, and for a fresh one before
//! the last has expired. While the connection lives, so does the supervisor.

use super::{
    Asked, Ticket,
    supervisor::{Answer, Ask, Granted},
};
use crate::ui;
use std::{path::Path, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
};
use tokio_util::sync::CancellationToken;
use weir_shared::{
    error::{Kind, UserFacing},
    id::AgentId,
    keys::SessionKey,
};

/// The longest answer, bytes.
const LONGEST: u64 = 256 * 1024;

/// A connection to the supervisor.
pub(crate) struct Parent {
    io: Mutex<(BufReader<OwnedReadHalf>, OwnedWriteHalf)>,
}

fn gone(error: &dyn std::fmt::Display) -> UserFacing {
    let hint = "start `weir run` anew";
    UserFacing::new(Kind::Unreachable, format!("the supervisor in {} does not answer: {error}", super::SOCKET), hint)
}

impl Parent {
    async fn connect(socket: &Path) -> Result<Arc<Self>, UserFacing> {
        let stream = UnixStream::connect(socket).await.map_err(|error| gone(&error))?;
        let theirs = stream.peer_cred().map_err(|error| gone(&error))?.uid();
        // A socket that another user put there would learn what is asked, and choose the relay.
        if theirs != rustix::process::getuid().as_raw() && theirs != 0 {
            let message = format!("{} belongs to another user", super::SOCKET);
            return Err(UserFacing::new(Kind::Denied, message, "unset it"));
        }
        let (read, write) = stream.into_split();
        Ok(Arc::new(Self { io: Mutex::new((BufReader::new(read), write)) }))
    }

    /// Asks for a hop statement for `key`.
    pub(super) async fn ask(
        socket: &Path,
        key: &SessionKey,
        asked: &Asked,
    ) -> Result<(Arc<Self>, Granted), UserFacing> {
        let parent = Self::connect(socket).await?;
        let key = key.thumbprint().map_err(|error| ui::system("no key", &error))?;
        let ask = Ask::Hop {
            key,
            scope: asked.scope.clone(),
            ttl: asked.ttl.map(|ttl| ttl.as_secs()),
            hops: asked.hops,
            budget: asked.budget,
        };
        match parent.call(&ask).await? {
            Answer::Granted(granted) => Ok((parent, granted)),
            other => Err(other.refusal()),
        }
    }

    /// Asks for a ticket.
    pub(crate) async fn ticket(socket: &Path, asked: &Asked, redeem_within: u32) -> Result<Ticket, UserFacing> {
        let ask = Ask::Ticket {
            scope: asked.scope.clone(),
            ttl: asked.ttl.map(|ttl| ttl.as_secs()),
            hops: asked.hops,
            budget: asked.budget,
            redeem_within,
        };
        match Self::connect(socket).await?.call(&ask).await? {
            Answer::Ticket(ticket) => Ok(ticket),
            other => Err(other.refusal()),
        }
    }

    /// A fresh statement for the same key.
    pub(crate) async fn renew(&self) -> Result<String, UserFacing> {
        match self.call(&Ask::Renew).await? {
            Answer::Renewed { hop } => Ok(hop),
            other => Err(other.refusal()),
        }
    }

    /// The relay took the statement: this is the agent that the supervisor ends when we are gone.
    pub(super) async fn bound(&self, agent: &AgentId) -> Result<(), UserFacing> {
        match self.call(&Ask::Bound { agent: *agent }).await? {
            Answer::Noted => Ok(()),
            other => Err(other.refusal()),
        }
    }

    async fn call(&self, ask: &Ask) -> Result<Answer, UserFacing> {
        let mut io = self.io.lock().await;
        let (read, write) = &mut *io;
        let mut line = serde_json::to_vec(ask).map_err(|error| ui::system("a request", &error))?;
        line.push(b'\n');
        write.write_all(&line).await.map_err(|error| gone(&error))?;
        let mut answer = String::new();
        read.take(LONGEST).read_line(&mut answer).await.map_err(|error| gone(&error))?;
        serde_json::from_str(&answer).map_err(|error| gone(&error))
    }

    /// Cancels `over` when the supervisor goes away. It says nothing unasked: a byte, or the end, is its end.
    pub(crate) async fn watch(self: Arc<Self>, over: CancellationToken) {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            let io = self.io.lock().await;
            match io.0.get_ref().try_read(&mut [0; 1]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => return over.cancel(),
            }
        }
    }
}

/// The process id of a supervisor among this process's ancestors, whatever the environment says. An orphan stays below its
/// supervisor (PR_SET_CHILD_SUBREAPER), so that forking twice is no way out.
pub(crate) fn supervisor_above() -> Option<u32> {
    ancestors(std::process::id()).find(|pid| is_weir(*pid))
}

/// The process's parent, its parent, and so on.
pub(super) fn ancestors(pid: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(ancestor(pid), |pid| ancestor(*pid)).take(256)
}

/// True when the process is a weir. Only a process itself can change its name.
pub(super) fn is_weir(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "weir")
}

/// The parent of a process (proc(5), `stat`); none for the first.
pub(crate) fn ancestor(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok().filter(|parent| *parent > 0)
}
