//! Programs that run others: what they run is judged as if it stood there alone.

use super::{Class, word::Arg};

/// What a program runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing: it is judged by itself.
    Itself,
    /// These commands.
    Words(Vec<Vec<Arg>>),
    /// A text, read by a shell.
    Script(String),
    /// What it reads on its standard input, as a script.
    Input,
    /// It prints its environment.
    Environment,
    /// Something that does not show.
    Hidden,
}

/// Name, options that take a value, words before the command, and the least class.
const WRAPPERS: &[(&str, &[&str], usize, Class)] = &[
    ("busybox", &[], 0, Class::Read),
    ("builtin", &[], 0, Class::Read),
    ("caffeinate", &[], 0, Class::Read),
    ("chroot", &["--userspec", "--groups"], 1, Class::Admin),
    ("chrt", &["-T", "-P", "-D"], 1, Class::Read),
    ("command", &[], 0, Class::Read),
    ("doas", &["-u", "-C"], 0, Class::Admin),
    ("exec", &["-a"], 0, Class::Read),
    ("fakeroot", &[], 0, Class::Read),
    ("gosu", &[], 1, Class::Admin),
    ("ionice", &["-c", "-n", "-p", "-P", "-u"], 0, Class::Read),
    ("nice", &["-n", "--adjustment"], 0, Class::Read),
    ("nohup", &[], 0, Class::Read),
    ("nsenter", &["-t", "-S", "-G", "--target"], 0, Class::Admin),
    ("pkexec", &["--user"], 0, Class::Admin),
    ("prlimit", &[], 0, Class::Read),
    ("setarch", &[], 1, Class::Read),
    ("setpriv", &["--reuid", "--regid"], 0, Class::Admin),
    ("setsid", &[], 0, Class::Read),
    ("stdbuf", &["-i", "-o", "-e"], 0, Class::Read),
    ("strace", &["-e", "-o", "-p", "-s", "-u"], 0, Class::Admin),
    (
        "sudo",
        &["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-U", "-D", "-R", "--user", "--group", "--chdir"],
        0,
        Class::Admin,
    ),
    ("systemd-run", &["-p", "-u", "-M", "--unit", "--property"], 0, Class::Admin),
    ("taskset", &[], 1, Class::Read),
    ("time", &["-f", "-o"], 0, Class::Read),
    ("timeout", &["-k", "-s", "--kill-after", "--signal"], 1, Class::Read),
    ("toybox", &[], 0, Class::Read),
    ("unbuffer", &[], 0, Class::Read),
    ("unshare", &[], 0, Class::Admin),
];
const SHELLS: &[&str] = &["ash", "bash", "dash", "fish", "ksh", "mksh", "rbash", "sh", "zsh"];

/// What `program` with these words runs, and the least class that this needs.
pub(super) fn look(program: &str, args: &[Arg]) -> (Look, Class) {
    if SHELLS.contains(&program) {
        return shell(args);
    }
    if let Some((_, valued, before, class)) = WRAPPERS.iter().find(|(name, ..)| *name == program) {
        let describes = program == "command" && args.first().is_some_and(|arg| arg.is("-v") || arg.is("-V"));
        let rest = operands(args, valued).get(*before..).unwrap_or_default();
        return match rest {
            _ if describes => (Look::Itself, Class::Read),
            // `sudo -i`, `unshare` and `chroot` alone begin a shell.
            [] if *class == Class::Admin => (Look::Hidden, Class::Admin),
            [] => (Look::Itself, Class::Read),
            rest => (Look::Words(vec![assigned(rest).to_vec()]), *class),
        };
    }
    match program {
        "env" => env(args),
        "xargs" => xargs(args),
        "find" | "fd" => find(args),
        "ssh" | "rsh" | "mosh" => ssh(args),
        "su" | "runuser" | "script" => match option_value(args, &["-c", "--command"]) {
            Some(script) => (script_of(std::slice::from_ref(script)), Class::Admin),
            None => (Look::Hidden, Class::Admin),
        },
        "watch" => (script_of(operands(args, &["-n", "-d", "--interval"])), Class::Read),
        "eval" => (script_of(args), Class::Admin),
        "trap" => match args.first() {
            Some(first) if !first.text.starts_with('-') => (script_of(std::slice::from_ref(first)), Class::Read),
            _ => (Look::Itself, Class::Read),
        },
        "flock" => match option_value(args, &["-c", "--command"]) {
            Some(script) => (script_of(std::slice::from_ref(script)), Class::Write),
            None => match operands(args, &["-w", "-E", "--timeout"]) {
                [_, rest @ ..] if !rest.is_empty() => (Look::Words(vec![rest.to_vec()]), Class::Write),
                _ => (Look::Itself, Class::Read),
            },
        },
        "kubectl" | "oc" if args.iter().any(|arg| arg.is("exec") || arg.is("debug")) => {
            match args.split(|arg| arg.is("--")).nth(1) {
                Some(rest) if !rest.is_empty() => (Look::Words(vec![rest.to_vec()]), Class::Write),
                _ => (Look::Hidden, Class::Admin),
            }
        }
        "docker" | "podman" | "nerdctl" => container(args),
        _ => (Look::Itself, Class::Read),
    }
}

