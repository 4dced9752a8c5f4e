//! Each family's examples and counter-examples, and what holds for any bytes.

use super::{Detect, Detector, Span, Topic, work};
use proptest::prelude::*;

fn found(text: &str) -> Vec<(&'static str, &str)> {
    let mut spans = Vec::new();
    Detector::standard().detect(text.as_bytes(), &mut spans);
    spans.iter().map(|span| (span.rule, &text[span.start..span.end])).collect()
}

#[test]
fn examples() {
    for (text, expected) in [
        ("mail ada@example.com, please", ("email", "ada@example.com")),
        ("<a.b+c@mail.example.co.uk>", ("email", "a.b+c@mail.example.co.uk")),
        ("user=ada@example.com&x=1", ("email", "ada@example.com")),
        ("'o'neil@example.com", ("email", "neil@example.com")),
        ("ada@example.com- and", ("email", "ada@example.com")),
        ("ada@a-.example.com.-", ("email", "ada@a-.example.com")),
        ("4111 1111 1111 1111", ("card", "4111 1111 1111 1111")),
        ("card:5555-5555-5555-4444.", ("card", "5555-5555-5555-4444")),
        ("378282246310005", ("card", "378282246310005")),
        ("6011111111111117", ("card", "6011111111111117")),
        ("4000000000000002", ("card", "4000000000000002")),
        ("no.: 4000 0000 0000 0002", ("card", "4000 0000 0000 0002")),
        ("30569309025904", ("card", "30569309025904")),
        ("DE89370400440532013000", ("iban", "DE89370400440532013000")),
        ("GB82 WEST 1234 5698 7654 32 is it", ("iban", "GB82 WEST 1234 5698 7654 32")),
        ("NO9386011117947", ("iban", "NO9386011117947")),
        ("ssn 536-90-4399", ("us-ssn", "536-90-4399")),
        ("SSN: 536904399", ("us-ssn", "536904399")),
        ("+49 30 1234567", ("phone", "+49 30 1234567")),
        ("+14155552671", ("phone", "+14155552671")),
        ("(212) 555-0187", ("phone", "(212) 555-0187")),
        ("212-555-0187 x12", ("phone", "212-555-0187 x12")),
        ("212.555.0187", ("phone", "212.555.0187")),
        ("+44 (0)20 7946 0958", ("phone", "+44 (0)20 7946 0958")),
        ("020 7946 0958", ("phone", "020 7946 0958")),
        ("0049 30.1234567", ("phone", "0049 30.1234567")),
        ("+1.2125550187", ("phone", "+1.2125550187")),
        ("1.212.555.0187", ("phone", "1.212.555.0187")),
        ("phone 2125550187", ("phone", "2125550187")),
        ("{\"homePhone\": \"2125550187\"}", ("phone", "2125550187")),
        ("CUSTOMER_TEL=7654321", ("phone", "7654321")),
        ("call 7654321", ("phone", "7654321")),
        ("+71234567890", ("phone", "+71234567890")),
        ("{\"acct\": 4111111111111111}", ("card", "4111111111111111")),
        ("{\"order_id\": \"4111111111111111\"}", ("card", "4111111111111111")),
        ("from 81.2.69.142:443", ("ipv4", "81.2.69.142")),
        ("8.8.8.8.", ("ipv4", "8.8.8.8")),
        ("{\"version\": 3, \"client_ip\": \"12.1.0.2\"}", ("ipv4", "12.1.0.2")),
        ("2a00:1450:4001:81b::200e", ("ipv6", "2a00:1450:4001:81b::200e")),
        ("[2606:4700::6810:84e5]:80", ("ipv6", "2606:4700::6810:84e5")),
        ("postgres://bob:hunter2@db/x", ("url-password", "hunter2")),
        ("https://u:p%40ss:w@host.example.com:1/", ("url-password", "p%40ss:w")),
        ("PGPASSWORD=hunter2 psql", ("password", "hunter2")),
        ("{\"password\": \"open sesame\"}", ("password", "open sesame")),
        ("{\\\"password\\\":\\\"hunter2\\\"}", ("password", "hunter2")),
        ("password: Hunter2!", ("password", "Hunter2!")),
        ("run --password hunter2 now", ("password", "hunter2")),
        ("ALTER ROLE x PASSWORD 'hunter2'", ("password", "hunter2")),
        ("<password>hunter2</password>", ("password", "hunter2")),
        ("var dbPassword string = \"hunter2\"", ("password", "hunter2")),
        ("dbPassword := `hunter2`", ("password", "hunter2")),
        ("DB_PASS='abc'", ("password", "abc")),
        (
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            ("secret", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ),
        ("api_key: '0123456789abcdef0123'", ("secret", "0123456789abcdef0123")),
        ("Authorization: Basic dXNlcjpwYXNz", ("authorization", "dXNlcjpwYXNz")),
        ("authorization: Bearer abcDEF123456", ("authorization", "abcDEF123456")),
        ("AccountKey=abcdEFGH0123456789+/abcdEFGH==;", ("secret", "abcdEFGH0123456789+/abcdEFGH==")),
        (
            "t eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl!",
            ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
        ),
        ("id AKIAQ7Z2M5K4T6WYXJ3D", ("aws-access-key-id", "AKIAQ7Z2M5K4T6WYXJ3D")),
        (
            "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw_",
            ("telegram-token", "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw_"),
        ),
    ] {
        assert!(found(text).contains(&expected), "{text}: {:?}", found(text));
    }
}

#[test]
fn private_keys_are_found_to_their_end() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
    assert_eq!(found(&format!("a\n{key}\nb")), [("private-key", key)]);
    let cut = "-----BEGIN PRIVATE KEY-----\\nMIIEvQ ada@example.com";
    assert_eq!(found(cut), [("private-key", cut)]);
    assert_eq!(found("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"), []);
}

