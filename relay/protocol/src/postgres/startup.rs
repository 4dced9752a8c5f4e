//! The start of a connection (documentation, "Start-up" and "Canceling Requests in Progress").

use super::message::{self, Reader};
use crate::{Refusal, Reply};
use bytes::{BufMut, Bytes, BytesMut};
use weir_shared::native::PostgresError;

/// The server's own limit on a start-up packet (`MAX_STARTUP_PACKET_LENGTH`).
pub const LARGEST_STARTUP: usize = 10_000;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;
/// A Terminate message. As a length it would be far too large.
const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];

/// What a client begins with.
#[derive(Debug, PartialEq, Eq)]
pub enum Startup {
    /// More bytes are needed.
    NeedMore,
    /// An encryption request: answer `N`, encryption ended before this engine.
    NoEncryption,
    /// Stop what the session with this key runs.
    Cancel(Bytes),
    /// The client ends before it has begun.
    Terminate,
    /// A session.
    Session(SessionStart),
}

/// A start-up message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionStart {
    /// The database asked for; empty for the default.
    pub database: String,
    /// Parameters to pass on, in the order given. Whether the session may set them is the caller's to say.
    pub parameters: Vec<(String, String)>,
    /// The client's own application name.
    pub application: String,
    /// Minor protocol version that the client speaks with weir: 0 or 2.
    pub minor: u16,
    /// `NegotiateProtocolVersion`, when the client asked for more.
    negotiate: Option<Bytes>,
    /// It was told that it is authenticated.
    authenticated: bool,
}

/// Parameters that change who acts or the protocol itself: no session begins with them, whatever it may set later.
const REFUSED: [&str; 7] =
    ["database", "is_superuser", "options", "replication", "role", "session_authorization", "user"];

/// Takes the first message off `input`.
///
/// # Errors
/// The message is malformed, of another protocol, or asks for what is not allowed; the refusal says which.
pub fn read(input: &mut BytesMut) -> Result<Startup, Refusal> {
    if TERMINATE.starts_with(input.get(..input.len().min(TERMINATE.len())).unwrap_or_default()) {
        return Ok(if input.len() < TERMINATE.len() { Startup::NeedMore } else { Startup::Terminate });
    }
    let Some(length) = input.first_chunk::<4>().map(|b| u32::from_be_bytes(*b) as usize) else {
        return Ok(Startup::NeedMore);
    };
    if !(8..=LARGEST_STARTUP).contains(&length) {
        return Err(broken("invalid length of startup packet"));
    }
    if input.len() < length {
        return Ok(Startup::NeedMore);
    }
    let packet = input.split_to(length).freeze();
    let mut fields = Reader(packet.get(4..).unwrap_or_default());
    let code = fields.u32().ok_or_else(|| broken("startup packet is too short"))?;
    match code {
        SSL | GSS if length == 8 => Ok(Startup::NoEncryption),
        CANCEL => {
            // Process id and secret together are one opaque key; 3.2 allows up to 256 bytes of secret.
            let key = packet.slice(8..);
            if (8..=260).contains(&key.len()) {
                Ok(Startup::Cancel(key))
            } else {
                Err(broken("invalid cancel request"))
            }
        }
        _ if code >> 16 == 3 => session(fields, code).map(Startup::Session),
        _ => Err(Refusal::new(
            "0A000",
            &format!("unsupported frontend protocol {}.{}", code >> 16, code & 0xffff),
            "weir speaks protocol 3.0 and 3.2",
        )),
    }
}

