//! The statements of `corpus/sql`, each with what its facts must be: ways round the classes, and what must not be flagged.

use super::{Facts, facts};
use std::{collections::BTreeSet, fs, path::Path};

/// Fewest statements that the corpus holds: a file that is lost or not read shows.
const FEWEST: usize = 2_000;

#[test]
fn every_statement_is_what_the_corpus_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/sql");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut statements, mut failures) = (0, Vec::new());
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "sql")) {
        let text = fs::read_to_string(file).unwrap();
        for part in format!("\n{text}").split("\n--- ").skip(1) {
            let (expected, statement) = part.split_once('\n').unwrap();
            let escaped = expected.split(' ').any(|word| word == "escaped");
            let statement = if escaped { unescape(statement) } else { statement.to_owned() };
            statements += 1;
            let wrong = differences(expected, &facts(&statement));
            if !wrong.is_empty() {
                let name = file.file_name().unwrap().to_string_lossy();
                failures.push(format!("{name}: {}\n    {}", statement.trim(), wrong.join("\n    ")));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {statements} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(statements >= FEWEST, "only {statements} statements");
}

/// What differs from the expectation, each in a line.
fn differences(expected: &str, facts: &Facts) -> Vec<String> {
    let mut words = expected.split(' ');
    let class = words.next().unwrap();
    let (mut flags, mut lists) = (BTreeSet::new(), vec![("statements", "1")]);
    for word in words {
        match word.split_once('=') {
            Some(("statements", number)) => {
                lists = vec![("statements", number)].into_iter().chain(lists.split_off(1)).collect()
            }
            Some(list) => lists.push(list),
            None => drop(flags.insert(word)),
        }
    }
    let mut wrong = Vec::new();
    let mut compare = |what: &str, found: &str, wanted: &str| {
        if found != wanted {
            wrong.push(format!("{what}: {found:?}, must be {wanted:?} ({})", facts.reason));
        }
    };
    compare("class", facts.class.as_str(), class);
    for (flag, found) in
        [("destructive", facts.destructive), ("no-where", !facts.has_where), ("password", facts.has_password)]
    {
        compare(flag, &found.to_string(), &flags.contains(flag).to_string());
    }
    if flags.contains("redefines") {
        compare("redefines", &facts.redefines.to_string(), "true");
    }
    for flag in flags {
        assert!(["destructive", "no-where", "password", "redefines", "escaped"].contains(&flag), "{flag}?");
    }
    for (list, wanted) in lists {
        let found = match list {
            "statements" => vec![facts.statements.to_string()],
            "reads" => facts.reads.clone(),
            "writes" => facts.writes.clone(),
            "functions" => facts.functions.clone(),
            "executes" => facts.executes.clone(),
            "prepares" => {
                facts.prepares.iter().map(|made| format!("{}:{}", made.name, made.facts.class.as_str())).collect()
            }
            other => panic!("{other}?"),
        };
        compare(
            list,
            &sorted(found),
            &sorted(wanted.split(',').filter(|name| *name != "-").map(str::to_owned).collect()),
        );
    }
    wrong
}

fn sorted(mut names: Vec<String>) -> String {
    names.sort();
    names.join(",")
}

/// `\u{HEX}` as the character.
fn unescape(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').unwrap();
        out.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        out.push_str(rest);
    }
    out
}
