//! A key in the keyring that the kernel holds for each user (user-keyring(7)): in memory alone, the same in every terminal of
//! the user, gone when the machine restarts. A container's seccomp filter often refuses it, and other systems have none:
//! then nothing is kept, and nothing found.

use zeroize::Zeroizing;

/// 256 bits.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

#[cfg(target_os = "linux")]
mod keyring {
    use super::Secret;
    use linux_keyutils::{KeyError, KeyRing, KeyRingIdentifier};

    /// The user's. Who possesses a key may read it: a session whose keyring has no link to its user's (cron(8), some of
    /// sshd(8)) possesses nothing of it before there is a link.
    fn of_user() -> Result<KeyRing, KeyError> {
        let user = KeyRing::from_special_id(KeyRingIdentifier::User, false)?;
        KeyRing::from_special_id(KeyRingIdentifier::Process, true)?.link_keyring(user)?;
        Ok(user)
    }

    pub(super) fn find(name: &str) -> Result<Secret, KeyError> {
        let mut secret = Secret::default();
        let length = of_user()?.search(name)?.read(&mut *secret)?;
        if length == secret.len() { Ok(secret) } else { Err(KeyError::KeyDoesNotExist) }
    }

    pub(super) fn keep(name: &str, secret: &Secret) -> Result<(), KeyError> {
        of_user()?.add_key(name, &**secret).map(drop)
    }

    pub(super) fn forget(name: &str) -> Result<(), KeyError> {
        of_user()?.search(name)?.invalidate()
    }
}

#[cfg(not(target_os = "linux"))]
mod keyring {
    use super::Secret;

    pub(super) fn find(_: &str) -> Result<Secret, ()> {
        Err(())
    }

    pub(super) fn keep(_: &str, _: &Secret) -> Result<(), ()> {
        Err(())
    }

    pub(super) fn forget(_: &str) -> Result<(), ()> {
        Err(())
    }
}

/// The key of this name, when there is one.
pub(crate) fn find(name: &str) -> Option<Secret> {
    keyring::find(name).ok()
}

/// Keeps a key under this name, in place of another. True when it can be found from now on.
pub(crate) fn keep(name: &str, secret: &Secret) -> bool {
    // What was kept and cannot be read back is as good as lost.
    keyring::keep(name, secret).is_ok() && find(name).is_some_and(|kept| kept == *secret)
}

/// Forgets the key of this name.
pub(crate) fn forget(name: &str) {
    let _ = keyring::forget(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_keeps_is_found_by_its_name_until_it_is_forgotten() {
        let name = format!("weir:test:{}", std::process::id());
        let (one, two) = (Zeroizing::new([1; 32]), Zeroizing::new([2; 32]));
        assert_eq!(find(&name), None);
        if !keep(&name, &one) {
            assert_eq!(find(&name), None, "what it refuses is not half there");
            eprintln!("not held here, since this kernel keeps no keys for us");
            return;
        }
        // Another thread stands for another terminal: it has no link of its own.
        let elsewhere = name.clone();
        assert_eq!(std::thread::spawn(move || find(&elsewhere)).join().unwrap(), Some(one));
        assert!(keep(&name, &two));
        assert_eq!(find(&name), Some(two));
        assert_eq!(find(&format!("{name}0")), None);
        forget(&name);
        assert_eq!(find(&name), None);
    }
}
