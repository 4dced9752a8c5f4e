//! A terminal for the command, when ours is one: it sees a terminal, and we see what it prints.

use crate::ui;
use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize},
};
use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, ReadBuf, unix::AsyncFd};
use weir_shared::error::UserFacing;

/// The side of a pseudoterminal that we hold.
pub(crate) struct Terminal {
    master: AsyncFd<std::fs::File>,
}

/// Puts our own terminal back as it was.
pub(crate) struct Raw(Termios);

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// True when the command is to have a terminal.
pub(crate) fn wanted() -> bool {
    isatty(rustix::stdio::stdin()) && isatty(rustix::stdio::stdout())
}

impl Terminal {
    /// A pseudoterminal as large as ours, and the command's side of it.
    pub(crate) fn open() -> Result<(Self, OwnedFd), UserFacing> {
        let opened = || -> io::Result<_> {
            let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let master = openpt(flags)?;
            grantpt(&master)?;
            unlockpt(&master)?;
            let name = ptsname(&master, Vec::new())?;
            let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
            rustix::fs::fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
            #[expect(deprecated, reason = "a File gives the same descriptor each time it is asked")]
            let terminal = Self { master: AsyncFd::new(std::fs::File::from(master))? };
            terminal.resize();
            Ok((terminal, slave))
        };
        opened().map_err(|error| ui::system("no terminal for the command", &error))
    }

    /// As large as ours.
    pub(crate) fn resize(&self) {
        if let Ok(size) = tcgetwinsize(rustix::stdio::stdout()) {
            let _ = tcsetwinsize(self.master.get_ref(), size);
        }
    }

    /// Sends what is typed.
    pub(crate) async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut ready = self.master.writable().await?;
            if let Ok(written) = ready.try_io(|master| master.get_ref().write(bytes)) {
                bytes = bytes.get(written?..).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// Our terminal passes everything on: the command's decides what Ctrl-C means.
pub(crate) fn raw() -> Option<Raw> {
    let before = tcgetattr(rustix::stdio::stdin()).ok()?;
    let mut raw = before.clone();
    raw.make_raw();
    tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &raw).ok()?;
    Some(Raw(before))
}

/// What the command prints.
pub(crate) struct Output<'a>(pub(crate) &'a Terminal);

impl AsyncRead for Output<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.master.poll_read_ready(cx))?;
            match ready.try_io(|master| master.get_ref().read(buf.initialize_unfilled())) {
                Ok(read) => {
                    buf.advance(read?);
                    return Poll::Ready(Ok(()));
                }
                Err(_) => continue,
            }
        }
    }
}
