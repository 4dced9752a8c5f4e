//! Verifies a token that somebody else signed: an ID token (OpenID Connect Core 3.1.3.7), a workload's (RFC 8725). Comes in:
//! the text, the issuer's keys, what is expected. Goes out: its claims, or why not. Never trusts what it has not verified.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A token's claims.
pub(in crate::identity) type Claims = Map<String, Value>;

/// The largest token, in bytes: those with many groups come near.
const LARGEST: usize = 16 * 1024;
/// Clocks may differ by this, in seconds.
pub(in crate::identity) const SKEW: i64 = 60;
/// The oldest ID token, in seconds: it was asked for a moment ago.
const OLDEST: i64 = 600;
/// Longest subject (OpenID Connect Core 2).
const LONGEST_SUBJECT: usize = 255;

/// Why a token is not accepted; for the operator, not for who presented it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::identity) enum Refusal {
    #[error("it is larger than 16 KiB")]
    Large,
    #[error("it is not a signed JWT: {0}")]
    Form(&'static str),
    /// RFC 8725, 3.1 and 3.2
    #[error("its algorithm is not one of RS, PS, ES or EdDSA")]
    Algorithm,
    /// RFC 8725, 3.11: not one of another kind, an access token or a logout token.
    #[error("its type is {0:?}, not JWT")]
    Type(String),
    /// RFC 7515, 4.1.11
    #[error("it has critical extensions")]
    Critical,
    #[error("the issuer has no such key")]
    UnknownKey,
    #[error("the key is not one for its algorithm")]
    KeyMisfit,
    #[error("the signature is not the key's")]
    Signature,
    #[error("it is another issuer's")]
    Issuer,
    #[error("it is for another audience")]
    Audience,
    #[error("it was given to another application (azp)")]
    Party,
    #[error("{0} is missing or not what it must be")]
    Claim(&'static str),
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    Early,
    #[error("it was issued too long ago")]
    Old,
    #[error("its nonce is not this login's")]
    Nonce,
    #[error("the issuer cannot be asked for its keys: {0}")]
    Unavailable(String),
}

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub(in crate::identity) struct Expected<'a> {
    /// Whose it must be.
    pub(in crate::identity) issuer: &'a str,
    /// Whom it must be for, and nobody else beside.
    pub(in crate::identity) audience: &'a str,
    /// Of an ID token, the nonce that was asked for; none: it is a workload's.
    pub(in crate::identity) nonce: Option<&'a str>,
    /// Seconds since 1970.
    pub(in crate::identity) now: i64,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// A token whose head has been read, and nothing verified.
pub(in crate::identity) struct Unverified<'a> {
    text: &'a str,
    algorithm: Algorithm,
    kid: Option<String>,
}

impl<'a> Unverified<'a> {
    pub(in crate::identity) fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > LARGEST {
            return Err(Refusal::Large);
        }
        let mut parts = text.split('.');
        let (Some(head), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(Refusal::Form("it has not three parts"));
        };
        let head = URL_SAFE_NO_PAD.decode(head).map_err(|_| Refusal::Form("its head is not base64url"))?;
        let head: Head = serde_json::from_slice(&head).map_err(|_| Refusal::Form("its head is not JSON"))?;
        let algorithm = algorithm(&head.alg).ok_or(Refusal::Algorithm)?;
        if head.crit.is_some() {
            return Err(Refusal::Critical);
        }
        match head.typ {
            Some(typ) if !typ.eq_ignore_ascii_case("jwt") => Err(Refusal::Type(typ.chars().take(32).collect())),
            _ => Ok(Self { text, algorithm, kid: head.kid }),
        }
    }

    /// The issuer that it names: to choose whose keys verify it, for nothing else.
    pub(in crate::identity) fn claimed_issuer(&self) -> Option<String> {
        let payload = URL_SAFE_NO_PAD.decode(self.text.split('.').nth(1)?).ok()?;
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        claims.get("iss")?.as_str().map(str::to_owned)
    }

    /// What the signature covers: the same token has the same, however its signature is written.
    pub(in crate::identity) fn signed_part(&self) -> &str {
        self.text.rsplit_once('.').map_or(self.text, |(signed, _)| signed)
    }

    /// The key that it names among these; without a name, the only one that could be.
    pub(in crate::identity) fn key<'k>(&self, keys: &'k [Jwk]) -> Result<&'k Jwk, Refusal> {
        let Some(kid) = &self.kid else {
            let mut fitting = keys.iter().filter(|key| fits(key, self.algorithm));
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Ok(key),
                _ => Err(Refusal::UnknownKey),
            };
        };
        let mut named = keys.iter().filter(|key| key.common.key_id.as_ref() == Some(kid)).peekable();
        if named.peek().is_none() {
            return Err(Refusal::UnknownKey);
        }
        named.find(|key| fits(key, self.algorithm)).ok_or(Refusal::KeyMisfit)
    }

    /// The claims, when the key has signed them and they are what is expected.
    pub(in crate::identity) fn verify(&self, key: &Jwk, expected: Expected<'_>) -> Result<Claims, Refusal> {
        let key = DecodingKey::from_jwk(key).map_err(|_| Refusal::KeyMisfit)?;
        let mut signature_only = Validation::new(self.algorithm);
        (signature_only.validate_exp, signature_only.validate_aud) = (false, false);
        signature_only.required_spec_claims.clear();
        let verified = jsonwebtoken::decode::<Claims>(self.text, &key, &signature_only);
        let claims = verified.map_err(|_| Refusal::Signature)?.claims;
        check(&claims, expected)?;
        Ok(claims)
    }
}

