//! Rows of settings: the value of one that holds a secret is masked, by the name that stands beside it or before it.

use std::ops::Range;
use weir_policy::sql::is_secret_setting;
use weir_protocol::Column;
use weir_shared::detect::Span;

/// What the rule is called.
pub const RULE: &str = "secret-setting";
/// Where `pg_settings` has values: `setting`, `boot_val`, `reset_val`.
const VALUES: [i16; 3] = [2, 13, 14];

/// True for a cell that is the name of a setting which holds a secret.
#[must_use]
pub fn is_secret(cell: &[u8]) -> bool {
    std::str::from_utf8(cell).is_ok_and(is_secret_setting)
}

/// True for a column that may have a value, in a row that names its setting: one of those of `pg_settings`, or an expression.
#[must_use]
pub fn has_value(column: &Column) -> bool {
    column.table == 0 || VALUES.contains(&column.attribute)
}

/// Adds the values in a list of `name=value`, as an array's text or with one on each line.
pub fn find(text: &[u8], found: &mut Vec<Span>) {
    let mut from = 0;
    while let Some(equals) = memchr::memchr(b'=', text.get(from..).unwrap_or_default()) {
        let Range { start, end } = from + equals + 1..value_end(text, from + equals + 1);
        let name = name_before(text.get(..start - 1).unwrap_or_default());
        if is_secret(name) && end > start {
            found.push(Span { start, end, rule: RULE });
            from = end;
        } else {
            from = start;
        }
    }
}

/// The name that ends with this text.
fn name_before(text: &[u8]) -> &[u8] {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | 0x80..);
    let start = text.iter().rposition(|byte| !is_part(byte)).map_or(0, |before| before + 1);
    text.get(start..).unwrap_or_default()
}

/// An element of an array ends with its quote, or with what divides or closes; else it is a line.
fn value_end(text: &[u8], start: usize) -> usize {
    let (array, quote) =
        (text.first() == Some(&b'{'), memchr::memrchr2(b'"', b',', text.get(..start).unwrap_or_default()));
    let quoted = array && quote.and_then(|at| text.get(at)) == Some(&b'"');
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' if array => at += 1,
            b'"' if quoted => return at,
            b',' | b'}' if array && !quoted => return at,
            b'\n' if !array => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_names_are_found() {
        for (text, values) in [
            ("{app.jwt_secret=abc,search_path=public}", &["abc"][..]),
            ("{search_path=public,\"app.jwt_secret=a \\\"b\\\", c\",work_mem=1MB}", &["a \\\"b\\\", c"]),
            ("{\"search_path=\\\"$user\\\", public\",app.token=x}", &["x"]),
            ("work_mem=1MB\napp.api_key=a=b, c\nprimary_conninfo=host=x", &["a=b, c", "host=x"]),
            ("restore_command=cp %f %p", &["cp %f %p"]),
            ("{work_mem=1MB}", &[]),
            ("app.token=", &[]),
            ("=", &[]),
        ] {
            let mut found = Vec::new();
            find(text.as_bytes(), &mut found);
            let found: Vec<&str> = found.iter().map(|span| &text[span.start..span.end]).collect();
            assert_eq!(found, values, "{text}");
        }
        assert!(is_secret(b"primary_conninfo") && is_secret(b"App.Secret") && !is_secret(b"search_path"));
    }
}
