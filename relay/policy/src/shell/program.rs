//! What programs do, by name and words. One that nobody named here may write.

use super::{Class, language, tool, word::Arg};

/// Only read, whatever their words say.
const READ: &[&str] = &[
    ":",
    "[",
    "arch",
    "b2sum",
    "base32",
    "base64",
    "basename",
    "bc",
    "break",
    "cal",
    "cat",
    "cd",
    "cksum",
    "cmp",
    "column",
    "comm",
    "continue",
    "cut",
    "declare",
    "df",
    "diff",
    "dig",
    "dirname",
    "dirs",
    "dpkg-query",
    "du",
    "echo",
    "egrep",
    "env",
    "exit",
    "expand",
    "export",
    "expr",
    "factor",
    "false",
    "fgrep",
    "file",
    "fmt",
    "fold",
    "free",
    "getent",
    "getopts",
    "grep",
    "groups",
    "hash",
    "head",
    "hexdump",
    "host",
    "id",
    "iostat",
    "jobs",
    "join",
    "jq",
    "last",
    "let",
    "local",
    "locale",
    "ls",
    "lsblk",
    "lscpu",
    "lsof",
    "md5sum",
    "mpstat",
    "netstat",
    "nl",
    "nproc",
    "nslookup",
    "numfmt",
    "od",
    "paste",
    "pgrep",
    "pidof",
    "ping",
    "popd",
    "pr",
    "printenv",
    "printf",
    "ps",
    "pstree",
    "pushd",
    "pwd",
    "read",
    "readlink",
    "readonly",
    "realpath",
    "return",
    "rev",
    "seq",
    "set",
    "sha1sum",
    "sha224sum",
    "sha256sum",
    "sha384sum",
    "sha512sum",
    "shift",
    "shuf",
    "sleep",
    "ss",
    "stat",
    "strings",
    "sum",
    "tac",
    "tail",
    "test",
    "times",
    "tr",
    "traceroute",
    "tree",
    "true",
    "command",
    "builtin",
    "exec",
    "nice",
    "nohup",
    "setsid",
    "time",
    "timeout",
    "trap",
    "xargs",
    "tsort",
    "tty",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "uname",
    "unexpand",
    "uniq",
    "unset",
    "uptime",
    "users",
    "vmstat",
    "w",
    "wait",
    "wc",
    "whereis",
    "which",
    "who",
    "whoami",
    "xxd",
    "yes",
];
/// The machine itself, other users, other programs' code, or a session in which anything may be typed.
const ADMIN: &[&str] = &[
    ".",
    "alias",
    "apt",
    "apt-get",
    "at",
    "batch",
    "bind",
    "blkdiscard",
    "chpasswd",
    "chroot",
    "complete",
    "crontab",
    "dnf",
    "dpkg",
    "emacs",
    "enable",
    "eval",
    "ex",
    "expect",
    "fdisk",
    "gdb",
    "gparted",
    "groupadd",
    "groupdel",
    "halt",
    "init",
    "insmod",
    "ip6tables",
    "iptables",
    "kexec",
    "ltrace",
    "lvremove",
    "mkswap",
    "modprobe",
    "mount",
    "nano",
    "nft",
    "nsenter",
    "parallel",
    "parted",
    "passwd",
    "pkexec",
    "poweroff",
    "pvremove",
    "reboot",
    "rmmod",
    "rpm",
    "screen",
    "sfdisk",
    "sgdisk",
    "shutdown",
    "socat",
    "source",
    "strace",
    "swapoff",
    "sysctl",
    "systemd-run",
    "telinit",
    "telnet",
    "tmux",
    "ufw",
    "umount",
    "unshare",
    "useradd",
    "userdel",
    "usermod",
    "vgremove",
    "vi",
    "view",
    "vim",
    "vimdiff",
    "visudo",
    "wipefs",
    "yum",
    "zfs",
    "zpool",
    "nc",
    "ncat",
    "netcat",
    "sftp",
    "ftp",
    "mke2fs",
];
/// Run code that their words or their input hold.
const INTERPRETERS: &[&str] = &[
    "bun",
    "deno",
    "julia",
    "lua",
    "node",
    "nodejs",
    "osascript",
    "perl",
    "php",
    "pwsh",
    "python",
    "R",
    "Rscript",
    "ruby",
    "tclsh",
];

