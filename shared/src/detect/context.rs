//! What stands beside a value and says what it is: the name of its column or key, and the words before it. Words count
//! whole: `hotel` says nothing of a telephone, nor `cancelled` of a cell.

use super::{byte, is_word, slice};

/// How far before a value its words are looked for.
const REACH: usize = 32;

/// What a name says of the values that bear it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topic {
    /// Nothing.
    #[default]
    Unknown,
    /// Telephone numbers.
    Phone,
    /// Social security numbers.
    SocialSecurity,
    /// Addresses of hosts.
    Address,
    /// Versions, sections, object identifiers: numbers with dots that are no addresses.
    Version,
    /// Keys, counts and moments: numbers that are nobody's.
    Identifier,
}

const PHONE: &[&str] = &[
    "phone",
    "phones",
    "telephone",
    "telephones",
    "tel",
    "mobile",
    "mobiles",
    "mobil",
    "cell",
    "cellphone",
    "fax",
    "call",
    "contact",
    "whatsapp",
    "sms",
    "msisdn",
    "telefon",
    "telefono",
    "telefone",
    "handy",
    "homephone",
    "workphone",
    "mobilephone",
    "phoneno",
    "phonenr",
    "phonenumber",
    "telno",
    "telnr",
    "faxno",
    "mobileno",
    "mobilenumber",
    "contactno",
    "contactnumber",
];
const SOCIAL_SECURITY: &[&str] = &["ssn", "ssns", "social", "socialsec", "socialsecurity"];
const ADDRESS: &[&str] = &[
    "ip",
    "ips",
    "ipv",
    "addr",
    "addrs",
    "address",
    "addresses",
    "ipaddr",
    "ipaddress",
    "host",
    "hosts",
    "hostname",
    "client",
    "remote",
    "peer",
    "source",
    "src",
    "destination",
    "dst",
    "dest",
    "server",
    "gateway",
    "dns",
    "from",
    "via",
    "nameserver",
    "proxy",
    "visitor",
    "forwarded",
    "for",
    "inet",
    "cidr",
    "network",
    "subnet",
    "login",
];
const VERSION: &[&str] = &[
    "version",
    "versions",
    "ver",
    "v",
    "release",
    "releases",
    "build",
    "builds",
    "firmware",
    "fw",
    "revision",
    "rev",
    "section",
    "clause",
    "chapter",
    "paragraph",
    "oid",
    "oids",
    "lib",
    "sdk",
    "driver",
    "package",
    "kernel",
];
/// The last word of such a name.
const IDENTIFIER: &[&str] = &[
    "id",
    "ids",
    "uid",
    "guid",
    "uuid",
    "oid",
    "oids",
    "key",
    "keys",
    "pk",
    "fk",
    "ref",
    "seq",
    "sequence",
    "serial",
    "count",
    "total",
    "amount",
    "sum",
    "price",
    "size",
    "length",
    "offset",
    "position",
    "index",
    "idx",
    "rank",
    "epoch",
    "time",
    "timestamp",
    "ts",
    "at",
    "ms",
    "us",
    "ns",
    "millis",
    "micros",
    "nanos",
    "date",
    "created",
    "updated",
    "modified",
    "expires",
    "exp",
    "iat",
    "nbf",
    "ttl",
    "duration",
    "trace",
    "span",
    "order",
    "orders",
    "invoice",
    "sku",
    "isbn",
    "ean",
    "upc",
    "gtin",
    "build",
    "batch",
    "revision",
    "rev",
    "version",
    "hash",
    "checksum",
    "lsn",
    "xid",
    "pid",
    "port",
    "status",
    "line",
    "row",
    "rows",
    "bytes",
    "code",
    "zip",
    "postcode",
    "proargtypes",
];

impl Topic {
    /// What the name says by its words: `homePhone`, `contact_id`, `client_addr`, `packageVersion`.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::of_bytes(name.as_bytes())
    }

    pub(super) fn of_bytes(name: &[u8]) -> Self {
        let has = |list: &[&str]| words(name).any(|word| is_one_of(word, list));
        let last = words(name).last().unwrap_or_default();
        // `version_id` is one, `phone_id` too: the last word says what it is.
        match () {
            () if is_one_of(last, VERSION) => Self::Version,
            () if is_one_of(last, IDENTIFIER) => Self::Identifier,
            () if has(PHONE) => Self::Phone,
            () if has(SOCIAL_SECURITY) => Self::SocialSecurity,
            () if has(VERSION) => Self::Version,
            () if has(ADDRESS) => Self::Address,
            () => Self::Unknown,
        }
    }

    /// What the name nearest before `at` says, when there is one within reach.
    pub(super) fn before(text: &[u8], at: usize) -> Self {
        nearest(text, at).map_or(Self::Unknown, Self::of_bytes)
    }

    /// True when a word before `at` says this of what follows, and no nearer name something else.
    pub(super) fn is_said(self, text: &[u8], at: usize) -> bool {
        let list = match self {
            Self::Phone => PHONE,
            Self::SocialSecurity => SOCIAL_SECURITY,
            Self::Address => ADDRESS,
            Self::Version => VERSION,
            Self::Unknown | Self::Identifier => return false,
        };
        let Some(name) = nearest(text, at) else { return false };
        let near = Self::of_bytes(name);
        near == self
            || near == Self::Unknown
                && names(window(text, at)).any(|name| words(name).any(|word| is_one_of(word, list)))
    }
}

