//! Attacks on a token, and what stays accepted.

use super::*;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

const NOW: i64 = 1_800_000_000;
const EXPECTED: Expected<'static> =
    Expected { issuer: "https://id.example", audience: "weir", nonce: Some("n-1"), now: NOW };

struct Signer {
    private: EncodingKey,
    public: Jwk,
    pair: rcgen::KeyPair,
}

fn signer(kid: &str) -> Signer {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let private = EncodingKey::from_ec_der(&pair.serialize_der());
    let mut public = Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap();
    public.common.key_id = Some(kid.into());
    Signer { private, public, pair }
}

fn good() -> Claims {
    let claims = json!({
        "iss": "https://id.example", "aud": "weir", "azp": "weir", "sub": "1", "nonce": "n-1",
        "iat": NOW - 5, "nbf": NOW - 5, "exp": NOW + 300,
    });
    claims.as_object().unwrap().clone()
}

fn with(name: &str, value: Value) -> Claims {
    let mut claims = good();
    claims.insert(name.into(), value);
    claims
}

fn head(kid: &str) -> Header {
    Header { kid: Some(kid.into()), ..Header::new(Algorithm::ES256) }
}

fn verify(token: &str, keys: &[Jwk], expected: Expected<'_>) -> Result<Claims, Refusal> {
    let token = Unverified::parse(token)?;
    token.verify(token.key(keys)?, expected)
}

fn raw(head: &Value, claims: &Claims, signature: &[u8]) -> String {
    let part = |value: &[u8]| URL_SAFE_NO_PAD.encode(value);
    let claims = serde_json::to_vec(claims).unwrap();
    format!("{}.{}.{}", part(head.to_string().as_bytes()), part(&claims), part(signature))
}

#[test]
fn claims_that_are_not_as_expected_are_refused() {
    let key = signer("a");
    let keys = [key.public.clone()];
    let sign = |claims: &Claims| jsonwebtoken::encode(&head("a"), claims, &key.private).unwrap();
    let refused = |claims: &Claims| verify(&sign(claims), &keys, EXPECTED).err();
    assert_eq!(refused(&good()), None);
    assert_eq!(refused(&with("aud", json!(["weir"]))), None);
    for (name, value, why) in [
        ("iss", json!("https://id.example/"), Refusal::Issuer),
        ("iss", json!(["https://id.example"]), Refusal::Issuer),
        ("aud", json!("sibling"), Refusal::Audience),
        ("aud", json!(["weir", "sibling"]), Refusal::Audience),
        ("aud", json!([]), Refusal::Audience),
        ("azp", json!("sibling"), Refusal::Party),
        ("azp", json!(null), Refusal::Party),
        ("sub", json!(""), Refusal::Claim("sub")),
        ("sub", json!(1), Refusal::Claim("sub")),
        ("sub", json!("x".repeat(256)), Refusal::Claim("sub")),
        ("exp", json!(NOW - SKEW), Refusal::Expired),
        ("exp", json!("never"), Refusal::Claim("exp")),
        ("exp", json!(null), Refusal::Claim("exp")),
        ("nbf", json!(NOW + SKEW + 1), Refusal::Early),
        ("iat", json!(NOW + SKEW + 1), Refusal::Early),
        ("iat", json!(NOW - OLDEST - SKEW - 1), Refusal::Old),
        ("nonce", json!("n-2"), Refusal::Nonce),
        ("nonce", json!(null), Refusal::Nonce),
    ] {
        assert_eq!(refused(&with(name, value.clone())), Some(why), "{name} {value}");
    }
    for (name, why) in [
        ("iss", Some(Refusal::Issuer)),
        ("aud", Some(Refusal::Audience)),
        ("sub", Some(Refusal::Claim("sub"))),
        ("exp", Some(Refusal::Claim("exp"))),
        ("iat", Some(Refusal::Claim("iat"))),
        ("nonce", Some(Refusal::Nonce)),
        ("nbf", None),
        ("azp", None),
    ] {
        let mut claims = good();
        claims.remove(name);
        assert_eq!(refused(&claims), why, "without {name}");
    }
    // Within the skew of two clocks.
    for (name, seconds) in [("exp", 1 - SKEW), ("nbf", SKEW), ("iat", SKEW)] {
        assert_eq!(refused(&with(name, json!(NOW + seconds))), None, "{name}");
    }
    // A workload's has no nonce, may be old, and its azp is its own affair.
    let workload = Expected { nonce: None, ..EXPECTED };
    let mut claims = with("azp", json!("someone"));
    claims.remove("nonce");
    claims.insert("iat".into(), json!(NOW - 3000));
    assert!(verify(&sign(&claims), &keys, workload).is_ok());
}

