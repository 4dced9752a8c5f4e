//! Proofs of possession over plain HTTP (RFC 9449): a JWT, signed by the client's key, over the method and the address of one
//! request. A proof carries a nonce of this relay's, so that none can be made in advance or outlive a restart, and counts once.

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::ThumbprintHash};
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use weir_shared::keys::Thumbprint;

/// What a client may sign with.
pub const ALGORITHMS: [(Algorithm, &str); 2] = [(Algorithm::ES256, "ES256"), (Algorithm::EdDSA, "EdDSA")];
/// How long a nonce is good, and how far a client's clock may be off, seconds.
const WINDOW: i64 = 300;
/// A longer proof is none.
const LONGEST: usize = 4096;
/// Proofs that are remembered.
const MOST: usize = 100_000;

/// Why a proof is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Its nonce is not, or no longer, the relay's: `use_dpop_nonce` (RFC 9449, 8).
    #[error("a nonce of this relay is needed")]
    Nonce,
    /// `invalid_dpop_proof`
    #[error("{0}")]
    Proof(&'static str),
}

impl Flaw {
    /// OAuth's error code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Nonce => "use_dpop_nonce",
            Self::Proof(_) => "invalid_dpop_proof",
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    ath: Option<String>,
    nonce: Option<String>,
}

/// What a proof must be over.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The address, without query.
    pub url: &'a str,
    /// The token that comes with it.
    pub token: Option<&'a str>,
}

/// The nonces' key, and the proofs that were seen.
pub struct Dpop {
    key: hmac::Key,
    seen: Mutex<HashMap<[u8; 32], i64>>,
}

impl Dpop {
    /// With a new key.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new())?;
        Ok(Self { key, seen: Mutex::default() })
    }

    /// A nonce to answer with.
    #[must_use]
    pub fn nonce(&self, now: i64) -> String {
        let time = now.to_be_bytes();
        let tag = hmac::sign(&self.key, &time);
        URL_SAFE_NO_PAD.encode([&time, tag.as_ref()].concat())
    }

    fn nonce_is_good(&self, nonce: &str, now: i64) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let Some((time, tag)) = bytes.split_first_chunk::<8>() else { return false };
        hmac::verify(&self.key, time, tag).is_ok() && (0..=WINDOW).contains(&(now - i64::from_be_bytes(*time)))
    }

    /// The proof of a request, if there is one: the thumbprint of its key (RFC 7638).
    ///
    /// # Errors
    /// It proves nothing (RFC 9449, 4.3).
    pub fn check(&self, headers: &HeaderMap, request: Request<'_>, now: i64) -> Result<Option<Thumbprint>, Flaw> {
        let mut proofs = headers.get_all("dpop").iter();
        let Some(proof) = proofs.next() else { return Ok(None) };
        if proofs.next().is_some() {
            return Err(Flaw::Proof("there are several DPoP headers"));
        }
        let proof = proof.to_str().map_err(|_| Flaw::Proof("the proof is no JWT"))?;
        let (key, claims) = verified(proof).ok_or(Flaw::Proof("the proof is no dpop+jwt signed by the key in it"))?;
        if claims.htm != request.method || bare(&claims.htu) != bare(request.url) {
            return Err(Flaw::Proof("the proof is for another method or address"));
        }
        if (claims.iat - now).abs() > WINDOW || claims.jti.is_empty() {
            return Err(Flaw::Proof("the proof is too old, from the future, or has no jti"));
        }
        let ath = request.token.map(|token| URL_SAFE_NO_PAD.encode(super::hash(token)));
        if ath.is_some() && claims.ath != ath {
            return Err(Flaw::Proof("the proof is for another token"));
        }
        if !claims.nonce.is_some_and(|nonce| self.nonce_is_good(&nonce, now)) {
            return Err(Flaw::Nonce);
        }
        let id = super::hash(&format!("{key} {}", claims.jti));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST {
            seen.retain(|_, until| *until >= now);
        }
        // A proof's nonce is good for a window; so long a proof must be known.
        if seen.len() >= MOST || seen.insert(id, now + WINDOW).is_some_and(|until| until >= now) {
            return Err(Flaw::Proof("the proof was used before"));
        }
        Ok(Some(key))
    }
}

/// What is compared of an address: no query, no fragment, no port that goes without saying (RFC 9449, 4.3; RFC 3986, 6.2).
fn bare(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (origin, path) = match url.split_once("://").map(|(scheme, rest)| (scheme, rest.find('/'))) {
        Some((scheme, Some(slash))) => url.split_at(scheme.len() + 3 + slash),
        _ => (url, "/"),
    };
    let origin = origin.to_ascii_lowercase();
    format!("{}{path}", origin.strip_suffix(":443").unwrap_or(&origin))
}