/// The key of the JSON member whose value is the bare number at `at`.
pub(super) fn key_of_number(text: &[u8], at: usize) -> Option<&[u8]> {
    let before = window(text, at).trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    // In JSON that is in a string, its quotes are escaped.
    let before = before.strip_suffix(b"\"")?.trim_suffix_bytes(b'\\');
    let start = before.iter().rposition(|byte| !is_word(*byte)).map_or(0, |at| at + 1);
    before.get(start..).filter(|key| !key.is_empty())
}

trait TrimSuffix {
    fn trim_suffix_bytes(&self, byte: u8) -> &Self;
}

impl TrimSuffix for [u8] {
    fn trim_suffix_bytes(&self, byte: u8) -> &Self {
        let kept = self.iter().rposition(|other| *other != byte).map_or(0, |at| at + 1);
        self.get(..kept).unwrap_or_default()
    }
}

/// What stands within reach before `at`, without the name that it would cut.
fn window(text: &[u8], at: usize) -> &[u8] {
    let from = at.saturating_sub(REACH);
    let window = slice(text, from, at);
    let cut = from > 0 && is_word(byte(text, from - 1));
    let skipped = if cut { window.iter().take_while(|byte| is_word(**byte)).count() } else { 0 };
    window.get(skipped..).unwrap_or_default()
}

/// The last name before `at`.
fn nearest(text: &[u8], at: usize) -> Option<&[u8]> {
    names(window(text, at)).last()
}

/// Names: letters, digits and underscores that begin with no digit.
fn names(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !is_word(*byte)).filter(|name| name.first().is_some_and(|first| !first.is_ascii_digit()))
}

/// The words of a name: `home_phone2` and `homePhone` have two, `IPAddress` too.
fn words(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let start = rest.iter().position(u8::is_ascii_alphabetic)?;
        let word = rest.get(start..)?;
        let upper = word.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
        let lower = |from: usize| word.iter().skip(from).take_while(|byte| byte.is_ascii_lowercase()).count();
        let length = match (upper, lower(upper)) {
            // Capitals, then a word that begins with the last of them.
            (2.., 1..) => upper - 1,
            (_, more) => upper + more,
        };
        let (word, after) = word.split_at_checked(length.max(1))?;
        rest = after;
        Some(word)
    })
}

fn is_one_of(word: &[u8], list: &[&str]) -> bool {
    list.iter().any(|other| word.eq_ignore_ascii_case(other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_its_words_say() {
        for (name, topic) in [
            ("phone", Topic::Phone),
            ("homePhone2", Topic::Phone),
            ("CUSTOMER_TEL", Topic::Phone),
            ("hotel", Topic::Unknown),
            ("telemetry", Topic::Unknown),
            ("excellent", Topic::Unknown),
            ("contact_id", Topic::Identifier),
            ("cancelled_at", Topic::Identifier),
            ("packageVersion", Topic::Version),
            ("fw", Topic::Version),
            ("IPAddress", Topic::Address),
            ("ipv4", Topic::Address),
            ("client_addr", Topic::Address),
            ("ssn", Topic::SocialSecurity),
            ("", Topic::Unknown),
            ("_9", Topic::Unknown),
        ] {
            assert_eq!(Topic::of(name), topic, "{name}");
        }
    }

    #[test]
    fn the_nearest_name_decides() {
        let said = |topic: Topic, text: &str| topic.is_said(text.as_bytes(), text.len());
        assert!(said(Topic::Phone, "phone: "));
        assert!(said(Topic::Phone, "call me on "));
        assert!(!said(Topic::Phone, "{\"phone\": null, \"order_id\": "));
        assert!(!said(Topic::Phone, "hotel room "));
        assert!(said(Topic::Address, "version 12 from "));
        assert_eq!(key_of_number(b"{\"order_id\": ", 13), Some(&b"order_id"[..]));
        assert_eq!(key_of_number(b"{\\\"order_id\\\":", 14), Some(&b"order_id"[..]));
        assert_eq!(key_of_number(b"{\"order_id\": \"", 14), None);
    }
}
