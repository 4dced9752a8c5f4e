//! Who connected to a loopback port: on Linux the kernel's socket table tells the owner's uid.

use std::net::SocketAddr;

/// True when the peer belongs to this user. Where the system does not tell, loopback has to do.
pub(super) async fn is_ours(peer: SocketAddr, port: u16) -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let uid = rustix::process::getuid().as_raw();
    // The row may not be there yet at the first look.
    for _ in 0..3 {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        if let Some(owner) = owner(&table, peer, port) {
            return owner == uid;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    false
}

/// The uid of the socket whose local end is `peer` and whose remote end is our port (proc(5), /proc/net/tcp).
fn owner(table: &str, peer: SocketAddr, port: u16) -> Option<u32> {
    let SocketAddr::V4(peer) = peer else { return None };
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(peer.ip().octets()), peer.port());
    let remote = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (here, there) = (fields.next()?, fields.next()?);
        (here == local && there.ends_with(&remote)).then(|| fields.nth(4)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_row_of_the_peer_is_found() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1\n\
            1: 0100007F:C001 0100007F:1538 01 00000000:00000000 00:00000000 00000000  1234        0 2 1\n";
        let peer = "127.0.0.1:49153".parse().unwrap();
        assert_eq!(super::owner(table, peer, 0x1538), Some(1234));
        assert_eq!(super::owner(table, peer, 0x1539), None);
    }
}
