//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the client's side (RFC 5802, RFC 7677; channel binding RFC 5929), without I/O.
//!
//! The salted hash of the password is what costs: about a millisecond. [`Keys`] are what remains of it, and a lease keeps
//! them by salt and iterations, so that it is paid once a relay and not once a session.

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, ZeroizeOnDrop};

/// The mechanisms' names.
pub(super) const SCRAM: &str = "SCRAM-SHA-256";
pub(super) const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// A server may not make the relay work for longer than this many iterations take.
const MOST_ITERATIONS: u32 = 1_000_000;
/// More than this go to a thread where they hold nobody up.
pub(super) const QUICK_ITERATIONS: u32 = 20_000;

/// What the exchange is bound to.
pub(super) enum Binding {
    /// There is no TLS.
    None,
    /// There is TLS, and the server offers no binding to it.
    NotOffered,
    /// The hash of the server's certificate.
    EndPoint(Vec<u8>),
}

/// An exchange that did not end well.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScramError {
    #[error("a message of the SCRAM exchange is malformed")]
    Malformed,
    #[error("the server asks for more than {MOST_ITERATIONS} iterations")]
    Iterations,
    #[error("the server does not know the password either: it may not be the right server")]
    Server,
}

/// What proves the password, and what proves that the server knows it.
#[derive(ZeroizeOnDrop)]
pub(super) struct Keys {
    client: [u8; 32],
    server: [u8; 32],
}

impl Keys {
    /// Slow, by design.
    pub(super) fn derive(password: &str, salt: &[u8], iterations: NonZeroU32) -> Self {
        // Where the preparation does not allow the text, the server took it as it was typed.
        let prepared = stringprep::saslprep(password);
        let text = prepared.as_deref().unwrap_or(password);
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, text.as_bytes(), &mut salted);
        let keys = Self { client: sign(&salted, b"Client Key"), server: sign(&salted, b"Server Key") };
        salted.zeroize();
        keys
    }
}

/// Most salts that are remembered of one credential: a role has one.
const MOST_SALTS: usize = 4;

struct Salted {
    salt: Vec<u8>,
    iterations: NonZeroU32,
    keys: Arc<Keys>,
}

/// The keys of one credential, by salt and iterations.
#[derive(Default)]
pub struct ScramKeys(Mutex<Vec<Salted>>);

impl ScramKeys {
    pub(super) fn get(&self, salt: &[u8], iterations: NonZeroU32) -> Option<Arc<Keys>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|salted| salted.iterations == iterations && salted.salt == salt);
        found.map(|salted| Arc::clone(&salted.keys))
    }

    pub(super) fn keep(&self, salt: &[u8], iterations: NonZeroU32, keys: &Arc<Keys>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_SALTS {
            known.remove(0);
        }
        known.push(Salted { salt: salt.to_vec(), iterations, keys: Arc::clone(keys) });
    }
}

/// What the server asks for.
pub(super) struct Challenge {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: NonZeroU32,
    text: String,
    nonce: String,
}

/// One exchange.
pub(super) struct Exchange {
    nonce: String,
    header: &'static str,
    end_point: Vec<u8>,
}

/// What the server's last message must be.
pub(super) struct Expected([u8; 32]);

impl Exchange {
    /// None without randomness.
    pub(super) fn begin(binding: Binding) -> Option<Self> {
        let mut random = [0; 18];
        aws_lc_rs::rand::fill(&mut random).ok()?;
        Some(Self::with_nonce(binding, BASE64_STANDARD.encode(random)))
    }

    fn with_nonce(binding: Binding, nonce: String) -> Self {
        let (header, end_point) = match binding {
            Binding::None => ("n,,", Vec::new()),
            Binding::NotOffered => ("y,,", Vec::new()),
            Binding::EndPoint(hash) => ("p=tls-server-end-point,,", hash),
        };
        Self { nonce, header, end_point }
    }

    /// The client's first message. The user's name is the start-up packet's.
    pub(super) fn first(&self) -> String {
        format!("{}{}", self.header, self.bare())
    }

