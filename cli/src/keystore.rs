//! The stored login: in the OS keyring where there is one, else sealed in a file that only its owner reads.
//!
//! The file's key is kept by the kernel where it does that ([`kernel_keyring`]): then the disk alone, or a backup of it, is
//! worth nothing, and the login ends with the machine's next restart. Else the key lies beside the file, which keeps the login
//! out of backups of one file and of careless greps. Neither keeps it from programs of the same user.

use crate::{
    kernel_keyring::{self, Secret},
    settings::Settings,
    ui,
};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use weir_shared::error::{Kind, UserFacing};
use zeroize::Zeroizing;

const FILE: &str = "login.sealed";
const KEY: &str = "login.key";
const SERVICE: &str = "weir";

/// A login.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Login {
    /// The relay's URL.
    pub(crate) relay: String,
    /// How it is verified: PEM of a CA, or a pin, or neither.
    pub(crate) ca: Option<String>,
    pub(crate) pin: Option<String>,
    /// The refresh token; it changes with each use.
    pub(crate) refresh: Zeroizing<String>,
}

/// Where a login is kept, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Secret Service, Keychain.
    OsKeyring,
    /// A file, sealed with a key that the kernel holds.
    KernelKey,
    /// A file, sealed with a key in the file beside it.
    KeyBeside,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OsKeyring => "the OS keyring",
            Self::KernelKey => "an encrypted file, its key in the kernel's keyring until this machine restarts",
            Self::KeyBeside => {
                "an encrypted file, its key in a file beside it (no keyring, the OS's or the kernel's, is used)"
            }
        })
    }
}

fn keyring(settings: &Settings) -> Option<keyring::v1::Entry> {
    if settings.private { None } else { keyring::v1::Entry::new(SERVICE, "login").ok() }
}

/// The kernel's name of the key; each state folder has its own. None where everything is to be in that folder.
fn kernel_name(settings: &Settings) -> Option<String> {
    (!settings.private).then(|| format!("{SERVICE}:login:{}", settings.state.display()))
}

fn key_beside(settings: &Settings) -> Option<Secret> {
    let key = Zeroizing::new(settings.read(KEY)?);
    <[u8; 32]>::try_from(key.as_slice()).ok().map(Zeroizing::new)
}

/// The keys that the file may be sealed with, and where they are: another container of the same folder may not be offered
/// what this one is.
fn keys(settings: &Settings) -> impl Iterator<Item = (Secret, Place)> {
    let of_kernel = kernel_name(settings).and_then(|name| kernel_keyring::find(&name));
    let of_kernel = of_kernel.map(|key| (key, Place::KernelKey));
    of_kernel.into_iter().chain(key_beside(settings).map(|key| (key, Place::KeyBeside)))
}

/// A key to seal with: the one that there is, or a new one, in the best place that there is.
fn sealing_key(settings: &Settings) -> Result<(Secret, Place), UserFacing> {
    let known = keys(settings).next();
    if let Some((key, Place::KernelKey)) = known {
        return Ok((key, Place::KernelKey));
    }
    let mut fresh = Secret::default();
    aws_lc_rs::rand::fill(&mut *fresh).map_err(|_| ui::system("the login", &"no randomness"))?;
    // The kernel gets a new one: what lay on the disk may have been copied.
    if kernel_name(settings).is_some_and(|name| kernel_keyring::keep(&name, &fresh)) {
        return Ok((fresh, Place::KernelKey));
    }
    if let Some(known) = known {
        return Ok(known);
    }
    settings.write(KEY, &*fresh)?;
    Ok((fresh, Place::KeyBeside))
}

