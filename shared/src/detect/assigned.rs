//! Values that are secret by the name they are given: `password=...`, `"api_key": "..."`, `--token ...`,
//! `Authorization: Bearer ...`, SQL's `PASSWORD '...'`.
//!
//! Found: the value of `PGPASSWORD=hunter2`, `aws_secret_access_key = wJalr...`. Not: `password: required`,
//! `token = getToken()`, `password=$PASSWORD`, `password=****`.

use super::{Span, before, byte, run, run_back, slice};

pub(super) const RULES: &[&str] = &["password", "secret", "authorization"];

/// What a name ends with, without regard to case and `_`, `-`, `.`.
const PASSWORDS: &[&str] = &["password", "passwd", "passphrase", "passwort", "pwd"];
const SECRETS: &[&str] = &[
    "secret",
    "token",
    "apikey",
    "accesskey",
    "accountkey",
    "secretkey",
    "privatekey",
    "authkey",
    "encryptionkey",
    "signingkey",
    "sharedaccesskey",
    "subscriptionkey",
    "credential",
    "credentials",
    "clientsecret",
    "appkey",
    "licensekey",
    "servicekey",
    "masterkey",
];

/// Bytes of a name that are looked at.
const LONGEST_NAME: usize = 64;
/// Bytes of a value by which it is judged.
const JUDGED: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Password,
    Secret,
    Authorization,
}

impl Name {
    fn rule(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Secret => "secret",
            Self::Authorization => "authorization",
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// What the name in `text` says of its value.
fn name_of(text: &[u8]) -> Option<Name> {
    // Most names are sorted out by their last letter.
    if !matches!(text.last()?.to_ascii_lowercase(), b'd' | b'e' | b't' | b'n' | b'y' | b'l' | b's') {
        return None;
    }
    // The shortest of them has three letters.
    if text.len() < 3 {
        return None;
    }
    let ends = |word: &str| {
        let mut letters = text.iter().rev().filter(|byte| !matches!(byte, b'_' | b'-' | b'.'));
        word.len() <= text.len()
            && word.bytes().rev().all(|letter| letters.next().is_some_and(|byte| byte.to_ascii_lowercase() == letter))
    };
    if PASSWORDS.iter().any(|word| ends(word)) {
        return Some(Name::Password);
    }
    if text.eq_ignore_ascii_case(b"pass") || text.ends_with(b"_PASS") || text.ends_with(b"_pass") {
        return Some(Name::Password);
    }
    if ends("authorization") {
        return Some(Name::Authorization);
    }
    SECRETS.iter().any(|word| ends(word)).then_some(Name::Secret)
}

/// The value behind the `=` or `:` at `at`, when what stands before names a secret.
pub(super) fn operator(text: &[u8], at: usize) -> Option<Span> {
    // A time of day; a name that ends in a digit is no secret's. A cast: `'password'::text`.
    if before(text, at).is_ascii_digit()
        || byte(text, at) == b':' && [before(text, at), byte(text, at + 1)].contains(&b':')
    {
        return None;
    }
    let mut end = at - run_back(text, at, 4, |byte| byte == b' ');
    // `:=`, then the end of `'name':`.
    if matches!(before(text, end), b':' | b'?' | b'|') {
        end -= 1;
        end -= run_back(text, end, 4, |byte| byte == b' ');
    }
    if matches!(before(text, end), b'"' | b'\'' | b'`' | b']') {
        end -= 1;
        end -= run_back(text, end, LONGEST_NAME, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    }
    let mut start = end - run_back(text, end, LONGEST_NAME, is_name);
    if byte(text, at) == b'=' && matches!(slice(text, start, end), b"string" | b"String" | b"str" | b"&str") {
        // `var token string =`, `token: String =`
        end = start - run_back(text, start, 4, |byte| matches!(byte, b' ' | b':' | b'&'));
        start = end - run_back(text, end, LONGEST_NAME, is_name);
    }
    let name = name_of(slice(text, start, end))?;
    let mut value = at + 1;
    if matches!(byte(text, value), b'=' | b'>') {
        if byte(text, value) == b'=' && byte(text, at) == b'=' {
            return None;
        }
        value += 1;
    }
    value += run(text, value, 8, |byte| byte == b' ' || byte == b'\t');
    read(text, value, name, byte(text, at) == b'=')
}

/// The text of the XML element whose tag ends with the `>` at `at`.
pub(super) fn element(text: &[u8], at: usize) -> Option<Span> {
    let start = at - run_back(text, at, LONGEST_NAME, is_name);
    if before(text, start) != b'<' {
        return None;
    }
    let name = name_of(slice(text, start, at))?;
    let value = at + 1 + run(text, at + 1, 64, |byte| byte.is_ascii_whitespace());
    read(text, value, name, true)
}

/// The value behind a command's option: `--password hunter2`.
pub(super) fn flag(text: &[u8], start: usize, end: usize) -> Option<Span> {
    let name = name_of(slice(text, start, end))?;
    if slice(text, start, start + 2) != b"--" || !matches!(byte(text, end), b' ') {
        return None;
    }
    if matches!(byte(text, end + 1), b'-') {
        return None;
    }
    read(text, end + 1, name, true)
}

/// The literal whose opening quote is at `at`, after SQL's PASSWORD or IDENTIFIED BY.
pub(super) fn sql(text: &[u8], at: usize) -> Option<Span> {
    let end = at - run_back(text, at, 8, |byte| byte.is_ascii_whitespace() || byte == b'E');
    let follows = |word: &[u8]| {
        end.checked_sub(word.len()).is_some_and(|start| slice(text, start, end).eq_ignore_ascii_case(word))
    };
    if end == at || !(follows(b"password") || follows(b"identified by")) {
        return None;
    }
    // What is found is passed over: it may be measured to its end.
    let length = run(text, at + 1, usize::MAX, |byte| byte != b'\'');
    (length > 0).then_some(Span { start: at + 1, end: at + 1 + length, rule: "password" })
}

fn read(text: &[u8], at: usize, name: Name, assigned: bool) -> Option<Span> {
    let mut start = at;
    let escaped = usize::from(byte(text, start) == b'\\');
    let quote = match byte(text, start + escaped) {
        quote @ (b'"' | b'\'' | b'`') => {
            start += escaped + 1;
            Some(quote)
        }
        _ => None,
    };
    let inside = |byte: u8| match quote {
        Some(quote) => byte != quote && byte != b'\n' && byte != b'\\',
        None => byte > b' ' && !b",;&|\"'`<>(){}[]\\".contains(&byte),
    };
    let mut end = start + run(text, start, JUDGED, inside);
    if name == Name::Authorization {
        let scheme = run(text, start, 32, |byte| byte.is_ascii_alphabetic());
        if byte(text, start + scheme) == b' ' && scheme > 0 {
            start += scheme + 1;
            end = end.max(start + run(text, start, JUDGED, |byte| byte > b' ' && !b",;\"'`<>\\".contains(&byte)));
        }
    }
    let value = slice(text, start, end);
    let called = byte(text, end) == b'(';
    let code = quote.is_none() && is_reference(value);
    let ok = !(called || code || is_placeholder(value))
        && match name {
            Name::Password if quote.is_some() => value.len() >= 3 && !is_prose(value),
            Name::Password => value.len() >= 3 && (assigned || is_mixed(value)),
            Name::Authorization => value.len() >= 8 && is_mixed(value),
            Name::Secret => value.len() >= 10 && is_random(value),
        };
    if !ok {
        return None;
    }
    // What is found is passed over: it may be measured to its end.
    end += run(text, end, usize::MAX, inside);
    while end > start && quote.is_none() && matches!(before(text, end), b'.' | b':') {
        end -= 1;
    }
    (end > start).then_some(Span { start, end, rule: name.rule() })
}

/// Code that names another secret: `OLD.password`, `p_password`, `config.api.token`.
fn is_reference(value: &[u8]) -> bool {
    let joined = value.iter().any(|byte| matches!(byte, b'.' | b'_'));
    joined
        && value.first().is_some_and(u8::is_ascii_alphabetic)
        && value.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'_'))
        && name_of(value).is_some()
}

/// A word, a reference or a mask in place of a value.
fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: &[&str] = &[
        "null",
        "none",
        "nil",
        "true",
        "false",
        "undefined",
        "string",
        "text",
        "varchar",
        "required",
        "optional",
        "redacted",
        "hidden",
        "masked",
        "password",
        "secret",
        "token",
        "yes",
        "no",
        "on",
        "off",
        "empty",
        "todo",
        "example",
        "prompt",
        "stdin",
        "file",
        "env",
        "changeme_please",
        "not_set",
        "unset",
        "str",
        "bool",
        "int",
        "char",
    ];
    let Some(first) = value.first() else { return true };
    matches!(first, b'$' | b'<' | b'%' | b'{' | b'*' | b'(' | b'[' | b'&' | b'@' | b'=')
        || value.iter().all(|byte| matches!(byte.to_ascii_lowercase(), b'x' | b'*' | b'.' | b'-' | b'_' | b'?' | b'#'))
        || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
        || value.windows(2).any(|pair| pair == b"${" || pair == b"{{")
}

