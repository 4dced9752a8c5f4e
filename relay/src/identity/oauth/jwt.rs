//! Access tokens: JWT by RFC 9068, bound to a key by `cnf` (RFC 7800, 8705, 9449).

use super::signing::{ALGORITHM, Keys};
use crate::identity::access::Access;
use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};
use weir_shared::{
    id::{AgentId, UserId},
    keys::CertificateDigest,
    scope::Scope as Grant,
};

/// How long a token is good, seconds.
pub const LIFETIME: i64 = 300;
/// RFC 9068, 2.1
const TYPE: &str = "at+jwt";
/// A longer text is none of ours.
const LONGEST: usize = 4096;

/// Whose key must come with the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confirmation {
    /// The TLS client certificate's (RFC 8705, 3.1).
    #[serde(rename = "x5t#S256")]
    Certificate(String),
    /// The DPoP proof's (RFC 9449, 6.1).
    #[serde(rename = "jkt")]
    Dpop(String),
}

impl Confirmation {
    /// By a certificate.
    #[must_use]
    pub fn certificate(digest: CertificateDigest) -> Self {
        Self::Certificate(digest.to_string())
    }

    /// `token_type` in the token endpoint's answer.
    #[must_use]
    pub fn token_type(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "Bearer",
            Self::Dpop(_) => "DPoP",
        }
    }
}

/// What a token says (RFC 9068, 2.2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The relay.
    pub iss: String,
    /// The relay, as resource.
    pub aud: String,
    /// The user.
    pub sub: UserId,
    /// The client.
    pub client_id: String,
    /// The token.
    pub jti: String,
    /// Since, seconds since 1970.
    pub iat: i64,
    /// Until, seconds since 1970.
    pub exp: i64,
    /// The agent: the session that it is of.
    pub sid: AgentId,
    /// The key.
    pub cnf: Confirmation,
    /// What it may do.
    pub scope: String,
    /// With what; every resource when there are none (RFC 9396, 9.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<Grant>,
    /// The token that it was exchanged for: it ends with that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

impl Claims {
    /// What it may do.
    #[must_use]
    pub fn access(&self) -> Access {
        Access::of_claims(&self.scope, self.authorization_details.clone())
    }
}

/// Signs.
///
/// # Errors
/// There is no key, or it cannot.
pub fn sign(keys: &Keys, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
    let ring = keys.ring();
    let key = ring.current(claims.iat).ok_or(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat)?;
    let mut header = Header::new(ALGORITHM);
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(key.kid.clone());
    jsonwebtoken::encode(&header, claims, &key.encoding)
}

/// What a token of this relay says, when it is one and has not expired. The key is the one that its `kid` names among our
/// own: `jku`, `jwk` and `x5c` are not looked at, and the algorithm is ours, not the header's (RFC 8725, 3.1).
#[must_use]
pub fn verify(keys: &Keys, issuer: &str, token: &str) -> Option<Claims> {
    if token.len() > LONGEST {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    let typ = header.typ?.to_ascii_lowercase();
    if (typ.strip_prefix("application/").unwrap_or(&typ)) != TYPE || header.crit.is_some() {
        return None;
    }
    let ring = keys.ring();
    let key = ring.find(&header.kid?)?;
    let mut validation = Validation::new(ALGORITHM);
    validation.leeway = 0;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    jsonwebtoken::decode(token, &key.decoding, &validation).ok().map(|token| token.claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::{Algorithm, EncodingKey};
    use serde_json::{Value, json};

    const ISSUER: &str = "https://relay.example";

    fn now() -> i64 {
        jiff::Timestamp::now().as_second()
    }

    fn claims() -> Claims {
        Claims {
            iss: ISSUER.into(),
            aud: ISSUER.into(),
            sub: UserId::generate(),
            client_id: "weir-cli".into(),
            jti: "j".into(),
            iat: now(),
            exp: now() + LIFETIME,
            sid: AgentId::generate(),
            cnf: Confirmation::Certificate("x".into()),
            scope: "weir:read".into(),
            authorization_details: None,
            parent: None,
        }
    }

    #[test]
    fn only_what_was_signed_here_for_here_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path(), now()).unwrap();
        let verify = |token: &str| verify(&keys, ISSUER, token);
        let good = sign(&keys, &claims()).unwrap();
        assert_eq!(verify(&good).unwrap().scope, "weir:read");
        let other = tempfile::tempdir().unwrap();
        let stranger = Keys::open(other.path(), now()).unwrap();
        assert!(verify(&sign(&stranger, &claims()).unwrap()).is_none(), "another's key");
        for (name, value) in [
            ("iss", json!("https://other.example")),
            ("aud", json!("https://other.example")),
            ("exp", json!(now() - 1)),
            ("exp", Value::Null),
            ("sub", Value::Null),
            ("cnf", Value::Null),
        ] {
            let mut wrong = serde_json::to_value(claims()).unwrap();
            wrong[name] = value.clone();
            let ring = keys.ring();
            let key = ring.current(now()).unwrap();
            let header = Header { typ: Some("at+jwt".into()), kid: Some(key.kid.clone()), ..Header::new(ALGORITHM) };
            assert!(
                verify(&jsonwebtoken::encode(&header, &wrong, &key.encoding).unwrap()).is_none(),
                "{name}: {value}"
            );
        }

        let ring = keys.ring();
        let (key, next) = (&ring.all()[0], &ring.all()[1]);
        let header =
            |typ: &str, kid: &str| Header { typ: Some(typ.into()), kid: Some(kid.into()), ..Header::new(ALGORITHM) };
        let forged = |header: &Header, key: &EncodingKey| jsonwebtoken::encode(header, &claims(), key).unwrap();
        assert!(verify(&forged(&header("application/at+JWT", &key.kid), &key.encoding)).is_some());
        for (typ, kid) in [("JWT", key.kid.as_str()), ("dpop+jwt", &key.kid), ("at+jwt", &next.kid), ("at+jwt", "none")]
        {
            assert!(verify(&forged(&header(typ, kid), &key.encoding)).is_none(), "{typ} {kid}");
        }
        // HS256 with the public key as secret, in every form that it is published in.
        let jwk = serde_json::to_vec(&key.jwk).unwrap();
        for secret in [key.decoding.try_get_as_bytes().unwrap(), &jwk] {
            let hs = Header { alg: Algorithm::HS256, ..header("at+jwt", &key.kid) };
            assert!(verify(&forged(&hs, &EncodingKey::from_secret(secret))).is_none());
        }
        // The attacker's own key in the header.
        let strangers = stranger.ring();
        let own = strangers.current(now()).unwrap();
        let mut jwk = header("at+jwt", &key.kid);
        (jwk.jwk, jwk.jku) = (Some(own.jwk.clone()), Some("https://evil.example/jwks".into()));
        assert!(verify(&forged(&jwk, &own.encoding)).is_none());
        // No signature at all.
        let body = good.split('.').nth(1).unwrap();
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let head = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "typ": "at+jwt", "kid": key.kid }).to_string());
            assert!(verify(&format!("{head}.{body}.")).is_none());
        }
        // A changed body, a cut signature, what is no token.
        let (start, signature) = good.rsplit_once('.').unwrap();
        for bad in [
            format!("{start}."),
            format!("{start}.{}", &signature[1..]),
            String::new(),
            "a.b.c".into(),
            ".".repeat(9000),
        ] {
            assert!(verify(&bad).is_none());
        }
    }
}
