//! What shows a credential: variables and files by their names, and programs that print tokens.

use super::word::Arg;

/// Parts of the names of variables that hold secrets, in capitals.
const NAMES: &[&str] = &[
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "APIKEY",
    "PRIVATE_KEY",
    "ACCESS_KEY",
    "DSN",
    "DATABASE_URL",
];
/// The same, as a whole part between underscores.
const PARTS: &[&str] = &["KEY", "PASS", "PWD", "AUTH", "JWT", "PAT", "COOKIE"];
/// Names that hold none although they look so.
const PUBLIC: &[&str] = &["PWD", "OLDPWD", "SSH_AUTH_SOCK", "XAUTHORITY", "GIT_AUTHOR_NAME"];

/// Files of credentials: where one of these stands in a path.
const FILES: &[&str] = &[
    ".aws/credentials",
    ".aws/sso",
    ".azure/",
    ".config/gcloud",
    ".config/gh/",
    ".config/op/",
    ".docker/config.json",
    ".dockercfg",
    ".git-credentials",
    ".gnupg/",
    ".kube/config",
    ".my.cnf",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    ".ssh/id_",
    ".ssh/identity",
    ".terraform.d/credentials",
    ".vault-token",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/kubernetes/admin.conf",
    "/run/secrets/",
    "application_default_credentials",
    "id_ecdsa",
    "id_ed25519",
    "id_rsa",
    "kubeconfig",
    "secrets/kubernetes.io/serviceaccount",
    "terraform.tfstate",
    "tls.key",
];
/// One of each, as whole paths, for patterns.
const PATHS: &[&str] = &[
    "~/.aws/credentials",
    "~/.ssh/id_rsa",
    "~/.ssh/id_ed25519",
    "~/.pgpass",
    "~/.netrc",
    "~/.kube/config",
    "~/.docker/config.json",
    "~/.npmrc",
    "~/.vault-token",
    "~/.git-credentials",
    "/etc/shadow",
    "/proc/1/environ",
    "/proc/self/environ",
    "/run/secrets/token",
    ".env",
];
/// Programs that name such a file without showing it.
const NAMING: &[&str] = &[
    "[",
    "[[",
    "basename",
    "chmod",
    "chown",
    "dirname",
    "du",
    "find",
    "ls",
    "mkdir",
    "readlink",
    "realpath",
    "rm",
    "shred",
    "ssh",
    "ssh-add",
    "ssh-keygen",
    "stat",
    "test",
    "touch",
    "kubectl",
    "helm",
    "export",
    "unset",
    "cd",
    "docker",
    "psql",
    "git",
];
/// Programs that print their words.
const PRINTING: &[&str] = &["echo", "printf", "print"];
/// Programs that take a secret on their standard input and keep it.
const TAKING: &[&str] =
    &["buildah", "docker", "gh", "gpg", "helm", "kubectl", "oras", "podman", "psql", "skopeo", "vault", "wrangler"];

/// True for the name of a variable that looks like a secret's.
pub(super) fn is_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    !PUBLIC.contains(&name.as_str())
        && (NAMES.iter().any(|part| name.contains(part)) || name.split('_').any(|part| PARTS.contains(&part)))
}

/// True when the value of a secret variable becomes part of the word.
pub(super) fn in_word(arg: &Arg) -> bool {
    arg.variables.iter().any(|name| is_name(name))
}

/// True for the path of a file of credentials, or a pattern that finds one.
pub(super) fn is_file(arg: &Arg) -> bool {
    let path = arg.text.as_str();
    let file = path.rsplit('/').next().unwrap_or_default();
    let environ = path.contains("/proc/") && file.starts_with("environ");
    let dotenv = file == ".env" || file.starts_with(".env.") && !file.ends_with("example") && !file.ends_with("sample");
    let key = file.ends_with(".key") || file.ends_with(".p12") || file.ends_with(".pfx") || file.ends_with("-key.pem");
    FILES.iter().any(|known| path.contains(known)) && !path.ends_with(".pub")
        || environ
        || dotenv
        || key
        || arg.glob && finds_one(path)
}

/// True when a pattern that says more than `*` matches the end of a known path.
fn finds_one(pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.rsplit('/').collect();
    let says = |part: &&str| part.chars().filter(|c| !matches!(c, '*' | '?' | '[' | ']' | '.' | '~')).count() > 1;
    parts.iter().any(says)
        && PATHS.iter().any(|path| {
            let known: Vec<&str> = path.rsplit('/').collect();
            // The home folder may be written in other ways.
            let depth = parts.len().min(known.len() - usize::from(path.starts_with('~')));
            parts.iter().take(depth).zip(&known).all(|(part, known)| matches(part.as_bytes(), known.as_bytes()))
        })
}

