//! What cannot be had back: whole folders and disks, histories, clusters.

use super::{secret, word::Arg};

/// Folders whose loss is the machine's or the user's.
const FOLDERS: &[&str] = &[
    "/", "/*", "/.", "/..", "~", "~/", "~/*", ".", "./", "./*", "..", "../", "*", ".*", "/bin", "/boot", "/data",
    "/dev", "/etc", "/home", "/lib", "/mnt", "/opt", "/proc", "/root", "/sbin", "/srv", "/sys", "/usr", "/var",
    "/var/lib",
];
/// Programs that destroy whatever they are told to.
const ALWAYS: &[&str] =
    &["blkdiscard", "dropdb", "dropuser", "shred", "srm", "wipefs", "mke2fs", "mkswap", "badblocks"];

/// True when the program with these words destroys.
pub(super) fn destroys(program: &str, args: &[Arg]) -> bool {
    let words: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
    let has = |word: &str| words.contains(&word);
    let plain: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let says = |some: &[&str]| plain.iter().any(|word| some.contains(word));
    match program {
        _ if ALWAYS.contains(&program) || program.starts_with("mkfs") => true,
        "rm" => has("--no-preserve-root") || flag(&words, &['r', 'R'], "--recursive") && args.iter().any(is_vast),
        "chmod" | "chown" | "chgrp" | "setfacl" => flag(&words, &['R'], "--recursive") && args.iter().any(is_vast),
        "mv" => args.iter().any(is_vast) && plain.last().is_some_and(|to| to.starts_with("/dev/")),
        "find" => (has("-delete") || has("rm") || has("shred")) && find(&words),
        "dd" => words.iter().any(|word| word.strip_prefix("of=").is_some_and(is_device)),
        "tee" | "cp" => plain.last().is_some_and(|to| is_device(to)),
        "crontab" => has("-r"),
        "kill" => has("-1") && words.len() > 1,
        "git" => git(&words, &plain),
        "kubectl" | "oc" => says(&["delete", "drain"]),
        "helm" => says(&["uninstall", "delete", "del", "un"]),
        "terraform" | "tofu" | "terragrunt" | "pulumi" | "cdk" => {
            says(&["destroy"])
                || has("-destroy")
                || has("--destroy")
                || plain.first() == Some(&"workspace") && says(&["delete"])
        }
        "docker" | "podman" | "nerdctl" => {
            says(&["prune"])
                || plain.first() == Some(&"volume") && says(&["rm"])
                || says(&["down"]) && (has("-v") || has("--volumes"))
        }
        "docker-compose" => says(&["down"]) && (has("-v") || has("--volumes")),
        "aws" => {
            plain.get(1).is_some_and(|verb| verb.starts_with("delete-") || verb.starts_with("terminate-"))
                || says(&["rb"])
                || says(&["s3"]) && says(&["rm"]) && has("--recursive")
        }
        "gcloud" | "az" | "doctl" => says(&["delete", "purge"]),
        "gsutil" => says(&["rb"]) || says(&["rm"]) && (has("-r") || has("-R")),
        "redis-cli" => {
            words.iter().any(|word| word.eq_ignore_ascii_case("flushall") || word.eq_ignore_ascii_case("flushdb"))
        }
        "mysqladmin" => says(&["drop"]),
        "gh" => says(&["delete"]),
        "etcdctl" => says(&["del"]),
        _ => false,
    }
}

/// True when find looks at all of a folder, and chooses nothing where that is the present one.
fn find(words: &[&str]) -> bool {
    const CHOICES: &[&str] = &[
        "-name",
        "-iname",
        "-path",
        "-ipath",
        "-regex",
        "-mtime",
        "-mmin",
        "-newer",
        "-size",
        "-empty",
        "-user",
        "-maxdepth",
    ];
    let chooses = words.iter().any(|word| CHOICES.contains(word));
    words.first().is_some_and(|first| FOLDERS.contains(first) && (!first.starts_with('.') || !chooses))
}

fn git(words: &[&str], plain: &[&str]) -> bool {
    let has = |some: &[&str]| words.iter().any(|word| some.contains(word));
    match plain.first() {
        Some(&"push") => {
            flag(words, &['f', 'd'], "--force")
                || has(&["--force-with-lease", "--delete", "--mirror", "--prune"])
                || words
                    .iter()
                    .any(|word| word.starts_with("--force") || word.starts_with('+') || word.starts_with(':'))
        }
        Some(&"reset") => has(&["--hard"]),
        Some(&"clean") => flag(words, &['f'], "--force"),
        Some(&"branch") => has(&["-D"]),
        Some(&("filter-branch" | "filter-repo")) => true,
        Some(&"reflog") => plain.contains(&"expire"),
        Some(&"stash") => plain.contains(&"clear"),
        _ => false,
    }
}

/// True for a file that is a disk, a partition or memory.
pub(super) fn is_device(path: &str) -> bool {
    const HARMLESS: &[&str] =
        &["null", "stdout", "stderr", "stdin", "tty", "zero", "full", "fd", "shm", "pts", "tcp", "udp"];
    path.strip_prefix("/dev/").is_some_and(|name| !HARMLESS.contains(&name.split('/').next().unwrap_or_default()))
}

/// True for a folder that holds everything, or that is everything when a variable is empty.
fn is_vast(arg: &Arg) -> bool {
    let path = arg.text.as_str();
    let home = arg.variables.iter().any(|name| matches!(name.as_str(), "HOME" | "PWD"));
    let trimmed = if path.len() > 1 { path.trim_end_matches(['/', '*']) } else { path };
    let named = FOLDERS.contains(&path) || path.starts_with('/') && (trimmed.is_empty() || FOLDERS.contains(&trimmed));
    match arg.exact {
        true => named,
        // `rm -rf "$FOLDER/"` removes all there is when the variable is empty, which `${FOLDER:?}` is not.
        false => {
            !arg.guarded
                && (home && matches!(path, "" | "/" | "/*")
                    || path.split_whitespace().any(|path| FOLDERS.contains(&path) && path.starts_with(['/', '~'])))
                && !secret::in_word(arg)
        }
    }
}

/// True when one of the short flags or the long one stands there.
pub(super) fn flag(words: &[&str], short: &[char], long: &str) -> bool {
    let mut options = words.iter().take_while(|word| **word != "--");
    options.any(|word| *word == long || word.starts_with('-') && !word.starts_with("--") && word.contains(short))
}
