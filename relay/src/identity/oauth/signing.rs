//! The keys that sign access tokens (ES256). A key's file is named after the second from which it signs, so that the folder's
//! listing is all the state there is: the newest name that is not in the future signs, one in the future waits (and is
//! published, so that who caches the set knows it by then), older ones verify what they signed until that has expired.
//!
//! `weir-relay keys rotate` renames the one that waits to now; a running relay looks at the folder every two seconds.

use fs_err as fs;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash},
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use std::{
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use zeroize::Zeroizing;

/// What signs.
pub const ALGORITHM: Algorithm = Algorithm::ES256;
/// How long a key signs.
const AGE: i64 = 30 * 24 * 3600;
/// How long a key verifies after it has signed for the last time: longer than any token lives.
const RETIRING: i64 = 3600;
/// How often the folder is looked at.
const EVERY: Duration = Duration::from_secs(2);

/// One key.
pub struct SigningKey {
    /// The second from which it signs.
    pub from: i64,
    /// Its RFC 7638 thumbprint.
    pub kid: String,
    /// The private part; wiped when dropped.
    pub encoding: EncodingKey,
    /// The public part.
    pub decoding: DecodingKey,
    /// The public part, as published.
    pub jwk: Jwk,
}

/// The keys, oldest first.
#[derive(Default)]
pub struct Ring(Vec<SigningKey>);

impl Ring {
    /// The one that signs at this second.
    #[must_use]
    pub fn current(&self, now: i64) -> Option<&SigningKey> {
        self.0.iter().rfind(|key| key.from <= now)
    }

    /// By its id.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.kid == kid)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[SigningKey] {
        &self.0
    }
}

/// The folder, and what was read of it.
pub struct Keys {
    folder: PathBuf,
    ring: RwLock<Arc<Ring>>,
}

impl Keys {
    /// Reads the folder; makes it, and what is missing in it.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn open(folder: &Path, now: i64) -> io::Result<Self> {
        tend(folder, now)?;
        Ok(Self { folder: folder.to_owned(), ring: RwLock::new(Arc::new(read(folder)?)) })
    }

    /// The keys now.
    #[must_use]
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks after the folder for ever: rotates by age, and follows what `weir-relay keys` does.
    pub async fn watch(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = self.look(jiff::Timestamp::now().as_second()) {
                tracing::warn!(%error, "the keys that sign tokens cannot be looked after, the old ones stay");
            }
        }
    }

    fn look(&self, now: i64) -> io::Result<()> {
        tend(&self.folder, now)?;
        if names(&self.folder)? != self.ring().all().iter().map(|key| key.from).collect::<Vec<_>>() {
            let ring = read(&self.folder)?;
            let kid = ring.current(now).map(|key| key.kid.clone());
            *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
            tracing::info!(kid, "the keys that sign tokens were read anew");
        }
        Ok(())
    }
}

/// The next key signs from now on.
///
/// # Errors
/// The folder cannot be read or written; another rotation happened this second.
pub fn rotate(folder: &Path, now: i64) -> io::Result<()> {
    tend(folder, now)?;
    let names = names(folder)?;
    if names.contains(&now) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a key began this very second: try again"));
    }
    if let Some(next) = names.into_iter().find(|from| *from > now) {
        fs::rename(file(folder, next), file(folder, now))?;
    }
    tend(folder, now)
}

/// Makes what is missing (a key that signs, one that waits), removes what nothing refers to any more.
fn tend(folder: &Path, now: i64) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let names = names(folder)?;
    if !names.iter().any(|from| *from <= now) {
        make(folder, now)?;
    }
    if !names.iter().any(|from| *from > now) {
        make(folder, now + AGE)?;
    }
    for (old, successor) in names.iter().zip(names.iter().skip(1)) {
        if successor + RETIRING < now {
            match fs::remove_file(file(folder, *old)) {
                // Another relay was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
    }
    Ok(())
}

fn file(folder: &Path, from: i64) -> PathBuf {
    folder.join(format!("{from}.key"))
}

/// The seconds in the folder's names, in order.
fn names(folder: &Path) -> io::Result<Vec<i64>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".key")?.parse::<i64>().ok()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Written whole under another name first: a running relay may look at any moment.
fn make(folder: &Path, from: i64) -> io::Result<()> {
    use std::io::Write as _;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
    let text = Zeroizing::new(key.serialize_pem());
    let fresh = folder.join(format!("{from}.{}.new", std::process::id()));
    let mut file_ = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file_.write_all(text.as_bytes())?;
    file_.sync_all()?;
    fs::rename(fresh, file(folder, from))
}

fn read(folder: &Path) -> io::Result<Ring> {
    let mut keys = Vec::new();
    for from in names(folder)? {
        let path = file(folder, from);
        let bad = |what: &dyn std::fmt::Display| io::Error::other(format!("{}: {what}", path.display()));
        let text = Zeroizing::new(fs::read(&path)?);
        let mut der = PrivateKeyDer::from_pem_slice(&text).map_err(|error| bad(&error))?;
        let encoding = EncodingKey::from_ec_der(der.secret_der());
        zeroize::Zeroize::zeroize(&mut der);
        let mut jwk = Jwk::from_encoding_key(&encoding, ALGORITHM).map_err(|error| bad(&error))?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|error| bad(&error))?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_algorithm = Some(KeyAlgorithm::ES256);
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|error| bad(&error))?;
        keys.push(SigningKey { from, kid, encoding, decoding, jwk });
    }
    Ok(Ring(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kids(keys: &Keys) -> Vec<String> {
        keys.ring().all().iter().map(|key| key.kid.clone()).collect()
    }

    #[test]
    fn keys_rotate_by_age_and_by_command() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("tokens");
        let keys = Keys::open(&folder, 1000).unwrap();
        let first = kids(&keys);
        assert_eq!(first.len(), 2, "one signs, one waits");
        assert_eq!(keys.ring().current(1000).unwrap().kid, first[0]);
        for entry in std::fs::read_dir(&folder).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().mode() & 0o777, 0o600);
        }
        // By command: the one that waited signs, the old one still verifies.
        rotate(&folder, 2000).unwrap();
        assert!(rotate(&folder, 2000).is_err(), "twice in one second");
        keys.look(2001).unwrap();
        assert_eq!(keys.ring().current(2001).unwrap().kid, first[1]);
        assert_eq!((kids(&keys).len(), keys.ring().find(&first[0]).is_some()), (3, true));
        // Nothing refers to the first one any more.
        keys.look(2001 + RETIRING).unwrap();
        assert!(keys.ring().find(&first[0]).is_none());
        // By age.
        let third = kids(&keys)[1].clone();
        keys.look(2000 + AGE).unwrap();
        assert_eq!(keys.ring().current(2000 + AGE).unwrap().kid, third);
        assert_eq!(kids(&keys).len(), 3);
        // Another process finds the same.
        assert_eq!(kids(&Keys::open(&folder, 2000 + AGE).unwrap()), kids(&keys));
    }
}
