//! The login at a PostgreSQL server (documentation, "Start-up" and "SASL Authentication"): the relay's credential is
//! injected here and nowhere else.

use super::{
    Canceller, Catalog, Connected, Server, UpstreamError, Upstreams, catalog,
    dial::Dialled,
    hosts, labels, masked,
    scram::{Binding, Challenge, Exchange, Keys, QUICK_ITERATIONS, SCRAM, SCRAM_PLUS, ScramError},
};
use crate::{credential::Lease, telemetry::lookups::Lookups};
use bytes::BytesMut;
use postgres_protocol::{
    authentication::md5_hash,
    message::{backend, frontend},
};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use weir_protocol::postgres::startup::SessionStart;
use weir_shared::{
    config::checked::{Host, Resource, TargetSession},
    id::SessionId,
};

/// No message of a login is larger.
const LARGEST: usize = 64 * 1024;

/// Who logs in, to what, for whom.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) resource: &'a Resource,
    pub(super) host: &'a Host,
    /// What the host must be.
    pub(super) target: TargetSession,
    pub(super) session: SessionId,
    pub(super) start: &'a SessionStart,
    pub(super) database: &'a str,
}

/// Logs in over a dialled connection.
pub(super) async fn login(
    login: Login<'_>,
    upstreams: &Upstreams,
    dialled: Dialled,
    credential: Option<Arc<Lease>>,
) -> Result<Connected, UpstreamError> {
    let Login { resource, host, target, session, start, database } = login;
    let server = Server { host: host.clone(), address: dialled.address };
    let encrypted = matches!(dialled.io, super::Io::Tls(_));
    let mut connection = Connection::new(dialled.io, BytesMut::new(), LARGEST, usize::MAX);
    let application = application(session, &start.application);
    let mut parameters = vec![
        ("user", resource.role.as_str()),
        ("database", database),
        ("client_encoding", "UTF8"),
        ("application_name", application.as_str()),
    ];
    parameters.extend(start.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    frontend::startup_message(parameters, &mut connection.out)?;

    // How the server let us in: an Ok that nothing preceded is only right where no password exists.
    let mut proven = credential.is_none();
    let password = || {
        credential
            .as_deref()
            .ok_or_else(|| UpstreamError::Method("the server asks for a password, none is configured".into()))
    };
    loop {
        match connection.next().await? {
            backend::Message::AuthenticationOk if proven => break,
            backend::Message::AuthenticationOk => {
                return Err(UpstreamError::Method(
                    "the server let us in without asking for the credential: it may not be the right server".into(),
                ));
            }
            backend::Message::AuthenticationSasl(body) => {
                scram(&mut connection, body, dialled.end_point.clone(), password()?, &upstreams.scram).await?;
                proven = true;
            }
            backend::Message::AuthenticationMd5Password(body) if resource.allow_md5 => {
                let hash = md5_hash(resource.role.as_bytes(), password()?.secret().expose().as_bytes(), body.salt());
                frontend::password_message(hash.as_bytes(), &mut connection.out)?;
                proven = true;
            }
            backend::Message::AuthenticationCleartextPassword if resource.allow_cleartext && encrypted => {
                frontend::password_message(password()?.secret().expose().as_bytes(), &mut connection.out)?;
                proven = true;
            }
            backend::Message::AuthenticationMd5Password(_) => {
                return Err(UpstreamError::Method("the server asks for md5, which allow_md5 does not allow".into()));
            }
            backend::Message::AuthenticationCleartextPassword => {
                return Err(UpstreamError::Method(
                    "the server asks for a clear-text password, which needs allow_cleartext and TLS".into(),
                ));
            }
            backend::Message::ErrorResponse(body) => return Err(refused(&body)),
            backend::Message::NoticeResponse(_) => {}
            _ => return Err(UpstreamError::Method("the server asks for a login method that weir has not".into())),
        }
    }
    let (mut parameters, mut cancel_key) = (Vec::new(), Vec::new());
    loop {
        match connection.next().await? {
            backend::Message::ParameterStatus(body) => {
                parameters.push((body.name()?.to_owned(), body.value()?.to_owned()));
            }
            backend::Message::BackendKeyData(body) => {
                cancel_key = [body.process_id().to_be_bytes(), body.secret_key().to_be_bytes()].concat();
            }
            backend::Message::ReadyForQuery(_) => break,
            backend::Message::ErrorResponse(body) => return Err(refused(&body)),
            backend::Message::NoticeResponse(_) => {}
            _ => return Err(UpstreamError::Method("the server sent something else than the end of the login".into())),
        }
    }
    let strings = parameters.iter().find(|(name, _)| name == "standard_conforming_strings");
    if strings.is_some_and(|(_, value)| value != "on") {
        return Err(UpstreamError::Method(
            "the role's standard_conforming_strings is off, which weir cannot judge".into(),
        ));
    }
    let own_default = start.parameters.iter().any(|(name, _)| name == "default_transaction_read_only");
    if !hosts::fits(&mut connection, target, &parameters, own_default).await? {
        connection.say_goodbye().await;
        return Err(UpstreamError::Unfit(host.to_string(), target));
    }
    let place = catalog::Place::new(resource, database, host);
    let catalog = match upstreams.catalogs.fresh(&place) {
        Some(catalog) => catalog,
        None => {
            let labels = labels::resolve(&mut connection, &resource.columns).await?;
            let masked = masked::resolve(&mut connection, &resource.mask).await?;
            let catalog = Arc::new(Catalog::new(labels, place).with_masked(masked));
            upstreams.catalogs.keep(&catalog);
            catalog
        }
    };
    let Connection { io, input, .. } = connection;
    // What came already goes into a buffer of its size: the login's own is larger than most sessions need.
    let rest = if input.is_empty() { BytesMut::new() } else { BytesMut::from(&*input) };
    let canceller = Arc::new(Canceller { server, key: cancel_key, tls: Arc::clone(&upstreams.tls) });
    Ok(Connected { io, canceller, rest, parameters, credential, catalog })
}

/// The DBA sees in pg_stat_activity whose session this is: the end of its id, which is random and as good as the whole; before what
/// the client calls itself, of which 45 characters are left. The server cuts it at 63 bytes; what is longer could make the
/// start-up packet longer than it takes.
fn application(session: SessionId, own: &str) -> String {
    let id = session.to_string();
    let end = id.rsplit('-').next().unwrap_or_default();
    format!("weir:{end} {own}").trim_end().chars().take(63).collect()
}

async fn scram(
    connection: &mut Connection,
    body: backend::AuthenticationSaslBody,
    end_point: Option<Vec<u8>>,
    lease: &Lease,
    lookups: &Lookups,
) -> Result<(), UpstreamError> {
    use fallible_iterator::FallibleIterator as _;
    let (mut plain, mut plus) = (false, false);
    let mut mechanisms = body.mechanisms();
    while let Some(mechanism) = mechanisms.next()? {
        plain |= mechanism == SCRAM;
        plus |= mechanism == SCRAM_PLUS;
    }
    let (binding, mechanism) = match end_point {
        Some(hash) if plus => (Binding::EndPoint(hash), SCRAM_PLUS),
        Some(_) if plain => (Binding::NotOffered, SCRAM),
        None if plain => (Binding::None, SCRAM),
        _ => return Err(UpstreamError::Method("the server offers no SCRAM-SHA-256".into())),
    };
    let broken = |error: ScramError| UpstreamError::Refused(format!("{error}: is the credential right?"));
    let exchange = Exchange::begin(binding).ok_or_else(|| std::io::Error::other("no randomness"))?;
    frontend::sasl_initial_response(mechanism, exchange.first().as_bytes(), &mut connection.out)?;
    let challenge = match connection.next().await? {
        backend::Message::AuthenticationSaslContinue(body) => exchange.challenge(body.data()).map_err(broken)?,
        backend::Message::ErrorResponse(body) => return Err(refused(&body)),
        _ => return Err(UpstreamError::Method("the server left the SCRAM exchange".into())),
    };
    let known = lease.scram().get(&challenge.salt, challenge.iterations);
    lookups.count(known.is_some());
    let keys = match known {
        Some(keys) => keys,
        None => {
            let keys = derive(lease, &challenge).await?;
            lease.scram().keep(&challenge.salt, challenge.iterations, &keys);
            keys
        }
    };
    let (response, expected) = exchange.respond(&challenge, &keys);
    frontend::sasl_response(response.as_bytes(), &mut connection.out)?;
    match connection.next().await? {
        backend::Message::AuthenticationSaslFinal(body) => expected.verify(body.data()).map_err(broken),
        backend::Message::ErrorResponse(body) => Err(refused(&body)),
        _ => Err(UpstreamError::Method("the server left the SCRAM exchange".into())),
    }
}

async fn derive(lease: &Lease, challenge: &Challenge) -> Result<Arc<Keys>, UpstreamError> {
    let (password, iterations) = (lease.secret(), challenge.iterations);
    if iterations.get() <= QUICK_ITERATIONS {
        return Ok(Arc::new(Keys::derive(password.expose(), &challenge.salt, iterations)));
    }
    let (password, salt) = (password.clone(), challenge.salt.clone());
    let derived = tokio::task::spawn_blocking(move || Keys::derive(password.expose(), &salt, iterations)).await;
    Ok(Arc::new(derived.map_err(std::io::Error::other)?))
}

fn refused(body: &backend::ErrorResponseBody) -> UpstreamError {
    use fallible_iterator::FallibleIterator as _;
    let (mut code, mut text) = (String::new(), String::new());
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => code = value,
            b'M' => text = value,
            _ => {}
        }
    }
    UpstreamError::Refused(format!("{code} {text}"))
}

