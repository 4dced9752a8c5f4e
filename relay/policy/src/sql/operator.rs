//! What an operator needs: it is a function by another name, so one that nobody knows may write.

use super::{Class, tree::Tree};

/// The operators of `pg_catalog`, of PostgreSQL 15 to 18.
const BUILTIN: &str = "!! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < <-> << <<= \
    <<| <= <> <@ <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~= ~>=~ \
    ~>~ ~~ ~~*";

/// The class that using the operator of these names needs: `+`, or `OPERATOR(schema.+)`.
pub(super) fn class_of(names: &[Tree]) -> Class {
    let known = match names {
        [] => true,
        [name] => is_builtin(name.as_text()),
        [.., schema, name] => schema.as_text() == "pg_catalog" && is_builtin(name.as_text()),
    };
    if known { Class::Read } else { Class::Write }
}

/// `BETWEEN` and `BETWEEN SYMMETRIC` are the grammar's own: no operator holds a letter.
fn is_builtin(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) || BUILTIN.split_whitespace().any(|known| known == name)
}
