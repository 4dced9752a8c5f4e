//! A statement with its constants left open: what statements that differ only in them have in common. Made of the server's
//! own tokens, so that nothing but a constant can differ.

use super::{Class, Facts};
use pg_query::protobuf::Token;

/// Longest text that has one, in bytes: a person must be able to read it.
const LONGEST: usize = 8_192;

impl Facts {
    /// The template of `text`, whose facts these are: its tokens with one blank between them, each constant replaced by a
    /// hole that says its type (`?int`, `?number`, `?text`, `?bits`). None where the constants decide what happens: several
    /// statements, structure, administration, `EXECUTE`; and where there is no constant.
    #[must_use]
    pub fn template(&self, text: &str) -> Option<String> {
        let plain = self.statements == 1
            && !self.destructive
            && !self.redefines
            && self.executes.is_empty()
            && self.fetches.is_empty();
        if !plain || !matches!(self.class, Class::Read | Class::Write) || text.len() > LONGEST {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut holes = false;
        for token in pg_query::scan(text).ok()?.tokens {
            let hole = match token.token() {
                Token::SqlComment | Token::CComment => continue,
                Token::Iconst => "?int",
                Token::Fconst => "?number",
                Token::Sconst | Token::Usconst => "?text",
                Token::Bconst | Token::Xconst => "?bits",
                // A parameter's value is judged with the statement's text, and is as open.
                Token::Param => {
                    holes = true;
                    ""
                }
                _ => "",
            };
            if !out.is_empty() {
                out.push(' ');
            }
            if hole.is_empty() {
                let (start, end) = (usize::try_from(token.start).ok()?, usize::try_from(token.end).ok()?);
                out.push_str(text.get(start..end)?);
            } else {
                out.push_str(hole);
                holes = true;
            }
        }
        holes.then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use crate::sql::facts;

    fn template(text: &str) -> Option<String> {
        facts(text).template(text)
    }

    #[test]
    fn statements_that_differ_in_constants_have_one_template() {
        let one = template("DELETE FROM orders WHERE id = 42 AND note = 'a'").unwrap();
        assert_eq!(one, "DELETE FROM orders WHERE id = ?int AND note = ?text");
        for same in [
            "DELETE FROM orders\nWHERE id=7 /* hm */ AND note = $$b$$",
            "DELETE FROM orders WHERE id = 1 AND note = E'\\''",
        ] {
            assert_eq!(template(same).as_ref(), Some(&one), "{same}");
        }
        for other in [
            "DELETE FROM orders WHERE id = 42 OR note = 'a'",
            "DELETE FROM orders WHERE id = 42.5 AND note = 'a'",
            "DELETE FROM orders WHERE id = 'x' AND note = 'a'",
            "DELETE FROM Orders2 WHERE id = 42 AND note = 'a'",
            "DELETE FROM \"Orders\" WHERE id = 42 AND note = 'a'",
            "DELETE FROM orders WHERE id = -42 AND note = 'a'",
            "DELETE FROM orders WHERE id = 42 AND note = NULL",
        ] {
            assert_ne!(template(other).as_ref(), Some(&one), "{other}");
        }
    }

    #[test]
    fn what_its_constants_decide_has_none() {
        for text in [
            "DELETE FROM orders WHERE id = 1; DELETE FROM orders WHERE id = 2",
            "DROP TABLE orders",
            "DO 'x'",
            "EXECUTE p (1)",
            "SELECT query_to_xml('DELETE FROM orders', true, true, '')",
            "DELETE FROM orders",
            "CREATE TABLE t (a int DEFAULT 1)",
            "not sql 1",
        ] {
            assert_eq!(template(text), None, "{text}");
        }
    }
}
