//! What of an error or notice may hold a labelled value. It goes by the protocol's fields and the SQLSTATE, never by words:
//! those are in the server's language.
//!
//! A server complains of two things: of the statement's own text, with the position in it, and of what it met while it ran.
//! The first is the client's own. Of the second, some states come with names alone, some with the value in their details,
//! and all others with anything; what a routine of somebody's own raises may say anything under any state.

use super::About;
use crate::upstream::Labels;
use weir_protocol::postgres::rows::error_fields;

/// What of an error must not be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It holds no labelled value.
    Nothing,
    /// Its details, context and inner query do.
    Details,
    /// Its message may as well: other words stand for it.
    Words,
}

/// States by class (their first two characters) whose messages hold names and numbers of the server's own: connections,
/// cardinality, cursors, transactions, rollbacks, resources, limits, objects in use, an operator's intervention.
const OF_THE_SERVER: &[&str] = &["08", "21", "24", "25", "26", "2D", "34", "3B", "40", "53", "54", "55", "57"];
/// The same, by state: no right, depending objects, what is there twice.
const OF_NAMES: &[&str] = &["2BP01", "42501", "42710", "42P03", "42P04", "42P05", "42P06", "42P07"];
/// Data exceptions that say no more than their state: too long for its type, division by zero.
const OF_NO_VALUE: &[&str] = &["22001", "22012"];
/// What raises errors in the words of a routine's author: `RAISE` and `ASSERT` of PL/pgSQL, PL/Python, PL/Perl, PL/Tcl.
const RAISES: &[&str] = &["exec_stmt_raise", "exec_stmt_assert", "PLy_", "plperl_", "pltcl_", "throw_tcl_"];

/// What an error, notice or notification of a statement loses.
#[must_use]
pub fn loss(bytes: &[u8], labels: &Labels, about: &About) -> Loss {
    // A notification has no fields.
    if labels.is_empty() || !matches!(bytes.first(), Some(b'E' | b'N')) {
        return Loss::Nothing;
    }
    let (mut state, mut inside, mut raised, mut positioned, mut risky) = ("", false, false, false, about.risky);
    for (field, value) in error_fields(bytes) {
        let text = std::str::from_utf8(value).unwrap_or_default();
        match field {
            b'C' => state = text,
            b'P' => positioned = true,
            b'W' | b'q' => inside = true,
            b'R' => raised = RAISES.iter().any(|routine| text.starts_with(routine)),
            // A constraint that was deferred is violated by a COMMIT.
            b't' => risky |= labels.mentions(text),
            _ => {}
        }
    }
    let class = state.get(..2).unwrap_or_default();
    match class {
        _ if !risky || positioned => Loss::Nothing,
        _ if raised => Loss::Words,
        "23" | "44" if inside => Loss::Words,
        "23" | "44" => Loss::Details,
        _ if OF_THE_SERVER.contains(&class) || OF_NAMES.contains(&state) => {
            if inside {
                Loss::Details
            } else {
                Loss::Nothing
            }
        }
        _ if OF_NO_VALUE.contains(&state) && !inside => Loss::Nothing,
        // What does not exist, is ambiguous or not supported: names, unless a value was taken for one (`v::regclass`).
        "00" | "01" | "02" | "0A" | "28" | "2B" | "3D" | "3F" | "42" if !about.named && !inside => Loss::Nothing,
        _ => Loss::Words,
    }
}

/// What stands for a message: its state in words, and the names that the server gave in fields of their own.
#[must_use]
pub fn words(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut names = Vec::new();
    for (field, value) in error_fields(bytes) {
        let kind = match field {
            b'C' => {
                out.extend_from_slice(condition(std::str::from_utf8(value).unwrap_or_default()).as_bytes());
                continue;
            }
            b't' => "relation",
            b'c' => "column",
            b'd' => "type",
            b'n' => "constraint",
            _ => continue,
        };
        names.extend_from_slice(if names.is_empty() { b" of " } else { b", " });
        names.extend_from_slice(kind.as_bytes());
        names.extend_from_slice(b" \"");
        names.extend_from_slice(value);
        names.push(b'"');
    }
    out.extend_from_slice(&names);
    out.extend_from_slice(b" (weir masks the server's own words: they may hold a labelled value)");
    out
}

