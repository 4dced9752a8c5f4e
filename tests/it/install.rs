//! `install.sh`, from an archive of the programs that were built: installs, refuses what it should, removes what it made.

use anyhow::{Context as _, Result, ensure};
use std::{path::Path, process::Command};
use weir_tests::{
    lab::{output, run},
    process::program,
};

fn install(arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../install.sh"));
    command.args(arguments);
    command
}

#[test]
fn from_an_archive() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (archive, prefix) = (path("weir.tar.gz"), path("prefix"));
    let weir = program("weir")?;
    let programs = Path::new(weir.get_program()).parent().context("no folder")?.to_owned();
    run(Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(programs).args(["weir", "weir-relay"]), None)?;

    let said = output(&mut install(&["--archive", &archive, "--prefix", &prefix]), None)?;
    ensure!(!said.status.success() && String::from_utf8_lossy(&said.stderr).contains("sha256 is missing"));
    std::fs::write(format!("{archive}.sha256"), format!("{}  weir.tar.gz\n", "0".repeat(64)))?;
    let said = output(&mut install(&["--archive", &archive, "--prefix", &prefix]), None)?;
    ensure!(!said.status.success() && String::from_utf8_lossy(&said.stderr).contains("download both again"));
    ensure!(std::fs::read_dir(format!("{prefix}/bin"))?.next().is_none(), "something was installed");

    let sum = run(Command::new("sha256sum").arg(&archive), None)?;
    std::fs::write(format!("{archive}.sha256"), sum)?;
    run(&mut install(&["--archive", &archive, "--prefix", &prefix]), None)?;
    for program in ["weir", "weir-relay"] {
        let version = run(Command::new(format!("{prefix}/bin/{program}")).arg("version"), None)?;
        ensure!(version.starts_with(program), "{version}");
    }
    let completions = std::fs::read_to_string(format!("{prefix}/share/bash-completion/completions/weir"))?;
    ensure!(completions.contains("approvals"));

    run(&mut install(&["--prefix", &prefix, "--uninstall", "--only", "weir"]), None)?;
    ensure!(!Path::new(&prefix).join("bin/weir").exists() && Path::new(&prefix).join("bin/weir-relay").exists());
    run(&mut install(&["--prefix", &prefix, "--uninstall"]), None)?;
    let left = run(Command::new("find").args([&prefix, "-type", "f"]), None)?;
    ensure!(left.is_empty(), "still there: {left}");
    ensure!(!output(&mut install(&["--frobnicate"]), None)?.status.success());
    Ok(())
}
