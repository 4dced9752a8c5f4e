//! Signatures of messages: Standard Webhooks' (<https://www.standardwebhooks.com>), both ways, and Slack's request signature
//! (<https://docs.slack.dev/authentication/verifying-requests-from-slack>). Both are HMAC-SHA256 over a time and the bytes of
//! the body; what is compared is compared in constant time.

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use base64::{
    Engine as _,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use weir_shared::secret::Secret;

/// How far a message's time may be from the relay's, in seconds. Its id, or signature, is remembered for twice as long.
pub(crate) const WINDOW: i64 = 300;
/// The longest id of a message.
const LONGEST_ID: usize = 128;
/// Signatures of one message that are looked at: a sender that changes its secret sends two.
const MOST: usize = 5;
/// Padded or not, as secrets are handed out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    /// A header is missing, or is not what it should be.
    #[error("a signature header is missing or malformed")]
    Malformed,
    /// It was sent too long ago, or is from the future.
    #[error("the message's time is more than five minutes away")]
    Stale,
    /// Nobody who knows the secret has signed it.
    #[error("the signature is wrong")]
    Wrong,
}

/// The key of a webhook.
pub(crate) struct WebhookKey(hmac::Key);

impl WebhookKey {
    /// From `whsec_` and the Base64 of 24 to 64 bytes; none when it is not that.
    pub(crate) fn parse(text: &Secret<String>) -> Option<Self> {
        let bytes = LENIENT.decode(text.expose().trim().strip_prefix("whsec_")?).ok().map(Secret::new)?;
        (24..=64).contains(&bytes.expose().len()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, bytes.expose())))
    }

    /// The `webhook-signature` of a message.
    pub(crate) fn sign(&self, id: &str, time: i64, body: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(hmac::sign(&self.0, &signed(id, time, body))))
    }

    /// Whether a message is by who knows the secret.
    pub(crate) fn verify(&self, message: &Message<'_>, body: &[u8]) -> Result<(), Flaw> {
        let content = signed(message.id, message.time, body);
        let signatures = message.signatures.split(' ').take(MOST).filter_map(|one| one.strip_prefix("v1,"));
        let mut decoded = signatures.filter_map(|one| STANDARD.decode(one).ok());
        let good = decoded.any(|signature| hmac::verify(&self.0, &content, &signature).is_ok());
        if good { Ok(()) } else { Err(Flaw::Wrong) }
    }
}

fn signed(id: &str, time: i64, body: &[u8]) -> Vec<u8> {
    [format!("{id}.{time}.").as_bytes(), body].concat()
}

/// What the head of a webhook's message says.
pub(crate) struct Message<'a> {
    /// Its id: the same each time that it is sent.
    pub(crate) id: &'a str,
    /// Seconds since 1970.
    time: i64,
    signatures: &'a str,
}

impl<'a> Message<'a> {
    /// Reads it; `now` in seconds.
    pub(crate) fn read(headers: &'a HeaderMap, now: i64) -> Result<Self, Flaw> {
        let [id, time, signatures] =
            ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| one(headers, name));
        let (id, time, signatures) = (id?, seconds(time?)?, signatures?);
        // A dot would let one id and time pass for another.
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(known) {
            return Err(Flaw::Malformed);
        }
        if is_stale(time, now) { Err(Flaw::Stale) } else { Ok(Self { id, time, signatures }) }
    }
}

