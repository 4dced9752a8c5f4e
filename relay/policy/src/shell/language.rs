//! Programs whose words are a language of their own: sed, awk, curl, interpreters.

use super::{Class, destroy::flag, word::Arg};

/// An interpreter with code in its words or its input runs what is not judged; a script's file does not show.
pub(super) fn interpreter(program: &str, words: &[&str]) -> (Class, String) {
    if matches!(words, ["-V" | "--version" | "-v" | "--help" | "-h"]) {
        return (Class::Read, program.to_owned());
    }
    let inline = flag(words, &['c', 'e', 'E', 'r', 'p', 'n', 'i', 'x', 'm'], "--eval")
        || words.iter().any(|word| *word == "-" || word.starts_with("/dev/") || *word == "eval");
    let script = words.iter().any(|word| !word.starts_with('-') && !word.is_empty());
    if inline || !script {
        (Class::Admin, format!("{program} runs code that is not judged"))
    } else {
        (Class::Write, format!("{program} runs a script that does not show"))
    }
}

/// sed reads when its script only substitutes, prints, deletes and quits: `w` writes files and `e` runs programs.
pub(super) fn sed(args: &[Arg]) -> Class {
    let words: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
    if flag(&words, &['i'], "--in-place") || words.iter().any(|word| word.starts_with("--in-place")) {
        return Class::Write;
    }
    const HARMLESS: &[&str] = &[
        "-n",
        "-E",
        "-r",
        "-s",
        "-u",
        "-z",
        "-e",
        "-nE",
        "-En",
        "-nr",
        "-rn",
        "-ne",
        "--expression",
        "--quiet",
        "--silent",
        "--regexp-extended",
        "--null-data",
        "--version",
        "-",
    ];
    // Also `-e` with its script attached, and `-f` with a file that does not show.
    if words.iter().any(|word| word.starts_with('-') && !HARMLESS.contains(word)) {
        return Class::Admin;
    }
    let scripts: Vec<&Arg> = match args.iter().position(|arg| arg.is("-e") || arg.is("-ne") || arg.is("--expression")) {
        Some(_) => args
            .windows(2)
            .filter_map(|pair| match pair {
                [option, script] if option.is("-e") || option.is("-ne") || option.is("--expression") => Some(script),
                _ => None,
            })
            .collect(),
        None => args.iter().find(|arg| !arg.text.starts_with('-') || !arg.exact).into_iter().collect(),
    };
    let harmless = |arg: &&Arg| arg.exact && arg.text.split([';', '\n']).all(|part| sed_reads(part.trim()));
    if !scripts.is_empty() && scripts.iter().all(harmless) { Class::Read } else { Class::Admin }
}

fn sed_reads(command: &str) -> bool {
    let command = command.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ',' | '$' | '!' | ' ' | '~'));
    let mut rest = command;
    // Addresses: /pattern/.
    while let Some(pattern) = rest.strip_prefix('/') {
        let Some((_, after)) = pattern.split_once('/') else { return false };
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ',' | '$' | '!' | ' ' | 'I'));
    }
    let mut chars = rest.chars();
    match chars.next() {
        None | Some('p' | 'd' | 'q' | '=' | 'n' | 'N' | 'D' | 'P' | 'g' | 'G' | 'h' | 'H' | 'x') => {
            chars.next().is_none()
        }
        Some(kind @ ('s' | 'y')) => {
            let Some(delimiter) = chars.next() else { return false };
            let parts: Vec<&str> = chars.as_str().split(delimiter).collect();
            match parts.as_slice() {
                [_, _, flags] => {
                    kind == 'y' && flags.is_empty()
                        || flags.chars().all(|c| c.is_ascii_digit() || matches!(c, 'g' | 'p' | 'i' | 'I'))
                }
                _ => false,
            }
        }
        _ => false,
    }
}

/// awk reads when its program cannot write, run or read elsewhere.
pub(super) fn awk(args: &[Arg]) -> Class {
    let option = |arg: &Arg| arg.text.starts_with('-') && arg.text.len() > 1;
    let loads = |arg: &Arg| {
        ["-f", "--file", "-i", "--include", "-l", "-e", "--source", "-E", "--exec"]
            .iter()
            .any(|long| arg.text.starts_with(long))
    };
    if args.iter().any(|arg| option(arg) && loads(arg)) {
        return Class::Admin;
    }
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg.is("-F") || arg.is("-v") {
            rest.next();
        } else if !option(arg) {
            let program = arg.text.as_str();
            let runs = ["system", "|", "getline", "@", ">", "close", "printf >", "extension"]
                .iter()
                .any(|word| program.contains(word));
            // `$1 > 5` compares; telling it from a file takes awk's grammar.
            let compares = program.contains('>')
                && !program.contains("print")
                && !["system", "|", "getline", "@"].iter().any(|word| program.contains(word));
            return if arg.exact && (!runs || compares) { Class::Read } else { Class::Admin };
        }
    }
    Class::Admin
}

/// curl reads when it neither sends nor writes.
pub(super) fn curl(args: &[Arg], words: &[&str]) -> Class {
    const HARMLESS: &[&str] = &[
        "-s",
        "-S",
        "-f",
        "-L",
        "-I",
        "-i",
        "-v",
        "-k",
        "-sS",
        "-fsSL",
        "-sSL",
        "-fsS",
        "-sL",
        "-sSf",
        "-sSfL",
        "-fsSl",
        "--silent",
        "--show-error",
        "--fail",
        "--location",
        "--head",
        "--include",
        "--compressed",
        "-m",
        "--max-time",
        "--retry",
        "--version",
    ];
    let options = words.iter().filter(|word| word.starts_with('-'));
    let plain = options.clone().all(|option| HARMLESS.contains(option))
        && args.iter().all(|arg| arg.exact)
        && !words.iter().any(|word| word.starts_with("file:"));
    if words.iter().any(|word| *word == "-K" || word.starts_with("--config")) {
        Class::Admin
    } else if plain {
        Class::Read
    } else {
        Class::Write
    }
}
