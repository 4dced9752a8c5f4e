//! `--isolate` (Linux): the command gets a network of its own, in which there is nothing but weir's ports. The process that
//! becomes the command makes it, opens the ports in it, and hands them over to its supervisor, who serves them from outside
//! (unix(7), SCM_RIGHTS).

use crate::{netlink, settings::Settings};
use rustix::{
    fd::AsFd as _,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
};
use std::{
    io::{IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};
use weir_shared::error::{Kind, UserFacing};

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);
/// Ports at most.
pub(crate) const MOST: usize = 32;

fn refused(what: &str, error: &dyn std::fmt::Display) -> UserFacing {
    let hint =
        "does this system let users make namespaces (user.max_user_namespaces, AppArmor)? Without --isolate it runs";
    UserFacing::new(Kind::System, format!("the command cannot be isolated: {what}: {error}"), hint)
}

/// Where the ports are handed over; dropping it removes the socket.
pub(crate) struct Door {
    listener: tokio::net::UnixListener,
    pub(crate) path: PathBuf,
    pub(crate) ports: Vec<u16>,
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The command waits until this is dropped.
pub(crate) struct Waiting {
    _stream: UnixStream,
}

impl Door {
    /// A door for these ports.
    pub(crate) fn open(settings: &Settings, ports: Vec<u16>) -> Result<Self, UserFacing> {
        let path = settings.runtime()?.join(format!("{}.door", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = tokio::net::UnixListener::bind(&path).map_err(|error| refused("no socket", &error))?;
        Ok(Self { listener, path, ports })
    }

    /// Takes the ports over. The command begins when what comes with them is dropped.
    pub(crate) async fn receive(&self) -> Result<(Vec<TcpListener>, Waiting), UserFacing> {
        let failed = |error: std::io::Error| refused("its ports do not come", &error);
        let (stream, _) = self.listener.accept().await.map_err(failed)?;
        let stream = stream.into_std().map_err(failed)?;
        stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(PATIENCE))).map_err(failed)?;
        let expected = self.ports.len();
        let received = tokio::task::spawn_blocking(move || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let flags = RecvFlags::CMSG_CLOEXEC;
            rustix::net::recvmsg(&stream, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
            let mut ports = Vec::new();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(sockets) = message {
                    ports.extend(sockets.map(TcpListener::from));
                }
            }
            Ok::<_, std::io::Error>((ports, Waiting { _stream: stream }))
        });
        let (ports, waiting) = received.await.map_err(|error| refused("its ports", &error))?.map_err(failed)?;
        if ports.len() != expected {
            return Err(refused("its ports", &"some are missing"));
        }
        for port in &ports {
            port.set_nonblocking(true).map_err(failed)?;
        }
        Ok((ports, waiting))
    }
}

/// In the process that becomes the command: makes the network, opens the ports, hands them over, waits to be let go.
pub(super) fn enter(door: &Path, ports: &[u16]) -> Result<(), UserFacing> {
    use rustix::thread::UnshareFlags;
    let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    #[expect(deprecated, reason = "its successor is unsafe for what is not asked for here: unsharing descriptors")]
    rustix::thread::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET)
        .map_err(|error| refused("no namespace", &error))?;
    let write = |file: &str, text: String| std::fs::write(file, text).map_err(|error| refused(file, &error));
    // Files stay whose they are (user_namespaces(7)).
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    loopback_up().map_err(|error| refused("no loopback", &error))?;
    let opened: Result<Vec<TcpListener>, _> =
        ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port))).collect();
    let opened = opened.map_err(|error| refused("its ports", &error))?;
    let failed = |error: std::io::Error| refused("its supervisor", &error);
    let mut stream = UnixStream::connect(door).map_err(failed)?;
    let sockets: Vec<_> = opened.iter().map(|port| port.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(refused("its ports", &"there are too many"));
    }
    rustix::net::sendmsg(&stream, &[IoSlice::new(&[1])], &mut control, SendFlags::empty())
        .map_err(|error| failed(error.into()))?;
    stream.flush().and_then(|()| stream.set_read_timeout(Some(PATIENCE))).map_err(failed)?;
    // The supervisor closes its end once it serves them.
    stream.read_to_end(&mut Vec::new()).map(drop).map_err(failed)
}

/// Brings the loopback interface up (rtnetlink(7), RTM_NEWLINK). It is the first of a new network namespace.
fn loopback_up() -> std::io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST_ACK: u16 = 1 | 4;
    const IFF_UP: u32 = 1;
    // ifinfomsg: family, type, index, flags, change
    let body = [0, 1, IFF_UP, IFF_UP].map(u32::to_ne_bytes).concat();
    match netlink::ask(None, RTM_NEWLINK, NLM_F_REQUEST_ACK, &body)?.error() {
        Some(0) => Ok(()),
        Some(error) => Err(std::io::Error::from_raw_os_error(error)),
        None => Err(std::io::ErrorKind::InvalidData.into()),
    }
}
