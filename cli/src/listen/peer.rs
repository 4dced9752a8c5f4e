//! Who connected to a loopback port, and whether they are still there: on Linux the kernel tells the uid of the socket's owner, and
//! whether a program still holds it.
//!
//! One socket is asked for by its addresses (sock_diag(7)); the table of all sockets, `/proc/net/tcp` (proc(5)), is read
//! only where that is not offered: it takes milliseconds where many connections come and go.

#[cfg(target_os = "linux")]
use crate::netlink;
use std::net::{SocketAddr, SocketAddrV4};

/// What the kernel knows of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    uid: u32,
    /// None once no program holds it: what is left of it only waits for its peer's end.
    inode: u32,
}

/// True when the peer belongs to this user. Where the system does not tell, loopback has to do.
pub(super) async fn is_ours(peer: SocketAddr, ours: SocketAddr) -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let (SocketAddr::V4(peer), SocketAddr::V4(ours)) = (peer, ours) else { return false };
    let uid = rustix::process::getuid().as_raw();
    // The peer may not be there yet at the first look.
    for _ in 0..3 {
        if let Some(owner) = ask(peer, ours).unwrap_or_else(|_| look_up(peer, ours)) {
            return owner.uid == uid;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    false
}

/// Whether a program still holds the socket that connected; none where the system does not tell.
pub(super) fn is_open(peer: SocketAddr, ours: SocketAddr) -> Option<bool> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let (SocketAddr::V4(peer), SocketAddr::V4(ours)) = (peer, ours) else { return None };
    ask(peer, ours).unwrap_or_else(|_| look_up(peer, ours)).map(|owner| owner.inode != 0)
}

/// Whose the socket is whose local end is `peer` and whose remote end is `ours`; none when there is no such socket.
#[cfg(target_os = "linux")]
fn ask(peer: SocketAddrV4, ours: SocketAddrV4) -> std::io::Result<Option<Owner>> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const AF_INET: u8 = 2;
    const IPPROTO_TCP: u8 = 6;
    // inet_diag_req_v2: family, protocol, extensions, padding, states, then the socket's id
    let mut body = Vec::with_capacity(56);
    body.extend_from_slice(&[AF_INET, IPPROTO_TCP, 0, 0]);
    body.extend_from_slice(&u32::MAX.to_ne_bytes());
    body.extend_from_slice(&peer.port().to_be_bytes());
    body.extend_from_slice(&ours.port().to_be_bytes());
    for address in [peer.ip(), ours.ip()] {
        body.extend_from_slice(&address.octets());
        body.extend_from_slice(&[0; 12]);
    }
    // Any interface, no cookie.
    body.extend_from_slice(&[0; 4]);
    body.extend_from_slice(&[0xff; 8]);
    let diagnosis = Some(rustix::net::netlink::SOCK_DIAG);
    let answer = netlink::ask(diagnosis, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, &body)?;
    match (answer.kind(), answer.error()) {
        // nlmsghdr 16, inet_diag_msg: family to retransmits 4, id 48, expires 4, queues 8, uid, inode
        (Some(SOCK_DIAG_BY_FAMILY), _) => {
            Ok(answer.field(80).zip(answer.field(84)).map(|(uid, inode)| Owner { uid, inode }))
        }
        (_, Some(error)) if error == rustix::io::Errno::NOENT.raw_os_error() => Ok(None),
        _ => Err(std::io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn ask(_: SocketAddrV4, _: SocketAddrV4) -> std::io::Result<Option<Owner>> {
    Ok(None)
}

fn look_up(peer: SocketAddrV4, ours: SocketAddrV4) -> Option<Owner> {
    owner(&std::fs::read_to_string("/proc/net/tcp").ok()?, peer, ours)
}

fn owner(table: &str, peer: SocketAddrV4, ours: SocketAddrV4) -> Option<Owner> {
    let shown =
        |address: SocketAddrV4| format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port());
    let (local, remote) = (shown(peer), shown(ours));
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (here, there) = (fields.next()?, fields.next()?);
        if (here, there) != (local.as_str(), remote.as_str()) {
            return None;
        }
        let (uid, inode) = (fields.nth(4)?, fields.nth(1)?);
        Some(Owner { uid: uid.parse().ok()?, inode: inode.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_row_of_the_peer_is_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1\n\
            1: 0100007F:C001 0100007F:1538 01 00000000:00000000 00:00000000 00000000  1234        0 2 1\n";
        let peer = "127.0.0.1:49153".parse().unwrap();
        let found = owner(table, peer, "127.0.0.1:5432".parse().unwrap());
        assert_eq!(found, Some(Owner { uid: 1234, inode: 2 }));
        assert_eq!(owner(table, peer, "127.0.0.1:5433".parse().unwrap()), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn both_ways_of_asking_know_this_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (SocketAddr::V4(peer), SocketAddr::V4(ours)) =
            (client.local_addr().unwrap(), listener.local_addr().unwrap())
        else {
            panic!("not IPv4")
        };
        let uid = rustix::process::getuid().as_raw();
        let seen = look_up(peer, ours);
        assert!(seen.is_some_and(|owner| owner.uid == uid && owner.inode != 0), "{seen:?}");
        // A sandbox may not offer the socket; then the table is what there is.
        if let Ok(owner) = ask(peer, ours) {
            assert_eq!(owner, seen);
            let nobody = SocketAddrV4::new(*peer.ip(), 1);
            assert_eq!(ask(nobody, ours).unwrap(), None);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_client_that_has_ended_its_side_is_there_and_one_that_is_gone_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (served, peer) = listener.accept().unwrap();
        let ours = served.local_addr().unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(is_open(peer, ours), Some(true));
        drop(client);
        assert_eq!(is_open(peer, ours), Some(false));
    }
}