/// What follows the options.
fn operands<'a>(args: &'a [Arg], valued: &[&str]) -> &'a [Arg] {
    let mut rest = args;
    while let [first, tail @ ..] = rest {
        if first.is("--") {
            return tail;
        }
        if !first.text.starts_with('-') || first.text.len() == 1 {
            break;
        }
        rest = if valued.contains(&first.text.as_str()) { tail.get(1..).unwrap_or_default() } else { tail };
    }
    rest
}

/// What follows `NAME=value`s, which sudo takes as env does.
fn assigned(args: &[Arg]) -> &[Arg] {
    let begins = args.iter().position(|arg| !is_assignment(&arg.text)).unwrap_or(args.len());
    // A variable that changes how programs run stays, as a program that nobody knows.
    match args.iter().take(begins).position(|arg| is_dangerous_assignment(&arg.text)) {
        Some(at) => args.get(at..).unwrap_or_default(),
        None => args.get(begins..).unwrap_or_default(),
    }
}

fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn is_dangerous_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| changes_programs(name))
}

/// True for a variable that decides which programs run, or what is loaded into them.
pub(super) fn changes_programs(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "BASH_ENV",
        "BROWSER",
        "EDITOR",
        "ENV",
        "IFS",
        "LESSCLOSE",
        "LESSOPEN",
        "NODE_OPTIONS",
        "PAGER",
        "PATH",
        "PERL5LIB",
        "PERL5OPT",
        "PERL5DB",
        "PROMPT_COMMAND",
        "PS0",
        "PS1",
        "PS4",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONHOME",
        "RUBYLIB",
        "RUBYOPT",
        "SHELL",
        "SHELLOPTS",
        "BASHOPTS",
        "VISUAL",
        "MANPAGER",
        "CDPATH",
        "HOME",
        "TAR_OPTIONS",
        "JAVA_TOOL_OPTIONS",
        "KUBECTL_EXTERNAL_DIFF",
        "PSQLRC",
        "KUBECONFIG",
    ];
    NAMES.contains(&name) || ["LD_", "DYLD_", "GIT_", "BASH_FUNC"].iter().any(|beginning| name.starts_with(beginning))
}

fn option_value<'a>(args: &'a [Arg], names: &[&str]) -> Option<&'a Arg> {
    let at = args.iter().position(|arg| names.iter().any(|name| arg.is(name)))?;
    args.get(at + 1)
}

/// Words that a shell joins and reads again.
fn script_of(args: &[Arg]) -> Look {
    match args.iter().map(Arg::exactly).collect::<Option<Vec<_>>>() {
        Some(words) if !words.is_empty() => Look::Script(words.join(" ")),
        Some(_) => Look::Itself,
        // A pattern is one for the second shell too.
        None if args.iter().all(|arg| arg.exact) => {
            Look::Script(args.iter().map(|arg| arg.text.as_str()).collect::<Vec<_>>().join(" "))
        }
        None => Look::Hidden,
    }
}

fn shell(args: &[Arg]) -> (Look, Class) {
    let (mut rest, mut command) = (args, false);
    while let [first, tail @ ..] = rest {
        let Some(text) = first.exactly().filter(|text| text.starts_with(['-', '+']) && text.len() > 1) else { break };
        rest = tail;
        match text {
            "--" => break,
            "--version" | "--help" => return (Look::Itself, Class::Read),
            "--rcfile" | "--init-file" | "-o" | "+o" | "-O" | "+O" => {
                if text.contains("file") {
                    return (Look::Hidden, Class::Admin);
                }
                rest = tail.get(1..).unwrap_or_default();
            }
            _ if text.starts_with("--") => {}
            _ => {
                command |= text.starts_with('-') && text.contains('c');
                if text.contains('s') {
                    return (Look::Input, Class::Read);
                }
            }
        }
    }
    match rest {
        [script, ..] if command => (script_of(std::slice::from_ref(script)), Class::Read),
        [] => (Look::Input, Class::Read),
        [file, ..] => match file.exactly() {
            Some("-" | "/dev/stdin") => (Look::Input, Class::Read),
            Some(path) if !path.starts_with("/dev/") && !path.starts_with("/proc/") => (Look::Itself, Class::Write),
            _ => (Look::Hidden, Class::Admin),
        },
    }
}