fn session(mut fields: Reader<'_>, code: u32) -> Result<SessionStart, Refusal> {
    let asked = u16::try_from(code & 0xffff).unwrap_or(u16::MAX);
    let mut start = SessionStart { minor: if asked >= 2 { 2 } else { 0 }, ..SessionStart::default() };
    let mut unknown_options = Vec::new();
    let (mut by_options, mut by_name) = (Vec::new(), Vec::new());
    loop {
        let name = fields.text().ok_or_else(|| broken("startup packet is not terminated"))?;
        if name.is_empty() {
            break;
        }
        let value = fields.text().ok_or_else(|| broken("startup parameter has no value"))?;
        match name {
            "user" => {}
            "database" => value.clone_into(&mut start.database),
            "options" => by_options = options(value)?,
            option if option.starts_with("_pq_.") => unknown_options.push(option.to_owned()),
            _ => by_name.push((name.to_ascii_lowercase(), value.to_owned())),
        }
    }
    if !fields.0.is_empty() {
        return Err(broken("invalid startup packet layout: expected terminator as last byte"));
    }
    // As at the server, what has a parameter of its own comes after `options`, and the last counts.
    let mut encoding = None;
    for (name, value) in by_options.into_iter().chain(by_name) {
        if name == "client_encoding" {
            encoding = Some(value);
        } else {
            parameter(name, value, &mut start)?;
        }
    }
    if let Some(encoding) = encoding {
        let plain: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
        // Masking reads text as UTF-8, so no other encoding may be negotiated.
        if !matches!(plain.to_ascii_lowercase().as_str(), "utf8" | "unicode" | "auto") {
            return Err(Refusal::new("28000", &format!("client_encoding {encoding:?} is not allowed"), "use UTF8"));
        }
    }
    // 3.1 was never released; the server answers it, like anything above 3.2, with the newest it has.
    if !matches!(asked, 0 | 2) || !unknown_options.is_empty() {
        start.negotiate = Some(message::message(b'v', |out| {
            out.put_u32(3 << 16 | u32::from(start.minor));
            out.put_u32(u32::try_from(unknown_options.len()).unwrap_or(u32::MAX));
            unknown_options.iter().for_each(|option| message::put_cstr(out, option));
        }));
    }
    Ok(start)
}

fn parameter(name: String, value: String, start: &mut SessionStart) -> Result<(), Refusal> {
    match name.as_str() {
        "application_name" => start.application = value,
        "standard_conforming_strings" if value.eq_ignore_ascii_case("on") => {}
        known if !REFUSED.contains(&known) => start.parameters.push((name, value)),
        _ => {
            return Err(Refusal::new(
                "28000",
                &format!("start-up parameter {name:?} is not allowed"),
                "remove it from the connection string",
            ));
        }
    }
    Ok(())
}

/// `options` as the server splits it: blanks separate, a backslash escapes; `-c name=value` and `--name=value`.
fn options(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let mut settings = Vec::new();
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, words.last_mut()) {
            ('\\', Some(word)) => word.extend(chars.next()),
            (c, _) if c.is_ascii_whitespace() => words.push(String::new()),
            (c, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next().unwrap_or_default(),
            Some(setting) => setting.to_owned(),
            None => word.clone(),
        };
        let Some((name, value)) = setting.split_once('=').filter(|_| word.starts_with('-')) else {
            return Err(Refusal::new(
                "28000",
                &format!("start-up option {word:?} is not allowed"),
                "use -c name=value",
            ));
        };
        settings.push((name.replace('-', "_").to_ascii_lowercase(), value.to_owned()));
    }
    Ok(settings)
}

fn authenticated(start: &mut SessionStart, out: &mut BytesMut) {
    if std::mem::replace(&mut start.authenticated, true) {
        return;
    }
    if let Some(negotiate) = &start.negotiate {
        out.extend_from_slice(negotiate);
    }
    message::put(out, b'R', |out| out.put_u32(0));
}

/// What the client gets while its session waits for somebody: authentication, and a notice of why. Clients take a notice
/// only after authentication.
#[must_use]
pub fn waiting(start: &mut SessionStart, text: &str, hint: &str) -> Reply {
    let mut out = BytesMut::new();
    authenticated(start, &mut out);
    let notice = PostgresError { severity: "NOTICE", code: "00000", message: text, detail: "", hint };
    notice.encode(b'N', &mut out);
    Reply(out.freeze())
}

/// What the client gets once the upstream login stands: authentication (unless it had that), parameters, its cancel key,
/// ready.
#[must_use]
pub fn accepted(start: &mut SessionStart, parameters: &[(String, String)], key: &[u8]) -> Reply {
    let mut out = BytesMut::new();
    authenticated(start, &mut out);
    for (name, value) in parameters {
        message::put(&mut out, b'S', |out| {
            message::put_cstr(out, name);
            message::put_cstr(out, value);
        });
    }
    message::put(&mut out, b'K', |out| out.put_slice(key));
    message::put(&mut out, b'Z', |out| out.put_u8(b'I'));
    Reply(out.freeze())
}

