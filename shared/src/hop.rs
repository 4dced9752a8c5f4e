//! A hop statement: a parent says, signed with its session key, what one child may do at most and for how long. A JWS
//! (RFC 7515) with EdDSA (RFC 8037). The parent's public key stands in its head; that it is the parent's is known by its
//! thumbprint, never by its being there.

use crate::{
    keys::{SessionKey, Thumbprint},
    scope::Scope,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    jwk::{AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, OctetKeyPairParameters, OctetKeyPairType},
};
use serde::{Deserialize, Serialize};

/// The `typ` of a hop statement: nothing else that is signed is ever taken for one (RFC 8725, 3.11).
pub const TYPE: &str = "weir-hop+jwt";
/// The longest hop statement, bytes.
pub const LONGEST: usize = 16 * 1024;
/// SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410, 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// How much a hop and everything below it may use, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Budget {
    /// Statements that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statements: Option<u64>,
    /// Rows that are delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// Whom a hop statement is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bearer {
    /// Who holds this key.
    Key(Thumbprint),
    /// Who first presents the ticket with this SHA-256 (hexadecimal), with any key.
    Ticket(String),
}

/// What a hop statement says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The parent's key.
    #[serde(rename = "iss")]
    pub parent: Thumbprint,
    /// The child.
    pub cnf: Bearer,
    /// The relay's URL.
    #[serde(rename = "aud")]
    pub audience: String,
    /// Seconds since 1970.
    #[serde(rename = "iat")]
    pub issued_at: i64,
    /// When the child's right ends, seconds since 1970.
    #[serde(rename = "exp")]
    pub expires_at: i64,
    /// How many hops the child is away from its root.
    pub depth: u32,
    /// The depth that the child's own children may reach.
    pub max_depth: u32,
    /// What the child may do at most.
    #[serde(rename = "authorization_details", default, skip_serializing_if = "Scope::is_whole")]
    pub scope: Scope,
    /// What it may use.
    #[serde(default)]
    pub budget: Budget,
    /// [`digest`] of the parent's own hop statement; of its agent id when the parent is a root. It binds the hop to the chain
    /// that it was made in.
    pub previous: String,
}

/// What is wrong with a hop statement.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the hop statement is not good: {0}")]
pub struct InvalidHop(&'static str);

/// SHA-256 of a hop statement (or of a root's agent id), hexadecimal.
#[must_use]
pub fn digest(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Hop {
    /// Signs it with the parent's key.
    ///
    /// # Errors
    /// The key does not sign, which one made by [`SessionKey::generate`] always does.
    pub fn sign(&self, parent: &SessionKey) -> Result<String, InvalidHop> {
        let bad = || InvalidHop("the key does not sign");
        let spki = parent.spki().map_err(|_| bad())?;
        let raw = spki.strip_prefix(&SPKI[..]).ok_or_else(bad)?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.jwk = Some(Jwk {
            common: CommonParameters::default(),
            algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: URL_SAFE_NO_PAD.encode(raw),
            }),
        });
        let key = EncodingKey::from_ed_der(parent.pkcs8().expose());
        jsonwebtoken::encode(&header, self, &key).map_err(|_| bad())
    }

    /// Reads one, and verifies that the key whose thumbprint is [`Hop::parent`] signed it. Whether that is a parent, and all
    /// that depends on time and on the chain, is the caller's to ask.
    ///
    /// # Errors
    /// It is no hop statement, or not signed by that key.
    pub fn verify(jws: &str) -> Result<Self, InvalidHop> {
        if jws.len() > LONGEST {
            return Err(InvalidHop("it is too long"));
        }
        let header = jsonwebtoken::decode_header(jws).map_err(|_| InvalidHop("it is no JWS with a known algorithm"))?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(TYPE) || header.crit.is_some() {
            return Err(InvalidHop("its algorithm, type or critical headers are others"));
        }
        let jwk = header.jwk.ok_or(InvalidHop("it names no key"))?;
        let AlgorithmParameters::OctetKeyPair(pair) = &jwk.algorithm else {
            return Err(InvalidHop("its key is no Ed25519 key"));
        };
        let raw = URL_SAFE_NO_PAD.decode(&pair.x).map_err(|_| InvalidHop("its key is no Ed25519 key"))?;
        if raw.len() != 32 {
            return Err(InvalidHop("its key is no Ed25519 key"));
        }
        let key = DecodingKey::from_ed_components(&pair.x).map_err(|_| InvalidHop("its key is no Ed25519 key"))?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        // Time and audience are looked at by who knows the clock and the relay.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.set_required_spec_claims::<&str>(&[]);
        let hop: Self = jsonwebtoken::decode(jws, &key, &validation)
            .map_err(|_| InvalidHop("its signature or its form is wrong"))?
            .claims;
        if Thumbprint::of_spki(&[&SPKI[..], &raw].concat()) != hop.parent {
            return Err(InvalidHop("it is signed by another key than it names"));
        }
        Ok(hop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(parent: &SessionKey) -> Hop {
        Hop {
            parent: parent.thumbprint().unwrap(),
            cnf: Bearer::Key(SessionKey::generate().unwrap().thumbprint().unwrap()),
            audience: "https://relay".into(),
            issued_at: 1,
            expires_at: 2,
            depth: 1,
            max_depth: 3,
            scope: Scope::of(vec!["a:sql.read".parse().unwrap()]),
            budget: Budget { statements: Some(5), rows: None },
            previous: digest("root"),
        }
    }

    #[test]
    fn what_a_parent_signed_is_read_back() {
        let parent = SessionKey::generate().unwrap();
        let hop = hop(&parent);
        assert_eq!(Hop::verify(&hop.sign(&parent).unwrap()), Ok(hop));
    }

    #[test]
    fn nothing_else_is() {
        let (parent, other) = (SessionKey::generate().unwrap(), SessionKey::generate().unwrap());
        let good = hop(&parent).sign(&parent).unwrap();
        // Another key signs and says so: its thumbprint is not the parent's.
        assert!(Hop::verify(&hop(&parent).sign(&other).unwrap()).is_err());
        let parts: Vec<&str> = good.split('.').collect();
        let decoded = |part: usize| String::from_utf8(URL_SAFE_NO_PAD.decode(parts[part]).unwrap()).unwrap();
        let (header, claims) = (decoded(0), decoded(1));
        let forge = |header: &str, claims: &str, signature: &str| {
            format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
        };
        assert!(Hop::verify(&forge(&header, &claims, parts[2])).is_ok());
        for (header, claims, signature) in [
            (header.clone(), claims.replace("\"depth\":1", "\"depth\":0"), parts[2]),
            (header.clone(), claims.replace("sql.read", "sql.admin"), parts[2]),
            (header.replace("EdDSA", "none"), claims.clone(), ""),
            (header.replace("EdDSA", "HS256"), claims.clone(), parts[2]),
            (header.replace(TYPE, "at+jwt"), claims.clone(), parts[2]),
            (header.replace("\"jwk\"", "\"other\""), claims.clone(), parts[2]),
            (header.clone(), claims.clone(), ""),
        ] {
            assert!(Hop::verify(&forge(&header, &claims, signature)).is_err(), "{header} {claims}");
        }
        for bad in ["", ".", "..", "a.b.c", &"a".repeat(LONGEST + 1)] {
            assert!(Hop::verify(bad).is_err());
        }
    }
}