pub(super) struct Connection {
    pub(super) io: super::Io,
    pub(super) input: BytesMut,
    pub(super) out: BytesMut,
    /// Bytes of the largest message that is read.
    largest: usize,
    /// Bytes that are read at most.
    left: usize,
}

impl Connection {
    /// On which no message is larger than `largest` bytes, and all together no larger than `most`.
    pub(super) fn new(io: super::Io, input: BytesMut, largest: usize, most: usize) -> Self {
        Self { io, input, out: BytesMut::new(), largest, left: most }
    }

    /// Writes what is pending and reads the next message.
    pub(super) async fn next(&mut self) -> Result<backend::Message, UpstreamError> {
        if !self.out.is_empty() {
            self.io.write_all(&self.out).await?;
            self.io.flush().await?;
            zeroize::Zeroize::zeroize(&mut self.out[..]);
            self.out.clear();
        }
        loop {
            if let Some(&[_, a, b, c, d]) = self.input.first_chunk::<5>()
                && u32::from_be_bytes([a, b, c, d]) as usize > self.largest
            {
                return Err(UpstreamError::Method("the server sent a message that is too large".into()));
            }
            if let Some(message) = backend::Message::parse(&mut self.input)? {
                return Ok(message);
            }
            let count = self.io.read_buf(&mut self.input).await?;
            if count == 0 {
                return Err(UpstreamError::Io(std::io::ErrorKind::UnexpectedEof.into()));
            }
            let too_much = || UpstreamError::Method("the server sent too much".into());
            self.left = self.left.checked_sub(count).ok_or_else(too_much)?;
        }
    }