/// Quoted words with blanks between them: a sentence.
fn is_prose(value: &[u8]) -> bool {
    value.iter().filter(|byte| **byte == b' ').count() >= 2
}

/// Letters and something else, or both cases inside.
fn is_mixed(value: &[u8]) -> bool {
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    let others = value.iter().any(|byte| !byte.is_ascii_alphabetic());
    let inner_upper = value.iter().skip(1).any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    letters && (others || inner_upper) && !value.ends_with(b"/") || value.len() >= 8 && !letters
}

/// Looks drawn at random: letters and digits, no path, no address, no name of something else.
fn is_random(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let plain = value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-+/=.~!@#%^*:".contains(byte));
    let path = value.starts_with(b"/") || value.starts_with(b"./") || value.windows(3).any(|part| part == b"://");
    let mut seen = [false; 256];
    let mut distinct = 0;
    for byte in value {
        if let Some(slot) = seen.get_mut(usize::from(*byte)).filter(|slot| !**slot) {
            *slot = true;
            distinct += 1;
        }
    }
    // A file or a member: words with dots.
    let dotted = value.contains(&b'.')
        && value.split(|byte| *byte == b'.').all(|part| part.iter().filter(|b| b.is_ascii_digit()).count() <= 1);
    let cases = value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    let drawn = digits >= 2 || digits == 1 && cases && value.len() >= 20;
    plain && !path && !dotted && drawn && distinct >= 7
}
