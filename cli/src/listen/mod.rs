//! The local ports: loopback TCP and a UNIX socket a resource. Each accepted connection becomes a stream of the tunnel.

mod peer;
mod postgres;
mod splice;

pub(crate) use postgres::LocalTls;

use crate::{settings::Settings, tunnel::Tunnel, ui};
use splice::Client;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_util::task::TaskTracker;
use weir_shared::{
    error::{Kind, UserFacing},
    id::ResourceName,
    native,
};

/// A local client must begin to speak within this, and settle its encryption. The relay bounds what follows.
const START: Duration = Duration::from_secs(30);
/// So many of others' clients are told at a time why they are not let in.
const STRANGERS: usize = 16;

/// What happened, for the terminal: which event, on which resource's port (none for the tunnel), more about it.
pub(crate) type Events = Arc<dyn Fn(&str, Option<&ResourceName>, &str) + Send + Sync>;

/// One resource's local ends.
pub(crate) struct Local {
    pub(crate) resource: ResourceName,
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
    tcp: TcpListener,
    unix: Option<UnixListener>,
    socket: PathBuf,
    /// Whether everyone who can reach it may use it: nobody else can reach a port in a command's own network.
    own_network: bool,
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Local {
    /// Opens the port: the one asked for, else the one it had before, else any. 0 asks for any, which is not remembered.
    pub(crate) async fn open(
        settings: &Settings,
        resource: ResourceName,
        asked: Option<u16>,
    ) -> Result<Self, UserFacing> {
        let memory = format!("port.{resource}");
        let remembered =
            settings.read(&memory).and_then(|text| String::from_utf8(text).ok()?.trim().parse::<u16>().ok());
        let tcp = match (asked, remembered) {
            (Some(port), _) => TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
                let hint = "choose another --port, or leave it out";
                UserFacing::new(Kind::Conflict, format!("port {port} cannot be opened: {error}"), hint)
            })?,
            (None, remembered) => match TcpListener::bind(("127.0.0.1", remembered.unwrap_or(0))).await {
                Ok(tcp) => tcp,
                Err(_) => {
                    TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| ui::system("no local port", &error))?
                }
            },
        };
        let port = tcp.local_addr().map_err(|error| ui::system("no local port", &error))?.port();
        if let Some(old) = remembered.filter(|old| *old != port && asked.is_none()) {
            ui::tell(&format!("port {old} of {resource} is taken: using {port}"));
        } else if asked != Some(0) {
            settings.write(&memory, port.to_string().as_bytes())?;
        }
        let folder = settings.state.clone();
        let socket = folder.join(format!(".s.PGSQL.{port}"));
        let _ = std::fs::remove_file(&socket);
        // A path too long for a socket address costs the socket, not the port.
        let unix = UnixListener::bind(&socket).ok();
        if unix.is_some() {
            use std::os::unix::fs::PermissionsExt as _;
            let _ = std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600));
        }
        Ok(Self { resource, port, folder, tcp, unix, socket, own_network: false })
    }

    /// A port that a command opened in a network of its own.
    pub(crate) fn isolated(
        settings: &Settings,
        resource: ResourceName,
        port: u16,
        tcp: std::net::TcpListener,
    ) -> Result<Self, UserFacing> {
        let tcp = TcpListener::from_std(tcp).map_err(|error| ui::system("no local port", &error))?;
        let (folder, socket) = (settings.state.clone(), PathBuf::new());
        Ok(Self { resource, port, folder, tcp, unix: None, socket, own_network: true })
    }

    pub(crate) fn has_socket(&self) -> bool {
        self.unix.is_some()
    }

    /// Accepts until it is dropped.
    pub(crate) async fn serve(&self, tunnel: Arc<Tunnel>, tls: Arc<LocalTls>, tasks: TaskTracker, events: Events) {
        let strangers = Arc::new(Semaphore::new(STRANGERS));
        loop {
            let strangers = Arc::clone(&strangers);
            let (tunnel, tls, events) = (Arc::clone(&tunnel), Arc::clone(&tls), Arc::clone(&events));
            let resource = self.resource.clone();
            tokio::select! {
                accepted = self.tcp.accept() => {
                    let Ok((stream, peer)) = accepted else { continue };
                    let _ = stream.set_nodelay(true);
                    let anyone = self.own_network;
                    tasks.spawn(async move {
                        let ours = stream.local_addr();
                        if !anyone && !matches!(ours, Ok(ours) if peer::is_ours(peer, ours).await) {
                            events("refused", Some(&resource), "a connection of another user of this machine");
                            if let Ok(_place) = strangers.try_acquire() {
                                turn_away(stream, &tls).await;
                            }
                            return;
                        }
                        match postgres::begin(stream, &tls).await {
                            Ok(Some(local)) => pass(local, &tunnel, &resource, &events).await,
                            Ok(None) => {}
                            Err(error) => events("refused", Some(&resource), &error.to_string()),
                        }
                    });
                }
                accepted = accept_unix(self.unix.as_ref()) => {
                    let Ok((mut stream, _)) = accepted else { continue };
                    let ours = stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::getuid().as_raw());
                    tasks.spawn(async move {
                        if !ours {
                            events("refused", Some(&resource), "a connection of another user of this machine");
                            let _ = stream.write_all(&stranger()).await;
                            return;
                        }
                        pass(stream, &tunnel, &resource, &events).await;
                    });
                }
            }
        }
    }
}