    fn bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// Reads the server's first message.
    pub(super) fn challenge(&self, message: &[u8]) -> Result<Challenge, ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed)?;
        let mut fields = text.split(',');
        let mut field = |name| fields.next().and_then(|field| field.strip_prefix(name)).ok_or(ScramError::Malformed);
        let (nonce, salt, iterations) = (field("r=")?, field("s=")?, field("i=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Malformed);
        }
        let iterations: NonZeroU32 = iterations.parse().map_err(|_| ScramError::Malformed)?;
        if iterations.get() > MOST_ITERATIONS {
            return Err(ScramError::Iterations);
        }
        let salt = BASE64_STANDARD.decode(salt).map_err(|_| ScramError::Malformed)?;
        Ok(Challenge { salt, iterations, text: text.to_owned(), nonce: nonce.to_owned() })
    }

    /// The client's last message, and what the server must answer.
    pub(super) fn respond(&self, challenge: &Challenge, keys: &Keys) -> (String, Expected) {
        let bound = BASE64_STANDARD.encode([self.header.as_bytes(), &self.end_point].concat());
        let last = format!("c={bound},r={}", challenge.nonce);
        let all = format!("{},{},{last}", self.bare(), challenge.text);
        let stored = digest::digest(&digest::SHA256, &keys.client);
        let mut proof = sign(stored.as_ref(), all.as_bytes());
        proof.iter_mut().zip(keys.client).for_each(|(byte, key)| *byte ^= key);
        let expected = Expected(sign(&keys.server, all.as_bytes()));
        (format!("{last},p={}", BASE64_STANDARD.encode(proof)), expected)
    }
}

impl Expected {
    /// Compares the server's signature: it must know the password too.
    pub(super) fn verify(&self, message: &[u8]) -> Result<(), ScramError> {
        let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed)?;
        let value = text.strip_prefix("v=").and_then(|rest| rest.split(',').next()).ok_or(ScramError::Server)?;
        let signature = BASE64_STANDARD.decode(value).map_err(|_| ScramError::Malformed)?;
        if bool::from(signature.as_slice().ct_eq(&self.0)) { Ok(()) } else { Err(ScramError::Server) }
    }
}

fn sign(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut out = [0; 32];
    out.copy_from_slice(tag.as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[u8] = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// The example of RFC 7677, whose client names its user: the name is put in here.
    fn exchange() -> (String, Result<(), ScramError>) {
        let exchange = Exchange::with_nonce(Binding::None, "rOprNGfwEbeRWgbNEkqO".to_owned());
        let challenge = exchange.challenge(FIRST).unwrap();
        let keys = Keys::derive("pencil", &challenge.salt, challenge.iterations);
        let (last, expected) = exchange.respond(&challenge, &keys);
        let verdict = expected.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        (last, verdict)
    }

    #[test]
    fn keys_and_messages_are_those_of_the_specification() {
        // The keys of RFC 7677's example prove themselves through its signatures.
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = Keys::derive("pencil", &salt, NonZeroU32::new(4096).unwrap());
        let all = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                   s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        assert_eq!(
            BASE64_STANDARD.encode(sign(&keys.server, all.as_bytes())),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        let (last, verdict) = exchange();
        assert!(last.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="));
        assert_eq!(verdict, Err(ScramError::Server), "the signature is of another user's exchange");
    }

    #[test]
    fn a_server_that_asks_for_too_much_or_the_wrong_thing_is_refused() {
        let exchange = Exchange::with_nonce(Binding::None, "abc".to_owned());
        let refused = |message: &[u8]| exchange.challenge(message).err();
        assert_eq!(refused(b"r=abcd,s=AAAA,i=1000001"), Some(ScramError::Iterations));
        for message in [
            &b"r=abcd,s=AAAA,i=0"[..],
            b"r=abcd,s=AAAA,i=-1",
            b"r=abc,s=AAAA,i=4096",
            b"r=xyz,s=AAAA,i=4096",
            b"r=abcd,s=*,i=4096",
            b"m=x,r=abcd,s=AAAA,i=4096",
            b"r=abcd",
            b"",
            b"\xff",
        ] {
            assert_eq!(refused(message), Some(ScramError::Malformed), "{message:?}");
        }
        let keys = Keys::derive("x", b"salt", NonZeroU32::new(1).unwrap());
        let challenge = exchange.challenge(b"r=abcd,s=AAAA,i=1").unwrap();
        let (_, expected) = exchange.respond(&challenge, &keys);
        for message in [&b"e=other-error"[..], b"v=AAAA", b""] {
            assert_eq!(expected.verify(message), Err(ScramError::Server), "{message:?}");
        }
    }

    #[test]
    fn the_certificate_is_part_of_what_is_proven() {
        let proof = |binding| {
            let exchange = Exchange::with_nonce(binding, "abc".to_owned());
            let challenge = exchange.challenge(b"r=abcd,s=AAAA,i=1").unwrap();
            exchange.respond(&challenge, &Keys::derive("x", b"salt", NonZeroU32::new(1).unwrap())).0
        };
        assert_ne!(proof(Binding::EndPoint(vec![1])), proof(Binding::EndPoint(vec![2])));
        assert!(proof(Binding::NotOffered).starts_with("c=eSws,"));
    }
}
