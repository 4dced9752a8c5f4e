//! The stored login: in the OS keyring where there is one, else sealed in a file that only its owner reads. The file's
//! key lies beside it: it keeps the login out of backups of one file and of careless greps, not from the same user.

use crate::{settings::Settings, ui};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
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

fn keyring(settings: &Settings) -> Option<keyring::v1::Entry> {
    if settings.private { None } else { keyring::v1::Entry::new(SERVICE, "login").ok() }
}

/// Where logins are kept on this machine, for people.
pub(crate) fn place(settings: &Settings) -> &'static str {
    if keyring(settings).is_some() { "the OS keyring" } else { "an encrypted file (this machine has no OS keyring)" }
}

pub(crate) fn save(settings: &Settings, login: &Login) -> Result<(), UserFacing> {
    let text = Zeroizing::new(serde_json::to_string(login).map_err(|error| ui::system("the login", &error))?);
    if let Some(entry) = keyring(settings)
        && entry.set_password(&text).is_ok()
    {
        settings.remove(FILE);
        return Ok(());
    }
    let key = match settings.read(KEY).and_then(|key| <[u8; 32]>::try_from(key).ok()) {
        Some(key) => key,
        None => {
            let mut key = [0; 32];
            aws_lc_rs::rand::fill(&mut key).map_err(|_| ui::system("the login", &"no randomness"))?;
            settings.write(KEY, &key)?;
            key
        }
    };
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| ui::system("the login", &"no randomness"))?;
    let mut sealed = text.as_bytes().to_vec();
    cipher(&key)
        .and_then(|cipher| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            cipher.seal_in_place_append_tag(nonce, Aad::from(SERVICE), &mut sealed).ok()
        })
        .ok_or_else(|| ui::system("the login", &"it cannot be sealed"))?;
    settings.write(FILE, &[&nonce[..], &sealed].concat()).map(drop)
}

fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

pub(crate) fn load(settings: &Settings) -> Result<Login, UserFacing> {
    let missing = || UserFacing::new(Kind::Unauthenticated, "you are not logged in", "run `weir login --relay URL`");
    let kept = keyring(settings).and_then(|entry| entry.get_password().ok()).map(Zeroizing::new);
    let text = match kept {
        Some(text) => text,
        None => {
            let sealed = settings.read(FILE).ok_or_else(missing)?;
            let damaged = || {
                let hint = "run `weir login` again";
                UserFacing::new(Kind::Unauthenticated, "the stored login is damaged", hint)
            };
            open(&sealed, settings.read(KEY).as_deref()).ok_or_else(damaged)?
        }
    };
    serde_json::from_str(&text).map_err(|_| missing())
}

fn open(sealed: &[u8], key: Option<&[u8]>) -> Option<Zeroizing<String>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut sealed = sealed.to_vec();
    let cipher = cipher(key?.try_into().ok()?)?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = cipher.open_in_place(nonce, Aad::from(SERVICE), &mut sealed).ok()?;
    String::from_utf8(plain.to_vec()).ok().map(Zeroizing::new)
}

pub(crate) fn forget(settings: &Settings) {
    if let Some(entry) = keyring(settings) {
        let _ = entry.delete_credential();
    }
    settings.remove(FILE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_survives_and_a_changed_file_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::of(folder.path().to_owned());
        let login = Login {
            relay: "https://x:1".into(),
            ca: None,
            pin: None,
            refresh: Zeroizing::new("refresh-secret".to_owned()),
        };
        save(&settings, &login).unwrap();
        assert_eq!(*load(&settings).unwrap().refresh, "refresh-secret");
        let mut file = settings.read(FILE).unwrap();
        assert!(!file.windows(7).any(|w| w == b"refresh"));
        *file.last_mut().unwrap() ^= 1;
        settings.write(FILE, &file).unwrap();
        assert_eq!(load(&settings).err().unwrap().kind, Kind::Unauthenticated);
        forget(&settings);
        assert!(load(&settings).is_err());
    }
}