/// Verifies a request of Slack's; `now` in seconds. What comes back is the same for the same request only.
pub(crate) fn slack(secret: &Secret<String>, headers: &HeaderMap, body: &[u8], now: i64) -> Result<[u8; 32], Flaw> {
    let time = seconds(one(headers, "x-slack-request-timestamp")?)?;
    let signature = one(headers, "x-slack-signature")?.strip_prefix("v0=").ok_or(Flaw::Malformed)?;
    let signature = blake3::Hash::from_hex(signature).map_err(|_| Flaw::Malformed)?;
    if is_stale(time, now) {
        return Err(Flaw::Stale);
    }
    let content = [format!("v0:{time}:").as_bytes(), body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    hmac::verify(&key, &content, signature.as_bytes()).map_err(|_| Flaw::Wrong)?;
    Ok(*signature.as_bytes())
}

fn is_stale(time: i64, now: i64) -> bool {
    now.abs_diff(time) > WINDOW.unsigned_abs()
}

fn seconds(text: &str) -> Result<i64, Flaw> {
    // In one form: what is signed is made of the number.
    let time = text.parse().map_err(|_| Flaw::Malformed)?;
    if i64::to_string(&time) == text { Ok(time) } else { Err(Flaw::Malformed) }
}

/// The one header of this name.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Flaw> {
    let mut all = headers.get_all(name).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return Err(Flaw::Malformed) };
    value.to_str().map_err(|_| Flaw::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn key(text: &str) -> Option<WebhookKey> {
        WebhookKey::parse(&Secret::new(text.to_owned()))
    }

    /// The example of the Standard Webhooks libraries.
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIME: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn webhooks_are_signed_as_the_standard_says() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(key.sign(ID, TIME, BODY), SIGNATURE);
        let time = TIME.to_string();
        let read = |id: &str, time: &str, signature: &str, now: i64, body: &[u8]| {
            let headers = headers(&[("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)]);
            Message::read(&headers, now).and_then(|message| key.verify(&message, body))
        };
        assert_eq!(read(ID, &time, SIGNATURE, TIME + 300, BODY), Ok(()));
        assert_eq!(read(ID, &time, &format!("v1,AAAA v1a,x {SIGNATURE}"), TIME, BODY), Ok(()));
        assert_eq!(read(ID, &time, SIGNATURE, TIME, b"{}"), Err(Flaw::Wrong));
        assert_eq!(read("msg_2", &time, SIGNATURE, TIME, BODY), Err(Flaw::Wrong));
        assert_eq!(read(ID, &(TIME + 1).to_string(), SIGNATURE, TIME, BODY), Err(Flaw::Wrong));
        assert_eq!(read(ID, &time, &SIGNATURE[3..], TIME, BODY), Err(Flaw::Wrong));
        assert_eq!(read(ID, &time, &format!("{}{SIGNATURE}", "v1,AAAA ".repeat(5)), TIME, BODY), Err(Flaw::Wrong));
        for now in [TIME + 301, TIME - 301, i64::MIN, i64::MAX] {
            assert_eq!(read(ID, &time, SIGNATURE, now, BODY), Err(Flaw::Stale));
        }
        for (id, time) in
            [("", time.as_str()), ("a.b", &time), (ID, "+1614265330"), (ID, "x"), (&"a".repeat(129), &time)]
        {
            assert_eq!(read(id, time, SIGNATURE, TIME, BODY), Err(Flaw::Malformed), "{id} {time}");
        }
        assert_eq!(Message::read(&HeaderMap::new(), TIME).err(), Some(Flaw::Malformed));
    }

    #[test]
    fn a_secret_is_long_enough_or_none() {
        assert!(key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").is_some());
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!"] {
            assert!(key(bad).is_none(), "{bad}");
        }
    }

    /// The example of Slack's documentation.
    #[test]
    fn slack_signs_its_requests() {
        let secret = Secret::new("8f742231b10e8888abcd99yyyzzz85a5".to_owned());
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar\
            &user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com\
            %2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let time = 1_531_420_618;
        let good = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let check = |signature: &str, now: i64, body: &[u8]| {
            let headers = headers(&[("x-slack-signature", signature), ("x-slack-request-timestamp", "1531420618")]);
            slack(&secret, &headers, body, now).map(drop)
        };
        assert_eq!(check(good, time, body), Ok(()));
        assert_eq!(check(good, time + 301, body), Err(Flaw::Stale));
        assert_eq!(check(good, time, b"payload="), Err(Flaw::Wrong));
        assert_eq!(check(&good.replace("v0", "v1"), time, body), Err(Flaw::Malformed));
        assert_eq!(check("v0=a2", time, body), Err(Flaw::Malformed));
        assert_eq!(check("v0=zz", time, body), Err(Flaw::Malformed));
    }
}
