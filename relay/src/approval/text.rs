//! What a reviewer reads: nothing of it may hide, turn round or pass for something else.

use crate::record;
use std::fmt::Write as _;
use weir_protocol::Action;

/// Bind values as text: what a reviewer and a recording see.
#[must_use]
pub fn parameters_as_text(action: &Action) -> Vec<Option<String>> {
    let (parameters, types) = (&action.parameters, action.parameter_types());
    if let Some(size) = parameters.omitted {
        let digest = parameters.digest.map(|digest| blake3::Hash::from_bytes(digest).to_hex().to_string());
        return vec![Some(format!("[values of {size} bytes, BLAKE3 {}]", digest.unwrap_or_default()))];
    }
    let types = types.iter().copied().chain(std::iter::repeat(0));
    let values = parameters.values.iter().zip(&parameters.binary).zip(types);
    values.map(|((value, binary), of)| value.as_ref().map(|value| record::value::text(value, of, *binary))).collect()
}

/// Text with what could mislead a reviewer made visible: control characters, and those that turn or hide text.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
        if hidden || (c.is_control() && !matches!(c, '\n' | '\t')) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_hides_or_turns_text_is_shown() {
        assert_eq!(super::visible("a\u{202e}b\u{1b}[2Kc\n"), "a\\u{202e}b\\u{1b}[2Kc\n");
    }
}
