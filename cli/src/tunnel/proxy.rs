//! The way to the relay over TCP: direct, or through a corporate proxy (`HTTPS_PROXY`, `NO_PROXY`; RFC 9110, 9.3.6).

use super::lost;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use url::Url;
use weir_shared::error::{Kind, UserFacing};

/// A connection on which nothing moves for so long is asked whether the relay is there, twice.
const SILENCE: Duration = Duration::from_secs(10);

/// The relay's host and port.
pub(super) fn host_and_port(relay: &str) -> Result<(String, u16), UserFacing> {
    let bad =
        || UserFacing::new(Kind::Usage, format!("{relay:?} is not a relay's URL"), "give it as https://host:port");
    let url = Url::parse(relay).map_err(|_| bad())?;
    let host = url.host_str().filter(|_| url.scheme() == "https").ok_or_else(bad)?;
    Ok((host.trim_matches(['[', ']']).to_owned(), url.port_or_known_default().ok_or_else(bad)?))
}

/// Connects, through the proxy that the environment names, if it names one for this host.
pub(super) async fn dial(host: &str, port: u16) -> Result<TcpStream, UserFacing> {
    let variable = |name: &str| std::env::var(name).or_else(|_| std::env::var(name.to_lowercase())).unwrap_or_default();
    let proxy = variable("HTTPS_PROXY");
    let stream = if proxy.is_empty() || excepted(&variable("NO_PROXY"), host) {
        TcpStream::connect((host, port)).await.map_err(|error| lost(&error))?
    } else {
        through(&proxy, host, port).await?
    };
    stream.set_nodelay(true).and_then(|()| watch(&stream)).map_err(|error| lost(&error))?;
    Ok(stream)
}

/// A relay that is gone without a word is noticed as soon as over QUIC: the kernel asks for it (tcp(7)).
fn watch(stream: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_tcp_keepidle(stream, SILENCE)?;
    sockopt::set_tcp_keepintvl(stream, SILENCE / 2)?;
    sockopt::set_tcp_keepcnt(stream, 2)?;
    Ok(sockopt::set_socket_keepalive(stream, true)?)
}

async fn through(proxy: &str, host: &str, port: u16) -> Result<TcpStream, UserFacing> {
    let failed = |what: String| {
        let hint = "check HTTPS_PROXY, or name the relay in NO_PROXY";
        UserFacing::new(Kind::Unreachable, format!("the proxy {what}"), hint)
    };
    let url = Url::parse(proxy).map_err(|error| failed(format!("in HTTPS_PROXY is not a URL: {error}")))?;
    let (name, at) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(3128));
    let mut stream =
        TcpStream::connect((name, at)).await.map_err(|error| failed(format!("cannot be reached: {error}")))?;
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if !url.username().is_empty() {
        let credential = STANDARD.encode(format!("{}:{}", url.username(), url.password().unwrap_or_default()));
        request.push_str(&format!("Proxy-Authorization: Basic {credential}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| failed(error.to_string()))?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head is the relay's.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 8192 {
            return Err(failed("answered too much".to_owned()));
        }
        head.push(stream.read_u8().await.map_err(|error| failed(error.to_string()))?);
    }
    let status = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    if status.split(' ').nth(1) == Some("200") { Ok(stream) } else { Err(failed(format!("answered {status:?}"))) }
}

/// `NO_PROXY`: a comma-separated list of hosts and of domains with or without a leading dot; `*` is every host.
fn excepted(list: &str, host: &str) -> bool {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches('.');
        entry == "*" || host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::{excepted, host_and_port};

    #[test]
    fn no_proxy_names_hosts_and_domains() {
        for (list, host, yes) in [
            ("", "a", false),
            ("*", "a", true),
            ("a.example, localhost", "localhost", true),
            (".example", "a.example", true),
            ("example", "a.example", true),
            ("example", "badexample", false),
        ] {
            assert_eq!(excepted(list, host), yes, "{list} {host}");
        }
    }

    #[test]
    fn a_relay_is_https() {
        assert_eq!(host_and_port("https://[::1]:8443").unwrap(), ("::1".to_owned(), 8443));
        assert_eq!(host_and_port("https://relay").unwrap(), ("relay".to_owned(), 443));
        assert!(host_and_port("http://relay").is_err());
        assert!(host_and_port("relay:1").is_err());
    }
}
