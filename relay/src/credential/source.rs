//! Where a credential comes from: an environment variable, a file, a program.

use fs_err::tokio as fs;
use std::time::Duration;
use weir_shared::{config::checked::CredentialSource, secret::Secret};
use zeroize::Zeroize as _;

/// A credential that could not be had. Its text never holds the credential.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The environment variable is not set.
    #[error("the environment variable {0} is not set")]
    Env(String),
    /// The file cannot be read.
    #[error("the credential file cannot be read: {0}")]
    File(std::io::Error),
    /// The program failed.
    #[error("the credential program {program} {what}")]
    Exec {
        /// Program.
        program: String,
        /// How.
        what: String,
    },
    /// There is nothing in it.
    #[error("the credential is empty")]
    Empty,
}

/// Reads the credential.
pub(crate) async fn read(source: &CredentialSource) -> Result<Secret<String>, CredentialError> {
    let text = match source {
        CredentialSource::None => return Err(CredentialError::Empty),
        CredentialSource::Env(name) => std::env::var(name).map_err(|_| CredentialError::Env(name.clone()))?,
        CredentialSource::File(path) => fs::read_to_string(path).await.map_err(CredentialError::File)?,
        CredentialSource::Exec { argv, timeout } => exec(argv, *timeout).await?,
    };
    let mut text = text;
    let line = text.lines().next().unwrap_or_default().to_owned();
    text.zeroize();
    if line.is_empty() { Err(CredentialError::Empty) } else { Ok(Secret::new(line)) }
}

async fn exec(argv: &[String], timeout: Duration) -> Result<String, CredentialError> {
    let program = argv.first().cloned().unwrap_or_default();
    let failed = |what: String| CredentialError::Exec { program: program.clone(), what };
    let mut command = tokio::process::Command::new(&program);
    command.args(argv.iter().skip(1)).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(timeout, command.output())
        .await
        .map_err(|_| failed(format!("did not answer within {} s", timeout.as_secs())))?
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("failed with {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| failed("printed something that is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_gives_its_first_line_or_an_error() {
        let exec = |script: &str| CredentialSource::Exec {
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            timeout: Duration::from_millis(500),
        };
        assert_eq!(read(&exec("printf 'one\\ntwo'")).await.unwrap().expose(), "one");
        assert!(matches!(read(&exec("exit 3")).await, Err(CredentialError::Exec { .. })));
        assert!(matches!(read(&exec("sleep 9")).await, Err(CredentialError::Exec { .. })));
        assert!(matches!(read(&exec("true")).await, Err(CredentialError::Empty)));
        let missing = CredentialSource::Env("WEIR_NOT_SET_ANYWHERE".into());
        assert!(matches!(read(&missing).await, Err(CredentialError::Env(_))));
    }
}
