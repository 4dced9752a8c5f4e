//! The commands of `corpus/shell`, each with what its facts must be, and any text at all.

use super::facts;
use proptest::prelude::*;
use std::{fs, path::Path};

/// Fewest commands that the corpus holds.
const FEWEST: usize = 150;

#[test]
fn every_command_is_what_the_corpus_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/shell");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut commands, mut failures) = (0, Vec::new());
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "sh")) {
        let text = fs::read_to_string(file).unwrap();
        for part in format!("\n{text}").split("\n#= ").skip(1) {
            let (expected, command) = part.split_once('\n').unwrap();
            let facts = facts(command.trim_end_matches('\n'));
            let found = format!(
                "{}{}{}",
                facts.class.as_str(),
                if facts.reads_secret { " secret" } else { "" },
                if facts.destructive { " destructive" } else { "" },
            );
            let (wanted, programs) = expected.split_once(" programs=").map_or((expected, None), |(a, b)| (a, Some(b)));
            let programs = programs.unwrap_or_default();
            commands += 1;
            if found != wanted || !programs.is_empty() && facts.programs.join(",") != programs {
                let name = file.file_name().unwrap().to_string_lossy();
                failures.push(format!("{name}: {}\n    must be {expected:?}, is {found:?}: {facts:?}", command.trim()));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {commands} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(commands >= FEWEST, "only {commands} commands");
}

#[test]
fn hostile_nesting_is_read_or_refused() {
    for levels in [10, 60, 190, 1_000, 4_000] {
        for (open, close) in [
            ("$(", ")"),
            ("{ ", "; }"),
            ("(", ")"),
            ("if ", ""),
            ("if true; then ", "; fi"),
            ("${a:-", "}"),
            ("\"$(", ")\""),
            ("`", "`"),
            ("while ", ""),
            ("! ", ""),
            ("a|", ""),
            ("a<<b;", ""),
            ("case x in ", ""),
            ("((", "))"),
            ("[[ ! ", " ]]"),
            ("$((", "))"),
            ("{a,", "}"),
            ("<(", ")"),
            ("f() ", ""),
            ("sh -c '", "'"),
            ("eval ", ""),
            ("sudo ", ""),
            ("~", ""),
            ("\\", ""),
            ("{", "|"),
            ("x=$x$x;", "echo $x"),
            ("${a[", "]}"),
        ] {
            let facts = facts(&format!("{}x{}", open.repeat(levels), close.repeat(levels)));
            assert!(!facts.reason.is_empty(), "{open} {levels}");
        }
    }
    assert_eq!(facts(&"a".repeat(5_000)).class, super::Class::Admin);
}

proptest! {
    #[test]
    fn any_text_has_facts(text in any::<String>()) {
        prop_assert!(!facts(&text).reason.is_empty());
    }

    #[test]
    fn anything_like_a_command_has_facts(parts in prop::collection::vec(
        prop::sample::select(vec![
            "rm", " ", " -rf", "/", "$x", "${x", "}", "$(", ")", "`", "'", "\"", "\\", "|", "||", "&&", ";", "&", "<", ">", "<<", "<<<", "E",
            "\n", "{", ",", "*", "?", "[", "]", "[[", "]]", "((", "if", "then", "fi", "for", "in", "do", "done", "case", "esac", "$'", "\\x41",
            "~", "9999", "#", "=", "!", "echo", "sudo", "sh -c", "eval", "find -exec", "psql -c", "\u{202e}", "é",
        ]),
        0..30,
    )) {
        let text = parts.concat();
        prop_assert!(!facts(&text).reason.is_empty(), "{}", text);
    }
}
