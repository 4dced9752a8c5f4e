//! Tools of many commands, of which some only read: git, kubectl, docker and their like.

use super::Class;

/// Name, and the commands that only read. A command of two words is written with a blank.
const TOOLS: &[(&str, &[&str])] = &[
    (
        "git",
        &[
            "blame",
            "cat-file",
            "describe",
            "diff",
            "grep",
            "help",
            "log",
            "ls-files",
            "ls-remote",
            "ls-tree",
            "merge-base",
            "name-rev",
            "remote -v",
            "rev-list",
            "rev-parse",
            "shortlog",
            "show",
            "show-ref",
            "stash list",
            "status",
            "version",
            "--version",
            "whatchanged",
        ],
    ),
    (
        "kubectl",
        &[
            "api-resources",
            "api-versions",
            "auth can-i",
            "cluster-info",
            "config current-context",
            "config get-contexts",
            "config view",
            "describe",
            "diff",
            "events",
            "explain",
            "get",
            "logs",
            "rollout history",
            "rollout status",
            "top",
            "version",
        ],
    ),
    ("oc", &["describe", "get", "logs", "status", "version", "whoami"]),
    (
        "docker",
        &[
            "compose config",
            "compose logs",
            "compose ps",
            "container ls",
            "diff",
            "events",
            "history",
            "image ls",
            "images",
            "info",
            "inspect",
            "logs",
            "network ls",
            "port",
            "ps",
            "search",
            "stats",
            "top",
            "version",
            "volume ls",
        ],
    ),
    ("podman", &["images", "info", "inspect", "logs", "port", "ps", "stats", "top", "version"]),
    ("helm", &["get", "history", "lint", "list", "ls", "search", "show", "status", "template", "version"]),
    (
        "terraform",
        &[
            "fmt -check",
            "graph",
            "output",
            "plan",
            "providers",
            "show",
            "state list",
            "state show",
            "validate",
            "version",
        ],
    ),
    ("tofu", &["output", "plan", "show", "state list", "validate", "version"]),
    (
        "systemctl",
        &[
            "cat",
            "is-active",
            "is-enabled",
            "is-failed",
            "list-timers",
            "list-unit-files",
            "list-units",
            "show",
            "status",
        ],
    ),
    ("npm", &["audit", "explain", "list", "ls", "outdated", "ping", "search", "view", "whoami"]),
    ("pip", &["check", "freeze", "list", "show"]),
    ("pip3", &["check", "freeze", "list", "show"]),
    ("cargo", &["metadata", "pkgid", "search", "tree", "version"]),
    ("go", &["env", "list", "version"]),
    (
        "gh",
        &[
            "auth status",
            "issue list",
            "issue view",
            "pr checks",
            "pr diff",
            "pr list",
            "pr status",
            "pr view",
            "release list",
            "release view",
            "repo view",
            "run list",
            "run view",
            "search",
            "workflow list",
        ],
    ),
    ("apt-cache", &["depends", "policy", "rdepends", "search", "show"]),
    ("brew", &["info", "list", "outdated", "search"]),
    ("vault", &["kv get", "kv list", "list", "read", "status"]),
    ("redis-cli", &["PING", "ping", "INFO", "info", "GET", "get"]),
];
/// Options after which a tool runs another program, or reads its settings elsewhere.
const RUNS: &[&str] = &[
    "-c",
    "-O",
    "--config-env",
    "--exec",
    "--exec-path",
    "--ext-diff",
    "--open-files-in-pager",
    "--output",
    "--textconv",
    "--upload-pack",
    "--kubeconfig-exec",
    "--post-renderer",
    "--plugin",
];
/// Tools of cloud providers: what begins so only reads.
const CLOUDS: &[&str] = &["aws", "az", "gcloud", "doctl"];

/// The class of a tool with these words; nothing when it is none.
pub(super) fn class_of(program: &str, words: &[&str]) -> Option<Class> {
    if CLOUDS.contains(&program) {
        return Some(cloud(words));
    }
    let (_, reading) = TOOLS.iter().find(|(name, _)| *name == program)?;
    // Of git alone `-c` is a setting, and settings name programs.
    if program == "git" && words.iter().any(|word| RUNS.iter().any(|option| word.starts_with(option))) {
        return Some(Class::Admin);
    }
    if program == "systemctl" && !words.iter().any(|word| reading.contains(word)) {
        return Some(Class::Admin);
    }
    if words.iter().any(|word| ["--post-renderer", "--exec"].iter().any(|option| word.starts_with(option))) {
        return Some(Class::Admin);
    }
    let plain: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !word.starts_with('-') || matches!(*word, "-v" | "-check" | "--version"))
        .collect();
    let one = plain.first().copied().unwrap_or_default();
    let two = format!("{one} {}", plain.get(1).copied().unwrap_or_default());
    // An option's value before the command (`-n prod get pods`) would be taken for it: then it is not known to read.
    let read = reading.contains(&one) || reading.contains(&two.as_str()) || leads_to(&plain, reading, program);
    Some(if read { Class::Read } else { Class::Write })
}

/// `kubectl -n prod get pods`: the one value of a leading option is passed over.
fn leads_to(plain: &[&str], reading: &[&str], program: &str) -> bool {
    const WRITING: &[&str] = &[
        "apply",
        "annotate",
        "attach",
        "cordon",
        "create",
        "delete",
        "drain",
        "edit",
        "exec",
        "expose",
        "label",
        "patch",
        "port-forward",
        "proxy",
        "replace",
        "rollout",
        "run",
        "scale",
        "set",
        "taint",
        "cp",
        "debug",
    ];
    matches!(program, "kubectl" | "oc")
        && !plain.iter().take(2).any(|word| WRITING.contains(word))
        && plain.get(1).is_some_and(|word| reading.contains(word))
}

fn cloud(words: &[&str]) -> Class {
    let plain: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let reads = |word: &&str| {
        ["describe", "list", "get-", "show", "head-", "lookup"].iter().any(|beginning| word.starts_with(beginning))
    };
    match plain.as_slice() {
        ["s3", "ls", ..] | ["configure", "list" | "get", ..] | ["sts", "get-caller-identity", ..] | [] => Class::Read,
        [_, verb, ..] if reads(verb) => Class::Read,
        [_, _, verb, ..] if reads(verb) => Class::Read,
        _ => Class::Write,
    }
}

/// True for a tool that this module knows.
pub(super) fn is_known(program: &str) -> bool {
    CLOUDS.contains(&program) || TOOLS.iter().any(|(name, _)| *name == program)
}