/// The key in the proof's header, and what it signed. The algorithm is one of ours, and the key's.
fn verified(proof: &str) -> Option<(Thumbprint, Claims)> {
    if proof.len() > LONGEST {
        return None;
    }
    let header = jsonwebtoken::decode_header(proof).ok()?;
    if header.typ.as_deref() != Some("dpop+jwt") || header.crit.is_some() || is_private(proof)? {
        return None;
    }
    let jwk = header.jwk?;
    let (algorithm, _) = ALGORITHMS.into_iter().find(|(algorithm, _)| *algorithm == header.alg)?;
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let claims = jsonwebtoken::decode(proof, &key, &validation).ok()?.claims;
    let thumbprint = URL_SAFE_NO_PAD.decode(jwk.thumbprint(ThumbprintHash::SHA256).ok()?).ok()?;
    Some((Thumbprint::from_bytes(thumbprint.try_into().ok()?), claims))
}

/// True when the header gives its private key away (RFC 9449, 4.3).
fn is_private(proof: &str) -> Option<bool> {
    let head = URL_SAFE_NO_PAD.decode(proof.split('.').next()?).ok()?;
    let head: serde_json::Value = serde_json::from_slice(&head).ok()?;
    let jwk = head.get("jwk")?;
    Some(["d", "k", "p", "q"].iter().any(|name| jwk.get(name).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, jwk::Jwk};
    use serde_json::{Value, json};

    const URL: &str = "https://relay.example/oauth/token";
    const NOW: i64 = 1_000_000;

    fn key() -> EncodingKey {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        EncodingKey::from_ec_der(&pair.serialize_der())
    }

    fn proof(key: &EncodingKey, typ: &str, changes: Value, nonce: &str) -> HeaderMap {
        let mut claims = json!({ "jti": "1", "htm": "POST", "htu": URL, "iat": NOW, "nonce": nonce });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let jwk = Jwk::from_encoding_key(key, Algorithm::ES256).unwrap();
        let header = Header { typ: Some(typ.into()), jwk: Some(jwk), ..Header::new(Algorithm::ES256) };
        let text = jsonwebtoken::encode(&header, &claims, key).unwrap();
        HeaderMap::from_iter([("dpop".parse().unwrap(), text.parse().unwrap())])
    }

    #[test]
    fn a_proof_is_for_one_request_once() {
        let (dpop, key) = (Dpop::new().unwrap(), key());
        let request = Request { method: "POST", url: URL, token: None };
        let nonce = dpop.nonce(NOW - 10);
        let check = |headers: &HeaderMap| dpop.check(headers, request, NOW);
        assert_eq!(check(&HeaderMap::new()), Ok(None));
        let good = proof(&key, "dpop+jwt", json!({}), &nonce);
        assert!(check(&good).unwrap().is_some());
        assert_eq!(check(&good), Err(Flaw::Proof("the proof was used before")));
        let same =
            proof(&key, "dpop+jwt", json!({ "jti": "2", "htu": "HTTPS://relay.example:443/oauth/token?x#y" }), &nonce);
        assert_eq!(
            check(&same).unwrap(),
            dpop.check(&proof(&key, "dpop+jwt", json!({"jti": "3"}), &nonce), request, NOW).unwrap()
        );
        for (changes, nonce) in [
            (json!({ "htm": "GET" }), nonce.as_str()),
            (json!({ "htu": "https://other.example/oauth/token" }), &nonce),
            (json!({ "htu": "https://relay.example/oauth/tokens" }), &nonce),
            (json!({ "htu": "https://relay.example/oauth/token/" }), &nonce),
            (json!({ "iat": NOW - 301 }), &nonce),
            (json!({ "iat": NOW + 301 }), &nonce),
            (json!({ "jti": "" }), &nonce),
            (json!({ "jti": null }), &nonce),
        ] {
            let headers = proof(&key, "dpop+jwt", changes.clone(), nonce);
            assert!(matches!(check(&headers), Err(Flaw::Proof(_))), "{changes}");
        }
        assert!(matches!(check(&proof(&key, "JWT", json!({}), &nonce)), Err(Flaw::Proof(_))));
        for nonce in [dpop.nonce(NOW - 301), dpop.nonce(NOW + 10), Dpop::new().unwrap().nonce(NOW), String::new()] {
            assert_eq!(check(&proof(&key, "dpop+jwt", json!({ "jti": "9" }), &nonce)), Err(Flaw::Nonce));
        }
        let mut two = good.clone();
        two.append("dpop", good["dpop"].clone());
        assert!(matches!(check(&two), Err(Flaw::Proof(_))));

        // With a token: the proof names it.
        let with = Request { token: Some("token"), ..request };
        let ath = URL_SAFE_NO_PAD.encode(super::super::hash("token"));
        assert!(matches!(
            dpop.check(&proof(&key, "dpop+jwt", json!({ "jti": "4" }), &nonce), with, NOW),
            Err(Flaw::Proof(_))
        ));
        assert!(dpop.check(&proof(&key, "dpop+jwt", json!({ "jti": "5", "ath": ath }), &nonce), with, NOW).is_ok());
    }
}