    /// Ends it as a client does; a server that is gone need not be told.
    pub(super) async fn say_goodbye(&mut self) {
        let _ = self.io.write_all(b"X\0\0\0\x04").await;
        let _ = self.io.shutdown().await;
    }

    /// Runs a query of weir's own; the rows as text.
    pub(super) async fn query(&mut self, text: &str) -> Result<Vec<Vec<String>>, UpstreamError> {
        frontend::query(text, &mut self.out)?;
        self.rows().await
    }

    /// The rows as text of what was sent last, up to where the server is ready again.
    pub(super) async fn rows(&mut self) -> Result<Vec<Vec<String>>, UpstreamError> {
        use fallible_iterator::FallibleIterator as _;
        let (mut rows, mut failed) = (Vec::new(), None);
        loop {
            let message = match self.next().await {
                Ok(message) => message,
                // Why it ended says more than that it did.
                Err(error) => return Err(failed.unwrap_or(error)),
            };
            match message {
                backend::Message::DataRow(body) => {
                    let mut row = Vec::new();
                    let mut ranges = body.ranges();
                    while let Some(range) = ranges.next()? {
                        let cell = range.and_then(|range| body.buffer().get(range)).unwrap_or_default();
                        row.push(String::from_utf8_lossy(cell).into_owned());
                    }
                    rows.push(row);
                }
                backend::Message::ErrorResponse(body) => failed = Some(refused(&body)),
                backend::Message::ReadyForQuery(_) => return failed.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dba_sees_whose_session_it_is_and_what_the_client_calls_itself() {
        let session: SessionId = "0190a6d4-5b1e-7c3a-9f00-0123456789ab".parse().unwrap();
        assert_eq!(application(session, "psql"), "weir:0123456789ab psql");
        assert_eq!(application(session, ""), "weir:0123456789ab");
        let long = "x".repeat(100);
        let seen = application(session, &long);
        assert!(seen.len() == 63 && seen.ends_with(&long[..45]), "{seen}");
    }
}