/// The one byte that declines encryption.
#[must_use]
pub fn no_encryption() -> Reply {
    Reply(Bytes::from_static(b"N"))
}

/// A FATAL error, as a start-up is refused.
#[must_use]
pub fn refused(refusal: &Refusal) -> Reply {
    Reply(Bytes::from(weir_shared::native::postgres_fatal(
        refusal.code,
        &refusal.message,
        &refusal.detail,
        &refusal.hint,
    )))
}

fn broken(message: &str) -> Refusal {
    Refusal::new("08P01", message, "is this a PostgreSQL client?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(code: u32, body: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_u32(u32::try_from(body.len()).unwrap() + 8);
        out.put_u32(code);
        out.put_slice(body);
        out
    }

    #[test]
    fn a_session_keeps_what_is_allowed() {
        let body = b"user\0x\0database\0shop\0application_name\0psql\0options\0-c statement_timeout=5s --search-path=a\\ b\0\0";
        let Ok(Startup::Session(start)) = read(&mut packet(3 << 16, body)) else { panic!() };
        assert_eq!((start.database.as_str(), start.application.as_str(), start.minor), ("shop", "psql", 0));
        let expected = [("statement_timeout", "5s"), ("search_path", "a b")];
        assert_eq!(start.parameters, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn a_parameter_counts_more_than_the_same_in_options() {
        let body = b"work_mem\09MB\0client_encoding\0UTF8\0options\0-c work_mem=2MB -c client_encoding=SQL_ASCII\0\0";
        let Ok(Startup::Session(start)) = read(&mut packet(3 << 16, body)) else { panic!() };
        assert_eq!(start.parameters.last(), Some(&("work_mem".to_owned(), "9MB".to_owned())));
    }

    #[test]
    fn what_changes_identity_or_protocol_is_refused() {
        for body in [
            &b"replication\0database\0\0"[..],
            b"role\0postgres\0\0",
            b"user\0x\0useR\0postgres\0\0",
            b"options\0-c user=postgres\0\0",
            b"options\0-c role=postgres\0\0",
            b"options\0-r file\0\0",
            b"client_encoding\0GBK\0\0",
            b"client_encoding\0UTF8\0client_encoding\0GBK\0\0",
            b"options\0-c client_encoding=GBK\0\0",
            b"user\0x\0",
            b"user\0x\0\0more",
        ] {
            assert!(read(&mut packet(3 << 16, body)).is_err(), "{body:?}");
        }
        assert!(read(&mut packet(2 << 16, b"\0")).is_err());
        assert!(read(&mut BytesMut::from(&b"\0\0\xff\xff...."[..])).is_err());
    }

    #[test]
    fn newer_minors_and_options_are_negotiated() {
        let Ok(Startup::Session(mut start)) = read(&mut packet(3 << 16 | 9999, b"_pq_.x\0y\0\0")) else { panic!() };
        let reply = accepted(&mut start, &[], b"12345678").into_bytes();
        assert!(reply.starts_with(b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0R\0\0\0\x08\0\0\0\0K"));
    }

    #[test]
    fn cancel_and_encryption_requests_are_told_apart() {
        assert_eq!(read(&mut packet(CANCEL, b"12345678")), Ok(Startup::Cancel(Bytes::from_static(b"12345678"))));
        assert_eq!(read(&mut packet(SSL, b"")), Ok(Startup::NoEncryption));
        assert_eq!(read(&mut packet(GSS, b"")), Ok(Startup::NoEncryption));
        assert!(read(&mut packet(CANCEL, b"123")).is_err());
    }

    #[test]
    fn who_ends_before_it_has_begun_is_told_nothing() {
        for (bytes, expected) in [
            (&b""[..], Startup::NeedMore),
            (b"X\0\0\0", Startup::NeedMore),
            (b"X\0\0\0\x04", Startup::Terminate),
            (b"X\0\0\0\x04\0\0\0\x08", Startup::Terminate),
        ] {
            assert_eq!(read(&mut BytesMut::from(bytes)), Ok(expected), "{bytes:?}");
        }
        assert!(read(&mut BytesMut::from(&b"X\0\0\0\x05"[..])).is_err());
    }
}
