//! Errors in the words of the client's own protocol, for where no engine is at hand:
//! the CLI answers a local client with these when the relay cannot be reached.

use bytes::{BufMut, BytesMut};

/// The fields of a PostgreSQL `ErrorResponse` or `NoticeResponse`
/// (PostgreSQL documentation, "Error and Notice Message Fields").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostgresError<'a> {
    /// `FATAL`, `ERROR`, `NOTICE`, ...
    pub severity: &'a str,
    /// SQLSTATE, five characters.
    pub code: &'a str,
    /// The message.
    pub message: &'a str,
    /// Detail; left out when empty.
    pub detail: &'a str,
    /// Hint; left out when empty.
    pub hint: &'a str,
}

impl PostgresError<'_> {
    /// Appends the message of the given type (`b'E'` error, `b'N'` notice). NUL bytes in a field are dropped.
    pub fn encode(&self, kind: u8, out: &mut BytesMut) {
        let start = out.len();
        out.put_u8(kind);
        out.put_u32(0);
        let fields = [
            (b'S', self.severity),
            (b'V', self.severity),
            (b'C', self.code),
            (b'M', self.message),
            (b'D', self.detail),
            (b'H', self.hint),
        ];
        for (field, text) in fields {
            if !text.is_empty() {
                out.put_u8(field);
                out.extend(text.bytes().filter(|b| *b != 0));
                out.put_u8(0);
            }
        }
        out.put_u8(0);
        let length = u32::try_from(out.len() - start - 1).unwrap_or(u32::MAX);
        if let Some(field) = out.get_mut(start + 1..start + 5) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// A FATAL `ErrorResponse`, ready to be written to a client.
#[must_use]
pub fn postgres_fatal(code: &str, message: &str, detail: &str, hint: &str) -> Vec<u8> {
    let mut out = BytesMut::new();
    PostgresError { severity: "FATAL", code, message, detail, hint }.encode(b'E', &mut out);
    out.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fatal_error_has_its_length_and_fields() {
        let bytes = postgres_fatal("28000", "no", "", "ask\0");
        assert_eq!(bytes, b"E\0\0\0\x23SFATAL\0VFATAL\0C28000\0Mno\0Hask\0\0");
        assert_eq!(bytes.len(), 1 + 0x23);
    }
}