/// Tells a client of somebody else why it is not let in, once it has asked for that: it would not read anything before.
async fn turn_away(stream: TcpStream, tls: &LocalTls) {
    let told = async {
        if let Ok(Some(mut client)) = postgres::begin(stream, tls).await
            && let Ok(1..) = client.read(&mut [0; 4096]).await
        {
            let _ = client.write_all(&stranger()).await;
            let _ = client.shutdown().await;
        }
    };
    let _ = tokio::time::timeout(START / 6, told).await;
}

fn stranger() -> Vec<u8> {
    let hint = "each user runs their own weir";
    native::postgres_fatal("28000", "this port belongs to another user of this machine", "", hint)
}

async fn accept_unix(listener: Option<&UnixListener>) -> std::io::Result<(UnixStream, tokio::net::unix::SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

impl Client for UnixStream {
    fn is_there(&self) -> Option<bool> {
        use futures_util::FutureExt as _;
        // Whoever is gone does not read either.
        let ready = self.ready(Interest::WRITABLE).now_or_never();
        Some(!ready.is_some_and(|ready| ready.is_ok_and(|ready| ready.is_write_closed())))
    }
}

/// Passes one connection through the tunnel.
async fn pass(mut local: impl Client, tunnel: &Tunnel, resource: &ResourceName, events: &Events) {
    // The client speaks first; its first bytes are kept, so that they can be sent again over another tunnel.
    let mut first = [0; 4096];
    let first = match tokio::time::timeout(START, local.read(&mut first)).await {
        Ok(Ok(some @ 1..)) => first.get(..some).unwrap_or_default(),
        _ => return,
    };
    let mut opened = match tunnel.open(resource, first).await {
        Ok(opened) => opened,
        Err(failed) => {
            events("refused", Some(resource), &failed.error.message);
            let _ = local.write_all(&failed.native).await;
            let _ = local.shutdown().await;
            return;
        }
    };
    events("opened", Some(resource), &opened.session);
    let lost = native::postgres_fatal("08006", "the tunnel to the relay was lost", "", "connect again");
    splice::splice(&mut local, &mut opened.stream, &opened.rest, &lost).await;
    events("closed", Some(resource), &opened.session);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_on_the_socket_that_has_ended_its_side_is_there_and_one_that_is_gone_is_not() {
        let (mut client, mut local) = UnixStream::pair().unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(local.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(local.is_there(), Some(true));
        drop(client);
        tokio::time::timeout(START, async {
            while local.is_there() != Some(false) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
    }
}