/// `*`, `?` and `[...]`, the last taken for any one character.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| text.get(at..).is_some_and(|text| matches(rest, text))),
        ([b'[', rest @ ..], [_, text @ ..]) => {
            let end = rest.iter().position(|byte| *byte == b']').map_or(0, |at| at + 1);
            matches(rest.get(end..).unwrap_or_default(), text)
        }
        ([b'?', rest @ ..], [_, text @ ..]) => matches(rest, text),
        ([a, rest @ ..], [b, text @ ..]) => a == b && matches(rest, text),
        _ => false,
    }
}

/// True when what a program prints may go on to `next`, which takes secrets and does not show them.
pub(super) fn is_taken(next: Option<&str>) -> bool {
    next.is_some_and(|program| TAKING.contains(&program))
}

/// True when the program with these words prints a secret's value.
pub(super) fn prints(program: &str, args: &[Arg]) -> bool {
    let words: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
    let has = |word: &str| words.contains(&word);
    let plain: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let begins = |wanted: &[&str]| plain.windows(wanted.len()).any(|some| some == wanted);
    match program {
        _ if PRINTING.contains(&program) && args.iter().any(in_word) => true,
        _ if args.iter().any(|arg| in_word(arg) && arg.text.contains("://")) => true,
        _ if !NAMING.contains(&program) && !PRINTING.contains(&program) && args.iter().any(is_file) => true,
        "set" => words.is_empty(),
        "export" | "readonly" => plain.is_empty(),
        "printenv" => plain.is_empty() || plain.iter().any(|name| is_name(name)) || args.iter().any(|arg| !arg.exact),
        "declare" | "typeset" | "local" => {
            plain.is_empty() || words.iter().any(|word| word.starts_with('-') && word.contains('p'))
        }
        "compgen" => words.iter().any(|word| matches!(*word, "-v" | "-e")) || has("variable") || has("export"),
        "kubectl" | "oc" => {
            let shown = words.iter().any(|word| {
                ["yaml", "json", "template", "jsonpath", "custom-columns"].iter().any(|form| word.contains(form))
            });
            let secret = |word: &&str| {
                let kind = word.split('/').next().unwrap_or_default();
                kind.split(',').any(|kind| matches!(kind, "secret" | "secrets"))
            };
            begins(&["config", "view"]) && has("--raw")
                || begins(&["create", "token"])
                || plain.first() == Some(&"whoami") && has("-t")
                || plain.contains(&"get") && plain.iter().any(secret) && shown
        }
        "aws" => {
            begins(&["configure", "get"])
                || begins(&["configure", "export-credentials"])
                || plain.iter().any(|word| {
                    matches!(
                        *word,
                        "get-secret-value"
                            | "batch-get-secret-value"
                            | "get-login-password"
                            | "get-session-token"
                            | "assume-role"
                            | "assume-role-with-web-identity"
                            | "get-authorization-token"
                            | "create-access-key"
                            | "get-token"
                    )
                })
                || has("--with-decryption")
        }
        "gcloud" => {
            plain.iter().any(|word| word.starts_with("print-") && word.ends_with("-token"))
                || begins(&["versions", "access"])
        }
        "az" => plain.contains(&"get-access-token") || begins(&["secret", "show"]) || begins(&["keys", "list"]),
        "gh" => begins(&["auth", "token"]) || begins(&["auth", "status"]) && (has("-t") || has("--show-token")),
        "glab" => begins(&["auth", "status"]) && (has("-t") || has("--show-token")),
        "vault" | "bao" => {
            plain.first() == Some(&"read")
                || begins(&["kv", "get"])
                || begins(&["print", "token"])
                || plain.first() == Some(&"token")
        }
        "op" => plain.first() == Some(&"read") || begins(&["item", "get"]),
        "pass" | "gopass" => plain.first() != Some(&"ls") && plain.first() != Some(&"insert"),
        "bw" => plain.first() == Some(&"get") || plain.first() == Some(&"export"),
        "security" => {
            plain.iter().any(|word| word.starts_with("find-") && word.ends_with("-password"))
                || plain.contains(&"dump-keychain")
        }
        "secret-tool" => plain.first() == Some(&"lookup") || plain.first() == Some(&"search"),
        "git" => begins(&["credential", "fill"]),
        "heroku" => plain.contains(&"auth:token") || plain.first() == Some(&"config"),
        "gpg" | "gpg2" => words.iter().any(|word| word.starts_with("--export-secret")),
        "sops" => words.iter().any(|word| matches!(*word, "-d" | "--decrypt" | "decrypt")),
        "ansible-vault" => matches!(plain.first(), Some(&("view" | "decrypt"))),
        _ => false,
    }
}
