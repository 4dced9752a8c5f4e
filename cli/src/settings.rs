//! Environment variables and folders, in one place.

use crate::{api::Session, ui};
use etcetera::BaseStrategy as _;
use fs_err as fs;
use std::{
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use weir_shared::error::UserFacing;

/// What the environment says.
///
/// | variable | meaning |
/// |---|---|
/// | `WEIR_HOME` | folder for everything weir keeps, instead of the XDG state folder; no keyring is used then, neither the OS's nor the kernel's |
/// | `WEIR_SOCK` | socket of the supervisor that a process runs under; `weir run` sets it |
/// | `WEIR_RELAY`, `WEIR_CA` (a file), `WEIR_PIN` | where a CI job that nobody logged in is logged in by itself |
/// | `HTTPS_PROXY`, `NO_PROXY` | proxy for the WebSocket transport and the API |
/// | `XDG_STATE_HOME` | as its specification says |
/// | `WEIR_ID_TOKEN`, `WEIR_ID_TOKEN_FILE`, platforms' own | see [`crate::ci`] |
pub(crate) struct Settings {
    /// Where weir keeps its state; 0700.
    pub(crate) state: PathBuf,
    /// True when `WEIR_HOME` chose the folder.
    pub(crate) private: bool,
    /// The session that the command opened, to be ended with it.
    session: OnceLock<Arc<Session>>,
}

impl Settings {
    pub(crate) fn load() -> Result<Self, UserFacing> {
        let home = std::env::var_os("WEIR_HOME").filter(|home| !home.is_empty());
        let private = home.is_some();
        let state = match home {
            Some(home) => PathBuf::from(home),
            None => {
                let strategy = etcetera::choose_base_strategy().map_err(|e| ui::system("no home folder", &e))?;
                strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("weir")
            }
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&state)
            .map_err(|error| ui::system(&format!("{} cannot be made", state.display()), &error))?;
        Ok(Self { state, private, session: OnceLock::new() })
    }

    /// Everything in a folder of its own, for tests.
    #[cfg(test)]
    pub(crate) fn of(state: PathBuf) -> Self {
        Self { state, private: true, session: OnceLock::new() }
    }

    /// A command has opened this session.
    pub(crate) fn opened(&self, session: &Arc<Session>) {
        let _ = self.session.set(Arc::clone(session));
    }

    /// The session that the command opened, if it did.
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        self.session.get()
    }

    /// A folder for sockets, for this user only: short, since a socket's address has 107 bytes.
    pub(crate) fn runtime(&self) -> Result<PathBuf, UserFacing> {
        let given = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty() && !self.private);
        let folder = match given {
            Some(folder) => PathBuf::from(folder).join("weir"),
            None => self.state.join("run"),
        };
        let failed = |error| ui::system(&format!("{} cannot be made", folder.display()), &error);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        Ok(folder)
    }

    /// Writes a file whole or not at all, readable by its owner only.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, UserFacing> {
        let (path, fresh) = (self.state.join(name), self.state.join(format!("{name}.{}.new", std::process::id())));
        let write = || -> std::io::Result<()> {
            use std::io::Write as _;
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)
        };
        write()
            .map(|()| path.clone())
            .map_err(|error| ui::system(&format!("{} cannot be written", path.display()), &error))
    }

    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.state.join(name)).ok()
    }

    pub(crate) fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.state.join(name));
    }

    /// Holds a lock file as long as the result lives.
    pub(crate) fn lock(&self, name: &str) -> Result<std::fs::File, UserFacing> {
        let path: &Path = &self.state.join(name);
        let open = || {
            let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|error: std::io::Error| ui::system(&format!("{} cannot be locked", path.display()), &error))
    }
}