/// The names of `errcodes.txt` for what is met most.
fn condition(state: &str) -> &'static str {
    match state {
        "22P02" => "invalid text representation",
        "22P03" => "invalid binary representation",
        "22003" => "numeric value out of range",
        "22007" => "invalid datetime format",
        "22008" => "datetime field overflow",
        "22021" => "character not in repertoire",
        "22023" => "invalid parameter value",
        "23502" => "not-null violation",
        "23503" => "foreign key violation",
        "23505" => "unique violation",
        "23514" => "check violation",
        "23P01" => "exclusion violation",
        "42501" => "insufficient privilege",
        "42601" => "syntax error",
        "42602" => "invalid name",
        "42703" => "undefined column",
        "42704" => "undefined object",
        "42883" => "undefined function",
        "42P01" => "undefined table",
        "P0001" => "exception raised by a routine",
        _ => match state.get(..2).unwrap_or_default() {
            "00" => "notice",
            "01" => "warning",
            "22" => "data exception",
            "23" => "integrity constraint violation",
            "0A" => "feature not supported",
            "42" => "syntax error or access rule violation",
            "44" => "check option violation",
            "P0" | "38" | "39" => "a routine failed",
            _ => "error",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_shared::config::checked::ColumnLabel;

    fn message(kind: u8, fields: &[(u8, &str)]) -> Vec<u8> {
        let mut out = vec![kind, 0, 0, 0, 0];
        for (field, value) in fields {
            out.push(*field);
            out.extend_from_slice(value.as_bytes());
            out.push(0);
        }
        out.push(0);
        let length = u32::try_from(out.len() - 1).unwrap().to_be_bytes();
        out[1..5].copy_from_slice(&length);
        out
    }

    fn labels() -> Labels {
        let label = ColumnLabel { schema: "public".into(), table: "customers".into(), column: "ssn".into() };
        Labels { columns: vec![label], ..Labels::default() }
    }

    fn loss_of(fields: &[(u8, &str)], risky: bool, named: bool) -> Loss {
        loss(&message(b'E', fields), &labels(), &About { risky, named, ..About::default() })
    }

    #[test]
    fn values_are_lost_by_state_and_field() {
        for (fields, expected) in [
            // As PostgreSQL 15 sends them for the statements beside.
            (&[(b'C', "22P02"), (b'R', "pg_strtoint32")][..], Loss::Words), // ('"'||v||'"')::int
            (&[(b'C', "22P02"), (b'P', "8"), (b'R', "pg_strtoint32")], Loss::Nothing), // 'x'::int
            (&[(b'C', "22008"), (b'R', "make_date")], Loss::Words),
            (&[(b'C', "22012"), (b'R', "int4div")], Loss::Nothing),
            (&[(b'C', "22012"), (b'W', "PL/pgSQL function f() line 1 at RAISE")], Loss::Words),
            (&[(b'C', "42P01"), (b'R', "RangeVarGetRelidExtended")], Loss::Words), // v::regclass
            (&[(b'C', "42P01"), (b'P', "15"), (b'R', "parserOpenTable")], Loss::Nothing),
            (&[(b'C', "42601"), (b'R', "prssyntaxerror")], Loss::Words), // v::tsvector
            (&[(b'C', "42501"), (b'R', "aclcheck_error")], Loss::Nothing),
            (
                &[(b'C', "23505"), (b'D', "Key (ssn)=(1)"), (b't', "customers"), (b'R', "_bt_check_unique")],
                Loss::Details,
            ),
            (&[(b'C', "23505"), (b'R', "exec_stmt_raise")], Loss::Words),
            (&[(b'C', "44000"), (b'D', "Failing row contains (1)")], Loss::Details),
            (&[(b'C', "40P01"), (b'D', "Process 1 waits"), (b'W', "while locking tuple (0,1)")], Loss::Details),
            (&[(b'C', "57014"), (b'R', "ProcessInterrupts")], Loss::Nothing),
            (&[(b'C', "P0001"), (b'R', "exec_stmt_raise")], Loss::Words),
            (&[(b'C', "00000"), (b'R', "xml_errorHandler")], Loss::Words),
            (&[(b'C', "XX000")], Loss::Words),
            (&[], Loss::Words),
        ] {
            assert_eq!(loss_of(fields, true, true), expected, "{fields:?}");
            assert_eq!(loss_of(fields, false, false) == Loss::Nothing, !fields.iter().any(|(field, _)| *field == b't'));
        }
    }

    #[test]
    fn names_stay_where_no_labelled_column_is_named() {
        for state in ["42P01", "42704", "42703", "3F000", "0A000", "2B000", "00000", "01000", "42P07"] {
            assert_eq!(loss_of(&[(b'C', state)], true, false), Loss::Nothing, "{state}");
            assert_ne!(loss_of(&[(b'C', state), (b'W', "PL/pgSQL function")], true, false), Loss::Nothing, "{state}");
        }
        assert_eq!(loss_of(&[(b'C', "22P02")], true, false), Loss::Words);
    }

    #[test]
    fn other_words_keep_the_names_that_have_fields() {
        let fields =
            [(b'C', "23514"), (b'M', "secret"), (b's', "public"), (b't', "customers"), (b'n', "customers_check")];
        let words = String::from_utf8(words(&message(b'E', &fields))).unwrap();
        assert!(
            words.starts_with("check violation of relation \"customers\", constraint \"customers_check\" ("),
            "{words}"
        );
        assert!(!words.contains("secret"));
    }
}