/// The asymmetric ones; never what the token alone could ask for: `none`, or HMAC with a public key.
fn algorithm(name: &str) -> Option<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    Some(match name {
        "RS256" => RS256,
        "RS384" => RS384,
        "RS512" => RS512,
        "PS256" => PS256,
        "PS384" => PS384,
        "PS512" => PS512,
        "ES256" => ES256,
        "ES384" => ES384,
        "EdDSA" => EdDSA,
        _ => return None,
    })
}

/// RFC 7517, 4: the key's type, curve, use and own algorithm must be for this one.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    use Algorithm::{ES256, ES384, EdDSA};
    let common = &key.common;
    let typed = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), ES256 | ES384 | EdDSA) => false,
        (AlgorithmParameters::RSA(_), _) => true,
        (AlgorithmParameters::EllipticCurve(key), ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(key), ES384) => key.curve == EllipticCurve::P384,
        (AlgorithmParameters::OctetKeyPair(key), EdDSA) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let signs = common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    let own = common.key_algorithm.is_none_or(|own| own.to_string() == format!("{algorithm:?}"));
    typed && signs && own
}

fn check(claims: &Claims, expected: Expected<'_>) -> Result<(), Refusal> {
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
        return Err(Refusal::Issuer);
    }
    let only = match claims.get("aud") {
        Some(Value::String(one)) => one == expected.audience,
        // For others as well is for others: any of them could have passed it on.
        Some(Value::Array(all)) => matches!(all.as_slice(), [Value::String(one)] if one == expected.audience),
        _ => false,
    };
    if !only {
        return Err(Refusal::Audience);
    }
    if expected.nonce.is_some() && claims.get("azp").is_some_and(|azp| azp.as_str() != Some(expected.audience)) {
        return Err(Refusal::Party);
    }
    let subject = claims.get("sub").and_then(Value::as_str).map(str::len);
    if !subject.is_some_and(|length| (1..=LONGEST_SUBJECT).contains(&length)) {
        return Err(Refusal::Claim("sub"));
    }
    let now = expected.now;
    if now >= time(claims, "exp")?.ok_or(Refusal::Claim("exp"))?.saturating_add(SKEW) {
        return Err(Refusal::Expired);
    }
    let issued = time(claims, "iat")?.ok_or(Refusal::Claim("iat"))?;
    if now < issued.saturating_sub(SKEW) || time(claims, "nbf")?.is_some_and(|nbf| now < nbf.saturating_sub(SKEW)) {
        return Err(Refusal::Early);
    }
    let Some(nonce) = expected.nonce else { return Ok(()) };
    if issued < now - OLDEST - SKEW {
        return Err(Refusal::Old);
    }
    let given = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
    let same = bool::from(subtle::ConstantTimeEq::ct_eq(given.as_bytes(), nonce.as_bytes()));
    if same { Ok(()) } else { Err(Refusal::Nonce) }
}

/// A NumericDate (RFC 7519, 2): some platforms write fractions.
pub(in crate::identity) fn time(claims: &Claims, name: &'static str) -> Result<Option<i64>, Refusal> {
    #[expect(clippy::cast_possible_truncation, reason = "the fraction is dropped, and what is too large saturates")]
    let seconds = |value: &Value| value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
    match claims.get(name) {
        None => Ok(None),
        Some(value) => seconds(value).map(Some).ok_or(Refusal::Claim(name)),
    }
}

#[cfg(test)]
mod tests;