/// The class of a program with these words, and why.
pub(super) fn class_of(program: &str, args: &[Arg]) -> (Class, String) {
    let words: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
    let has = |some: &[&str]| words.iter().any(|word| some.contains(word));
    let begins = |some: &[&str]| words.iter().any(|word| some.iter().any(|beginning| word.starts_with(beginning)));
    let read = |yes: bool| if yes { Class::Read } else { Class::Write };
    if INTERPRETERS.iter().any(|known| is_version_of(program, known)) {
        return language::interpreter(program, &words);
    }
    let class = match program {
        "set" if words.first().is_some_and(|word| word.starts_with("-o") || word.starts_with('-')) => Class::Read,
        // A name or an index may be an expression that runs something.
        "printf" | "read" if has(&["-v"]) && args.iter().any(|arg| !arg.exact || arg.text.contains('[')) => {
            Class::Admin
        }
        "file" if has(&["-C", "--compile"]) => Class::Write,
        "tree" if begins(&["-o"]) => Class::Write,
        "xxd" | "shuf" if begins(&["-r", "-o", "--output"]) => Class::Write,
        "uniq" | "tac" if words.iter().filter(|word| !word.starts_with('-')).count() > 1 => Class::Write,
        "mapfile" | "readarray" => {
            if begins(&["-C"]) {
                Class::Admin
            } else {
                Class::Read
            }
        }
        _ if READ.contains(&program) => Class::Read,
        _ if ADMIN.contains(&program) || program.starts_with("mkfs") => Class::Admin,
        "kill" | "pkill" | "killall" => Class::Write,
        "history" | "hostname" | "ulimit" => read(words.is_empty()),
        "date" => {
            if has(&["-s"]) || begins(&["--set", "-s"]) {
                Class::Admin
            } else {
                Class::Read
            }
        }
        "sort" => match () {
            () if begins(&["--compress-program"]) => Class::Admin,
            () => read(!begins(&["-o", "--output"])),
        },
        "rg" | "ag" | "ack" => {
            if begins(&["--pre", "--pager"]) {
                Class::Admin
            } else {
                Class::Read
            }
        }
        "less" | "more" | "man" => {
            if begins(&["-P", "+", "--pager", "-o", "-O", "-k"]) {
                Class::Admin
            } else {
                Class::Read
            }
        }
        "find" | "fd" => read(!begins(&["-delete", "-fprint", "-fls", "-exec", "-ok"])),
        "sed" => language::sed(args),
        "awk" | "gawk" | "mawk" | "nawk" => language::awk(args),
        "yq" => read(!begins(&["-i", "--inplace"])),
        "ip" | "ifconfig" | "route" => {
            if has(&["add", "del", "delete", "set", "flush", "up", "down", "netns", "replace"]) {
                Class::Admin
            } else {
                Class::Read
            }
        }
        "dmesg" | "journalctl" => read(!has(&["-C", "-c", "--clear", "--flush", "--rotate"]) && !begins(&["--vacuum"])),
        "curl" => language::curl(args, &words),
        "tar" | "rsync" | "scp" | "zip" => {
            let runs = [
                "--checkpoint-action",
                "--to-command",
                "--use-compress-program",
                "-I",
                "--rsh",
                "-e",
                "-S",
                "-TT",
                "--rsync-path",
            ];
            if begins(&runs) || has(&["-oProxyCommand"]) { Class::Admin } else { Class::Write }
        }
        "chmod"
            if words.iter().any(|word| {
                word.contains("+s") || word.len() == 4 && ["2", "4", "6", "7"].iter().any(|bit| word.starts_with(bit))
            }) =>
        {
            Class::Admin
        }
        "dd" => Class::Write,
        "make" | "ninja" if has(&["-f", "--eval"]) && args.iter().any(|arg| !arg.exact) => Class::Admin,
        _ => match tool::class_of(program, &words) {
            Some(class) => class,
            None => Class::Write,
        },
    };
    let why = match class {
        Class::Read => program.to_owned(),
        Class::Write => format!("{program} is not known to only read"),
        Class::Admin => format!("{program} changes the machine, or runs what does not show"),
    };
    (class, why)
}

/// True for a program that only reads, whatever its words say.
pub(super) fn is_plain(program: &str) -> bool {
    READ.contains(&program)
}

/// The class of a program that gets an option which nobody sees: some would run another program.
pub(super) fn blind(program: &str) -> Class {
    const RUN: &[&str] = &[
        "awk", "find", "git", "less", "man", "more", "rg", "rsync", "scp", "sed", "sort", "ssh", "tar", "xargs", "zip",
        "fd", "gawk", "mawk",
    ];
    if RUN.contains(&program) { Class::Admin } else { Class::Write }
}

/// True for a name that this module knows: a function of that name hides the program.
pub(super) fn is_known(program: &str) -> bool {
    READ.contains(&program)
        || ADMIN.contains(&program)
        || INTERPRETERS.contains(&program)
        || tool::is_known(program)
        || matches!(
            program,
            "rm" | "cp"
                | "mv"
                | "find"
                | "sed"
                | "awk"
                | "sort"
                | "curl"
                | "sudo"
                | "ssh"
                | "command"
                | "builtin"
                | "exec"
        )
}

/// `python3.11` is a version of `python`.
fn is_version_of(program: &str, known: &str) -> bool {
    program.strip_prefix(known).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}