#[test]
fn only_the_issuers_key_signs() {
    let (key, other) = (signer("a"), signer("a"));
    let keys = [key.public.clone()];
    let forged = jsonwebtoken::encode(&head("a"), &good(), &other.private).unwrap();
    assert_eq!(verify(&forged, &keys, EXPECTED).err(), Some(Refusal::Signature));
    let unknown = jsonwebtoken::encode(&head("b"), &good(), &key.private).unwrap();
    assert_eq!(verify(&unknown, &keys, EXPECTED).err(), Some(Refusal::UnknownKey));
    // A key that comes with the token is not looked at (RFC 8725, 3.10).
    let own = Header { jwk: Some(other.public.clone()), jku: Some("https://evil.example".into()), ..head("a") };
    let brought = jsonwebtoken::encode(&own, &good(), &other.private).unwrap();
    assert_eq!(verify(&brought, &keys, EXPECTED).err(), Some(Refusal::Signature));
    // Claims that were changed after they were signed.
    let token = jsonwebtoken::encode(&head("a"), &good(), &key.private).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(token.rsplit('.').next().unwrap()).unwrap();
    let changed = raw(&json!({ "alg": "ES256", "kid": "a" }), &with("sub", json!("2")), &signature);
    assert_eq!(verify(&changed, &keys, EXPECTED).err(), Some(Refusal::Signature));
    // Without a name, the one key that could be; of two, neither.
    let nameless = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &good(), &key.private).unwrap();
    assert!(verify(&nameless, &keys, EXPECTED).is_ok());
    assert_eq!(verify(&nameless, &[keys[0].clone(), signer("c").public], EXPECTED).err(), Some(Refusal::UnknownKey));
}

#[test]
fn the_algorithm_is_not_the_tokens_to_choose() {
    let key = signer("a");
    let keys = [key.public.clone()];
    for name in ["none", "None", "HS256", "HS384", "HS512", "ES512", "es256", ""] {
        let token = raw(&json!({ "alg": name, "kid": "a" }), &good(), b"");
        assert_eq!(verify(&token, &keys, EXPECTED).err(), Some(Refusal::Algorithm), "{name}");
    }
    // The public key as a shared secret, in each of its forms.
    let pem = key.pair.public_key_pem().into_bytes();
    for secret in [key.pair.public_key_raw().to_vec(), pem, serde_json::to_vec(&keys[0]).unwrap()] {
        let head = Header { kid: Some("a".into()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&head, &good(), &EncodingKey::from_secret(&secret)).unwrap();
        assert_eq!(verify(&token, &keys, EXPECTED).err(), Some(Refusal::Algorithm));
    }
    // Another family's or another curve's name on the same key.
    for name in ["RS256", "PS256", "ES384", "EdDSA"] {
        let token = raw(&json!({ "alg": name, "kid": "a" }), &good(), &[0; 64]);
        assert_eq!(verify(&token, &keys, EXPECTED).err(), Some(Refusal::KeyMisfit), "{name}");
    }
    // A key that is there to encrypt.
    let mut encrypts = key.public.clone();
    encrypts.common.public_key_use = Some(PublicKeyUse::Encryption);
    let token = jsonwebtoken::encode(&head("a"), &good(), &key.private).unwrap();
    assert_eq!(verify(&token, &[encrypts], EXPECTED).err(), Some(Refusal::KeyMisfit));
    // A shared secret among the keys is never used.
    let secret: Jwk = serde_json::from_value(json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a" })).unwrap();
    assert_eq!(verify(&token, &[secret], EXPECTED).err(), Some(Refusal::KeyMisfit));
}

#[test]
fn what_is_no_plain_signed_jwt_is_refused() {
    let key = signer("a");
    let keys = [key.public.clone()];
    let refused = |token: &str| verify(token, &keys, EXPECTED).err().unwrap();
    for token in ["", "a", "a.b", "..", "a.b.c.d", "a.b.c.d.e", "!.b.c", "e30.e30."] {
        assert!(matches!(refused(token), Refusal::Form(_)), "{token}");
    }
    assert_eq!(refused(&"a".repeat(LARGEST + 1)), Refusal::Large);
    for typ in ["at+jwt", "logout+jwt", "dpop+jwt", "application/at+jwt"] {
        let head = Header { typ: Some(typ.into()), ..head("a") };
        let token = jsonwebtoken::encode(&head, &good(), &key.private).unwrap();
        assert_eq!(refused(&token), Refusal::Type(typ.into()));
    }
    let critical = Header { crit: Some(vec!["b64".into()]), ..head("a") };
    let token = jsonwebtoken::encode(&critical, &good(), &key.private).unwrap();
    assert_eq!(refused(&token), Refusal::Critical);
    let untyped = Header { typ: None, ..head("a") };
    let token = jsonwebtoken::encode(&untyped, &good(), &key.private).unwrap();
    assert!(verify(&token, &keys, EXPECTED).is_ok());
}