fn env(args: &[Arg]) -> (Look, Class) {
    if let Some(script) = option_value(args, &["-S", "--split-string"]) {
        return (script_of(std::slice::from_ref(script)), Class::Write);
    }
    match assigned(operands(args, &["-u", "--unset", "-C", "--chdir"])) {
        [] => (Look::Environment, Class::Read),
        rest => (Look::Words(vec![rest.to_vec()]), Class::Read),
    }
}

fn xargs(args: &[Arg]) -> (Look, Class) {
    const VALUED: &[&str] =
        &["-I", "-n", "-L", "-P", "-d", "-E", "-s", "-a", "--arg-file", "--max-args", "--delimiter", "--max-procs"];
    // What comes from the input is not known, at the end or in the place of `-I`'s text.
    let attached = args.iter().find_map(|arg| arg.text.strip_prefix("-I").filter(|text| !text.is_empty()));
    let replaced = attached.or_else(|| option_value(args, &["-I"]).map(|arg| arg.text.as_str())).unwrap_or("{}");
    match operands(args, VALUED) {
        [] => (Look::Itself, Class::Read),
        rest => {
            let mut words = unknown_where(rest, replaced);
            words.push(Arg::default());
            (Look::Words(vec![words]), Class::Read)
        }
    }
}

/// The words, of which those that hold `text` are not known.
fn unknown_where(args: &[Arg], text: &str) -> Vec<Arg> {
    let known = |arg: &Arg| if arg.text.contains(text) { Arg::default() } else { arg.clone() };
    args.iter().map(known).collect()
}

fn find(args: &[Arg]) -> (Look, Class) {
    let mut commands = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if ["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"].contains(&arg.text.as_str()) {
            let words: Vec<Arg> = rest.by_ref().take_while(|arg| !arg.is(";") && !arg.is("+")).cloned().collect();
            commands.push(unknown_where(&words, "{}"));
        }
    }
    let writes =
        args.iter().any(|arg| ["-delete", "-fprint", "-fls"].iter().any(|option| arg.text.starts_with(option)));
    let class = if writes { Class::Write } else { Class::Read };
    if commands.is_empty() { (Look::Itself, class) } else { (Look::Words(commands), class) }
}

fn ssh(args: &[Arg]) -> (Look, Class) {
    const VALUED: &[&str] = &[
        "-b", "-c", "-D", "-E", "-e", "-F", "-I", "-i", "-J", "-L", "-l", "-m", "-O", "-o", "-p", "-Q", "-R", "-S",
        "-W", "-w",
    ];
    let runs = args.iter().any(|arg| {
        let option = arg.text.to_ascii_lowercase();
        ["proxycommand", "localcommand", "knownhostscommand"].iter().any(|name| option.contains(name)) || arg.is("-F")
    });
    match operands(args, VALUED) {
        _ if runs => (Look::Hidden, Class::Admin),
        [_, rest @ ..] if !rest.is_empty() => (script_of(operands(rest, VALUED)), Class::Read),
        _ => (Look::Hidden, Class::Admin),
    }
}

fn container(args: &[Arg]) -> (Look, Class) {
    const VALUED: &[&str] = &[
        "-e",
        "-u",
        "-w",
        "-v",
        "-p",
        "-h",
        "--env",
        "--env-file",
        "--user",
        "--workdir",
        "--volume",
        "--publish",
        "--name",
        "--network",
        "--mount",
        "--entrypoint",
        "--platform",
        "--label",
        "-l",
        "-m",
        "--memory",
        "--cpus",
        "--add-host",
    ];
    let [verb, rest @ ..] = args else { return (Look::Itself, Class::Read) };
    let host = args.iter().any(|arg| {
        let text = arg.text.as_str();
        text == "--privileged"
            || text.starts_with("/:")
            || text.contains("=/:")
            || text.contains("docker.sock")
            || text.ends_with("=host")
            || text == "host"
    });
    let class = if host { Class::Admin } else { Class::Write };
    match (verb.text.as_str(), operands(rest, VALUED)) {
        ("exec" | "run", [_, inner @ ..]) if !inner.is_empty() => (Look::Words(vec![inner.to_vec()]), class),
        ("run", _) => (Look::Itself, class),
        ("exec", _) => (Look::Hidden, Class::Admin),
        _ => (Look::Itself, Class::Read),
    }
}