/// Keeps a login, in place of another; where.
pub(crate) fn save(settings: &Settings, login: &Login) -> Result<Place, UserFacing> {
    let text = Zeroizing::new(serde_json::to_string(login).map_err(|error| ui::system("the login", &error))?);
    if let Some(entry) = keyring(settings)
        && entry.set_password(&text).is_ok()
    {
        settings.remove(FILE);
        return Ok(Place::OsKeyring);
    }
    let (key, place) = sealing_key(settings)?;
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| ui::system("the login", &"no randomness"))?;
    let mut sealed = text.as_bytes().to_vec();
    cipher(&key)
        .and_then(|cipher| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            cipher.seal_in_place_append_tag(nonce, Aad::from(SERVICE), &mut sealed).ok()
        })
        .ok_or_else(|| ui::system("the login", &"it cannot be sealed"))?;
    settings.write(FILE, &[&nonce[..], &sealed].concat())?;
    if place == Place::KernelKey {
        // Not before what it opened has been replaced.
        settings.remove(KEY);
    }
    Ok(place)
}

fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

/// The login, and where it is kept.
///
/// # Errors
/// There is none, or it cannot be opened: [`Kind::Unauthenticated`].
pub(crate) fn load(settings: &Settings) -> Result<(Login, Place), UserFacing> {
    let missing = || UserFacing::new(Kind::Unauthenticated, "you are not logged in", "run `weir login --relay URL`");
    let kept = keyring(settings).and_then(|entry| entry.get_password().ok()).map(Zeroizing::new);
    let (text, place) = match kept {
        Some(text) => (text, Place::OsKeyring),
        None => {
            let sealed = settings.read(FILE).ok_or_else(missing)?;
            let again = |what: &str| UserFacing::new(Kind::Unauthenticated, what, "run `weir login` again");
            let mut keys = keys(settings).peekable();
            if keys.peek().is_none() {
                return Err(again("the stored login's key is gone, as it is after a restart of this machine"));
            }
            let opened = keys.find_map(|(key, place)| Some((open(&sealed, &key)?, place)));
            opened.ok_or_else(|| again("the stored login is damaged"))?
        }
    };
    serde_json::from_str(&text).map(|login| (login, place)).map_err(|_| missing())
}

fn open(sealed: &[u8], key: &[u8; 32]) -> Option<Zeroizing<String>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = cipher(key)?.open_in_place(nonce, Aad::from(SERVICE), &mut sealed).ok()?;
    std::str::from_utf8(plain).ok().map(|text| Zeroizing::new(text.to_owned()))
}

pub(crate) fn forget(settings: &Settings) {
    if let Some(entry) = keyring(settings) {
        let _ = entry.delete_credential();
    }
    settings.remove(FILE);
    settings.remove(KEY);
    if let Some(name) = kernel_name(settings) {
        kernel_keyring::forget(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        let refresh = Zeroizing::new("refresh-secret".to_owned());
        Login { relay: "https://x:1".into(), ca: None, pin: None, refresh }
    }

    #[test]
    fn a_login_survives_and_a_changed_file_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::of(folder.path().to_owned());
        assert_eq!(save(&settings, &login()).unwrap(), Place::KeyBeside);
        assert_eq!(*load(&settings).unwrap().0.refresh, "refresh-secret");
        let mut file = settings.read(FILE).unwrap();
        assert!(!file.windows(7).any(|w| w == b"refresh"));
        *file.last_mut().unwrap() ^= 1;
        settings.write(FILE, &file).unwrap();
        assert_eq!(load(&settings).err().unwrap().kind, Kind::Unauthenticated);
        forget(&settings);
        assert!(load(&settings).is_err() && std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }

    #[test]
    fn a_key_that_is_gone_is_a_login_that_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::of(folder.path().to_owned());
        save(&settings, &login()).unwrap();
        settings.remove(KEY);
        let error = load(&settings).err().unwrap();
        assert!(error.kind == Kind::Unauthenticated && error.message.contains("key is gone"), "{error:?}");
        // Logging in again is all it takes.
        save(&settings, &login()).unwrap();
        assert!(load(&settings).is_ok());
    }
}