#[test]
fn counter_examples() {
    for text in [
        "",
        "plain words, and some more of them.",
        "user@localhost",
        "@decorator",
        "git@github.com:owner/repo.git",
        "4111 1111 1111 1112",
        "1234567812345670",
        "0000000000000000",
        "DE89370400440532013001",
        "666-12-3456",
        "900-12-3456",
        "123-00-4567",
        "536904399",
        "2024-01-15",
        "2024-01-15 12:34:56.789",
        "15.01.2024",
        "1234567890",
        "1700000000000",
        "16384",
        "3.14159265358979",
        "-12345678.90",
        "0.0123456789",
        "0.01000005940696",
        "0.00000000000696",
        "0.70000000000696",
        "0.4111111111111111",
        "4.111111111111111",
        "hotel 0.0123456789",
        "hotel room 7654321 paid",
        "excellent: batch 20481234 done",
        "cancelled 1234567 rows",
        "PREDICATELOCK hash,1234567",
        "{\"cancelled_at\": 1700000000}",
        "{\"contact_id\": 88123456, \"telemetry_seq\": 41234567}",
        "call ended_at 1700000000",
        "{\"order_id\": 4111111111111111}",
        "{\\\"order_id\\\": 4111111111111111}",
        "+12345678",
        "127.0.0.1",
        "10.4.2.1",
        "192.168.1.20",
        "172.31.0.9",
        "169.254.1.1",
        "192.0.2.7",
        "198.51.100.7",
        "203.0.113.7",
        "100.64.3.1",
        "224.0.0.251",
        "2001:db8:85a3::8a2e:370:7334",
        "[fe80::1ff:fe23:4567:890a]:80",
        "fd12:3456:789a::1",
        "08:00:2b:01:02:03:04:05",
        "12.1.0.2",
        "4.18.2.0",
        "2.4.1.7",
        "Section 1.2.3.4",
        "1.3.6.1",
        "libfoo 2.10.1.1",
        "{\"packageVersion\": \"112.1.0.2\"}",
        "0.0.0.0",
        "v1.2.3.4",
        "nginx/1.25.3.1",
        "version 1.2.3.4",
        "10.0.0.0.1",
        "256.1.1.1",
        "12:34:56",
        "std::vec",
        "a::b",
        "::1",
        "::",
        "00:1a:2b:3c:4d:5e",
        "https://host:8080/@user",
        "https://example.com/a:b",
        "password: required",
        "password=$PASSWORD",
        "password=****",
        "password = None",
        "token = getToken()",
        "SELECT id FROM creds WHERE (kind = 'password'::text)",
        "CHECK ((kind = ANY (ARRAY['password'::text, 'token'::text, 'passwd'::character varying])))",
        "CASE kind WHEN 'password' THEN 'x1234567' END",
        "NEW.password := OLD.password; SET password = p_password",
        "Password::new(hunter2)",
        "the password: you choose it",
        "secret: /etc/weir/key.pem",
        "550e8400-e29b-41d4-a716-446655440000",
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "eyJ0eXAiOiJub25lIn0.eyJzdWIiOiIxIn0",
        "some_long_identifier_with_words",
        "ghp_short",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "1-2-3-4-5-6-7-8-9",
        "100 200 300",
        "SELECT count(*) FROM t WHERE a = 1",
        "pg_catalog.pg_table_is_visible(c.oid)",
        "(1234567)",
        "+1",
        "(((((((",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn a_column_s_name_says_what_its_values_are() {
    for (name, text, rule) in [
        ("phone", "2125550187", Some("phone")),
        ("contact_id", "2125550187", None),
        ("note", "2125550187", None),
        ("phone", "1700000000", Some("phone")),
        ("ssn", "536904399", Some("us-ssn")),
        ("version", "112.1.0.2", None),
        ("client_addr", "12.1.0.2", Some("ipv4")),
        ("card", "4111111111111111", Some("card")),
        ("id", "4111111111111111", Some("card")),
        ("id", "paid with 4111111111111111", Some("card")),
        ("proargtypes", "603 603 2281", None),
        ("phone", "password=hunter2", Some("password")),
    ] {
        let mut spans = Vec::new();
        Detector::standard().detect_named(text.as_bytes(), Topic::of(name), &mut spans);
        assert_eq!(spans.first().map(|span| span.rule), rule, "{name}: {text}");
    }
}

#[test]
fn time_grows_with_the_length_alone() {
    const SIZE: usize = 256 * 1024;
    // So many bytes may a verifier look at, on average, for each byte of the text.
    const MOST: usize = 320;
    let detector = Detector::standard();
    for part in [
        "password=",
        "token:",
        "secret=a1B2c3D4e5F6g7",
        "Authorization: Basic ",
        "authorization:Basic",
        "\"password\":\"",
        "password='",
        "PASSWORD '",
        "<password>",
        "--password ",
        "1 ",
        "4111 ",
        "4111-",
        "1.",
        "a.",
        "a@",
        "a@a.",
        "\u{e9}@",
        "\\",
        "\\:",
        "\"\\",
        "\"",
        "\"\":",
        "'",
        "' '",
        " ",
        " :",
        "://a:",
        "x://a:b",
        "a+://u:p",
        "eyJ.",
        "eyJhbGciOiJub25lIn0.",
        "eyJ0eXAiOiJub25lIn0",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY",
        "-----BEGIN ",
        "-----END ",
        "QUJDREVGR0hJSktMTU5P",
        "/aaaaaaaaaaaaaaaaaaaaaa",
        ":",
        "a:",
        "::1",
        "(",
        "+1(",
        "\u{200b}",
        "tel 1 ",
        "DE89 ",
    ] {
        for (head, tail) in [("", ""), ("12\tada\t", "\tx")] {
            let text = format!("{head}{}{tail}", part.repeat(SIZE / part.len()));
            work::take();
            detector.detect(text.as_bytes(), &mut Vec::new());
            let work = work::take();
            assert!(work <= MOST * text.len(), "{part:?}: {} bytes for each", work / text.len());
        }
    }
}

#[test]
fn a_long_value_is_found_to_its_end() {
    let value = "hunter2".repeat(1000);
    assert_eq!(found(&format!("password={value} x")), [("password", value.as_str())]);
}

#[test]
fn rules_are_listed() {
    let rules = Detector::rules();
    assert!(rules.len() > 70, "{}", rules.len());
    for rule in ["email", "card", "iban", "us-ssn", "phone", "ipv4", "ipv6", "private-key", "jwt", "github-token"] {
        assert!(rules.contains(&rule), "{rule}");
    }
}

fn hold(text: &[u8]) -> Result<(), TestCaseError> {
    let mut spans = vec![Span { start: 900, end: 901, rule: "earlier" }];
    Detector::standard().detect(text, &mut spans);
    prop_assert_eq!(spans[0].rule, "earlier");
    let mut end = 0;
    for span in &spans[1..] {
        prop_assert!(span.start >= end && span.start < span.end && span.end <= text.len(), "{:?} in {:?}", span, text);
        if let Ok(text) = std::str::from_utf8(text) {
            prop_assert!(
                text.is_char_boundary(span.start) && text.is_char_boundary(span.end),
                "{:?} in {}",
                span,
                text
            );
        }
        end = span.end;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn any_bytes(text in prop::collection::vec(any::<u8>(), 0..200)) {
        hold(&text)?;
    }

    #[test]
    fn likely_text(parts in prop::collection::vec(prop_oneof![
        prop::sample::select(vec![
            "ada@example.com", "é", "ü@", "password=", "password: \"", "'", "\"", " ", "://u:", "@h.com", "+49", "(0)", "4111",
            "1111 ", "-", ".", ":", "::", "2001:db8", "192.168.", "-----BEGIN PRIVATE KEY-----", "eyJhbGciOiJIUzI1NiJ9", ".eyJ",
            "ghp_", "Q7z2Mk5Kt4T6wWYxQ7z2Mk5Kt4T6wWYx", "=", "\\n", "%3D", "SG.", "\n", "Authorization: Bearer ", "--token ", "x12",
        ]).prop_map(str::to_owned),
        "[0-9]{1,6}", "[a-zäß@:.=-]{0,5}",
    ], 0..12)) {
        hold(parts.concat().as_bytes())?;
    }
}
