//! A question to the kernel, and its answer (netlink(7)): one message each way.

use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

const NLMSG_ERROR: u16 = 2;
/// nlmsghdr: length, type, flags, sequence, port
pub(crate) const HEAD: usize = 16;

/// What the kernel answered.
pub(crate) struct Answer {
    bytes: Vec<u8>,
}

/// Asks with a message of this type; its header is put before `body`. No protocol is NETLINK_ROUTE.
pub(crate) fn ask(protocol: Option<Protocol>, kind: u16, flags: u16, body: &[u8]) -> std::io::Result<Answer> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, protocol)?;
    let length = u32::try_from(HEAD + body.len()).map_err(std::io::Error::other)?;
    let mut request = Vec::with_capacity(HEAD + body.len());
    request.extend_from_slice(&length.to_ne_bytes());
    request.extend_from_slice(&kind.to_ne_bytes());
    request.extend_from_slice(&flags.to_ne_bytes());
    request.extend_from_slice(&[0; 8]);
    request.extend_from_slice(body);
    send(&socket, &request, SendFlags::empty())?;
    // The kernel has answered by the time that it has taken the question.
    let mut bytes = vec![0; 512];
    let (_, length) = recv(&socket, &mut bytes[..], RecvFlags::empty())?;
    bytes.truncate(length);
    Ok(Answer { bytes })
}

impl Answer {
    /// Its type.
    pub(crate) fn kind(&self) -> Option<u16> {
        self.bytes.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes)
    }

    /// Four bytes of it.
    pub(crate) fn field(&self, at: usize) -> Option<u32> {
        self.bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes)
    }

    /// When it is an error or an acknowledgement: the error's number, or 0.
    pub(crate) fn error(&self) -> Option<i32> {
        (self.kind() == Some(NLMSG_ERROR)).then(|| self.field(HEAD))?.map(|error| error.cast_signed().saturating_neg())
    }
}
